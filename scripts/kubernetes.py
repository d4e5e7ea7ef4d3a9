"""Checks of Kubernetes files that no schema makes: selectors select, volumes are there, flags are the programs' own.

    kubernetes.py PROGRAMS FILE...    exits 1 and says what does not hold
"""

import pathlib
import re
import subprocess
import sys

import yaml


def flags_of(programs, program, *command):
    """The long flags that a program takes, of those in the folder `programs`."""
    said = subprocess.run([programs / program, *command, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"--[a-z][a-z-]+", said))


def faults(programs, documents):
    """What does not hold of all documents together."""
    pods = [document["spec"]["template"] for document in documents if "template" in document.get("spec", {})]
    labels = [pod["metadata"]["labels"] for pod in pods]
    for document in documents:
        name = f"{document['kind']} {document['metadata']['name']}"
        selector = document.get("spec", {}).get("selector", {})
        selector = selector.get("matchLabels", selector)
        if selector and not any(selector.items() <= label.items() for label in labels):
            yield f"{name}: selects {selector}, which no pod is labelled with"
    for pod in pods:
        volumes = {volume["name"] for volume in pod["spec"].get("volumes", [])} | {"data"}
        for container in pod["spec"]["containers"]:
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    yield f"{container['name']}: mounts {mount['name']}, which is no volume"
            words = " ".join(container.get("args", []))
            for program, command in (("feed-server", ()), ("loadgen", ("run",)), ("loadgen", ("merge",))):
                is_meant = container["name"] == program if not command else f"{program} {command[0]} " in words
                if not is_meant:
                    continue
                known = flags_of(programs, program, *command)
                for flag in re.findall(r"--[a-z][a-z-]+", words):
                    if flag not in known:
                        yield f"{container['name']}: {program} has no flag {flag}"


def main(programs, *files):
    """Prints what does not hold; returns the exit code."""
    documents = [document for file in files for document in yaml.safe_load_all(pathlib.Path(file).read_text()) if document]
    found = list(faults(pathlib.Path(programs), documents))
    for fault in found:
        print(f"error: {fault}")
    if not found:
        print(f"kubernetes: {len(documents)} documents hold")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
