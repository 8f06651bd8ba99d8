"""Types by which expressions are compiled: messages made for the request, namespaces, constructed objects, kinds.

Values are never such messages: expressions run on plain JSON. Fields whose type protobuf has no words for (lists of
lists, what may be a number or a string) are dynamic.
Source: apiserver pkg/admission/plugin/cel/compile.go (BuildRequestType, BuildNamespaceType), pkg/cel/common/schemas.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.apiserver.customresources.rule_trees import escape
from kube46.apiserver.expressions.functions import AUTHORIZER, DECISION, GROUP, PATH, RESOURCE
from kube46.apiserver.expressions.rewriting import flat

if TYPE_CHECKING:
    from collections.abc import Mapping

Fields = dict[str, str]  # name → "int", "string", "list<T>", "map<T>", "dyn", … or a message's name
REQUEST, NAMESPACE, VARIABLES, PATCH = (
    "kubernetes.AdmissionRequest",
    "kubernetes.Namespace",
    "kubernetes.variables",
    "JSONPatch",
)
KIND, PLACE = "kubernetes.GroupVersionKind", "kubernetes.GroupVersionResource"
STANDING: Mapping[str, Fields] = {
    KIND: {"group": "string", "version": "string", "kind": "string"},
    PLACE: {"group": "string", "version": "string", "resource": "string"},
    "kubernetes.UserInfo": {
        "username": "string", "uid": "string", "groups": "list<string>", "extra": "map<dyn>",
    },
    REQUEST: {
        "kind": KIND, "resource": PLACE, "subResource": "string", "requestKind": KIND, "requestResource": PLACE,
        "requestSubResource": "string", "name": "string", "namespace": "string", "operation": "string",
        "userInfo": "kubernetes.UserInfo", "dryRun": "bool", "options": "dyn",
    },
    "kubernetes.NamespaceSpec": {"finalizers": "list<string>"},
    "kubernetes.NamespaceCondition": {
        "status": "string", "type": "string", "lastTransitionTime": "timestamp", "message": "string",
        "reason": "string",
    },
    "kubernetes.NamespaceStatus": {"conditions": "list<kubernetes.NamespaceCondition>", "phase": "string"},
    "kubernetes.NamespaceMetadata": {
        "name": "string", "generateName": "string", "namespace": "string", "labels": "map<string>",
        "annotations": "map<string>", "UID": "string", "creationTimestamp": "timestamp",
        "deletionGracePeriodSeconds": "int", "deletionTimestamp": "timestamp", "generation": "int",
        "resourceVersion": "string", "finalizers": "list<string>",
    },
    NAMESPACE: {
        "metadata": "kubernetes.NamespaceMetadata", "spec": "kubernetes.NamespaceSpec",
        "status": "kubernetes.NamespaceStatus",
    },
    **{name: {} for name in (AUTHORIZER, PATH, GROUP, RESOURCE, DECISION)},
}  # fmt: skip
PATCHES: Mapping[str, Fields] = {PATCH: {"op": "string", "from": "string", "path": "string", "value": "dyn"}}
FILE = "kube46.proto"
WORDS = {
    "int": "TYPE_INT64",
    "double": "TYPE_DOUBLE",
    "string": "TYPE_STRING",
    "bool": "TYPE_BOOL",
    "bytes": "TYPE_BYTES",
}
KNOWN = {
    "timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration", "dyn": "google.protobuf.Value",
}  # fmt: skip


def pool(messages: Mapping[str, Fields]) -> Any:
    """A pool of protobuf descriptors with these messages, those of the standard among them."""
    from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, struct_pb2, timestamp_pb2

    found = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name=FILE, syntax="proto3")
    for known in (duration_pb2, struct_pb2, timestamp_pb2):
        found.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
        file.dependency.append(known.DESCRIPTOR.name)
    _Nest(descriptor_pb2, file).add(messages)
    found.AddSerializedFile(file.SerializeToString())
    return found


class _Nest:
    """Messages by their dotted names: one within another where a name goes on from that of a message."""

    def __init__(self, words: Any, file: Any) -> None:
        self._words, self._file, self._made = words, file, dict[str, Any]()

    def add(self, messages: Mapping[str, Fields]) -> None:
        """All of them; what stands between two names is a message, too."""
        for name, fields in messages.items():
            made = self._message(name)
            for number, (field, kind) in enumerate(fields.items(), start=1):
                self._field(made, field, number, kind)

    def _message(self, name: str) -> Any:
        if name not in self._made:
            outer, _, own = name.rpartition(".")
            siblings = self._message(outer).nested_type if outer else self._file.message_type
            self._made[name] = siblings.add(name=own)
        return self._made[name]

    def _field(self, message: Any, name: str, number: int, kind: str) -> None:
        proto = self._words.FieldDescriptorProto
        field = message.field.add(name=name, json_name=name, number=number, label=proto.LABEL_OPTIONAL)
        if kind.startswith("list<"):
            field.label = proto.LABEL_REPEATED
            kind = kind[5:-1]
        elif kind.startswith("map<"):
            entry = message.nested_type.add(name=_entry(name))
            entry.options.map_entry = True
            self._field(entry, "key", 1, "string")
            self._field(entry, "value", 2, kind[4:-1])
            field.label, field.type = proto.LABEL_REPEATED, proto.TYPE_MESSAGE
            field.type_name = f".{self._name(message)}.{entry.name}"
            return
        if kind in WORDS:
            field.type = getattr(proto, WORDS[kind])
            return
        field.type, field.type_name = proto.TYPE_MESSAGE, f".{KNOWN.get(kind, kind)}"

    def _name(self, message: Any) -> str:
        return next(name for name, made in self._made.items() if made is message)


def _entry(name: str) -> str:
    """What protobuf wants the pairs of a map field to be called."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Entry"


