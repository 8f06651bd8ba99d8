# ruff: noqa: E501 – tables of cases are read across
"""Bodies become objects as kube-apiserver reads them: checked against Go's own answers and the recordings."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beside import oracle
from kube46.apiserver import fieldvalidation as fv
from kube46.apiserver import fieldvalidation_json as gojson
from kube46.apiserver import fieldvalidation_scalars as scalars
from kube46.apiserver import protobuf, told_empty
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.statuses import StatusError

ANSWERS = [json.loads(line) for line in (Path(__file__).parent / "go_answers.jsonl").read_text().splitlines()]
SERVICES = BY_PLURAL["services"]


class Named(NamedTuple):
    """A kind without a row in the table."""

    group: str
    version: str
    kind: str


def answers(op: str) -> list[Any]:
    """The recorded answers of Kubernetes' libraries to one operation."""
    return [pytest.param(case, id=f"{case['Kind']} {case['In']}") for case in ANSWERS if case["Op"] == op]


def kind_of(case: dict[str, Any]) -> Named:
    """The kind a case is about."""
    group, _, version = case["APIVersion"].rpartition("/")
    return Named(group, version, case["Kind"])


def bare(message: str) -> str:
    """The decoder's text without what the request handler puts round it."""
    if "cannot be handled" in message:
        return re.sub(r"^.* cannot be handled as a \w+: ", "", message)
    found = re.fullmatch(
        r"the object provided is unrecognized \(must be of type \w+\): (.*) \(.*\)", message, re.DOTALL
    )
    assert found is not None, message
    return found[1]


@pytest.mark.parametrize("case", answers("decode"))
def test_decode_as_go(case: dict[str, Any]) -> None:
    """Every body gives the object, the strict problems or the error that apimachinery's serializer gives."""
    try:
        decoded = fv.decode(case["In"].encode(), kind_of(case))
    except StatusError as refusal:
        assert (refusal.code, bare(refusal.message)) == (400, case.get("Error"))
        return
    told_empty.drop(decoded.object)  # what Go has read, too, and does not write
    assert decoded.object == case["Out"]
    assert decoded.warnings == case.get("Strict", [])


@pytest.mark.parametrize(
    ("meta", "text"),
    [
        ({"creationTimestamp": ""}, 'parsing time "" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006"'),
        ({"name": 1, "creationTimestamp": ""}, 'parsing time "" as'),
        ({"name": 1, "deletionTimestamp": [None], "creationTimestamp": "yesterday"},
         "json: cannot unmarshal array into Go struct field ObjectMeta.metadata.deletionTimestamp of type string"),
        ({"name": 1, "generation": "x"}, "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name"),
    ],
)  # fmt: skip
def test_types_that_read_themselves(meta: dict[str, Any], text: str) -> None:
    """Go goes no further than the first of them that does not fit; of other misfits it tells the first at the end."""
    with pytest.raises(StatusError) as refusal:
        fv.decode(json.dumps({"metadata": meta}).encode(), BY_PLURAL["nodes"])
    assert f'Node in version "v1" cannot be handled as a Node: {text}' in refusal.value.message


@pytest.mark.parametrize("case", [case for case in answers("decode") if case.values[0].get("Wire")])
def test_protobuf_as_go(case: dict[str, Any]) -> None:
    """The protobuf that Go makes of an object reads back as that object; an empty list is no list there."""
    found = fv.decode(protobuf.decode(base64.b64decode(case["Wire"])), kind_of(case)).object
    without_empty = json.loads(
        json.dumps(case["Out"])
        .replace('"containers": []', '"containers": null')
        .replace('"ports": []', '"ports": null')
    )
    assert found == without_empty


@pytest.mark.parametrize("op", ["quantity", "time", "microtime"])
def test_scalars_as_go(op: str) -> None:
    """Quantities and times are written back, or refused, as Go does."""
    for case in (case for case in ANSWERS if case["Op"] == op):
        text = json.loads(case["In"])
        try:
            found = scalars.quantity(text) if op == "quantity" else scalars.time(text, micro=op == "microtime")
            assert found == case.get("Out"), text
        except ValueError as problem:
            assert str(problem) == case.get("Error"), text


