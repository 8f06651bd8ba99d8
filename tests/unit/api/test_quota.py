# ruff: noqa: E501 – tables of cases are read across
"""ResourceQuotas: what is counted, what is refused and in which words, and that counts and charges agree."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api import amounts
from kube46.api.quota import rules, validation
from kube46.api.quota.evaluating import Write

Object = dict[str, Any]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def quota(hard: Object, used: Object | None = None, name: str = "q", **spec: Any) -> Object:
    """A quota that was counted before."""
    known = dict.fromkeys(hard, "0") if used is None else used
    return {"metadata": {"name": name}, "spec": {"hard": hard, **spec}, "status": {"hard": hard, "used": known}}


def pod(
    requests: Object | None = None, limits: Object | None = None, meta: Object | None = None, **spec: Any
) -> Object:
    """A pod of one container."""
    resources = {"requests": requests or {}, "limits": limits or {}}
    return {
        "metadata": {"name": "p", **(meta or {})},
        "spec": {"containers": [{"name": "c", "resources": resources}], **spec},
    }


def service(kind: str = "ClusterIP", *ports: int, **spec: Any) -> Object:
    """A Service with these node ports, 0 for one to be chosen."""
    return {
        "metadata": {"name": "s"},
        "spec": {"type": kind, "ports": [{"nodePort": one} if one else {} for one in ports], **spec},
    }


def claim(size: str, meta: Object | None = None, status: Object | None = None, **spec: Any) -> Object:
    """A PersistentVolumeClaim."""
    return {
        "metadata": {"name": "c", **(meta or {})},
        "spec": {"resources": {"requests": {"storage": size}}, **spec},
        "status": status or {},
    }


def charge(
    quotas: list[Object], plural: str, new: Object, old: Object | None = None, subresource: str = "", group: str = ""
) -> Object | str:
    """What is used of each quota then, or why not."""
    counting = rules.evaluator(group, plural)
    assert counting is not None
    write = Write(new, old, subresource)
    if not counting.handles(write):
        return "not counted"
    try:
        return {name: amounts.texts(used) for name, used in rules.charge(quotas, counting, write, NOW).items()}
    except rules.Refused as refusal:
        return str(refusal)


@pytest.mark.parametrize(("hard", "used", "obj", "expected"), [
    ({"pods": "2"}, {"pods": "1"}, pod(), {"q": {"pods": "2"}}),
    ({"pods": "2"}, {"pods": "2"}, pod(), "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"),
    ({"pods": "2"}, {}, pod(), "status unknown for quota: q, resources: pods"),
    ({"services": "0"}, {"services": "0"}, pod(), {}),
    ({"cpu": "1"}, None, pod(), "failed quota: q: must specify cpu for: c"),
    ({"limits.cpu": "1", "requests.memory": "1"}, None, pod(), "failed quota: q: must specify limits.cpu for: c; requests.memory for: c"),
    ({"ephemeral-storage": "1"}, None, pod(), {}),
    ({"cpu": "1"}, None, pod(resources={"requests": {"memory": "1"}}), {}),
    ({"requests.cpu": "1", "limits.cpu": "2"}, None, pod({"cpu": "600m"}, {"cpu": "2"}), {"q": {"requests.cpu": "600m", "limits.cpu": "2"}}),
    ({"memory": "1Gi"}, {"memory": "600Mi"}, pod({"memory": "450Mi"}), "exceeded quota: q, requested: memory=450Mi, used: memory=600Mi, limited: memory=1Gi"),
    ({"cpu": "1", "memory": "1Gi"}, {"cpu": "900m", "memory": "1000Mi"}, pod({"cpu": "200m", "memory": "100Mi"}), "exceeded quota: q, requested: cpu=200m,memory=100Mi, used: cpu=900m,memory=1000Mi, limited: cpu=1,memory=1Gi"),
    ({"requests.example.org/gpu": "3"}, None, pod({"example.org/gpu": "2"}), {"q": {"requests.example.org/gpu": "2"}}),
    ({"hugepages-2Mi": "4Mi"}, None, pod({"hugepages-2Mi": "2Mi"}), {"q": {"hugepages-2Mi": "2Mi"}}),
    ({"requests.hugepages-2Mi": "4Mi"}, None, pod({"hugepages-2Mi": "2Mi"}), {"q": {"requests.hugepages-2Mi": "2Mi"}}),
    ({"count/pods": "1"}, None, pod(), {"q": {"count/pods": "1"}}),
    ({"cpu": "1"}, None, pod({"cpu": "100m"}, overhead={"cpu": "50m"}), {"q": {"cpu": "150m"}}),
])  # fmt: skip
def test_new_pods(hard: Object, used: Object | None, obj: Object, expected: Object | str) -> None:
    """What a pod takes under each name, and the words of each refusal."""
    assert charge([quota(hard, used)], "pods", obj) == expected


DEADLINE, AFFINE = (
    {"activeDeadlineSeconds": 5},
    {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["x"]}]}},
)


@pytest.mark.parametrize(("scope", "inside", "outside"), [
    ({"scopes": ["Terminating"]}, pod(**DEADLINE), pod()),
    ({"scopes": ["NotTerminating"]}, pod(), pod(**DEADLINE)),
    ({"scopes": ["BestEffort", "NotTerminating"]}, pod(), pod({"cpu": "1"})),
    ({"scopes": ["NotBestEffort"]}, pod({"cpu": "1"}), pod()),
    ({"scopes": ["PriorityClass"]}, pod(priorityClassName="a"), pod()),
    ({"scopes": ["CrossNamespacePodAffinity"]}, pod(affinity=AFFINE), pod(affinity={})),
    ({"scopes": ["VolumeAttributesClass"]}, None, pod()),
    ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["a", "b"]}]}}, pod(priorityClassName="a"), pod(priorityClassName="c")),
    ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "NotIn", "values": ["a"]}]}}, pod(priorityClassName="c"), pod(priorityClassName="a")),
    ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "DoesNotExist"}]}}, pod(), pod(priorityClassName="a")),
    ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists"}]}}, pod(priorityClassName="a"), pod()),
])  # fmt: skip
def test_scopes(scope: Object, inside: Object | None, outside: Object) -> None:
    """A quota is about the pods of its scopes only."""
    if inside is not None:
        assert charge([quota({"pods": "5"}, **scope)], "pods", inside) == {"q": {"pods": "1"}}
    assert charge([quota({"pods": "0"}, **scope)], "pods", outside) == {}


@pytest.mark.parametrize(("new", "old", "subresource", "expected"), [
    (pod({"cpu": "2"}), pod({"cpu": "1"}), "", "not counted"),
    (pod({"cpu": "2"}), pod({"cpu": "1"}), "status", "not counted"),
    (pod({"cpu": "2"}), pod({"cpu": "1"}), "resize", {"q": {"cpu": "3", "pods": "1"}}),
    (pod({"cpu": "4"}), pod({"cpu": "1"}), "resize", "exceeded quota: q, requested: cpu=3, used: cpu=2, limited: cpu=4"),
    (pod({"cpu": "1"}), pod({"cpu": "2"}), "resize", {}),
])  # fmt: skip
def test_changed_pods(new: Object, old: Object, subresource: str, expected: Object | str) -> None:
    """A resize pays for what is more."""
    found = charge([quota({"cpu": "4", "pods": "1"}, {"cpu": "2", "pods": "1"})], "pods", new, old, subresource)
    assert found == expected


def test_a_pod_that_comes_into_a_scope_pays_in_full() -> None:
    """A pod that gets a deadline leaves one quota, which is counted again later, for another."""
    both = [
        quota({"pods": "1"}, name="long", scopes=["NotTerminating"]),
        quota({"pods": "1"}, name="short", scopes=["Terminating"]),
    ]
    assert charge(both, "pods", pod(**DEADLINE), pod()) == {"short": {"pods": "1"}}


@pytest.mark.parametrize(("plural", "new", "old", "expected"), [
    ("services", service("ClusterIP", 0, 0), None, {"services": "1", "services.nodeports": "0", "services.loadbalancers": "0"}),
    ("services", service("NodePort", 0, 0), None, {"services": "1", "services.nodeports": "2", "services.loadbalancers": "0"}),
    ("services", service("LoadBalancer", 0, 0), None, {"services": "1", "services.nodeports": "2", "services.loadbalancers": "1"}),
    ("services", service("LoadBalancer", 0, 30000, allocateLoadBalancerNodePorts=False), None, {"services": "1", "services.nodeports": "1", "services.loadbalancers": "1"}),
    ("services", service("NodePort", 0, 0), service("ClusterIP", 0), {"services": "0", "services.nodeports": "2", "services.loadbalancers": "0"}),
    ("services", service("ClusterIP", 0), service("NodePort", 0), None),
])  # fmt: skip
def test_services(plural: str, new: Object, old: Object | None, expected: Object | None) -> None:
    """Services, and what of the cluster's few ports and balancers they take."""
    hard = {"services": "9", "services.nodeports": "9", "services.loadbalancers": "9"}
    assert charge([quota(hard)], plural, new, old) == ({} if expected is None else {"q": expected})


