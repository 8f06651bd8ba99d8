"""What a pod may say about the nodes it wants."""

from typing import Any

import pytest

from kube46.api.pods import placement

REQUIRED, PREFERRED = placement.REQUIRED, placement.PREFERRED
GOOD = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"a": "b"}}}
SPREAD = {**GOOD, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}


def nodes(kind: str, value: Any) -> dict[str, Any]:
    return {"affinity": {"nodeAffinity": {kind: value}}}


def term(**more: Any) -> dict[str, Any]:
    return nodes(REQUIRED, {"nodeSelectorTerms": [more]})


def pods(kind: str, *values: Any) -> dict[str, Any]:
    return {"affinity": {"podAffinity": {kind: list(values)}}}


def spread(**more: Any) -> dict[str, Any]:
    return {"topologySpreadConstraints": [{**SPREAD, **more}]}


@pytest.mark.parametrize(
    ("spec", "texts"),
    [
        ({}, []),
        (term(matchExpressions=[{"key": "a", "operator": "Gt", "values": ["1"]}]), []),
        (pods(REQUIRED, GOOD), []),
        (spread(), []),
        (spread(minDomains=2, nodeAffinityPolicy="Ignore", matchLabelKeys=["v"]), []),
        ({"schedulingGates": [{"name": "a/b"}]}, []),
        (
            nodes(REQUIRED, {"nodeSelectorTerms": []}),
            [f"s.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms: Required value: "
             "must have at least one node selector term"],
        ),
        (
            term(matchExpressions=[{"key": "a", "operator": "Gt", "values": []}]),
            [f"s.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[0].matchExpressions[0].values: Required value: "
             "must be specified single value when `operator` is 'Lt' or 'Gt'"],
        ),
        (
            term(matchFields=[{"key": "metadata.uid", "operator": "Exists"}]),
            [f"s.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[0].matchFields[0].operator: "
             'Invalid value: "Exists": not a valid selector operator',
             f"s.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[0].matchFields[0].key: "
             'Invalid value: "metadata.uid": not a valid field selector key'],
        ),
        (
            nodes(PREFERRED, [{"weight": 0, "preference": {}}]),
            [f"s.affinity.nodeAffinity.{PREFERRED}[0].weight: Invalid value: 0: must be in the range 1-100"],
        ),
        (
            pods(REQUIRED, {"labelSelector": {}}),
            [f"s.affinity.podAffinity.{REQUIRED}[0].topologyKey: Required value: can not be empty"],
        ),
        (
            pods(PREFERRED, {"weight": 101, "podAffinityTerm": {"topologyKey": "a", "matchLabelKeys": ["b"]}}),
            [f"s.affinity.podAffinity.{PREFERRED}[0].weight: Invalid value: 101: must be in the range 1-100",
             f"s.affinity.podAffinity.{PREFERRED}[0].podAffinityTerm.matchLabelKeys: Forbidden: "
             "must not be specified when labelSelector is not set"],
        ),
        (
            spread(maxSkew=0, minDomains=0, whenUnsatisfiable="Maybe", nodeTaintsPolicy="No"),
            ["s.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
             's.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Maybe": '
             'supported values: "DoNotSchedule", "ScheduleAnyway"',
             "s.topologySpreadConstraints[0].minDomains: Invalid value: 0: must be greater than zero",
             "s.topologySpreadConstraints[0].minDomains: Invalid value: 0: "
             "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not Maybe",
             's.topologySpreadConstraints[0].nodeTaintsPolicy: Unsupported value: "No": '
             'supported values: "Honor", "Ignore"'],
        ),
        (
            {"topologySpreadConstraints": [SPREAD, SPREAD]},
            ["s.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: "
             'Duplicate value: "{kubernetes.io/hostname, DoNotSchedule}"'],
        ),
        (
            {"schedulingGates": [{"name": "a"}, {"name": "a"}]},
            ['s.schedulingGates[1]: Duplicate value: "a"'],
        ),
    ],
)  # fmt: skip
def test_placement(spec: dict[str, Any], texts: list[str]) -> None:
    """Each mistake is told with its field, in Kubernetes' words."""
    assert [error.text for error in placement.validate(spec, "s")] == texts
