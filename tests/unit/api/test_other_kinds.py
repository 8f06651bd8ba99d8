"""Rules of the other kinds: metadata, nodes, slices, Endpoints, ServiceCIDRs, workloads, configuration."""

from __future__ import annotations

import copy
from hashlib import md5
from typing import Any

import pytest

from kube46.api import (
    configuration,
    endpoints,
    endpoints_order,
    endpointslices,
    ingresses,
    leases_events,
    metadata,
    names,
    namespaces,
    nodes,
    servicecidrs,
)
from kube46.api.selectors import matches
from kube46.api.workloads import defaults, validation


def texts(errors: list[Any]) -> list[str]:
    """The errors' texts."""
    return [error.text for error in errors]


def test_metadata_of_a_new_object() -> None:
    """Name, labels, annotations, owners and finalizers are checked in upstream's order."""
    meta = {
        "name": "A",
        "namespace": "n",
        "labels": {"bad key": "bad value!"},
        "annotations": {"": ""},
        "ownerReferences": [{"apiVersion": "v1", "kind": "", "name": "o", "uid": "u"}],
        "finalizers": ["custom"],
    }
    found = metadata.validate_create({"metadata": meta}, names.subdomain, namespaced=True)
    assert [error.field for error in found] == [
        "metadata.name",
        "metadata.labels",
        "metadata.labels",
        "metadata.annotations",
        "metadata.annotations",
        "metadata.ownerReferences[0].kind",
        "metadata.finalizers[0]",
    ]
    missing = metadata.validate_create({"metadata": {}}, names.subdomain, namespaced=True)
    assert texts(missing) == [
        "metadata.name: Required value: name or generateName is required",
        "metadata.namespace: Required value",
    ]


