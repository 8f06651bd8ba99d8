"""Changes of a Service: what is carried over, kept together, wiped, and refused (semantics 1.5 and 1.6)."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kube46.addresses.families import Family
from kube46.api import errors
from kube46.api.services import addresses, carry, defaults, families, immutable, sync, validation, warnings, wipe

BOTH = list(Family)


def stored(kind: str = "ClusterIP", **spec: Any) -> dict[str, Any]:
    """A stored Service: dual-stack unless said otherwise."""
    dual = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]}
    ips = {"clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9", "2000::9"]}
    port: dict[str, Any] = {"port": 80}
    if kind in ("NodePort", "LoadBalancer"):
        port["nodePort"] = 30080
    found: dict[str, Any] = {
        "metadata": {"name": "a", "namespace": "n"},
        "spec": {"type": kind, "ports": [port], "selector": {"a": "b"}, **dual, **ips, **spec},
    }
    defaults.default(found)
    return found


def single(**spec: Any) -> dict[str, Any]:
    """A stored Service of IPv4 alone."""
    one = {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"], "clusterIPs": ["10.0.0.9"]}
    return stored(**{**one, **spec})


def put(old: dict[str, Any], **changes: Any) -> dict[str, Any] | str:
    """The Service after writing back what was read with changes (None: left out), or the message of the refusal."""
    new = copy.deepcopy(old)
    for key, value in changes.items():
        new["spec"].pop(key, None)
        if value is not None:
            new["spec"][key] = value
    defaults.default(new)
    spec, before = new["spec"], old["spec"]
    carry.allocated_values(spec, before)
    sync.on_update(spec, before)
    problems = families.initialise(spec, before, BOTH)
    if not problems:
        wanted, _ = addresses.on_update(spec, before)
        addresses.place(spec, {family: asked or "2000::77" for family, asked in wanted.items()})
        wipe.type_dependent_fields(new, old)
        problems = immutable.errors(spec, before) + validation.errors(new, old)
    return errors.body(problems) if problems else new


U1 = (
    'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": '
    "must be 'SingleStack' to release the secondary cluster IP"
)
KEYS = ("ipFamilyPolicy", "ipFamilies", "clusterIP", "clusterIPs")
ONCE = "may not change once set"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {
                "ipFamilyPolicy": "SingleStack",
                "ipFamilies": ["IPv6"],
                "clusterIP": "2000::9",
                "clusterIPs": ["2000::9"],
            },
            f'[spec.clusterIPs[0]: Invalid value: ["2000::9"]: {ONCE}, '
            f'spec.ipFamilies[0]: Invalid value: ["2000::9"]: {ONCE}]',
        ),
        (
            {"ipFamilies": ["IPv6", "IPv4"]},
            '[spec.clusterIPs[0]: Invalid value: "10.0.0.9": expected an IPv6 value as indicated by `ipFamilies[0]`, '
            'spec.clusterIPs[1]: Invalid value: "2000::9": expected an IPv4 value as indicated by `ipFamilies[1]`]',
        ),
        (
            {"ipFamilies": ["IPv6", "IPv4"], "clusterIP": "2000::9", "clusterIPs": ["2000::9", "10.0.0.9"]},
            f'[spec.clusterIPs[0]: Invalid value: ["2000::9","10.0.0.9"]: {ONCE}, '
            f'spec.clusterIPs[1]: Invalid value: ["2000::9","10.0.0.9"]: {ONCE}, '
            f'spec.ipFamilies[0]: Invalid value: ["IPv6","IPv4"]: {ONCE}]',
        ),
        (
            {"clusterIPs": ["10.0.0.9", "2000::a"]},
            f'spec.clusterIPs[1]: Invalid value: ["10.0.0.9","2000::a"]: {ONCE}',
        ),
        ({"clusterIP": "10.0.0.10"}, U1),
        ({"clusterIP": "None"}, U1),
        (
            {"type": "ExternalName", "externalName": "x.y", "ipFamilyPolicy": "PreferDualStack"},
            "spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services",
        ),
    ],
)
def test_refused_changes_of_a_dual_stack_service(changes: dict[str, Any], message: str) -> None:
    """The scenarios of 1.6.1, with upstream's odd paths and values."""
    assert put(stored(), **changes) == message


def test_refused_changes_of_a_single_stack_service() -> None:
    """A primary address never changes, not even to None."""
    assert put(single(), clusterIP="10.0.0.10") == f'spec.clusterIPs[0]: Invalid value: ["10.0.0.10"]: {ONCE}'
    assert put(single(), clusterIP="None") == f'spec.clusterIPs[0]: Invalid value: ["None"]: {ONCE}'


def test_clearing_is_undone() -> None:
    """Empty addresses come back as they were (P-1)."""
    assert put(stored(), clusterIP=None) == put(stored(), clusterIPs=None) == put(stored()) == stored()