GOLD = "gold.storageclass.storage.k8s.io/"


@pytest.mark.parametrize(("obj", "expected"), [
    (claim("1Gi"), {"persistentvolumeclaims": "1", "requests.storage": "1Gi", f"{GOLD}requests.storage": "0"}),
    (claim("1Gi", storageClassName="gold"), {"persistentvolumeclaims": "1", "requests.storage": "1Gi", f"{GOLD}requests.storage": "1Gi"}),
    (claim("1Gi", {"annotations": {"volume.beta.kubernetes.io/storage-class": "gold"}}), {"persistentvolumeclaims": "1", "requests.storage": "1Gi", f"{GOLD}requests.storage": "1Gi"}),
    (claim("100m"), {"persistentvolumeclaims": "1", "requests.storage": "1", f"{GOLD}requests.storage": "0"}),
    (claim("1Gi", status={"allocatedResources": {"storage": "2Gi"}}), {"persistentvolumeclaims": "1", "requests.storage": "2Gi", f"{GOLD}requests.storage": "0"}),
])  # fmt: skip
def test_claims(obj: Object, expected: Object) -> None:
    """Claims and whole bytes of storage, of all and of a class."""
    assert charge([quota(dict.fromkeys(expected, "9Gi"))], "persistentvolumeclaims", obj) == {"q": expected}