def test_metadata_that_may_not_change() -> None:
    """No finalizer is added to what is being deleted; the uid stays."""
    old = {"name": "a", "namespace": "n", "uid": "1", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    new = {**old, "uid": "2", "finalizers": ["example.com/x"]}
    found = metadata.validate_update({"metadata": new}, {"metadata": old}, namespaced=True, core=False)
    assert texts(found)[: len(found) // 2] == [  # checked by the API machinery, and again by the kind
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers []string{"example.com/x"}',
        'metadata.uid: Invalid value: "2": field is immutable',
    ]


def test_generated_names_fit() -> None:
    """At most 63 characters, a valid name, and hardly ever the same."""
    made = {metadata.generate_name("x" * 80) for _ in range(50)}
    assert len(made) > 45
    assert all(len(name) == 63 and not names.label(name) for name in made)


def test_node_cidrs() -> None:
    """podCIDR and podCIDRs agree; they are set once (B-4)."""
    node: dict[str, Any] = {"metadata": {"name": "n"}, "spec": {"podCIDR": "10.0.0.0/24"}}
    nodes.default(node)
    assert node["spec"]["podCIDRs"] == ["10.0.0.0/24"]
    more = copy.deepcopy(node)
    more["spec"]["podCIDRs"].append("fd00::/64")
    assert texts(nodes.validate_update(more, node)) == [
        'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'
    ]
    assert nodes.validate(more) == []
    same = {"spec": {"podCIDRs": ["10.0.0.0/24", "10.0.1.0/24"]}}
    assert texts(nodes.validate(same)) == [
        'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: '
        "may specify no more than one CIDR for each IP family"
    ]


def test_new_nodes_take_no_pods() -> None:
    """One not-ready taint, also if the node brings it."""
    node: dict[str, Any] = {"spec": {}}
    nodes.taint_not_ready(node)
    nodes.taint_not_ready(node)
    assert node["spec"]["taints"] == [nodes.NOT_READY]


def test_slice_limits() -> None:
    """At most 1000 endpoints of 1 to 100 addresses, 8 hints (G-3)."""

    def errors(**more: Any) -> list[str]:
        found = {"addressType": "IPv4", "ports": [], "endpoints": [], **more}
        return texts(endpointslices.validate(found))

    one = {"addresses": ["10.0.0.1"]}
    assert errors(endpoints=[one] * 1000) == []
    assert errors(endpoints=[one] * 1001) == ["endpoints: Too many: 1001: must have at most 1000 items"]
    assert errors(endpoints=[{"addresses": ["10.0.0.1"] * 101}]) == [
        "endpoints[0].addresses: Too many: 101: must have at most 100 items"
    ]
    zones = {"forZones": [{"name": f"z{i}"} for i in range(9)]}
    assert errors(endpoints=[{**one, "hints": zones}]) == [
        "endpoints[0].hints.forZones: Too many: 9: must have at most 8 items"
    ]
    assert errors(addressType="") == ["addressType: Required value"]


def test_unchanged_endpoints_are_not_checked_again() -> None:
    """An update of labels passes although a stored address is refused today (G-2)."""
    stored = {"addressType": "IPv4", "endpoints": [{"addresses": ["010.0.0.1"]}], "ports": []}
    assert endpointslices.validate(stored, copy.deepcopy(stored)) == []
    assert len(endpointslices.validate(stored)) == 1


def test_endpoints_are_repacked() -> None:
    """Subsets with the same addresses become one; not ready anywhere on a port is not ready (RepackSubsets)."""
    a, b = {"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}
    p, q = {"port": 80, "protocol": "TCP"}, {"port": 81, "protocol": "TCP"}
    found: dict[str, Any] = {
        "subsets": [
            {"addresses": [b, a], "ports": [p]},
            {"addresses": [a, b], "ports": [q]},
            {"notReadyAddresses": [b], "ports": [p]},
        ]
    }
    endpoints.repack(found)
    once = copy.deepcopy(found)
    endpoints.repack(found)
    assert found == once
    assert {"addresses": [a], "notReadyAddresses": [b], "ports": [p]} in once["subsets"]
    assert {"addresses": [a, b], "ports": [q]} in once["subsets"]


def test_order_of_endpoints_is_that_of_go_spew() -> None:
    """Sort keys are the MD5 of what go-spew 1.1.1 printed for these values (printed once by a Go program)."""
    port = {"name": "a", "port": 80, "protocol": "TCP"}
    text = "{Name:(string)a Port:(int32)80 Protocol:(core.Protocol)TCP AppProtocol:(*string)<nil>}"
    assert endpoints_order.by_port(port) == md5(f"(core.EndpointPort){text}".encode()).digest()
    other = {"port": 80, "protocol": "UDP", "appProtocol": "http"}
    shown = "(core.EndpointPort){Name:(string) Port:(int32)80 Protocol:(core.Protocol)UDP AppProtocol:(*string)http}"
    assert endpoints_order.by_port(other) == md5(shown.encode()).digest()
    target = {"kind": "Pod", "namespace": "ns", "name": "p", "uid": "u"}
    address = {"ip": "10.0.0.1", "hostname": "h", "nodeName": "node1", "targetRef": target}
    subset = {"addresses": [address, {"ip": "10.0.0.2"}], "ports": [port]}
    whole = (
        "(core.EndpointSubset){Addresses:([]core.EndpointAddress)[{IP:(string)10.0.0.1 Hostname:(string)h "
        "NodeName:(*string)node1 TargetRef:(*core.ObjectReference){Kind:(string)Pod Namespace:(string)ns "
        "Name:(string)p UID:(types.UID)u APIVersion:(string) ResourceVersion:(string) FieldPath:(string)}} "
        "{IP:(string)10.0.0.2 Hostname:(string) NodeName:(*string)<nil> TargetRef:(*core.ObjectReference)<nil>}] "
        f"NotReadyAddresses:([]core.EndpointAddress)<nil> Ports:([]core.EndpointPort)[{text}]}}"
    )
    assert endpoints_order.by_subset(subset) == md5(whole.encode()).digest()


def test_service_cidr_may_only_grow() -> None:
    """A second family may be added; everything else is immutable (A-16)."""

    def cidr(*texts: str) -> dict[str, Any]:
        return {"spec": {"cidrs": list(texts)}}

    one = cidr("10.0.0.0/24")
    assert servicecidrs.validate_update(cidr("10.0.0.0/24", "fd00::/112"), one) == []
    assert texts(servicecidrs.validate_update(cidr("10.0.1.0/24"), one)) == [
        'spec.cidrs[0]: Invalid value: "10.0.1.0/24": field is immutable'
    ]
    assert texts(servicecidrs.validate_update(one, cidr("10.0.0.0/24", "fd00::/112"))) == [
        'spec.cidrs: Invalid value: ["10.0.0.0/24"]: field is immutable'
    ]
    assert texts(servicecidrs.validate(cidr())) == ["spec.cidrs: Required value: at least one CIDR required"]


def deployment(**spec: Any) -> dict[str, Any]:
    """A defaulted Deployment."""
    labels = {"app": "x"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    found: dict[str, Any] = {"spec": {"selector": {"matchLabels": labels}, "template": template, **spec}}
    defaults.deployment(found)
    return found


def test_deployment_defaults() -> None:
    """A quarter at a time, ten old ReplicaSets, ten minutes, one replica; zero replicas stay zero."""
    spec = deployment()["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    assert deployment(replicas=0)["spec"]["replicas"] == 0
    assert validation.errors(deployment(), "deployment") == []


def test_selector_and_template() -> None:
    """The selector must select the template, may not be empty, and stays."""
    other = deployment(selector={"matchLabels": {"app": "y"}})
    assert texts(validation.errors(other, "deployment")) == [
        'spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`'
    ]
    assert texts(validation.errors(deployment(selector={}), "deployment")) == [
        "spec.selector: Invalid value: {}: empty selector is invalid for deployment"
    ]
    assert texts(validation.immutable(other, deployment())) == [
        'spec.selector: Invalid value: {"matchLabels":{"app":"y"}}: field is immutable'
    ]


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ({"key": "app", "operator": "In", "values": ["x"]}, True),
        ({"key": "app", "operator": "NotIn", "values": ["x"]}, False),
        ({"key": "app", "operator": "Exists"}, True),
        ({"key": "app", "operator": "DoesNotExist"}, False),
        ({"key": "other", "operator": "NotIn", "values": ["x"]}, True),
    ],
)
def test_selector_expressions(expression: dict[str, Any], fits: bool) -> None:
    """The four operators of a label selector."""
    assert matches({"matchExpressions": [expression]}, {"app": "x"}) is fits


def test_configuration() -> None:
    """Keys are file names; stringData is encoded; an immutable object stays."""
    secret: dict[str, Any] = {"stringData": {"a": "b"}}
    configuration.default_secret(secret)
    assert secret == {"type": "Opaque", "data": {"a": "Yg=="}}
    assert configuration.config_map_errors({"data": {"a/b": "x"}})[0].field == "data[a/b]"
    old = {"immutable": True, "data": {"a": "x"}}
    assert texts(configuration.config_map_errors({"immutable": True, "data": {"a": "y"}}, old)) == [
        "data: Forbidden: field is immutable when `immutable` is set"
    ]
    assert texts(configuration.secret_errors({"type": "kubernetes.io/tls", "data": {}})) == [
        "data[tls.crt]: Required value",
        "data[tls.key]: Required value",
    ]
    big = {"data": {"a": "x" * (1024 * 1024 + 1)}}
    assert texts(configuration.config_map_errors(big)) == ["[]: Too long: may not be more than 1048576 bytes"]


def test_namespaces_leases_events() -> None:
    """A namespace carries its name; a lease lasts; an event lies with its object."""
    namespace: dict[str, Any] = {"metadata": {"name": "n"}}
    namespaces.default(namespace)
    namespaces.new(namespace)
    assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": "n"}
    assert namespace["spec"]["finalizers"] == ["kubernetes"]
    assert texts(leases_events.lease_errors({"spec": {"leaseDurationSeconds": 0}})) == [
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"
    ]
    about = {"metadata": {"namespace": "a"}, "involvedObject": {"namespace": "b"}}
    assert len(leases_events.event_errors(about)) == 1
    of_a_node = {"metadata": {"namespace": "default"}, "involvedObject": {"kind": "Node"}}
    assert leases_events.event_errors(of_a_node) == []
    fields = [error.field for error in leases_events.event_errors({**of_a_node, "eventTime": "2026-01-01T00:00:00Z"})]
    assert sorted(set(fields)) == ["action", "reason", "reportingComponent", "reportingInstance"]


def test_ingress_paths() -> None:
    """Literal paths are absolute and plain; the others may be patterns."""

    def errors(kind: str, path: str) -> list[str]:
        backend = {"service": {"name": "a", "port": {"number": 80}}}
        rule = {"http": {"paths": [{"path": path, "pathType": kind, "backend": backend}]}}
        return [error.body for error in ingresses.validate({"spec": {"rules": [rule]}})]

    assert errors("Prefix", "/a") == []
    assert errors("ImplementationSpecific", "/a//b") == []
    assert errors("Exact", "a/./b/..") == [
        'Invalid value: "a/./b/..": must be an absolute path',
        "Invalid value: \"a/./b/..\": must not contain '/./'",
        "Invalid value: \"a/./b/..\": cannot end with '/..'",
    ]


WHOLE = {
    "eventTime": "2026-01-01T00:00:00.000000Z", "reportingComponent": "a.b/c", "reportingInstance": "i", "action": "a",
    "reason": "r", "type": "Normal", "message": "n", "involvedObject": {"kind": "Pod", "name": "p"},
}  # fmt: skip


@pytest.mark.parametrize(("more", "found"), [
    ({}, []), ({"eventTime": None}, ["eventTime: Required value"]),
    ({"count": 1}, ['count: Invalid value: "": needs to be unset']),
    ({"type": "x"}, ['type: Invalid value: "": has invalid value: x']),
    ({"series": {"count": 1}},
     ['series.count: Invalid value: "": should be at least 2', "series.lastObservedTime: Required value"]),
])  # fmt: skip
def test_new_events(more: dict[str, Any], found: list[str]) -> None:
    """Events of events.k8s.io have a time and no field of old clients."""
    assert texts(leases_events.new_event_errors({**WHOLE, **more})) == found


def test_changed_events() -> None:
    """Only their series may change; references are shown in Go's form."""
    series = {"count": 2, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}
    assert leases_events.changed_event_errors({**WHOLE, "series": series}, WHOLE) == []
    changed = {**WHOLE, "message": "x", "source": {"host": "h"}}
    assert texts(leases_events.changed_event_errors(changed, WHOLE)) == [
        'message: Invalid value: "x": field is immutable',
        'source: Invalid value: {"Component":"","Host":"h"}: field is immutable',
    ]
