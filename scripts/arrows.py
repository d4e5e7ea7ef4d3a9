#!/usr/bin/env python3
"""Prints the imports between the folders of each crate and holds them against the list in ARCHITECTURE.md; exits 1 where they differ.

A folder is a top-level module: x.rs together with x/. An arrow `a -> b` means that a file of `a` names what a file of `b` defines, by `use` or by a
path; re-exports are followed to the definition. Test modules are left out. It reads text, not types: a method called on a value is no arrow, nor is
what a macro makes. The list is the block ```arrows (`crate: a -> b c`); circles that are still there stand in ```circles (`crate: a b c`).
"""

import argparse
import re
import tomllib
from collections import defaultdict
from pathlib import Path

STRING = r"""\b(?:br|cr|r)(?P<hashes>\#*)"[\s\S]*?"(?P=hashes)|"(?:\\[\s\S]|[^"\\])*"|'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\])'"""
NO_CODE = re.compile(rf"//[^\n]*|/\*[\s\S]*?\*/|{STRING}|\br#(?=\w)")
ONLY_TESTS = re.compile(r"#\[\s*cfg\(\s*(?:test|all\((?:[^()]*,)?\s*test\s*(?:,[^\]]*)?\))\s*\)\s*\]")
ITEM = re.compile(r"(?:\s*#\[[^\]]*\])*\s*(?:pub|mod|use|impl|fn|struct|enum|trait|type|const|static|async|unsafe|extern|let)\b")
DEFINED = re.compile(r"\b(?:struct|enum|fn|trait|type|const|static|union|macro_rules!)\s+(\w+)")
USE = re.compile(r"\buse\s+([^;<]+);")
PATH = re.compile(r"(?<![\w:.])[^\W\d]\w*(?:\s*::\s*\w+)+")


def cut(text, start=0, end=None):
    """The text without that part, every line where it was."""
    return text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + (text[end:] if end is not None else "")


def folder(path):
    return path[0] if path else "lib"


def end_of_item(text, at):
    """Where the item, field or arm at `at` is over."""
    depth, ends = 0, ";" if ITEM.match(text, at) else ";,"
    for mark in re.compile(r"[][(){};,]").finditer(text, at):
        depth += (mark[0] in "([{") - (mark[0] in ")]}")
        if depth < 0 or depth == 0 and (mark[0] == "}" or mark[0] in ends):
            return mark.end() if depth == 0 else mark.start()
    return len(text)


def use_tree(tree):
    """The path of each import in a `use` tree, and the name that it has in scope."""
    tree = re.sub(r"\s+", "", re.sub(r"\s+as\s+", "=", tree))
    before = ""
    while tree != before:
        before, tree = tree, re.sub(r"([\w:]*)\{([^{}]*)\}", lambda some: ",".join(some[1] + part for part in some[2].split(",") if part), tree)
    for path, _, name in (part.partition("=") for part in tree.split(",")):
        path = tuple(path.removesuffix("::self").split("::"))
        yield path, name or path[-1]


class Crate:
    """Modules by their paths, the root being `()`; `arrows` has the places of each pair of folders."""

    def __init__(self, root, member):
        self.name = tomllib.loads((root / member / "Cargo.toml").read_text("utf-8"))["package"]["name"]
        self.files, self.imports, self.items, self.named, tests = {}, defaultdict(dict), defaultdict(set), [], set()
        for file in sorted((root / member / "src").rglob("*.rs")):
            path = file.relative_to(root / member / "src").with_suffix("").parts
            path = path[:-1] if path[-1] == "mod" or path == ("lib",) else path
            text = NO_CODE.sub(lambda some: cut(some[0]), file.read_text("utf-8"))
            while only := ONLY_TESTS.search(text):
                end = end_of_item(text, only.end())
                tests |= {(*path, name) for name in re.findall(r"\bmod\s+(\w+)\s*;$", text[only.end():end])}
                text = cut(text, only.start(), end)
            self.files[path] = text.count("\n")
            self.read(path, text, file.relative_to(root))
        is_test = lambda path: any(path[:size] in tests for size in range(len(path) + 1))
        self.files = {path: lines for path, lines in self.files.items() if not is_test(path)}
        self.arrows = defaultdict(list)
        for path, place, named in self.named:
            if not is_test(path) and (a := folder(path)) != (b := folder(self.find(self.absolute(path, named)))):
                self.arrows[a, b].append(f"{place} {'::'.join(named)}")

    def read(self, path, text, file):
        """Takes in a module, and those that are written inside it."""
        while inside := re.search(r"\bmod\s+(\w+)\s*\{", text):
            end = end_of_item(text, inside.start())
            self.read((*path, inside[1]), cut(text, 0, inside.end())[:end - 1], file)
            text = cut(text, inside.start(), end)
        for declared in [(), *((name,) for name in re.findall(r"\bmod\s+(\w+)\s*;", text))]:
            self.imports.setdefault((*path, *declared), {})  # a module, wherever its file may be
        self.items[path] = set(DEFINED.findall(text))
        named = [(some.start(), tuple(re.split(r"\s*::\s*", some[0]))) for some in PATH.finditer(USE.sub(lambda use: cut(use[0]), text))]
        for use in USE.finditer(text):
            for target, name in use_tree(use[1]):
                self.imports[path].setdefault(name, []).append(target)
                named.append((use.start(), target))
        self.named += [(path, f"{file}:{text.count(chr(10), 0, at) + 1}", target) for at, target in sorted(named)]

    def absolute(self, here, named):
        if named[0] in ("crate", self.name.replace("-", "_")):
            return named[1:]
        while named[:1] in (("self",), ("super",)):
            here, named = here[:-1] if named[0] == "super" else here, named[1:]
        return (*here, *named)

    def find(self, path, strict=False, seen=()):
        """The module that defines what has this path. If none does, it is the last one on the way, or None if `strict`."""
        here = next(path[:size] for size in range(len(path), -1, -1) if path[:size] in self.imports or not size)
        rest = path[len(here):]
        if len(rest) < 2 and (not rest or rest[0] in self.items[here] | {"*"}):
            return here
        imports = self.imports[here] if (here, rest[0]) not in seen else {}
        targets = [self.absolute(here, target) + rest[1:] for target in imports.get(rest[0], [])]
        targets += [self.absolute(here, target[:-1]) + rest for target in imports.get("*", []) if self.absolute(here, target[:-1]) in self.imports]
        found = (self.find(target, True, (*seen, (here, rest[0]))) for target in targets)
        return next((module for module in found if module is not None), here if not strict or rest[0] in self.items[here] else None)