def test_a_claim_s_status_is_counted_but_not_refused() -> None:
    """What a resizer is trying is told, though it be too much."""
    new, old = claim("1Gi", status={"allocatedResources": {"storage": "5Gi"}}), claim("1Gi")
    held = quota({"requests.storage": "2Gi"}, {"requests.storage": "1Gi"})
    assert charge([held], "persistentvolumeclaims", new, old, "status") == {"q": {"requests.storage": "5Gi"}}


def test_claims_by_class_of_attributes() -> None:
    """A claim counts for the class that it names, and for the one that it still has."""
    scope = {"matchExpressions": [{"scopeName": "VolumeAttributesClass", "operator": "In", "values": ["a"]}]}
    held = quota({"persistentvolumeclaims": "2"}, scopeSelector=scope)
    assert charge([held], "persistentvolumeclaims", claim("1", volumeAttributesClassName="a")) == {
        "q": {"persistentvolumeclaims": "1"}
    }
    assert charge([held], "persistentvolumeclaims", claim("1", status={"currentVolumeAttributesClassName": "a"})) == {
        "q": {"persistentvolumeclaims": "1"}
    }
    assert charge([held], "persistentvolumeclaims", claim("1", volumeAttributesClassName="b")) == {}


@pytest.mark.parametrize(("group", "plural", "name"), [
    ("", "configmaps", "configmaps"), ("", "secrets", "count/secrets"), ("apps", "replicasets", "count/replicasets.apps"),
    ("stable.example.org", "crontabs", "count/crontabs.stable.example.org"), ("", "resourcequotas", "resourcequotas"),
])  # fmt: skip
def test_counts(group: str, plural: str, name: str) -> None:
    """Objects of any kind are counted when they are made, and not when they change."""
    obj = {"metadata": {"name": "a"}}
    assert charge([quota({name: "1"})], plural, obj, group=group) == {"q": {name: "1"}}
    assert charge([quota({name: "1"})], plural, obj, obj, group=group) == "not counted"
    assert charge([quota({name: "1"}, scopes=["BestEffort"])], plural, obj, group=group) == {}


