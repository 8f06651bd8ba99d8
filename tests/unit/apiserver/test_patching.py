# ruff: noqa: E501 – tables of cases are read across
"""Patches do what kube-apiserver's libraries do: Go's own answers, the recordings, and laws that hold for all patches."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.apiserver import patching
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.patching_json import PatchProblem, as_written, json_patch, merge_patch
from kube46.apiserver.patching_strategic import BadPatch, strategic_merge_patch
from kube46.apiserver.schemas import Schemas
from kube46.apiserver.statuses import StatusError

ANSWERS = [json.loads(line) for line in (Path(__file__).parent / "go_answers.jsonl").read_text().splitlines()]
SERVICES = BY_PLURAL["services"]
SERVICE = {
    "kind": "Service", "apiVersion": "v1", "metadata": {"name": "a"},
    "spec": {"ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}], "type": "ClusterIP"}, "status": {"loadBalancer": {}},
}  # fmt: skip
SHOWN_POD = (
    ' "" is invalid: patch: Invalid value: '
    + json.dumps(json.dumps({**SERVICE, "kind": "Pod"}, sort_keys=True, separators=(",", ":")))
    + ": "
)


def answers(op: str) -> list[Any]:
    """The recorded answers of Kubernetes' libraries to one operation."""
    return [pytest.param(case, id=f"{case['Kind']} {case['Patch']}") for case in ANSWERS if case["Op"] == op]


def apply(case: dict[str, Any]) -> Any:
    """The answer of our algorithm."""
    document, patch = json.loads(case["In"]), json.loads(case["Patch"])
    if case["Op"] == "jsonpatch":
        return json_patch(document, patch)
    if case["Op"] == "merge":
        return merge_patch(document, patch)
    group, _, version = case["APIVersion"].rpartition("/")
    return strategic_merge_patch(document, patch, Schemas.load().kind(group, version, case["Kind"]))


@pytest.mark.parametrize("case", [*answers("jsonpatch"), *answers("merge"), *answers("strategic")])
def test_patch_as_go(case: dict[str, Any]) -> None:
    """Every patch gives the document, element order included, or the error that Go's libraries give."""
    try:
        found = apply(case)
    except (PatchProblem, BadPatch) as problem:
        assert str(problem) == case.get("Error")
        return
    assert found == case.get("Out")