def circles(arrows):
    """The largest sets of folders that all lead to each other."""
    reach = {a: {b for start, b in arrows if start == a} for a, _ in arrows}
    for via in reach:
        reach = {a: ends | reach[via] if via in ends else ends for a, ends in reach.items()}
    return {frozenset(b for b in reach[a] if a in reach.get(b, ())) for a in reach if a in reach[a]}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--print", action="store_true", help="print the files and lines of each folder, and the places of each arrow, too")
    long, root, arrows, found = options.parse_args().print, Path(__file__).resolve().parents[1], {}, set()
    block = {"arrows": "", "circles": ""} | dict(re.findall(r"^```(arrows|circles)\n(.*?)^```", (root / "ARCHITECTURE.md").read_text("utf-8"), re.M | re.S))
    listed = {(crate, a, b) for crate, a, ends in re.findall(r"^(\S+): (\S+) -> (.+)$", block["arrows"], re.M) for b in ends.split()}
    known = {(crate, frozenset(names.split())) for crate, names in re.findall(r"^(\S+): (.+)$", block["circles"], re.M)}
    for member in tomllib.loads((root / "Cargo.toml").read_text("utf-8"))["workspace"]["members"]:
        crate = Crate(root, member)
        arrows |= {(crate.name, *pair): places for pair, places in crate.arrows.items()}
        found |= {(crate.name, circle) for circle in circles(crate.arrows)}
        for a in (folders := sorted(set(map(folder, crate.files)))):
            ends = sorted(b for start, b in crate.arrows if start == a)
            lines = [lines for path, lines in crate.files.items() if folder(path) == a]
            print(f"{crate.name}: {a}", *["->", *ends] * bool(ends), *[f"({len(lines)} files, {sum(lines)} lines)"] * long)
            print(*(f"    {a} -> {b}: {place}\n" for b in ends for place in crate.arrows[a, b] if long), sep="", end="")
        print(f"{crate.name}: {len(folders)} folders, {len(crate.files)} files, {len(crate.arrows)} arrows\n")
    faults = [f"{crate}: {a} -> {b} is not listed: {', '.join(arrows[crate, a, b])}" for crate, a, b in sorted(arrows.keys() - listed)]
    faults += [f"{crate}: {a} -> {b} is listed, but nothing makes it any more" for crate, a, b in sorted(listed - arrows.keys())]
    for crate, circle in found - known:
        within = [arrow for arrow in sorted(arrows) if arrow[0] == crate and circle.issuperset(arrow[1:])]
        new = [arrow for arrow in within if not any(name == crate and other.issuperset(arrow[1:]) for name, other in known)]
        faults.append(f"{crate}: a circle that is not listed: {' '.join(sorted(circle))}")
        faults += [f"    {a} -> {b}: {arrows[crate, a, b][0]}" for _, a, b in new]
    faults += [f"{crate}: a circle is listed that is no more, or is smaller: {' '.join(sorted(circle))}" for crate, circle in known - found]
    raise SystemExit("\n".join(faults) or 0)


if __name__ == "__main__":
    main()
