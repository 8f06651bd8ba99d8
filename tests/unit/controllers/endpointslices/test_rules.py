"""The EndpointSlices of one Service, by the rules of semantics sections 4.1 and 4.2."""

import re
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from kube46.api.objects import EndpointSlice, Meta, Node, Pod, Service
from kube46.controllers.endpointslices import hints, rules
from kube46.controllers.endpointslices.rules import Plan
from kube46.controllers.endpointslices.triggers import ANNOTATION

IPS = {"IPv4": "10.244.0.{}", "IPv6": "fd00::{}"}
BOTH = ("IPv4", "IPv6")


def service(families: tuple[str, ...] = BOTH, meta: dict[str, Any] | None = None, **spec: Any) -> Service:
    body = {
        "metadata": {"name": "web", "namespace": "shop", "uid": "svc", "labels": {"team": "a"}, **(meta or {})},
        "spec": {
            "clusterIP": "10.96.0.9",
            "ipFamilies": families,
            "selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
            **spec,
        },
    }
    return msgspec.convert(body, Service)


def pod(
    number: int, families: tuple[str, ...] = BOTH, *, ready: bool = True, phase: str = "Running", **more: Any
) -> Pod:
    meta = {"name": f"web-{number}", "namespace": "shop", "uid": f"u{number}", "labels": {"app": "web"}}
    body = {
        "metadata": {**meta, **more.pop("meta", {})},
        "spec": {"nodeName": more.pop("node", "n1"), "containers": more.pop("containers", []), **more},
        "status": {
            "phase": phase,
            "podIPs": [{"ip": IPS[f].format(number)} for f in families],
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }
    return msgspec.convert(body, Pod)


def nodes(name: str) -> Node | None:
    known = {"n1": "z1", "n2": "z2", "bare": ""}
    labels = {"topology.kubernetes.io/zone": known[name]} if known.get(name) else {}
    return Node(metadata=Meta(name=name, labels=labels)) if name in known else None


def run(svc: Service, pods: list[Pod], existing: list[EndpointSlice] | None = None, **options: Any) -> Plan:
    return rules.plan(svc, pods, nodes, existing or [], **options)


def stored(plan: Plan, existing: list[EndpointSlice] | None = None) -> list[EndpointSlice]:
    """What the server holds after a plan; new slices get names, and nil lists as JSON null."""
    named = [
        replace(s, metadata=replace(s.metadata, name=f"web-{i}{s.address_type}{len(existing or ())}"))
        for i, s in enumerate(plan.slices.create)
    ]
    gone = {s.metadata.name for s in [*plan.slices.delete, *plan.slices.update]}
    kept = [s for s in existing or [] if s.metadata.name not in gone]
    every = kept + plan.slices.update + named
    return [replace(s, endpoints=s.endpoints or None, ports=s.ports or None) for s in every]


def quiet(plan: Plan) -> bool:
    return not (plan.slices.create or plan.slices.update or plan.slices.delete)


@pytest.mark.parametrize("families", [("IPv4",), ("IPv6",), ("IPv4", "IPv6"), ("IPv6", "IPv4")], ids="-".join)
def test_one_set_of_slices_a_family(families: tuple[str, ...]) -> None:
    """Each family of the Service has slices with the pods' addresses of that family, and no other has."""
    plan = run(service(families), [pod(1), pod(2, node="n2")])
    made = {s.address_type: [e.addresses[0] for e in s.endpoints or ()] for s in plan.slices.create}
    assert made == {f: [IPS[f].format(1), IPS[f].format(2)] for f in families}
    assert quiet(run(service(families), [pod(1), pod(2, node="n2")], stored(plan)))


def test_slice_is_labelled_owned_and_named() -> None:
    """Labels, owner and name prefix are upstream's (C4-9); reserved labels of the Service are not taken over."""
    svc = service(("IPv6",), meta={"labels": {"team": "a", rules.MANAGED_BY: "me", rules.SERVICE_NAME: "other"}})
    made = run(svc, [pod(1)]).slices.create[0]
    body = msgspec.json.decode(msgspec.json.encode(made))
    assert body["metadata"] == {
        "namespace": "shop",
        "generateName": "web-",
        "labels": {
            "team": "a",
            "kubernetes.io/service-name": "web",
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        },
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Service", "name": "web", "uid": "svc", "controller": True}
            | {"blockOwnerDeletion": True}
        ],
    }
    assert body["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]
    assert body["endpoints"] == [
        {
            "addresses": ["fd00::1"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "nodeName": "n1",
            "zone": "z1",
            "targetRef": {"kind": "Pod", "namespace": "shop", "name": "web-1", "uid": "u1"},
        }
    ]


@pytest.mark.parametrize(
    ("ready", "terminating", "publish", "expected"),
    [
        (True, False, False, (True, True, False)),
        (False, False, False, (False, False, False)),
        (True, True, False, (False, True, True)),
        (False, True, False, (False, False, True)),
        (False, False, True, (True, False, False)),
        (False, True, True, (True, False, True)),
    ],
)
def test_conditions(ready: bool, terminating: bool, publish: bool, expected: tuple[bool, bool, bool]) -> None:
    """ready, serving and terminating follow C4-11."""
    meta = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if terminating else {}
    plan = run(service(("IPv6",), publishNotReadyAddresses=publish), [pod(1, ready=ready, meta=meta)])
    found = (plan.slices.create[0].endpoints or ())[0].conditions
    assert (found.ready, found.serving, found.terminating) == expected


@pytest.mark.parametrize(
    "outsider",
    [pod(1, ()), pod(1, phase="Succeeded"), pod(1, phase="Failed"), pod(1, ("IPv4",)), pod(1, node="gone")],
    ids=["no address", "succeeded", "failed", "other family", "unknown node"],
)
def test_who_takes_no_part_leaves_a_placeholder(outsider: Pod) -> None:
    """Such pods are no endpoints, and an empty slice without ports stands for the family (C4-3, C4-4, C4-8)."""
    plan = run(service(("IPv6",)), [outsider])
    assert [(s.endpoints, s.ports) for s in plan.slices.create] == [((), ())]
    assert quiet(run(service(("IPv6",)), [outsider], stored(plan)))


def test_pod_on_an_unknown_node_is_published_when_unready_ones_are() -> None:
    """publishNotReadyAddresses publishes pods whose node is not there either."""
    plan = run(service(("IPv6",), publishNotReadyAddresses=True), [pod(1, node="gone")])
    assert len(plan.slices.create[0].endpoints or ()) == 1


def test_single_stack_pod_of_a_dual_stack_service() -> None:
    """A pod without an address of a family has no endpoint there, and is one in the other."""
    plan = run(service(), [pod(1, ("IPv4",)), pod(2)])
    made = {s.address_type: len(s.endpoints or ()) for s in plan.slices.create}
    assert made == {"IPv4": 2, "IPv6": 1}


CONTAINER = {
    "name": "c",
    "ports": [{"name": "web", "containerPort": 8080}, {"name": "web", "containerPort": 53, "protocol": "UDP"}],
}
SIDECAR = {"name": "s", "restartPolicy": "Always", "ports": [{"name": "side", "containerPort": 9090}]}
NO_SIDECAR = {"name": "s", "ports": [{"name": "side", "containerPort": 9090}]}


@pytest.mark.parametrize(
    ("port", "more", "expected"),
    [
        ({"targetPort": "web"}, {"containers": [CONTAINER]}, [8080]),
        ({"targetPort": "web", "protocol": "UDP"}, {"containers": [CONTAINER]}, [53]),
        ({"targetPort": "web", "protocol": "SCTP"}, {"containers": [CONTAINER]}, []),
        ({"targetPort": "side"}, {"containers": [CONTAINER], "initContainers": [SIDECAR]}, [9090]),
        ({"targetPort": "side"}, {"containers": [CONTAINER], "initContainers": [NO_SIDECAR]}, []),
        ({"targetPort": 7}, {}, [7]),
    ],
)
def test_target_ports(port: dict[str, Any], more: dict[str, Any], expected: list[int]) -> None:
    """A named port is looked up in containers, then sidecars, with its protocol; what can't be resolved is left out."""
    plan = run(service(("IPv6",), ports=[{"port": 80, **port}]), [pod(1, **more)])
    assert [p.port for p in plan.slices.create[0].ports or ()] == expected
    assert len(plan.slices.create[0].endpoints or ()) == 1


def test_pods_with_different_numbers_for_a_name_get_different_slices() -> None:
    """Endpoints are grouped by the ports that their pods resolve (C4-5)."""
    svc = service(("IPv6",), ports=[{"port": 80, "targetPort": "web"}])
    other = {"name": "c", "ports": [{"name": "web", "containerPort": 9999}]}
    plan = run(svc, [pod(1, containers=[CONTAINER]), pod(2, containers=[other]), pod(3, containers=[CONTAINER])])
    assert sorted((s.ports[0].port, len(s.endpoints or ())) for s in plan.slices.create if s.ports) == [
        (8080, 2),
        (9999, 1),
    ]


def test_headless_without_ports() -> None:
    """A headless Service without ports has endpoints, no ports, and the headless label."""
    svc = service(("IPv6",), clusterIP="None", ports=[])
    made = run(svc, [pod(1)]).slices.create[0]
    assert (made.ports, len(made.endpoints or ())) == ((), 1)
    assert made.metadata.labels["service.kubernetes.io/headless"] == ""


@pytest.mark.parametrize(("subdomain", "expected"), [("web", "db-0"), ("other", None), ("", None)])
def test_hostname_needs_the_subdomain(subdomain: str, expected: str | None) -> None:
    """An endpoint has its pod's hostname only when the pod's subdomain is the Service."""
    plan = run(service(("IPv6",)), [pod(1, hostname="db-0", subdomain=subdomain)])
    assert (plan.slices.create[0].endpoints or ())[0].hostname == expected


def test_names_survive_scaling_to_nothing_and_back() -> None:
    """The slice becomes the placeholder and the placeholder the slice: both are updates (C4-8)."""
    first = stored(run(service(), [pod(1)]))
    down = run(service(), [], first)
    assert (len(down.slices.update), down.slices.create, down.slices.delete) == (2, [], [])
    empty = stored(down, first)
    assert all(not s.endpoints and not s.ports for s in empty)
    up = run(service(), [pod(1)], empty)
    assert (len(up.slices.update), up.slices.create, up.slices.delete) == (2, [], [])
    assert {s.metadata.name for s in up.slices.update} == {s.metadata.name for s in first}


def test_lost_family_loses_its_slices() -> None:
    """After a downgrade to one family the other family's slices are deleted, and this one's stay."""
    first = stored(run(service(), [pod(1)]))
    plan = run(service(("IPv6",)), [pod(1)], first)
    assert [s.address_type for s in plan.slices.delete] == ["IPv4"]
    assert not plan.slices.create
    assert not plan.slices.update


def test_slices_of_a_former_service_are_deleted_not_reused() -> None:
    """A Service made again under its name does not adopt what belonged to the former one."""
    first = stored(run(service(("IPv6",)), [pod(1)]))
    plan = run(service(("IPv6",), meta={"uid": "another"}), [pod(1)], first)
    assert (len(plan.slices.create), len(plan.slices.delete), plan.slices.update) == (1, 1, [])


def test_dying_service_gets_no_new_slices() -> None:
    """A Service that is being deleted gets updates but nothing new (C4-12)."""
    svc = service(meta={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    assert quiet(run(svc, [pod(1)]))


def test_many_pods_make_slices_of_a_hundred() -> None:
    """250 pods make slices of 100, 100 and 50 in each family; one more pod changes one slice a family."""
    pods = [pod(n) for n in range(1, 251)]
    first = stored(run(service(), pods))
    assert sorted(len(s.endpoints or ()) for s in first) == [50, 50, 100, 100, 100, 100]
    plan = run(service(), [*pods, pod(251)], first)
    assert (len(plan.slices.update), plan.slices.create, plan.slices.delete) == (2, [], [])


def test_trigger_time_is_written_with_changes_only() -> None:
    """The annotation goes onto written slices, and disappears from them when no time is known."""
    first = run(service(("IPv6",)), [pod(1)], trigger="2026-01-01T00:00:00Z")
    assert first.slices.create[0].metadata.annotations == {ANNOTATION: "2026-01-01T00:00:00Z"}
    held = stored(first)
    assert quiet(run(service(("IPv6",)), [pod(1)], held, trigger="2026-02-02T00:00:00Z"))
    changed = run(service(("IPv6",)), [pod(1, ready=False)], held)
    assert changed.slices.update[0].metadata.annotations == {}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, True),
        ({"selector": None}, False),
        ({"selector": {}}, True),
        ({"type": "ExternalName"}, False),
    ],
)
def test_which_services_are_handled(spec: dict[str, Any], expected: bool) -> None:
    """Without a selector nothing is done; an empty one is a selector (C4-1)."""
    assert rules.handles(service(**spec)) is expected


@pytest.mark.parametrize(
    ("spec", "families"),
    [
        ({"clusterIP": "10.96.0.9"}, ["IPv4"]),
        ({"clusterIP": "fd00::9"}, ["IPv6"]),
        ({"clusterIP": "None"}, ["IPv4", "IPv6"]),
    ],
)
def test_families_of_an_old_service(spec: dict[str, Any], families: list[str]) -> None:
    """A Service without ipFamilies has slices of its address's family, or of both when headless (C4-2)."""
    assert sorted(s.address_type for s in run(service((), **spec), [pod(1)]).slices.create) == families


@pytest.mark.parametrize(
    ("mode", "node", "zones", "names"),
    [
        ("PreferClose", "n1", ["z1"], []),
        ("PreferSameZone", "n2", ["z2"], []),
        ("PreferSameNode", "n1", ["z1"], ["n1"]),
        ("PreferSameNode", "bare", [], ["bare"]),
        ("PreferClose", "bare", None, None),
        ("Other", "n1", None, None),
    ],
)
def test_traffic_distribution(mode: str, node: str, zones: list[str] | None, names: list[str] | None) -> None:
    """Ready endpoints are hinted to their own zone and, if so asked, node (H-2)."""
    plan = run(service(("IPv6",), trafficDistribution=mode), [pod(1, node=node)])
    found = (plan.slices.create[0].endpoints or ())[0].hints
    given = ([z.name for z in found.for_zones], [n.name for n in found.for_nodes]) if found else (None, None)
    assert given == (zones, names)


def test_hints_go_when_traffic_distribution_goes() -> None:
    """Slices with hints that nobody wants any more are updated."""
    first = stored(run(service(("IPv6",), trafficDistribution="PreferClose"), [pod(1)]))
    plan = run(service(("IPv6",)), [pod(1)], first)
    assert [e.hints for s in plan.slices.update for e in s.endpoints or ()] == [None]


AUTO = {"annotations": {"service.kubernetes.io/topology-mode": "Auto"}}


def zone_hints(values: list[EndpointSlice]) -> list[str]:
    return sorted(z.name for s in values for e in s.endpoints or () for z in (e.hints.for_zones if e.hints else ()))


def test_topology_aware_hints_follow_the_zones_cpus() -> None:
    """A zone with too many endpoints gives some to one with too few, and a second look changes nothing (H-3)."""
    svc = service(("IPv6",), meta=AUTO)
    pods = [pod(n, node="n1" if n < 5 else "n2") for n in range(1, 7)]
    plan = run(svc, pods, shares={"z1": 0.5, "z2": 0.5})
    assert zone_hints(plan.slices.create) == ["z1"] * 3 + ["z2"] * 3
    assert [n.reason for n in plan.notices] == ["TopologyAwareHintsEnabled"]
    again = run(svc, pods, stored(plan), shares={"z1": 0.5, "z2": 0.5})
    assert quiet(again)
    assert not again.notices


@pytest.mark.parametrize(
    ("shares", "count", "node", "message"),
    [
        (None, 4, "n1", "Insufficient Node information"),
        ({"z1": 0.5, "z2": 0.5}, 1, "n1", r"Insufficient number of endpoints \(1 endpoints, 2 zones\)"),
        ({"z1": 0.34, "z2": 0.33, "z3": 0.33}, 4, "n1", "Unable to allocate minimum required endpoints"),
        ({"z1": 0.5, "z2": 0.5}, 4, "bare", "do not have a zone specified"),
    ],
)
def test_no_topology_aware_hints(shares: hints.Shares | None, count: int, node: str, message: str) -> None:
    """Where zones can't be served in proportion, hints are removed and an Event says why."""
    svc = service(("IPv6",), meta=AUTO, trafficDistribution="PreferClose")
    pods = [pod(n, node=node) for n in range(1, count + 1)]
    plan = run(svc, pods, shares=shares)
    assert zone_hints(plan.slices.create) == []
    assert [n.reason for n in plan.notices] == ["TopologyAwareHintsDisabled"]
    assert re.search(message, plan.notices[0].message)
    assert plan.notices[0].message.endswith(", addressType: IPv6")
