"""Reduce Kubernetes' OpenAPI definitions to the two resources that the embedded API server reads.

Input: PyPI's `kubernetes-validate` (Apache-2.0), with the definitions of every built-in kind, and beside this file
`go_types.txt` (what OpenAPI leaves out, see `read_go_types.py`) and `openapi_marks.json` (see `read_openapi.py`).
Output, git-ignored and shipped in the wheel:

- `schemas.types.msgpack`: {type name: encoded `kube46.apiserver.schemas.Type`} – decoding and patching;
- `schemas.openapi.zz`: zlib of {type name: OpenAPI schema} – only read when a client asks for /openapi.

Run by the wheel's build hook (`hatch_build.py`); by hand: `python tools/build_schemas.py`.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import zlib
from pathlib import Path
from typing import Any

import msgspec

RELEASE = "v1.37.0-local"
PREFIX = "#/$defs/"
SCALARS = {
    ("string", ""): "string", ("string", "byte"): "[]uint8", ("string", "date-time"): "v1.Time",
    ("boolean", ""): "bool", ("integer", "int32"): "int32", ("integer", "int64"): "int64", ("integer", ""): "int64",
    ("number", "double"): "float64", ("number", ""): "float64",
}  # fmt: skip
# definitions that are not structs in Go: they decode themselves
SPECIAL = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intorstring",
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "microtime",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "raw",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "raw",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Patch": "raw",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray": "any",
}


def definitions() -> dict[str, dict[str, Any]]:
    """All definitions in OpenAPI form; raises RuntimeError when kubernetes-validate is not installed."""
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            "kubernetes-validate is not installed: it is a build requirement (pyproject.toml, build-system)"
        )
    file = Path(spec.origin).parent / "kubernetes-json-schema" / RELEASE / "_definitions.json"
    found: dict[str, dict[str, Any]] = json.loads(file.read_bytes())["$defs"]
    return {name: openapi(schema, name) for name, schema in sorted(found.items())}


def openapi(schema: dict[str, Any], name: str = "") -> dict[str, Any]:
    """JSON Schema as kubernetes-validate rewrote it (nullable types, local references) → the original OpenAPI."""
    out = dict(schema)
    if isinstance(out.get("type"), list):
        out["type"] = next(t for t in out["type"] if t != "null")
    if SPECIAL.get(name) in ("intorstring", "quantity"):
        out.pop("oneOf", None)
        out["type"] = "string"
        if SPECIAL[name] == "intorstring":
            out["format"] = "int-or-string"
    if "properties" in out:
        out["properties"] = {k: openapi(v) for k, v in out["properties"].items()}
        for field in ("apiVersion", "kind"):
            if "x-kubernetes-group-version-kind" in out and field in out["properties"]:
                out["properties"][field] = {k: v for k, v in out["properties"][field].items() if k != "enum"}
    for key in ("items", "additionalProperties"):
        if isinstance(out.get(key), dict):
            out[key] = openapi(out[key])
    return out


def go_name(definition: str) -> str:
    """`io.k8s.api.core.v1.ServiceSpec` → `v1.ServiceSpec`, as Go's reflection prints the type."""
    return ".".join(definition.rsplit(".", 2)[1:])


def guess(schema: dict[str, Any]) -> str:
    """The Go type of a field if nothing unusual is known about it."""
    if "$ref" in schema:
        return go_name(schema["$ref"].removeprefix(PREFIX))
    if schema.get("type") == "array":
        return "[]" + guess(schema["items"])
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return "map[string]" + (guess(inner) if isinstance(inner, dict) else "interface{}")
    return SCALARS.get((schema.get("type", ""), schema.get("format", "")), "interface {}")


def guessed(schema: dict[str, Any], field: str) -> str:
    """The guess for a field of a struct, with its flag: optional fields are omitted when empty."""
    return guess(schema["properties"][field]) + ("!" if field in schema.get("required", ()) else "?")


def go_types(file: Path) -> tuple[dict[str, dict[str, str]], dict[str, dict[int, str]]]:
    """The table of `read_go_types.py`: struct → field → Go type with flag, and struct → protobuf number → field."""
    types: dict[str, dict[str, str]] = {}
    numbers: dict[str, dict[int, str]] = {}
    for line in file.read_text().splitlines():
        struct, *words = line.split(" ")
        types[struct], numbers[struct] = {}, {}
        for word in words:
            name, _, go = word.partition("=")
            field, _, number = name.partition(":")
            if go:
                types[struct][field] = go
            if number:
                numbers[struct][int(number)] = field
    return types, numbers


