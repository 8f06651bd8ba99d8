"""Protobuf out and in: Go's own bytes, every built-in kind there and back, what a client's Accept header gets."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.apiserver import protobuf, protobuf_encoding, views_protobuf
from kube46.apiserver.kinds import BY_PLURAL, KINDS
from kube46.apiserver.negotiation import CUSTOM, Form, negotiate
from kube46.apiserver.protobuf_wire import MAGIC, Malformed, delimited, fields, frame, read_varint, varint
from kube46.apiserver.schemas import Schemas, embedded_in
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.strategy import Strategy
from unit.apiserver import objects

LINES = (Path(__file__).parent / "go_answers.jsonl").read_text().splitlines()
CASES = [case for case in map(json.loads, LINES) if case.get("Wire")]
PROTOBUF, JSON, YAML = "application/vnd.kubernetes.protobuf", "application/json", "application/yaml"


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case['Kind']} {case['In']}") for case in CASES])
def test_bytes_are_those_of_go(case: dict[str, Any]) -> None:
    """An object becomes byte for byte the protobuf that Go's generated marshallers make of it."""
    assert protobuf_encoding.encode(case["Out"]) == base64.b64decode(case["Wire"])


@pytest.mark.parametrize(("group", "version", "kind"), objects.kinds())
def test_every_kind_there_and_back(group: str, version: str, kind: str) -> None:
    """A random object of every built-in kind, every list included, reads back from protobuf as it was."""
    for seed in range(4):
        obj = objects.make(group, version, kind, seed)
        stored = objects.canonical(obj, json.dumps(obj).encode())
        assert objects.canonical(obj, protobuf.decode(protobuf_encoding.encode(stored))) == stored


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.qualified)
def test_every_field_has_a_number(kind: Any) -> None:
    """No field of a served kind, however deep, is without its number in protobuf: none is lost on the way."""
    schemas, seen = Schemas.load(), set()
    waiting = [schemas.definition(kind.group, kind.version, kind.kind)]
    while waiting:
        name = waiting.pop()
        if name in seen or name in protobuf_encoding.unions.UNIONS:
            continue
        seen.add(name)
        found = schemas.type(name).fields
        assert set(found) - {"apiVersion", "kind"} <= numbered(schemas, name), name
        for field in found.values():
            shape = field.shape
            while shape.item is not None:
                shape = shape.item
            if shape.kind == "struct":
                waiting.append(shape.ref)


def numbered(schemas: Schemas, name: str) -> set[str]:
    """The fields of a message, those of messages that JSON inlines included."""
    words = schemas.wire(name).values()
    inner = (numbered(schemas, embedded_in(name, word)) for word in words if word.startswith(">"))
    return {word for word in words if not word.startswith(">")}.union(*inner)


def options(api_version: str) -> bytes:
    """DeleteOptions of 5 s as client-go sends them, marked with the version of what is deleted."""
    identity = delimited(1, api_version.encode()) + delimited(2, b"DeleteOptions")
    return MAGIC + delimited(1, identity) + delimited(2, b"\x08\x05")


@pytest.mark.parametrize("version", ["v1", "apps/v1", "networking.k8s.io/v1", "meta.k8s.io/v1"])
def test_every_version_has_delete_options(version: str) -> None:
    """DeleteOptions are read in the version of what is deleted, as client-go's typed clients send them."""
    read = json.loads(protobuf.decode(options(version)))
    assert read == {"kind": "DeleteOptions", "apiVersion": version, "gracePeriodSeconds": 5}


def test_delete_options_of_no_version() -> None:
    """DeleteOptions of a version that is none are refused."""
    with pytest.raises(StatusError, match=r'no kind "DeleteOptions" is registered for version "apps/v7"'):
        protobuf.decode(options("apps/v7"))


def test_presence() -> None:
    """An empty selector stays an empty one behind its pointer; an empty list or map is none, as in Go."""
    policy = {"metadata": {"name": "a", "labels": {}}, "spec": {"podSelector": {}, "ingress": [], "egress": [{}]}}
    obj = {"kind": "NetworkPolicy", "apiVersion": "networking.k8s.io/v1", **policy}
    assert json.loads(protobuf.decode(protobuf_encoding.encode(obj)))["spec"] == {"podSelector": {}, "egress": [{}]}
    deployment = {"kind": "Deployment", "apiVersion": "apps/v1", "spec": {"selector": {}, "replicas": 0}}
    spec = json.loads(protobuf.decode(protobuf_encoding.encode(deployment)))["spec"]
    assert (spec["selector"], spec["replicas"]) == ({}, 0)
    none = json.loads(protobuf.decode(protobuf_encoding.encode({"kind": "Deployment", "apiVersion": "apps/v1"})))
    assert not {"selector", "replicas"} & set(none["spec"])


@given(st.integers(-(2**63), 2**64 - 1))
def test_varints(number: int) -> None:
    """A number of 64 bits is read as it was written; negative ones as their complement."""
    assert read_varint(varint(number), 0) == (number % 2**64, len(varint(number)))