@pytest.mark.parametrize(
    ("media", "patch", "code", "reason", "text"),
    [
        (patching.JSON, "{}", 400, "BadRequest", "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        (patching.JSON, '[{"op":"test","path":7}]', 400, "BadRequest", "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.path of type string"),
        (patching.JSON, '[{"op":"test","path":"/spec/type","value":"x"}]', 422, "Invalid", "the server rejected our request due to an error in our request"),
        (patching.MERGE, "[]", 400, "BadRequest", "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (patching.MERGE, "null", 400, "BadRequest", "Invalid JSON Patch"),
        (patching.STRATEGIC, "[]", 400, "BadRequest", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (patching.STRATEGIC, '{"spec":{"ports":[{"name":"x"}]}}', 500, "", "map: map[name:x] does not contain declared merge key: port"),
        (patching.STRATEGIC, '{"spec":{"$retainKeys":1}}', 400, "BadRequest", "invalid patch format of retainKeys"),
        (patching.STRATEGIC, '{"spec":{"foo":1}}', 422, "Invalid", ' "" is invalid: patch: Invalid value: "map[spec:map[foo:1]]": strict decoding error: unknown field "spec.foo"'),
        (patching.STRATEGIC, '{"spec":{"type":1}}', 422, "Invalid", ' "" is invalid: patch: Invalid value: "map[spec:map[type:1]]": cannot convert int64 to v1.ServiceType'),
        (patching.STRATEGIC, '{"spec":{"type":1.5}}', 422, "Invalid", ' "" is invalid: patch: Invalid value: "map[spec:map[type:1.5]]": unrecognized type: string'),
        (patching.STRATEGIC, '{"spec":{"type":1,"x":null,"sessionAffinityConfig":{"y":null}}}', 422, "Invalid", ' "" is invalid: patch: Invalid value: "map[spec:map[sessionAffinityConfig:map[] type:1 x:<nil>]]": cannot convert int64 to v1.ServiceType'),
        (patching.STRATEGIC, '{"spec":{"ports":[{"port":80,"targetPort":1.5}]}}', 422, "Invalid", ' "" is invalid: patch: Invalid value: "map[spec:map[ports:[map[port:80 targetPort:1.5]]]]": json: cannot unmarshal number 1.5 into Go value of type int32'),
        (patching.STRATEGIC, '{"spec":{"$patch":null}}', 500, "", "unknown patch type: %!s(<nil>) in map: map[$patch:<nil>]"),
        (patching.STRATEGIC, '{"spec":{"$patch":[1,"a"]}}', 500, "", "unknown patch type: [%!s(int64=1) a] in map: map[$patch:[1 a]]"),
        (patching.MERGE, '{"kind":"Pod"}', 422, "Invalid", SHOWN_POD + "converting (v1.Pod) to (core.Service): unknown conversion"),
        (patching.STRATEGIC, '{"metadata":{"annotations":-1,"labels":{"y":true}}}', 422, "Invalid", ' "" is invalid: patch: Invalid value: "map[metadata:map[annotations:-1 labels:map[y:true]]]": unrecognized type: string'),
        (patching.STRATEGIC, '{"spec":"x"}', 422, "Invalid", ' "" is invalid: patch: Invalid value: "map[spec:x]": cannot restore struct from: string'),
    ],
)  # fmt: skip
def test_refusals(media: str, patch: str, code: int, reason: str, text: str) -> None:
    """What cannot be applied is refused with kube-apiserver's code and text."""
    with pytest.raises(StatusError) as refusal:
        patching.apply_patch(media, patch.encode(), SERVICE, SERVICES, "Strict")
    assert (refusal.value.code, refusal.value.reason, refusal.value.message) == (code, reason, text)


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        ({"kind": "List"}, "converting (v1.List) to (core.Service): unknown conversion"),
        ({"kind": "Deployment", "apiVersion": "apps/v1"}, "converting (v1.Deployment) to (core.Service): unknown conversion"),
        ({"kind": "Pod", "apiVersion": ""}, "converting (core.Pod) to (core.Service): unknown conversion"),
        ({"kind": "Ingress", "apiVersion": None}, 'no kind "Ingress" is registered for the internal version of group "" in scheme'),
        ({"kind": None, "apiVersion": "apps/v1"}, 'no kind "Service" is registered for version "apps/v1" in scheme'),
        ({"apiVersion": "a/b/c"}, "unexpected GroupVersion string: a/b/c"),
        ({"apiVersion": "v1/"}, "Object 'apiVersion' is missing in '{"),
        ({"apiVersion": 7}, "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .apiVersion of type string"),
    ],
)  # fmt: skip
def test_another_kind(patch: dict[str, Any], text: str) -> None:
    """A patch that makes another kind of an object is refused as the body of a PUT would be."""
    with pytest.raises(StatusError, match=re.escape(text)) as refusal:
        patching.apply_patch(patching.MERGE, json.dumps(patch).encode(), SERVICE, SERVICES)
    assert refusal.value.code == 422


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        ({"op": "add", "path": "/b/z", "value": {"y": 1, "x": 2}}, '{"a": {"f": 1, "e": 2}, "b": {"c": 2, "d": 1, "z": {"y": 1, "x": 2}}, "l": [{"z": 0, "b": 2}]}'),
        ({"op": "copy", "from": "/a/f", "path": "/a/g"}, '{"a": {"e": 2, "f": 1, "g": 1}, "b": {"d": 1, "c": 2}, "l": [{"z": 0, "b": 2}]}'),
        ({"op": "add", "path": "/l/0/x", "value": 1}, '{"a": {"f": 1, "e": 2}, "b": {"d": 1, "c": 2}, "l": [{"b": 2, "x": 1, "z": 0}]}'),
        ({"op": "replace", "path": "", "value": {"z": 1, "y": 2}}, '{"z": 1, "y": 2}'),
    ],
)  # fmt: skip
def test_order_of_members(operation: dict[str, Any], text: str) -> None:
    """Objects that an operation has gone through are written by name; all else as it was stored or sent."""
    document = {"b": {"d": 1, "c": 2}, "a": {"f": 1, "e": 2}, "l": [{"z": 0, "b": 2}]}
    assert json.dumps(as_written(json_patch(document, [operation]), [operation])) == text


def test_misfits_by_name() -> None:
    """Of two misfits the one whose field's name comes first is told of, wherever the patch has put it."""
    for spec in ('{"type":1,"clusterIPs":"x"}', '{"clusterIPs":"x","type":1}'):
        with pytest.raises(StatusError, match=r"ServiceSpec\.spec\.clusterIPs of type \[\]string"):
            patching.apply_patch(patching.MERGE, f'{{"spec":{spec}}}'.encode(), SERVICE, SERVICES)