def test_what_is_never_counted() -> None:
    """Events and questions."""
    assert [rules.evaluator("", "events"), rules.evaluator("authorization.k8s.io", "localsubjectaccessreviews")] == [
        None,
        None,
    ]
    assert rules.counted(["count/events", "count/events.events.k8s.io", "count/"]) == []


def test_devices() -> None:
    """A ResourceClaim counts for the most that each class may have to give."""
    exactly = {"deviceClassName": "gold", "allocationMode": "ExactCount", "count": 2}
    choices = [{"deviceClassName": "gold", "allocationMode": "ExactCount", "count": n} for n in (1, 3)]
    every = {"deviceClassName": "tin", "allocationMode": "All"}
    obj = {
        "metadata": {"name": "a"},
        "spec": {"devices": {"requests": [{"exactly": exactly}, {"firstAvailable": choices}, {"exactly": every}]}},
    }
    hard = {
        "gold.deviceclass.resource.k8s.io/devices": "9",
        "tin.deviceclass.resource.k8s.io/devices": "99",
        "count/resourceclaims.resource.k8s.io": "1",
    }
    assert charge([quota(hard)], "resourceclaims", obj, group="resource.k8s.io") == {
        "q": dict(zip(hard, ("5", "32", "1"), strict=True))
    }


@pytest.mark.parametrize(("meta", "phase", "expected"), [
    ({}, "Running", {"pods": "1", "count/pods": "1"}),
    ({}, "Succeeded", {"pods": "0", "count/pods": "1"}),
    ({"deletionTimestamp": "2026-11-23T11:59:50Z", "deletionGracePeriodSeconds": 30}, "Running", {"pods": "1", "count/pods": "1"}),
    ({"deletionTimestamp": "2026-11-23T11:59:20Z", "deletionGracePeriodSeconds": 30}, "Running", {"pods": "0", "count/pods": "1"}),
])  # fmt: skip
def test_ended_pods(meta: Object, phase: str, expected: Object) -> None:
    """A pod that has ended, or whose end is overdue, takes but its place."""
    counting = rules.evaluator("", "pods")
    assert counting is not None
    obj = {**pod(meta=meta), "status": {"phase": phase}}
    assert amounts.texts(rules.usage(quota(dict.fromkeys(expected, "5")), counting, [obj], NOW)) == expected


def test_a_pod_that_is_being_resized() -> None:
    """The greater of what is asked for and what it still has counts, until the kubelet has given up."""
    counting = rules.evaluator("", "pods")
    assert counting is not None
    had = {
        "name": "c",
        "allocatedResources": {"cpu": "3"},
        "resources": {"requests": {"cpu": "3"}, "limits": {"cpu": "4"}},
    }
    obj: Object = {**pod({"cpu": "5"}, {"cpu": "5"}), "status": {"containerStatuses": [had]}}
    held = quota({"cpu": "9", "limits.cpu": "9"})
    assert amounts.texts(rules.usage(held, counting, [obj], NOW)) == {"cpu": "5", "limits.cpu": "5"}
    obj["status"]["conditions"] = [{"type": "PodResizePending", "reason": "Infeasible"}]
    assert amounts.texts(rules.usage(held, counting, [obj], NOW)) == {"cpu": "3", "limits.cpu": "4"}


def test_status() -> None:
    """What can't be counted stays as it was known; what is no longer limited goes."""
    held = quota({"pods": "1", "count/a.b": "1"}, {"count/a.b": "7", "services": "3"})
    made = rules.status(held, {"pods": amounts.ONE})
    assert made == {"hard": {"pods": "1", "count/a.b": "1"}, "used": {"pods": "1", "count/a.b": "7"}}