@given(st.binary(max_size=80))
def test_garbage_is_refused(data: bytes) -> None:
    """Whatever bytes come, the answer is an object or a refusal of the kinds that clients know."""
    for body in (data, MAGIC + data, MAGIC + protobuf_encoding.encode({"kind": "Pod", "apiVersion": "v1"})[4:] + data):
        try:
            protobuf.decode(body)
        except StatusError as refused:
            assert refused.code in (400, 415)


def test_frames() -> None:
    """A watch's frame is its length in four bytes and a WatchEvent, whose object is a whole document."""
    document = protobuf_encoding.encode({"kind": "Status", "apiVersion": "v1", "code": 410})
    made = frame("ERROR", document)
    assert int.from_bytes(made[:4], "big") == len(made) - 4
    event = dict(fields(made[4:]))
    assert event[1] == b"ERROR"
    assert dict(fields(event[2])) == {1: document}  # type: ignore[arg-type]
    with pytest.raises(Malformed):
        list(fields(made[4:-1]))


def test_messages_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object is encoded once for all who ask; the oldest are forgotten when they would take too much memory."""
    monkeypatch.setattr(views_protobuf, "KEPT_BYTES", 2 << 20)
    messages, kind = views_protobuf.Messages(), BY_PLURAL["configmaps"]
    view = views_protobuf.ProtobufView(kind, Strategy(), Form(PROTOBUF), messages)
    values = [b'{"metadata":{"name":"%d"},"data":{"a":"%b"}}' % (i, b"x" * 100_000) for i in range(100)]
    first = view.one(values[0])
    assert messages.get("io.k8s.api.core.v1.ConfigMap", values[0]) is not None
    assert view.event("ADDED", values[0])[4:].endswith(first)
    for value in values[1:]:
        view.one(value)
    assert messages.get("io.k8s.api.core.v1.ConfigMap", values[0]) is None
    assert messages.get("io.k8s.api.core.v1.ConfigMap", values[-1]) is not None
    assert sum(len(form[1]) + len(made) for form, made in messages._kept.items()) <= views_protobuf.KEPT_BYTES
    assert view.one(values[0]) == first


AS_METADATA = "as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
AS_TABLE = "as=Table;g=meta.k8s.io;v=v1"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form(JSON)),
        ("*/*", Form(JSON)),
        ("application/*", Form(JSON)),
        (PROTOBUF, Form(PROTOBUF)),
        (f"{PROTOBUF}, */*", Form(PROTOBUF)),
        (f"{JSON},{PROTOBUF}", Form(JSON)),
        (f"{JSON};q=0.5,{PROTOBUF};q=0.9", Form(PROTOBUF)),
        (f"*/*,{PROTOBUF};q=0.9", Form(JSON)),
        (f"*/*,{PROTOBUF}", Form(PROTOBUF)),
        (f"{PROTOBUF};stream=watch", Form(PROTOBUF)),
        (f"{PROTOBUF};{AS_METADATA},{JSON}", Form(PROTOBUF, "PartialObjectMetadata")),
        (f"{PROTOBUF};{AS_METADATA}beta1,{JSON}", Form(JSON)),
        (f"{PROTOBUF};{AS_TABLE},{JSON};{AS_TABLE},{JSON}", Form(JSON, "Table")),
        (f"{YAML};{AS_TABLE}", Form(YAML, "Table")),
        (f"{JSON};as=Table;g=meta.k8s.io;v=v9,{JSON}", Form(JSON)),
        (f"{JSON};g=meta.k8s.io;v=v1,{YAML}", Form(YAML)),
        (f"nonsense,{YAML}", Form(YAML)),
    ],
)
def test_negotiation(accept: str, form: Form) -> None:
    """The best clause that can be answered wins: by quality, wildcards last, else in the client's order."""
    assert negotiate(accept) == form


def test_what_is_never_kept_has_no_table() -> None:
    """Reviews as a Table are refused, as whole objects they are answered."""
    with pytest.raises(StatusError) as refusal:
        negotiate(f"{JSON};{AS_TABLE}", tables=False)
    assert refusal.value.code == 406
    assert negotiate(f"{JSON};{AS_TABLE},{JSON}", tables=False) == Form(JSON)


def test_custom_resources_have_protobuf_for_their_metadata_only() -> None:
    """Whole custom resources are JSON or YAML, even where protobuf comes first; their metadata may be protobuf."""
    assert negotiate(f"{PROTOBUF}, */*", whole=CUSTOM) == Form(JSON)
    assert negotiate(f"{PROTOBUF};{AS_METADATA}", whole=CUSTOM) == Form(PROTOBUF, "PartialObjectMetadata")
    with pytest.raises(StatusError, match=f"accepted: {JSON}, {YAML}$"):
        negotiate(PROTOBUF, whole=CUSTOM)


def test_nothing_acceptable() -> None:
    """406 names what there is; a watch has no YAML."""
    with pytest.raises(StatusError) as refused:
        negotiate("text/html")
    assert refused.value.code == 406
    assert str(refused.value) == f"only the following media types are accepted: {JSON}, {YAML}, {PROTOBUF}"
    with pytest.raises(StatusError) as refused:
        negotiate(YAML, stream=True)
    texts = f"{JSON};stream=watch, {PROTOBUF};stream=watch"
    assert str(refused.value) == f"only the following media types are accepted: {texts}"
