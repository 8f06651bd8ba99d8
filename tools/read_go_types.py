"""Read what OpenAPI does not say about Kubernetes' types out of the Go sources: pointers, names, omitempty, omitzero.

Run once per Kubernetes release by a maintainer; `go_types.txt` beside this file is its result and is committed:

    go mod download -json k8s.io/api@v0.37.2     # also apimachinery, apiextensions-apiserver, kube-aggregator
    python tools/read_go_types.py DIR_OF_API DIR_OF_APIMACHINERY … > tools/go_types.txt

One line a struct: `PACKAGE.STRUCT field:NUMBER[=TYPEflag] … >EMBEDDED:NUMBER …`. NUMBER is the field's number in
protobuf; TYPE is there only where it is not what OpenAPI lets one guess (see `build_schemas.guess`), with a flag: `!`
never omitted, `?` omitted when empty, `0` omitted when zero. `>` names a struct of the same package that JSON has
inlined and protobuf has not.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from build_schemas import definitions, guessed

STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^\t(?:(\w+)[ \t]+)?([^\s`]+)[ \t]*`([^`]*)`", re.MULTILINE)
JSON_TAG, PROTOBUF_TAG = re.compile(r'json:"([^"]*)"'), re.compile(r'protobuf:"\w+,(\d+),')
ALIASES = {"metav1": "v1", "corev1": "v1", "apiv1": "v1", "policy": "v1", "autoscalingv1": "v1"}
LIST = ["metadata:1", "items:2"]  # every list of a kind: not worth a line
BUILTIN = {"string", "bool", "int", "int32", "int64", "float64", "byte", "uint", "uint32", "uint64", "interface{}"}


def packages(root: Path) -> dict[str, Path]:
    """Package names as OpenAPI writes them (`io.k8s.api.core.v1`) → folder."""
    name = root.name.split("@")[0]
    found = {}
    for file in sorted(root.rglob("types*.go")):
        if file.name.endswith(("_test.go", "generated.go")):
            continue
        found[f"io.k8s.{name}." + ".".join(file.parent.relative_to(root).parts)] = file.parent
    return found


def qualified(text: str, package: str) -> str:
    """The type as Go's reflection prints it: packages by their last name."""
    head = re.match(r"^(\*|\[\]|map\[\w+\])*", text)
    assert head is not None
    prefix, name = text[: head.end()], text[head.end() :]
    if "." in name:
        alias, _, rest = name.partition(".")
        return f"{prefix}{ALIASES.get(alias, alias)}.{rest}"
    if name in BUILTIN:
        return prefix + ("uint8" if name == "byte" else name)
    return f"{prefix}{package.rsplit('.', 1)[1]}.{name}"


class Struct(NamedTuple):
    """What is known of one Go struct."""

    types: dict[str, str]  # JSON field → Go type with flag, embedded structs flattened
    numbers: dict[str, str]  # JSON field, or `>Embedded` → protobuf number
    embedded: list[str]


def structs(folder: Path, package: str) -> dict[str, Struct]:
    """All structs of a package by name."""
    files = [f for f in sorted(folder.glob("*.go")) if not f.name.endswith(("_test.go", "generated.go"))]
    text = "".join(f.read_text() for f in files)
    # line comments first: some of them hold "*/*"
    text = re.sub(r"(?s)/\*.*?\*/", "", re.sub(r"(?m)^\s*//.*\n", "", text))
    found = {name: struct(body, package) for name, body in STRUCT.findall(text)}
    for _ in range(3):  # structs are embedded at most this deep
        for one in found.values():
            for parent in one.embedded:
                if parent in found:
                    one.types.update({k: v for k, v in found[parent].types.items() if k not in one.types})
    return found


def struct(body: str, package: str) -> Struct:
    """One struct's fields from the text between its braces."""
    made = Struct({}, {}, [])
    for _, go, tags in FIELD.findall(body):
        tag, number = JSON_TAG.search(tags), PROTOBUF_TAG.search(tags)
        name, *options = tag[1].split(",") if tag else ("",)
        if name == "-":
            continue
        if not name:
            made.embedded.append(go.rpartition(".")[2])
            name = f">{go}"
        else:
            flag = "0" if "omitzero" in options else "?" if "omitempty" in options else "!"
            made.types[name] = qualified(go, package) + flag
        if number:
            made.numbers[name] = number[1]
    return made


def tokens(one: Struct, schema: dict[str, Any] | None) -> list[str]:
    """The struct's words in the table."""
    words = []
    for name in {**one.numbers, **one.types}:
        number, go = one.numbers.get(name, ""), one.types.get(name, "")
        known = schema is not None and name in schema.get("properties", {})
        differs = known and guessed(schema, name) != go
        if number or differs:
            words.append(f"{name}:{number}" + (f"={go}" if differs else ""))
    return words


def main() -> None:
    """Print the table."""
    all_definitions = definitions()
    for root in sys.argv[1:]:
        for package, folder in packages(Path(root)).items():
            for name, one in sorted(structs(folder, package).items()):
                words = tokens(one, all_definitions.get(f"{package}.{name}"))
                if words and words != LIST:
                    print(f"{package}.{name}", *words)


if __name__ == "__main__":
    main()
