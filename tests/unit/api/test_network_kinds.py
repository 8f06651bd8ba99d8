"""Rules of network kinds that random conversations with kube-apiserver 1.37.2 brought up, a line each."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kube46.addresses.families import Family
from kube46.api import endpointslices, ingressclasses, ingresses, ip, ipaddresses, networkpolicies, nodes
from kube46.api.services import families, validation, wipe

Json = Any
TYPES = 'supported values: "Ingress", "Egress"'
SUBSET = "must be a strict subset of `cidr`"
PREFIXED = 'must be a domain-prefixed path (such as "acme.io/foo")'
MISSING = ["spec.parameters.kind: Required value", "spec.parameters.name: Required value"]
CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def texts(errors: Json) -> list[str]:
    """As a message lists them."""
    return [error.text for error in errors]


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}, []),
        ({"policyTypes": ["Bad"]}, [f'spec.policyTypes[0]: Unsupported value: "Bad": {TYPES}']),
        ({"ingress": [{"from": [{}]}]}, ["spec.ingress[0].from[0]: Required value: must specify a peer"]),
        (
            {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}]},
            ["spec.egress[0].to[0]: Forbidden: may not specify both ipBlock and another peer"],
        ),
        (
            {"ingress": [{"from": [{"ipBlock": {}}]}], "policyTypes": ["X"]},
            [
                f'spec.policyTypes[0]: Unsupported value: "X": {TYPES}',
                "spec.ingress[0].from[0].ipBlock.cidr: Required value",
            ],
        ),
        (
            {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16", "10.0.0.0/8", "x"]}}]}]},
            [
                f'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": {SUBSET}',
                f'spec.egress[0].to[0].ipBlock.except[1]: Invalid value: "10.0.0.0/8": {SUBSET}',
                f'spec.egress[0].to[0].ipBlock.except[2]: Invalid value: "x": {CIDR}',
            ],
        ),
        (
            {"ingress": [{"ports": [{"port": 80, "endPort": 70}, {"endPort": 9}, {"port": "web", "endPort": 9}]}]},
            [
                "spec.ingress[0].ports[0].endPort: Invalid value: 70: must be greater than or equal to `port`",
                "spec.ingress[0].ports[1].endPort: Invalid value: 9: may not be specified when `port` is not specified",
                "spec.ingress[0].ports[2].endPort: Invalid value: 9: may not be specified when `port` is non-numeric",
            ],
        ),
    ],
)  # fmt: skip
def test_network_policies(spec: Json, found: list[str]) -> None:
    """Peers, ports and types; what upstream checks declaratively comes last."""
    policy = {"metadata": {"name": "p"}, "spec": spec}
    networkpolicies.default(policy)
    assert texts(networkpolicies.validate(policy)) == found
    assert [text for text in texts(networkpolicies.validate(policy, policy)) if CIDR in text] == []


def test_network_policies_defaults() -> None:
    """A policy is about what comes in, about what goes out only if it has rules for it, and TCP."""
    policy = {"spec": {"egress": [{"ports": [{"port": 53}]}]}}
    networkpolicies.default(policy)
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policy["spec"]["egress"][0]["ports"][0]["protocol"] == "TCP"
    policy = {"spec": {"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.1/8"}}]}]}}
    place = "spec.ingress[0].from[0].ipBlock.cidr"
    assert networkpolicies.warnings(policy)[0].startswith(f'{place}: CIDR value "10.0.0.1/8" is ambiguous')


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"controller": "example.com/c"}, []),
        ({}, ["spec.controller: Required value"]),
        ({"controller": "c"}, [f'spec.controller: Invalid value: "c": {PREFIXED}']),
        ({"controller": "a.b/c", "parameters": {}}, MISSING),
        (
            {"controller": "a.b/c", "parameters": {"kind": "T", "name": "t", "namespace": "x"}},
            ["spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"],
        ),
        (
            {"controller": "a.b/c", "parameters": {"kind": "T", "name": "t", "scope": "Namespace"}},
            ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
        ),
    ],
)  # fmt: skip
def test_ingress_classes(spec: Json, found: list[str]) -> None:
    """The controller and its parameters."""
    made = {"spec": copy.deepcopy(spec)}
    ingressclasses.default(made)
    assert texts(ingressclasses.validate(made)) == found


def test_controller_of_a_class_stays() -> None:
    """An update that changes it is refused."""
    old, new = {"spec": {"controller": "a.b/c"}}, {"spec": {"controller": "a.b/d"}}
    assert texts(ingressclasses.validate(new, old)) == ['spec.controller: Invalid value: "a.b/d": field is immutable']


def test_no_rules_and_an_empty_list_of_them() -> None:
    """The error shows which of the two was sent."""
    why = "either `defaultBackend` or `rules` must be specified"
    assert texts(ingresses.validate({"spec": {}})) == [f"spec: Invalid value: null: {why}"]
    assert texts(ingresses.validate({"spec": {"rules": []}})) == [f"spec: Invalid value: []: {why}"]


def test_declarative_checks_come_last() -> None:
    """Of an IPAddress' parent and of a slice's type."""
    parent = {"spec": {"parentRef": {"group": "Bad_", "resource": "", "name": "a/b"}}}
    found = [text.split(": ")[0] for text in texts(ipaddresses.validate(parent))]
    assert list(dict.fromkeys(found)) == ["spec.parentRef.group", "spec.parentRef.name", "spec.parentRef.resource"]
    changed = {"spec": {"parentRef": {"name": ".."}}}
    found = [text.split(": ")[0] for text in texts(ipaddresses.validate(changed, parent))]
    assert found == ["spec.parentRef.resource", "spec.parentRef.name"]
    assert texts(ipaddresses.immutable({"spec": {}}, parent)) == [
        "spec.parentRef: Invalid value: null: field is immutable"
    ]
    old = {"addressType": "IPv4", "endpoints": [], "ports": []}
    assert texts(endpointslices.validate({**old, "addressType": ""}, old)) == [
        "addressType: Required value",
        "addressType: Invalid value: null: field is immutable",
    ]
    assert texts(endpointslices.validate({**old, "addressType": "Bad"}, old)) == [
        'addressType: Unsupported value: "Bad": supported values: "FQDN", "IPv4", "IPv6"',
        "addressType: Invalid value: null: field is immutable",
    ]


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("", "Required value"), ("a.example.com.", ""), ("x.", 'Invalid value: "x": should be a domain with at least'),
        ("A.b", 'Invalid value: "A.b": a lowercase RFC 1123 subdomain'), ("." , 'Invalid value: "": a lowercase'),
        (f"{'a' * 64}.b", f'Invalid value: "{"a" * 64}": must be no more than 63'),
    ],
)  # fmt: skip
def test_domain_names(address: str, text: str) -> None:
    """An address of a slice of FQDNs is two labels or more, with or without a dot behind them."""
    endpoint = {"addresses": [address]}
    slice_ = {"metadata": {"name": "a"}, "addressType": "FQDN", "endpoints": [endpoint], "ports": []}
    found = [error.text for error in endpointslices.validate(slice_)]
    assert [one.startswith(f"endpoints[0].addresses[0]: {text}") for one in found] == ([True] if text else [])


def test_topology_is_dropped_and_told_of() -> None:
    """The field that v1 no longer writes goes; that it was there counts as a change."""
    one = {"endpoints": [{"addresses": []}, {"addresses": [], "deprecatedTopology": {"a": "b"}}]}
    assert endpointslices.drop_topology(one)
    assert one == {"endpoints": [{"addresses": []}, {"addresses": []}]}
    assert not endpointslices.drop_topology(one)


@pytest.mark.parametrize(("given", "why"), [("c://d", "modified"), ("", "cleared")])
def test_a_node_keeps_its_provider(given: str, why: str) -> None:
    """Its id is set once."""
    new, old = {"spec": {"providerID": given}}, {"spec": {"providerID": "a://b"}}
    text = f"spec.providerID: Invalid value: null: field cannot be {why} once set"
    assert texts(nodes.validate_update(new, old)) == [text]
    assert not nodes.validate_update(new, {"spec": {}})


def test_warnings_about_nodes() -> None:
    """What nothing uses any more, and ranges in another form than the canonical."""
    spec = {"configSource": {}, "externalID": "x", "podCIDRs": ["10.0.0.0/24", "2001:DB8::/32"]}
    assert nodes.warnings({"spec": spec}) == [
        "spec.configSource: the feature is removed",
        "spec.externalID: this field is deprecated, and is unused by Kubernetes",
        'spec.podCIDRs[1]: IPv6 CIDR value "2001:DB8::/32" should be in RFC 5952 canonical format ("2001:db8::/32")',
    ]


def test_warnings_about_reported_addresses() -> None:
    """Of an Ingress' load balancer; an entry may have a name instead."""
    status = {"loadBalancer": {"ingress": [{"hostname": "x"}, {"ip": "2001:DB8::1"}]}}
    (text,) = ingresses.status_warnings({"status": status})
    assert text.startswith('status.loadBalancer.ingress[1]: IPv6 address "2001:DB8::1"')