def test_problems_stand_in_the_order_of_the_text() -> None:
    """A repeated field is told of where it comes again, after unknown ones before it, and before those that follow."""
    body = b'{"kind":"Service","apiVersion":"v1","spec":{"a":1,"type":"x","ports":[{"b":1}],"type":"ClusterIP","c":2}}'
    told = fv.decode(body, SERVICES, fv.Validation.WARN).warnings
    assert told == [
        'unknown field "spec.a"', 'unknown field "spec.ports[0].b"', 'duplicate field "spec.type"', 'unknown field "spec.c"',
    ]  # fmt: skip


def test_strict_warn_ignore() -> None:
    """An unknown field is refused, warned about or passed over in silence; it is never kept."""
    body = b'{"kind":"Service","apiVersion":"v1","bogus":1,"spec":{"type":"a","type":"ClusterIP"}}'
    with pytest.raises(StatusError) as refusal:
        fv.decode(body, SERVICES, fv.Validation.STRICT)
    assert refusal.value.message == (
        'Service in version "v1" cannot be handled as a Service: strict decoding error: unknown field "bogus", duplicate field "spec.type"'
    )
    warned, silent = (fv.decode(body, SERVICES, v) for v in (fv.Validation.WARN, fv.Validation.IGNORE))
    assert warned.warnings == ['unknown field "bogus"', 'duplicate field "spec.type"']
    assert silent.warnings == []
    assert warned.object == silent.object == {
        "kind": "Service", "apiVersion": "v1", "metadata": {}, "spec": {"type": "ClusterIP"}, "status": {"loadBalancer": {}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"kind":"Pod","apiVersion":"v1"}', 'Pod in version "v1" cannot be handled as a Service: converting (v1.Pod) to (core.Service): unknown conversion'),
        ('{"kind":"Status","apiVersion":"v1"}', 'Status in version "v1" cannot be handled as a Service: converting (v1.Status) to (core.Service): unknown conversion'),
        ('{"kind":"Foo","apiVersion":"v1"}', 'Foo in version "v1" cannot be handled as a Service: no kind "Foo" is registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30"'),
        ("", "the object provided is unrecognized (must be of type Service): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"),
        ("[1]", 'the object provided is unrecognized (must be of type Service): couldn\'t get version/kind; json parse error: json: cannot unmarshal array into Go value of type '
                'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" } (5b315d)'),
    ],
)  # fmt: skip
def test_wrong_kind(body: str, text: str) -> None:
    """A body of another kind, of no known kind or of no kind at all is a 400 that says which."""
    with pytest.raises(StatusError) as refusal:
        fv.decode(body.encode(), SERVICES)
    assert (refusal.value.code, refusal.value.reason, refusal.value.message) == (400, "BadRequest", text)


def test_delete_options_belong_to_every_group() -> None:
    """DeleteOptions are read without kind, and nothing is added to them."""
    assert fv.decode_as(b'{"gracePeriodSeconds":0}', "", "v1", "DeleteOptions").object == {"gracePeriodSeconds": 0}


def test_recorded_refusals() -> None:
    """The decode errors recorded from live servers come out byte for byte."""
    seen = 0
    for line in oracle("kubernetes-1.37.jsonl").read_text().splitlines():
        for step in json.loads(line)["steps"]:
            message = step["answer"].get("message", "") if isinstance(step["answer"], dict) else ""
            if step["method"] == "POST" and step["code"] == 400 and "cannot be handled" in message:
                with pytest.raises(StatusError) as refusal:
                    fv.decode(json.dumps(step["body"]).encode(), SERVICES, fv.Validation.STRICT)
                assert refusal.value.message == message
                seen += 1
    assert seen > 10