def constructed(types: Mapping[str, frozenset[str]]) -> dict[str, Fields]:
    """The messages of the objects that an expression constructs: any field is known, none has a type."""
    found: dict[str, Fields] = {"Object": {}}
    for name, fields in types.items():
        if name.split(".")[0] == "Object":
            found[flat(name)] = dict.fromkeys(sorted(fields), "dyn")
    return found


def of_schema(
    name: str, schema: Mapping[str, Any], found: dict[str, Fields], definitions: Mapping[str, Any] | None = None
) -> str:
    """The type of a value by its OpenAPI schema; messages are put into `found`, the value's own as `name`.

    What it refers to is in `definitions`, by name. Returns "" for what Kubernetes shows to no expression.
    """
    refers = schema.get("$ref") or next((one.get("$ref") for one in schema.get("allOf") or ()), None)
    if refers is not None:
        definition = str(refers).rpartition("/")[2]
        name = flat(definition).replace("-", "_")
        if name in found:
            return name
        schema = (definitions or {}).get(definition) or {}
    if schema.get("x-kubernetes-int-or-string"):
        return "dyn"
    match schema.get("type"):
        case "array" if schema.get("items"):
            return _in("list", of_schema(f"{name}__item", schema["items"], found, definitions))
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return _in("map", of_schema(f"{name}__item", schema["additionalProperties"], found, definitions))
        case "object":
            fields = found[name] = {}
            for key, inner in (schema.get("properties") or {}).items():
                kind = of_schema(f"{name}__{flat(escape(key))}", inner, found, definitions)
                if kind and escape(key).isidentifier():
                    fields[escape(key)] = kind
            return name
        case "string":
            formats = {"byte": "bytes", "duration": "duration", "date": "timestamp", "date-time": "timestamp"}
            return formats.get(schema.get("format") or "", "string")
        case kind:
            return {"boolean": "bool", "number": "double", "integer": "int"}.get(str(kind), "")


def _in(outer: str, kind: str) -> str:
    if not kind:
        return ""
    return f"{outer}<{'dyn' if kind.startswith(('list<', 'map<')) else kind}>"


def of_result(name: str) -> str:
    """The type of a variable by the evaluator's name of what its expression returns."""
    simple = name.lower()
    if simple in WORDS or simple in ("timestamp", "duration"):
        return simple
    for outer, length in (("LIST<", 5), ("MAP<STRING, ", 12)):
        if name.startswith(outer):
            return _in(outer[:4].strip("<").lower(), of_result(name[length:-1]))
    return "dyn"