def test_node_cidrs_that_are_none() -> None:
    """The comparison of families fails beside the check of each."""
    found = texts(nodes.validate({"spec": {"podCIDRs": ["x", "10.2.0.0/24"]}}))
    why = "failed to check with dual stack with error:invalid CIDR[0]: <nil> (invalid CIDR address: x)"
    assert found[1] == f"spec.podCIDRs: Internal error: invalid PodCIDRs. {why}"
    assert "may specify no more than one CIDR for each IP family" in found[2]
    assert len(texts(nodes.validate({"spec": {"podCIDRs": ["192.0.2.0", "fd00:1::/64"]}}))) == 3


@pytest.mark.parametrize("kind", ["Bad", "text"])
def test_an_unknown_type_keeps_its_addresses(kind: str) -> None:
    """Only its type is complained about: nothing is wiped, and families are looked at as for any other."""
    old = {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"]}
    spec = {**old, "type": kind, "ipFamilyPolicy": "SingleStack"}
    service, before = {"spec": copy.deepcopy(spec)}, {"spec": {**old, "ipFamilyPolicy": "SingleStack"}}
    assert families.initialise(service["spec"], before["spec"], [Family.IPV4]) == []
    wipe.type_dependent_fields(service, before)
    assert service["spec"]["clusterIPs"] == ["10.0.0.1"]


def test_source_ranges_of_an_annotation() -> None:
    """They are read even where they may not be."""
    key = "service.beta.kubernetes.io/load-balancer-source-ranges"
    spec = {"type": "NodePort", "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]}
    found = validation.errors({"metadata": {"annotations": {key: "x"}}, "spec": {**spec, "sessionAffinity": "None"}})
    place = f"metadata.annotations[{key}]"
    assert [text for text in texts(found) if text.startswith(place)] == [
        f"{place}: Forbidden: may only be used when `type` is 'LoadBalancer'",
        f'{place}: Invalid value: "x": {CIDR}',
    ]


def test_addresses_that_cannot_be_paired() -> None:
    """The first that is none is told of where families are compared; those of a headless Service are none, too."""
    assert texts(ip.unpairable("f", ["10.0.0.1", "None", "x"])) == [
        "f: Internal error: failed to check for dual stack with error:invalid IP[1]: None"
    ]
    assert not ip.unpairable("f", ["10.0.0.1", "fd00::1"])