def test_recorded_objects_are_fixed_points() -> None:
    """Every object a real server answered with is in stored form already: reading it changes nothing."""
    by_kind = {kind.kind: kind for kind in BY_PLURAL.values()}
    seen = 0
    for line in oracle("kubernetes-1.37.jsonl").read_text().splitlines():
        for step in json.loads(line)["steps"]:
            answer = step["answer"]
            if not isinstance(answer, dict) or answer.get("kind") not in by_kind or "metadata" not in answer:
                continue
            text = re.sub(r'"<port#\d+>"|"\{port:\d+\}"|"3\d{4}"', "30000", json.dumps(answer))
            found = json.loads(text)
            assert fv.decode(json.dumps(found).encode(), by_kind[answer["kind"]], fv.Validation.STRICT).object == found
            seen += 1
    assert seen > 1000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["metadata", "spec", "ports", "port", "labels", "type", "a"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
def test_decode_is_idempotent(value: object) -> None:
    """Whatever comes in is refused with a 400 or has a stored form that reading again leaves alone."""
    try:
        first = fv.decode(json.dumps(value).encode(), SERVICES).object
    except StatusError as refusal:
        assert refusal.code == 400
        return
    assert fv.decode(json.dumps(first).encode(), SERVICES, fv.Validation.STRICT).object == first


@given(st.binary(max_size=60))
def test_any_bytes_are_answered(body: bytes) -> None:
    """No bytes make the decoders raise anything but a refusal."""
    for read in (
        lambda: fv.decode(body, SERVICES),
        lambda: protobuf.decode(body),
        lambda: protobuf.decode(protobuf.MAGIC + body),
    ):
        try:
            read()
        except StatusError as refusal:
            assert refusal.code in (400, 415)


@given(json_values)
def test_own_json_reader_agrees(value: object) -> None:
    """The scanner that words syntax errors accepts what the parser accepts."""
    text = json.dumps(value)
    assert gojson.plain(gojson.parse(text.encode())) == value
    assert gojson.problem(text) == "unexpected end of JSON input"  # no problem found


def test_unknown_wire_number_is_named() -> None:
    """A protobuf field this server does not know is refused by name, never dropped."""
    inner = bytes([0x0A, 2, ord("v"), ord("1"), 0x12, 7]) + b"Service"
    spec = bytes([0x12, 3, 0xF8, 0x3F, 1])  # field 1023 of the spec
    with pytest.raises(StatusError) as refusal:
        protobuf.decode(protobuf.MAGIC + bytes([0x0A, len(inner)]) + inner + bytes([0x12, len(spec)]) + spec)
    assert refusal.value.code == 415
    assert "field 1023 of io.k8s.api.core.v1.ServiceSpec" in refusal.value.message


@pytest.mark.parametrize(("body", "data", "warnings"), [
    ('{"data":{"a":"1"},"data":{"b":"2"}}', {"a": "1", "b": "2"}, ['duplicate field "data"']),
    ('{"data":{"a":"1"},"data":{"a":"2"},"data":{"c":"3"}}', {"a": "2", "c": "3"}, ['duplicate field "data"']),
    ('{"data":{"a":"1"},"data":null}', None, ['duplicate field "data"']),
])  # fmt: skip
def test_repeated_maps_add_up(body: str, data: Any, warnings: list[str]) -> None:
    """A map that comes twice is read on where it was left, as by Go's decoder."""
    found = fv.decode(body.encode(), BY_PLURAL["configmaps"])
    assert (found.object.get("data"), found.warnings) == (data, warnings)


def test_what_came_as_yaml() -> None:
    """Problems of the form are told as they are; keys that YAML repeats are strict problems, a warning each line."""
    kind = BY_PLURAL["configmaps"]
    told = 'yaml: unmarshal errors:\n  line 3: key "a" already set in map\n  line 4: key "a" already set in map'
    twice = gojson.converted(b"a: b", b'{"more":1}', repeated=told)
    lines = ['line 3: key "a" already set in map', 'line 4: key "a" already set in map']
    assert fv.decode(twice, kind).warnings == [*lines, 'unknown field "more"']
    with pytest.raises(StatusError, match="strict decoding error: yaml: unmarshal errors"):
        fv.decode(twice, kind, fv.Validation.STRICT)
    with pytest.raises(StatusError) as raised:
        fv.decode(gojson.converted(b"a: b: c", problem="yaml: x"), kind)
    assert (
        raised.value.message
        == "the object provided is unrecognized (must be of type ConfigMap): yaml: x (613a20623a2063)"
    )
