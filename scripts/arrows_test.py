#!/usr/bin/env -S python3 -P
"""Holds scripts/arrows.py to what it promises, on small workspaces that are planted for it. (-P: token.py beside it is not Python's own.)"""

import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).with_name("arrows.py")


class Arrows(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        (self.root / "scripts").mkdir()
        shutil.copy(SCRIPT, self.root / "scripts")

    def run_on(self, files, arrows="", circles="", *options):
        """What the script says of a crate `toy-crate` with these files, and its exit code."""
        (self.root / "Cargo.toml").write_text('[workspace]\nmembers = ["toy"]\n')
        (self.root / "ARCHITECTURE.md").write_text(f"# A page\n\n```arrows\n{arrows}\n```\n\nText.\n\n```circles\n{circles}\n```\n")
        for name, text in {"lib.rs": "", **files}.items():
            file = self.root / "toy/src" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        (self.root / "toy/Cargo.toml").write_text('[package]\nname = "toy-crate"\n')
        ended = subprocess.run([sys.executable, self.root / "scripts/arrows.py", *options], capture_output=True, text=True, timeout=60)
        self.assertNotIn("Traceback", ended.stderr)
        return ended.returncode, ended.stdout, ended.stderr

    def arrows_of(self, files):
        """The arrows of these files, as the script prints them."""
        _, printed, _ = self.run_on(files)
        return {line.removeprefix("toy-crate: ") for line in printed.splitlines() if " -> " in line}

    def test_arrows_that_are_listed_pass(self):
        code, printed, errors = self.run_on({"a.rs": "use crate::b::B;", "b.rs": "pub struct B;"}, "toy-crate: a -> b")
        self.assertEqual((code, errors), (0, ""))
        self.assertIn("toy-crate: 3 folders, 3 files, 1 arrows", printed)

    def test_an_arrow_that_is_not_listed_fails_with_its_place(self):
        code, _, errors = self.run_on({"a.rs": "\n\nuse crate::b::B;", "b.rs": "pub struct B;"})
        self.assertEqual(code, 1)
        self.assertIn("toy-crate: a -> b is not listed: toy/src/a.rs:3 crate::b::B", errors)

    def test_a_listed_arrow_that_nothing_makes_fails(self):
        code, _, errors = self.run_on({"a.rs": "", "b.rs": ""}, "toy-crate: a -> b")
        self.assertEqual(code, 1)
        self.assertIn("toy-crate: a -> b is listed, but nothing makes it any more", errors)

    def test_a_page_without_the_list_lists_nothing(self):
        (self.root / "toy").mkdir()
        self.run_on({"a.rs": "use crate::b::B;", "b.rs": ""})
        (self.root / "ARCHITECTURE.md").write_text("# A page\n")
        ended = subprocess.run([sys.executable, self.root / "scripts/arrows.py"], capture_output=True, text=True, timeout=60)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("a -> b is not listed", ended.stderr)

    def test_a_circle_fails_though_its_arrows_are_listed(self):
        ring = {"a.rs": "use crate::b::B;", "b.rs": "use crate::c::C;", "c.rs": "fn c() { crate::a::a(); }"}
        arrows = "toy-crate: a -> b\ntoy-crate: b -> c\ntoy-crate: c -> a"
        code, _, errors = self.run_on(ring, arrows)
        self.assertEqual(code, 1)
        self.assertIn("toy-crate: a circle that is not listed: a b c\n", errors)
        for place in ("a -> b: toy/src/a.rs:1", "b -> c: toy/src/b.rs:1", "c -> a: toy/src/c.rs:1 crate::a::a"):
            self.assertIn(place, errors)
        self.assertEqual(self.run_on(ring, arrows, "toy-crate: a b c")[0], 0)

    def test_a_circle_that_grows_fails_and_names_what_is_new(self):
        ring = {"a.rs": "use crate::b::B;", "b.rs": "use crate::a::A; use crate::c::C;", "c.rs": "use crate::b::B;"}
        code, _, errors = self.run_on(ring, "toy-crate: a -> b\ntoy-crate: b -> a c\ntoy-crate: c -> b", "toy-crate: a b")
        self.assertEqual(code, 1)
        self.assertIn("a circle that is not listed: a b c\n    b -> c: toy/src/b.rs:1 crate::c::C\n    c -> b:", errors)

    def test_a_listed_circle_that_is_gone_fails(self):
        code, _, errors = self.run_on({"a.rs": "use crate::b::B;", "b.rs": ""}, "toy-crate: a -> b", "toy-crate: a b")
        self.assertEqual(code, 1)
        self.assertIn("toy-crate: a circle is listed that is no more, or is smaller: a b", errors)

    def test_files_of_one_folder_are_no_arrow(self):
        self.assertEqual(self.arrows_of({"a.rs": "mod x; use x::X;", "a/x.rs": "use super::A; use crate::a::y::Y;", "a/y.rs": ""}), set())

    def test_test_modules_are_left_out(self):
        files = {
            "a.rs": "#[cfg(test)]\n#[allow(dead_code)]\nmod tests { use crate::b::B; fn f() { crate::b::f(); } }\nuse crate::c::C;\n"
            "#[cfg(all(test, target_os = \"linux\"))] mod more;\n#[cfg(test)] fn only<A, B>(a: A) { crate::b::f() }\n"
            "struct S { #[cfg(test)] x: crate::b::B, y: crate::f::F }\n#[cfg(test)]\npub(crate) mod elsewhere;",
            "a/more.rs": "mod deep; use crate::b::B;",
            "a/more/deep.rs": "use crate::b::B;",
            "a/elsewhere/mod.rs": "use crate::b::B;",
            "b.rs": "#[cfg(not(test))] use crate::d::D; #[cfg(any(test, unix))] use crate::e::E;",
            "c.rs": "", "d.rs": "", "e.rs": "", "f.rs": "",
        }
        self.assertEqual(self.arrows_of(files), {"a -> c f", "b -> d e"})

    def test_strings_and_comments_are_no_imports(self):
        text = """// use crate::b::B;
            /* use crate::b::B; " */ /// [`crate::b::B`]
            const A: &str = "use crate::b::B; \\" crate::b::f()"; const Q: char = '"'; const E: char = '\\'';
            const R: &str = r#"say "use crate::b::B;" "#; const L: &'static [u8] = b"crate::b::B"; fn f<'a>(x: &'a str) { crate::c::f('"') }"""
        self.assertEqual(self.arrows_of({"a.rs": text, "b.rs": "", "c.rs": ""}), {"a -> c"})

    def test_nested_use_trees_are_taken_apart(self):
        text = "use {crate::{b::{self, x::{X, Y as Z}}, c::*,\n    d as renamed}, std::fmt::{self, Write as _}};"
        self.assertEqual(self.arrows_of({"a.rs": text, "b.rs": "", "b/x.rs": "", "c.rs": "", "d.rs": ""}), {"a -> b c d"})

    def test_super_counts_from_the_module_even_inside_a_file(self):
        files = {"a/mod.rs": "mod x;", "a/x.rs": "use super::super::b::B; mod inner { use super::super::Y; use super::super::super::c::C; }", "b.rs": "", "c.rs": ""}
        self.assertEqual(self.arrows_of(files), {"a -> b c"})

    def test_paths_without_an_import_count(self):
        files = {"a.rs": "fn f() -> Vec<crate::b::B> { self::g::<super::c::C>() }", "lib.rs": "mod a; fn f() { a::f(); std::mem::drop(1) }", "b.rs": "", "c.rs": ""}
        self.assertEqual(self.arrows_of(files), {"a -> b c", "lib -> a"})

    def test_a_re_export_leads_to_the_file_that_defines(self):
        files = {
            "lib.rs": "pub use crate::b::{B as Renamed}; pub use crate::c::*;",
            "b.rs": "pub struct B;", "c.rs": "pub struct C; pub use bytes::Bytes;",
            "a.rs": "use crate::Renamed; use crate::C;", "d.rs": "use crate::c::Bytes;",
            "main.rs": "use toy_crate::Renamed; fn main() { toy_crate::run() }",
        }
        self.assertEqual(self.arrows_of(files), {"lib -> b c", "a -> b c", "d -> c", "main -> b lib"})

    def test_a_path_that_begins_with_an_import_leads_on(self):
        files = {"a.rs": "use crate::b::{self}; fn f() { b::C::new() }", "b.rs": "pub use crate::c::C;", "c.rs": "pub struct C;"}
        self.assertEqual(self.arrows_of(files), {"a -> b c", "b -> c"})

    def test_a_function_that_is_named_as_an_import_beside_it_is_defined_there(self):
        files = {"a.rs": "fn f() { crate::b::c() }", "b.rs": "use crate::c; pub fn c() { c::d() }", "c.rs": "pub fn d() {}"}
        self.assertEqual(self.arrows_of(files), {"a -> b", "b -> c"})

    def test_names_that_import_each_other_end(self):
        self.assertEqual(self.arrows_of({"a.rs": "use crate::b::x; use http::http; use hyper::{http as hyper}; fn f() { x::y() }", "b.rs": "pub use crate::a::x;"}), {"a -> b", "b -> a"})

    def test_print_tells_files_lines_and_places(self):
        _, printed, _ = self.run_on({"a.rs": "use crate::b::B;\n", "a/x.rs": "\n\nuse crate::b;\n", "b.rs": ""}, "toy-crate: a -> b", "", "--print")
        self.assertIn("toy-crate: a -> b (2 files, 4 lines)\n    a -> b: toy/src/a/x.rs:3 crate::b\n    a -> b: toy/src/a.rs:1 crate::b::B\n", printed)


if __name__ == "__main__":
    unittest.main()
