"""Read what OpenAPI does not say about Kubernetes' types out of the Go sources: pointers, named scalars, omitempty, omitzero.

Run once per Kubernetes release by a maintainer; `go_types.txt` beside this file is its result and is committed:

    go mod download -json k8s.io/api@v0.37.2     # also apimachinery, apiextensions-apiserver, kube-aggregator
    python tools/read_go_types.py DIR_OF_API DIR_OF_APIMACHINERY … > tools/go_types.txt

One line a struct: `PACKAGE.STRUCT field=TYPE[flags] …`, only fields that differ from what OpenAPI lets one guess
(see `build_schemas.guess`). Flags: `!` never omitted, `?` omitted when empty, `0` omitted when zero.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from build_schemas import definitions, guessed

STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^\t(\w+)\s+([^\s`]+)\s*`[^`]*json:\"([^\"]*)\"", re.MULTILINE)
EMBEDDED = re.compile(r"^\t([\w.]+)\s*`json:\",inline\"", re.MULTILINE)
ALIASES = {"metav1": "v1", "corev1": "v1", "apiv1": "v1", "policy": "v1", "autoscalingv1": "v1"}
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


def structs(folder: Path, package: str) -> dict[str, dict[str, str]]:
    """Struct → JSON field → type with flags; embedded structs of the same package are flattened."""
    text = "".join(f.read_text() for f in sorted(folder.glob("*.go")) if not f.name.endswith(("_test.go", "generated.go")))
    text = re.sub(r"(?m)^\s*//.*\n", "", re.sub(r"(?s)/\*.*?\*/", "", text))
    found: dict[str, dict[str, str]] = {}
    embeds: dict[str, list[str]] = {}
    for name, body in STRUCT.findall(text):
        fields = {}
        for _, go, tag in FIELD.findall(body):
            json_name, *options = tag.split(",")
            if not json_name or json_name == "-":
                continue
            flag = "0" if "omitzero" in options else "?" if "omitempty" in options else "!"
            fields[json_name] = qualified(go, package) + flag
        found[name] = fields
        embeds[name] = [e.rpartition(".")[2] for e in EMBEDDED.findall(body)]
    for _ in range(3):
        for name, parents in embeds.items():
            for parent in parents:
                found[name] = {**found.get(parent, {}), **found[name]}
    return found


def main() -> None:
    """Print the table."""
    all_definitions = definitions()
    for root in sys.argv[1:]:
        for package, folder in packages(Path(root)).items():
            for name, fields in sorted(structs(folder, package).items()):
                schema = all_definitions.get(f"{package}.{name}")
                if schema is None:
                    continue
                differing = []
                for field, go in fields.items():
                    if field in schema.get("properties", {}) and guessed(schema, field) != go:
                        differing.append(f"{field}={go}")
                if differing:
                    print(f"{package}.{name}", *differing)


if __name__ == "__main__":
    main()