@pytest.mark.parametrize(("spec", "expected"), [
    ({"hard": {"pods": "1", "requests.example.org/x": "1", "count/pods": "1"}}, []),
    ({"hard": {"pods": "1"}, "scopes": ["BestEffort"]}, []),
    ({"hard": {"pods": "-1"}}, ['spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0']),
    ({"hard": {"pods": "1500m"}}, ['spec.hard[pods]: Invalid value: "1500m": must be an integer']),
    ({"hard": {"example.org/x": "1500m"}}, ['spec.hard[example.org/x]: Invalid value: "1500m": must be an integer']),
    ({"hard": {"podsx": "1"}}, [f'spec.hard[podsx]: Invalid value: "podsx": must be a standard resource {of}' for of in ("type or fully qualified", "for quota")]),
    ({"hard": {"storage": "1"}}, ['spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota']),
    ({"scopes": ["Some"]}, ['spec.scopes: Invalid value: ["Some"]: unsupported scope']),
    ({"hard": {"cpu": "1"}, "scopes": ["BestEffort"]}, ['spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource']),
    ({"scopes": ["BestEffort", "NotBestEffort"]}, ['spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes']),
    ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}}, ["spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"]),
    ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists", "values": ["a"]}]}}, ["spec.scopeSelector.matchExpressions.values: Invalid value: [\"a\"]: must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"]),
    ({"scopeSelector": {"matchExpressions": [{"scopeName": "Terminating", "operator": "DoesNotExist"}]}}, [f'spec.scopeSelector.matchExpressions.operator: Invalid value: "DoesNotExist": {validation.ONLY_EXISTS}']),
    ({"hard": {"services": "1"}, "scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists"}]}}, [
        'spec.scopeSelector.matchExpressions: Invalid value: {"MatchExpressions":[{"ScopeName":"PriorityClass","Operator":"Exists","Values":null}]}: unsupported scope applied to resource',
    ]),
])  # fmt: skip
def test_mistakes(spec: Object, expected: list[str]) -> None:
    """What can't be counted, or not in such a scope."""
    assert [error.text for error in validation.errors({"spec": spec})] == expected


def test_scopes_stay() -> None:
    """Whatever their order."""
    held = {"spec": {"scopes": ["Terminating", "BestEffort"]}}
    assert validation.change_errors(held, {"spec": {"scopes": ["BestEffort", "Terminating"]}}) == []
    assert [error.text for error in validation.change_errors({"spec": {}}, held)] == [
        "spec.scopes: Invalid value: null: field is immutable"
    ]


def test_warnings() -> None:
    """Requests that may be more than their limits."""
    hard = {"cpu": "2", "limits.cpu": "1", "requests.memory": "1", "limits.memory": "1Gi"}
    assert validation.warnings({"spec": {"hard": hard}}) == ["ResourceQuota cpu (2) should be less than limits.cpu (1)"]


STEPS = st.lists(
    st.tuples(st.integers(0, 400), st.booleans(), st.sampled_from(("make", "grow", "drop", "count"))), max_size=40
)


@given(STEPS)
def test_charges_and_counts_agree(steps: list[tuple[int, bool, str]]) -> None:
    """Whatever is made, resized, dropped and counted in which order: never too much is used, and a count is the sum."""
    counting = rules.evaluator("", "pods")
    assert counting is not None
    quotas = [quota({"pods": "5", "cpu": "1"}, name="all"), quota({"pods": "2"}, name="short", scopes=["Terminating"])]
    pods: list[Object] = []
    for milli, short, step in steps:
        if step == "drop" and pods:
            pods.pop(milli % len(pods))
        if step in ("make", "grow"):
            at = milli % len(pods) if step == "grow" and pods else len(pods)
            old = pods[at] if at < len(pods) else None
            late = short if old is None else "activeDeadlineSeconds" in old["spec"]
            new = pod({"cpu": f"{milli}m"}, **(DEADLINE if late else {}))
            try:
                charged = rules.charge(quotas, counting, Write(new, old, "resize" if old else ""), NOW)
            except rules.Refused:
                continue
            pods[at : at + 1] = [new]
            for one in quotas:
                one["status"]["used"] |= amounts.texts(charged.get(one["metadata"]["name"], {}))
        for one in quotas:
            real = rules.usage(one, counting, pods, NOW)
            used, hard = amounts.of(one["status"]["used"]), amounts.of(one["spec"]["hard"])
            assert not amounts.exceeding(used, hard)
            assert not amounts.exceeding(real, used)
            if step == "count":
                one["status"] = rules.status(one, real)
                assert amounts.equal(amounts.of(one["status"]["used"]), real)
