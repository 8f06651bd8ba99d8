"""What an answer must be, and the words for what it is instead."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.addresses.families import Family
from kube46.conformance.claims import Absent, Has, IsPort, Leads, NotFound, OfFamilies, Refused, find, merged, resolved
from kube46.conformance.model import Answer, Claim, From

DUAL = {"spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"], "ports": [{"nodePort": 30000}]}}
CAUSES = {"details": {"causes": [{"field": "spec.a"}, {"field": "spec.b"}, {"field": "spec.a"}]}, "message": "no such"}
BOTH = (Family.IPV4, Family.IPV6)


@pytest.mark.parametrize(
    ("claim", "answer", "words"),
    [
        (Has("spec.clusterIPs[1]", "fd00::1"), Answer(200, DUAL), ""),
        (Has("spec.clusterIPs[2]", "fd00::1"), Answer(200, DUAL), "spec.clusterIPs[2] is absent"),
        (Has("spec.clusterIP", "None"), Answer(200, DUAL), 'is "10.0.0.1", must be "None"'),
        (Absent("spec.ipFamilies"), Answer(200, DUAL), ""),
        (Absent("spec.clusterIP"), Answer(200, DUAL), "must be absent"),
        (OfFamilies("spec.clusterIPs", BOTH), Answer(200, DUAL), ""),
        (OfFamilies("spec.clusterIPs", BOTH[::-1]), Answer(200, DUAL), "one of IPv4, in this order"),
        (OfFamilies("spec.clusterIPs", BOTH), Answer(200, {"spec": {"clusterIPs": ["None"]}}), "must be an address"),
        (Leads(2), Answer(200, DUAL), ""),
        (Leads(1), Answer(200, DUAL), "must be the first of 1"),
        (Leads(1), Answer(200, {}), "must be the first of 1"),
        (IsPort("spec.ports[0].nodePort"), Answer(200, DUAL), ""),
        (IsPort("spec.ports[1].nodePort"), Answer(200, DUAL), "must be a port"),
        (Refused(("spec.b", "spec.a"), "such"), Answer(422, CAUSES), ""),
        (Refused(("spec.a",), "such"), Answer(422, CAUSES), "names spec.a, spec.b, must name spec.a"),
        (Refused(("spec.b", "spec.a"), "other"), Answer(422, CAUSES), 'must say "other"'),
        (Refused(("spec.a",)), Answer(201, DUAL), "status is 201, must be 422"),
        (NotFound(), Answer(404, {}), ""),
        (NotFound(), Answer(200, DUAL), "must be 404"),
    ],
)
def test_claims(claim: Claim, answer: Answer, words: str) -> None:
    """Nothing is said of what is right, and the field and both values of what is not."""
    said = claim.differs(answer, ())
    assert (said == "") is (words == "")
    assert words in said


def test_a_value_may_come_from_an_earlier_answer() -> None:
    """`From` is replaced wherever it stands."""
    asked = {"spec": {"clusterIPs": [From(0, "spec.clusterIPs[1]"), "None"]}}
    assert resolved(asked, [Answer(200, DUAL)]) == {"spec": {"clusterIPs": ["fd00::1", "None"]}}


@pytest.mark.parametrize(
    ("base", "change", "result"),
    [  # RFC 7386, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_changes_are_merge_patches(base: Any, change: Any, result: Any) -> None:
    """The RFC's own cases."""
    assert merged(base, change) == result


@given(st.recursive(st.none() | st.text(), lambda part: st.lists(part) | st.dictionaries(st.text(), part)), st.text())
def test_a_path_leads_somewhere_or_nowhere(body: Any, path: str) -> None:
    """Whatever a server answers, looking for a field never fails."""
    find(body, path)