def test_no_version() -> None:
    """An object without apiVersion is read into Go's internal type: nothing of it is known, nothing is left."""
    for patch in ({"apiVersion": ""}, {"apiVersion": None, "kind": ""}, {"apiVersion": "/"}):
        decoded = patching.apply_patch(patching.MERGE, json.dumps(patch).encode(), SERVICE, SERVICES)
        assert decoded.warnings == [f'unknown field "{name}"' for name in ("metadata", "spec", "status")]
        assert decoded.object == {"kind": "Service", "apiVersion": "v1"}


def test_no_patch_at_all() -> None:
    """Types are refused as upstream's router or the handler of custom kinds does; then bodies that are no JSON."""
    for custom, text in ((False, "415: Unsupported Media Type"), (True, "application/apply-patch+yaml")):
        with pytest.raises(StatusError, match=re.escape(text)) as refusal:
            patching.check_media("text/plain", custom=custom)
        assert refusal.value.code == 415
    patching.check_media("application/merge-patch+json; charset=utf-8")
    with pytest.raises(StatusError, match="invalid JSON patch"):
        patching.check_syntax(b"{")


def test_unknown_fields_warn_and_vanish() -> None:
    """A patch's unknown and repeated fields are warned about, dropped, and the object stays as it was."""
    before = copy.deepcopy(SERVICE)
    body = b'{"bogus":1,"spec":{"type":"NodePort","type":"NodePort","foo":[]}}'
    for media in (patching.MERGE, patching.STRATEGIC):
        decoded = patching.apply_patch(media, body, SERVICE, SERVICES)
        assert decoded.warnings == ['duplicate field "spec.type"', 'unknown field "bogus"', 'unknown field "spec.foo"']
        assert decoded.object == {**SERVICE, "spec": {**SERVICE["spec"], "type": "NodePort"}}  # type: ignore[dict-item]
    assert before == SERVICE


documents = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from("xyz"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from("abc"), documents), st.dictionaries(st.sampled_from("abc"), documents))
def test_merge_patch_is_idempotent(document: dict[str, Any], patch: dict[str, Any]) -> None:
    """RFC 7386: applying a patch twice is applying it once, but where upstream leaves nulls in lists over objects."""
    once = merge_patch(copy.deepcopy(document), copy.deepcopy(patch))
    twice = merge_patch(copy.deepcopy(once), copy.deepcopy(patch))
    if "null" not in json.dumps(once):
        assert twice == once


@given(
    st.lists(st.sampled_from("abcdef"), unique=True),
    st.lists(st.sampled_from("abcdef"), unique=True),
    st.lists(st.sampled_from("abcdef"), unique=True),
)
def test_strategic_lists_merge_by_key(have: list[str], put: list[str], drop: list[str]) -> None:
    """After a strategic patch the list holds what was there or put, less what was dropped, each once, put ones updated."""
    drop = [name for name in drop if name not in put]
    document = {"spec": {"containers": [{"name": n, "image": "old"} for n in have]}}
    changes = [{"name": n, "image": "new"} for n in put] + [{"name": n, "$patch": "delete"} for n in drop]
    pods = Schemas.load().kind("", "v1", "Pod")
    patch: dict[str, Any] = {"spec": {"containers": changes}}
    found = strategic_merge_patch(document, patch, pods)["spec"].get("containers", [])
    names = [c["name"] for c in found]
    assert len(names) == len(set(names))
    assert set(names) == (set(have) | set(put)) - set(drop)
    assert {c["name"] for c in found if c["image"] == "new"} == set(put)
    assert [n for n in names if n in put] == put


@given(st.dictionaries(st.sampled_from("abc"), documents), st.sampled_from("abc"), documents)
def test_json_patch_add_then_remove(document: dict[str, Any], name: str, value: Any) -> None:
    """RFC 6902: what was added is there, and removed is gone."""
    added = json_patch(
        copy.deepcopy(document),
        [{"op": "add", "path": f"/{name}", "value": value}, {"op": "test", "path": f"/{name}", "value": value}],
    )
    assert added == {**document, name: value}
    assert json_patch(added, [{"op": "remove", "path": f"/{name}"}]) == {k: v for k, v in document.items() if k != name}
