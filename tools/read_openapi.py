"""Read out of a real kube-apiserver's OpenAPI what kubernetes-validate leaves out: defaults and enumerations.

Run once per Kubernetes release by a maintainer; `openapi_marks.json` beside this file is its result and is committed:

    kubectl get --raw /openapi/v3/api/v1 > DIR/core.json     # and every other path that /openapi/v3 lists
    python tools/read_openapi.py DIR/*.json > tools/openapi_marks.json

`enums`: [values, what the description says of them]; `marks`: definition → place (`field`, `field/items`,
`field/additionalProperties`) → [index of the enumeration or -1, default if any]; `third`: what
version 3 writes in a form of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from build_schemas import definitions

SPECIAL = ("io.k8s.apimachinery.pkg.api.resource.Quantity", "io.k8s.apimachinery.pkg.util.intstr.IntOrString")


def places(schema: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """Every schema within a field's, by its place."""
    found = {name: schema}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found |= places(schema[key], f"{name}/{key}")
    return found


def main() -> None:
    """Print the table."""
    enums: list[list[Any]] = []
    marks: dict[str, dict[str, list[Any]]] = {}
    known = {name: definition.get("properties", {}) for name, definition in definitions().items()}
    third: dict[str, Any] = {}
    for file in sorted(sys.argv[1:]):
        document = json.loads(Path(file).read_text())
        for name, definition in sorted(document.get("components", {}).get("schemas", {}).items()):
            third |= {name: definition} if name in SPECIAL else {}
            for field, schema in definition.get("properties", {}).items():
                for place, one in places(schema, field).items():
                    index = -1
                    if "enum" in one:
                        plain = known.get(name, {}).get(field, {}).get("description", "")
                        enum = [one["enum"], one.get("description", "").removeprefix(plain)]
                        if enum not in enums:
                            enums.append(enum)
                        index = enums.index(enum)
                    if index >= 0 or "default" in one:
                        marks.setdefault(name, {})[place] = [index, *([one["default"]] if "default" in one else [])]
    lines = [f"{json.dumps(name)}:{json.dumps(marks[name], separators=(',', ':'))}" for name in sorted(marks)]
    shown = ",\n".join(json.dumps(enum) for enum in enums)
    print(f'{{"third":{json.dumps(third)},\n"enums":[\n{shown}\n],\n"marks":{{\n' + ",\n".join(lines) + "\n}}")


if __name__ == "__main__":
    main()