def test_headless_services_change_freely() -> None:
    """Order swapped, single family changed, reduced: nothing is allocated, nothing is refused (U-7)."""
    old = stored(clusterIP="None", clusterIPs=["None"])
    swapped = put(old, ipFamilies=["IPv6", "IPv4"])
    assert isinstance(swapped, dict)
    assert swapped["spec"]["ipFamilies"] == ["IPv6", "IPv4"]
    one = put(old, ipFamilyPolicy="SingleStack")
    assert isinstance(one, dict)
    assert one["spec"]["ipFamilies"] == ["IPv4"]
    assert put(old, type="NodePort") == (
        "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"
    )


def test_to_external_name_wipes_what_was_not_changed() -> None:
    """Addresses, families and policy go; the ports stay (1.5.3)."""
    after = put(stored(), type="ExternalName", externalName="x.y")
    assert isinstance(after, dict)
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & set(after["spec"])
    assert after["spec"]["ports"]


def test_node_ports_are_wiped_only_if_none_is_new() -> None:
    """NodePort to ClusterIP drops the node ports; one that the client adds is refused."""
    after = put(stored("NodePort"), type="ClusterIP")
    assert isinstance(after, dict)
    assert "nodePort" not in after["spec"]["ports"][0]
    assert "externalTrafficPolicy" not in after["spec"]
    ports = [{"port": 80, "nodePort": 30080, "name": "a"}, {"port": 81, "nodePort": 30081, "name": "b"}]
    assert put(stored("NodePort"), type="ClusterIP", ports=ports) == (
        "[spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP', "
        "spec.ports[1].nodePort: Forbidden: may not be used when `type` is 'ClusterIP']"
    )


def test_load_balancer_to_cluster_ip() -> None:
    """Class, node port switch, health check port and reported addresses go; source ranges do not (V-17)."""
    old = stored(
        "LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=31000, loadBalancerClass="example.com/x"
    )
    old["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1", "ipMode": "VIP"}]}}
    after = put(old, type="ClusterIP")
    assert isinstance(after, dict)
    gone = {"healthCheckNodePort", "loadBalancerClass", "allocateLoadBalancerNodePorts", "externalTrafficPolicy"}
    assert not gone & set(after["spec"])
    assert after["status"] == {"loadBalancer": {}}
    ranged = stored("LoadBalancer", loadBalancerSourceRanges=["10.0.0.0/8"])
    assert put(ranged, type="ClusterIP") == (
        "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"
    )


def test_balancer_class_stays() -> None:
    """The class is set once; the value is printed as the pointer it is."""
    old = stored("LoadBalancer", loadBalancerClass="example.com/x")
    assert put(old, loadBalancerClass=None) == f"spec.loadBalancerClass: Invalid value: null: {ONCE}"


def test_node_ports_follow_the_name() -> None:
    """A port that comes without its node port keeps it by name; a renamed port loses it (P-2)."""
    old = stored("NodePort", ports=[{"name": "a", "port": 1, "nodePort": 30001}, {"name": "b", "port": 2}])
    same = {"type": "NodePort", "ports": [{"name": "a", "port": 9}, {"name": "c", "port": 2}]}
    carry.allocated_values(same, old["spec"])
    assert [port.get("nodePort", 0) for port in same["ports"]] == [30001, 0]
    taken = {"type": "NodePort", "ports": [{"name": "a", "port": 9}, {"name": "c", "port": 2, "nodePort": 30001}]}
    carry.allocated_values(taken, old["spec"])
    assert [port.get("nodePort", 0) for port in taken["ports"]] == [0, 30001]


def test_plural_alone_is_refused_on_create() -> None:
    """Only the singular makes the plural (S1.2.2)."""
    new: dict[str, Any] = {"spec": {"clusterIPs": ["10.0.0.1"], "ports": [{"port": 1}]}}
    defaults.default(new)
    sync.on_create(new["spec"])
    assert errors.body(families.initialise(new["spec"], None, BOTH)) == (
        'spec.clusterIPs: Invalid value: ["10.0.0.1"]: must be empty when `clusterIP` is not specified'
    )


def test_stored_malformed_address_may_stay() -> None:
    """An address that is refused today passes where it is stored already."""
    old = single(clusterIP="010.0.0.9", clusterIPs=["010.0.0.9"])
    assert put(old, sessionAffinity="ClientIP") != errors.body(validation.errors(old))
    assert isinstance(put(old), dict)


def test_warnings() -> None:
    """Texts and order of 1.8.5."""
    service = {
        "metadata": {"annotations": {"service.kubernetes.io/topology-aware-hints": "auto"}},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "clusterIPs": ["None"],
            "externalIPs": ["2001:DB8::1"],
            "sessionAffinity": "ClientIP",
            "loadBalancerIP": "10.0.0.1",
            "externalName": "x",
            "trafficDistribution": "PreferClose",
        },
    }
    assert warnings.warnings(service) == [
        "annotation service.kubernetes.io/topology-aware-hints is deprecated, "
        "please use service.kubernetes.io/topology-mode instead",
        "spec.loadBalancerIP is ignored for headless services",
        "spec.externalIPs is ignored for headless services",
        "spec.SessionAffinity is ignored for headless services",
        'spec.externalIPs[0]: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")',
        'spec.externalName is ignored when spec.type is not "ExternalName"',
        'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"',
    ]