def shape(schema: dict[str, Any], go: str) -> list[Any]:
    """One value's shape as the tuple that `schemas.Shape` decodes from: (kind, go, ref, item)."""
    plain = go.removeprefix("*")
    if "$ref" in schema:
        ref = schema["$ref"].removeprefix(PREFIX)
        return [SPECIAL.get(ref, "struct"), go, ref]
    kind = schema.get("type", "any")
    if kind == "array":
        return ["list", go, "", shape(schema["items"], plain.removeprefix("[]"))]
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return ["map", go, "", shape(schema["additionalProperties"], plain.partition("]")[2])]
    if kind == "object":
        return ["raw", go, ""]
    scalar = SCALARS.get((kind, schema.get("format", "")), "any")
    return [{"[]uint8": "bytes", "v1.Time": "time"}.get(scalar, scalar), go, ""]


def inlined(struct: str, numbers: dict[str, dict[int, str]]) -> dict[str, str]:
    """Field → the embedded struct it is inlined from (`emptyDir` of Volume → `VolumeSource`)."""
    found = {}
    for word in numbers.get(struct, {}).values():
        if word.startswith(">"):
            embedded = f"{struct.rpartition('.')[0]}.{word[1:]}"
            found.update(dict.fromkeys(numbers.get(embedded, {}).values(), word[1:]))
    return found


def reduced(name: str, schema: dict[str, Any], exceptions: dict[str, str], inlined: dict[str, str]) -> list[Any]:
    """One definition as the array that `schemas.Type` decodes from."""
    fields = {}
    for field, value in schema.get("properties", {}).items():
        go = exceptions.get(field) or guessed(schema, field)
        fields[field] = [
            field, shape(value, go[:-1]), go[-1],
            value.get("x-kubernetes-patch-strategy", ""), value.get("x-kubernetes-patch-merge-key", ""),
            value.get("x-kubernetes-list-type", ""), value.get("x-kubernetes-list-map-keys", []),
            value.get("x-kubernetes-map-type", ""), inlined.get(field, ""),
        ]  # fmt: skip
    gvk = [[g["group"], g["version"], g["kind"]] for g in schema.get("x-kubernetes-group-version-kind", ())]
    return [name, fields, gvk if len(gvk) == 1 else [], schema.get("x-kubernetes-map-type", "")]


def column_prose(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    """What the columns of Tables say, for those that point to a field's description."""
    file = Path(__file__).parent.parent / "src/kube46/apiserver/tables_columns.py"
    spec = importlib.util.spec_from_file_location("tables_columns", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    texts = {column.text for columns in (*module.COLUMNS.values(), module.GENERIC) for column in columns}
    prose = {}
    for text in sorted(t for t in texts if t.startswith("@")):
        name, _, field = text[1:].partition("#")
        prose[text] = found[f"io.k8s.{name}"]["properties"][field]["description"]
    return prose


def marked(found: dict[str, dict[str, Any]], file: Path) -> dict[str, dict[str, Any]]:
    """The definitions with the defaults and enumerations of `openapi_marks.json` (see `read_openapi.py`)."""
    table = json.loads(file.read_text())
    made: dict[str, dict[str, Any]] = json.loads(json.dumps(found))
    for name, third in table["third"].items():
        made[name] |= {"third": third, "description": third["description"]}
    for name, places in table["marks"].items():
        for place, (index, *default) in places.items():
            field, *steps = place.split("/")
            schema = made.get(name, {}).get("properties", {}).get(field)
            for step in steps:
                schema = (schema or {}).get(step)
            if schema is None:
                continue
            if index >= 0:
                schema["enum"], said = table["enums"][index]
                schema["description"] = schema.get("description", "") + said
                if not schema["description"]:
                    del schema["description"]
            if default:
                schema["default"] = default[0]
    return made


def build(destination: Path) -> list[Path]:
    """Write both resources into the folder; returns their paths."""
    found = definitions()
    exceptions, numbers = go_types(Path(__file__).parent / "go_types.txt")
    encode = msgspec.msgpack.encode
    types = {
        name: encode(reduced(name, schema, exceptions.get(name, {}), inlined(name, numbers)))
        for name, schema in found.items()
        if name not in SPECIAL
    }
    kinds = {}
    for name, schema in found.items():
        gvks = schema.get("x-kubernetes-group-version-kind", ())
        if len(gvks) == 1:
            kinds[f"{gvks[0]['group']}/{gvks[0]['version']}/{gvks[0]['kind']}"] = name
        elif name.startswith("io.k8s.apimachinery.pkg.apis.meta.v1.") and gvks:
            kinds[f"/v1/{gvks[0]['kind']}"] = name
    prose = column_prose(found)
    shown = marked(found, Path(__file__).parent / "openapi_marks.json")
    text = json.dumps(shown, separators=(",", ":"), ensure_ascii=False).encode()
    outputs = {
        destination / "schemas.types.msgpack": encode(
            [kinds, types, prose, {name: encode(fields) for name, fields in numbers.items() if fields}]
        ),
        destination / "schemas.openapi.zz": zlib.compress(text, 9),
    }
    for path, data in outputs.items():
        path.write_bytes(data)
    return list(outputs)


if __name__ == "__main__":
    for made in build(Path(__file__).parent.parent / "src/kube46/apiserver"):
        print(made, made.stat().st_size)
