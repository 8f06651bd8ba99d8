"""ServiceCIDRs, IPAddresses, Ingresses, IngressClasses and NetworkPolicies: what there is to say about them."""

from __future__ import annotations

from typing import Any

from cluster.conversations.drawing import Topic, fields
from cluster.conversations.services import CONDITIONS, INGRESS

Json = Any
API = "networking.k8s.io/v1"
NETWORKING = f"/apis/{API}"
HERE = f"{NETWORKING}/namespaces/conversation"


def _object(kind: str, **rest: Json) -> Json:
    return {"apiVersion": API, "kind": kind, "metadata": {}, **rest}


CIDR_LISTS: tuple[Json, ...] = (
    ["10.97.0.0/24"], ["fd00:10:97::/120"], ["10.97.0.0/24", "fd00:10:97::/120"], ["fd00:10:97::/120", "10.97.0.0/24"],
    ["10.98.0.0/24"], ["10.97.0.0/24", "fd00:10:98::/120"], [], None, [""], ["x"], ["10.97.0.1/24"], ["10.97.0.0"],
    ["FD00:10:97::/120"], ["fd00:10:97:0::/120"], ["10.97.0.0/33"], ["10.097.0.0/24"], ["::ffff:10.97.0.0/120"],
    ["10.97.0.0/24", "10.98.0.0/24"], ["10.97.0.0/24", "fd00:10:97::/120", "10.99.0.0/24"], ["10.97.0.0/24", "x"],
    ["10.97.0.0/32"], ["fd00::/8"], ["10.96.0.0/16"], ["10.97.0.0/024"],
)  # fmt: skip
SERVICECIDRS = Topic(
    "servicecidrs",
    f"{NETWORKING}/servicecidrs",
    tuple(_object("ServiceCIDR", spec={"cidrs": cidrs}) for cidrs in CIDR_LISTS[:4]),
    fields(
        "spec",
        {
            "cidrs": CIDR_LISTS,
            "cidrs.0": ("10.97.0.0/24", "10.98.0.0/24", "fd00:10:97::/120", "x", ""),
            "cidrs.1": ("10.97.0.0/24", "fd00:10:97::/120", "x"),
            "": ({}, None, {"cidrs": ["10.97.0.0/24"]}),
        },
    )
    * 2
    + fields("status", {"conditions": CONDITIONS[:2], "": ({}, None)}),
    names=("app", "app", "app", "db", "Bad_Name", "a.b"),
    status=fields("status", {"conditions": CONDITIONS, "": ({}, None, {"x": 1})}),
    queries=("fieldSelector=metadata.name=kubernetes", "limit=1"),
)

PARENT = {"resource": "services", "namespace": "conversation", "name": "nobody"}
IPADDRESSES = Topic(
    "ipaddresses",
    f"{NETWORKING}/ipaddresses",
    (
        _object("IPAddress", spec={"parentRef": PARENT}),
        _object("IPAddress", spec={"parentRef": {"group": "example.com", "resource": "things", "name": "x"}}),
        _object("IPAddress", metadata={"labels": {"a": "b"}}, spec={"parentRef": PARENT}),
    ),
    fields(
        "spec",
        {
            "parentRef": (PARENT, {"resource": "pods", "name": "p"}, {}, None, {"group": "Bad_Group", "resource": "a/b", "name": "%"}),
            "parentRef.group": ("", "example.com", "Bad_", "apps"),
            "parentRef.resource": ("services", "", "a/b", ".", "..", "%x"),
            "parentRef.namespace": ("conversation", "", "Bad_Namespace", "a/b"),
            "parentRef.name": ("nobody", "somebody", "", "a/b", ".."),
            "": ({}, None, {"parentRef": PARENT}),
        },
    )
    * 2
    + fields(
        "metadata",
        {"labels.ipaddress~kubernetes~io/ip-family": ("IPv4", "IPv6")},
    ),
    names=(
        "10.98.0.7", "10.98.0.7", "10.98.0.7", "fd00:10:98::7", "FD00:10:98::7", "10.98.0.07", "::ffff:10.98.0.7", "app",
        "10.98.0.8", "fd00:10:98:0::7", "0.0.0.0", "127.0.0.1", "10.96.0.20", "fd00:10:96::20",
    ),
    queries=("fieldSelector=spec.parentRef.name=nobody", "fieldSelector=spec.parentRef=.services.x.y", "fieldSelector=metadata.name=10.98.0.7"),
)  # fmt: skip

BACKEND: Json = {"service": {"name": "web", "port": {"number": 80}}}
THING = {"resource": {"apiGroup": "example.com", "kind": "Thing", "name": "t"}}
BACKENDS: tuple[Json, ...] = (
    BACKEND, {"service": {"name": "web", "port": {"name": "http"}}}, THING, {**BACKEND, **THING}, {}, None,
    {"service": {"name": "", "port": {}}}, {"service": {"name": "Bad_", "port": {"number": 80}}}, {"service": {"name": "web"}},
    {"service": {"name": "web", "port": {"number": 80, "name": "http"}}}, {"service": {"name": "web", "port": {"number": 0}}},
    {"service": {"name": "web", "port": {"number": 70000}}}, {"service": {"name": "web", "port": {"name": "Bad_"}}},
    {"resource": {"kind": "", "name": ""}}, {"resource": {"apiGroup": "Bad_", "kind": "a/b", "name": "%"}}, {"service": None},
)  # fmt: skip


def _rule(path: str, kind: Json, **rest: Json) -> Json:
    return {"http": {"paths": [{"path": path, "pathType": kind, "backend": BACKEND}]}, **rest}


RULES: tuple[Json, ...] = (
    [_rule("/", "Prefix")], [_rule("/a", "Exact", host="a.example.com")], [_rule("/", "Prefix", host="*.example.com")],
    [{"host": "a.example.com"}], [{}], [], None, [_rule("", "Prefix")], [_rule("a", "Exact")], [_rule("/a//b", "Exact")],
    [_rule("/", None)], [_rule("/", "Bad")], [_rule("a", "ImplementationSpecific")], [_rule("", "ImplementationSpecific")],
    [_rule("/", "Prefix", host="10.1.0.1")], [_rule("/", "Prefix", host="Bad_")], [_rule("/", "Prefix", host="*")],
    [_rule("/", "Prefix", host="a.*.com")], [{"http": {"paths": []}}], [{"http": {}}], [_rule("/../x", "Prefix")],
    [_rule("/x/..", "Exact")], [_rule("/%2f", "Prefix")], [_rule("/ä b", "Prefix")], [_rule("/;{}", "Prefix")],
    [_rule("/", "Prefix"), _rule("/a", "Bad")],
)  # fmt: skip
INGRESSES = Topic(
    "ingresses",
    f"{HERE}/ingresses",
    (
        _object("Ingress", spec={"defaultBackend": BACKEND}),
        _object("Ingress", spec={"rules": RULES[0]}),
        _object(
            "Ingress", spec={"rules": RULES[1], "ingressClassName": "nginx", "tls": [{"hosts": ["a.example.com"]}]}
        ),
        _object("Ingress", spec={"defaultBackend": THING}),
    ),
    fields(
        "spec",
        {
            "defaultBackend": BACKENDS,
            "defaultBackend.service.port": ({"number": 80}, {"name": "http"}, {}, {"number": 81, "name": "x"}),
            "rules": RULES,
            "rules.0.host": ("a.example.com", "*.example.com", "", "Bad_", "fd00::1", "a.example.com."),
            "rules.0.http.paths.0.path": ("/x", "", "x", "/a/./b", "/a/.", "/%2F", "/a\\b"),
            "rules.0.http.paths.0.pathType": ("Prefix", "Exact", "ImplementationSpecific", "Bad", "", None),
            "rules.0.http.paths.0.backend": BACKENDS,
            "rules.0.http.paths.1": ({"path": "/b", "pathType": "Exact", "backend": BACKEND}, {}, {"backend": {}}),
            "tls": ([{}], [{"hosts": ["a.b"]}], [{"hosts": ["*.a.b", "Bad_"], "secretName": "Bad_"}], [], None),
            "tls.0.secretName": ("secret", "Bad_", "", "a.b"),
            "ingressClassName": ("nginx", "Bad_", "", None),
            "": ({}, None),
        },
    )
    + fields(
        "metadata.annotations",
        {
            "kubernetes~io/ingress~class": ("nginx", "other", ""),
        },
    ),
    status=fields(
        "status",
        {
            "loadBalancer.ingress": INGRESS,
            "loadBalancer.ingress.0.ip": ("192.0.2.5", "x", "2001:DB8::5", "192.0.2.05"),
            "": ({}, None),
        },
    ),
    queries=("fieldSelector=spec.ingressClassName=nginx",),
)

PARAMETERS: tuple[Json, ...] = (
    {"kind": "Thing", "name": "t"}, {"apiGroup": "example.com", "kind": "Thing", "name": "t", "scope": "Cluster"},
    {"kind": "Thing", "name": "t", "scope": "Namespace", "namespace": "conversation"}, {"kind": "Thing", "name": "t", "scope": "Bad"},
    {"kind": "Thing", "name": "t", "scope": "Namespace"}, {"kind": "Thing", "name": "t", "namespace": "x"}, {}, None,
    {"apiGroup": "Bad_", "kind": "a/b", "name": ".."}, {"kind": "Thing", "name": "t", "scope": ""},
    {"kind": "Thing", "name": "t", "scope": "Namespace", "namespace": "Bad_"},
)  # fmt: skip
CLASSES = Topic(
    "ingressclasses",
    f"{NETWORKING}/ingressclasses",
    (
        _object("IngressClass", spec={"controller": "example.com/c"}),
        _object("IngressClass", spec={"controller": "a.b/c/d"}),
    ),
    fields(
        "spec",
        {
            "controller": ("example.com/c", "c", "", "Bad_/c", "example.com/", "a" * 251, "example.com/a b", None),
            "parameters": PARAMETERS,
            "parameters.scope": ("Cluster", "Namespace", "", None),
            "parameters.namespace": ("conversation", "Bad_", "", None),
            "parameters.name": ("t", "", "a/b"),
            "": ({}, None),
        },
    )
    * 2
    + fields("metadata.annotations", {"ingressclass~kubernetes~io/is-default-class": ("true", "yes")}),
)

PEERS: tuple[Json, ...] = (
    [{"podSelector": {}}], [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}], [{"namespaceSelector": {}, "podSelector": {}}],
    [{}], [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}], [{"ipBlock": {"cidr": "x"}}], [{"ipBlock": {}}], [], None,
    [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}], [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}],
    [{"ipBlock": {"cidr": "fd00::/64", "except": ["fd00::/65", "x"]}}], [{"ipBlock": {"cidr": "10.0.0.1/8"}}], [{"ipBlock": {"cidr": "FD00::/64"}}],
    [{"podSelector": {"matchLabels": {"Bad Key": "x"}}}], [{"podSelector": {"matchExpressions": [{"key": "a", "operator": "Bad"}]}}],
    [{"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": []}]}}],
)  # fmt: skip
POLICY_PORTS: tuple[Json, ...] = (
    [{"port": 80}], [{"port": "http", "protocol": "UDP"}], [{}], [], None, [{"port": 0}], [{"port": "Bad_Name"}], [{"protocol": "tcp"}],
    [{"port": 80, "endPort": 90}], [{"port": 80, "endPort": 70}], [{"endPort": 90}], [{"port": "http", "endPort": 90}], [{"port": 80, "endPort": 70000}],
    [{"port": 80}, {"port": 81, "protocol": "SCTP"}],
)  # fmt: skip
POLICIES = Topic(
    "networkpolicies",
    f"{HERE}/networkpolicies",
    (
        _object("NetworkPolicy", spec={"podSelector": {}}),
        _object("NetworkPolicy", spec={"podSelector": {"matchLabels": {"app": "x"}}, "policyTypes": ["Ingress", "Egress"]}),
        _object("NetworkPolicy", spec={"podSelector": {}, "ingress": [{"from": PEERS[0], "ports": [{"port": 80}]}]}),
        _object("NetworkPolicy", spec={"podSelector": {}, "egress": [{"to": PEERS[1]}]}),
    ),
    fields(
        "spec",
        {
            "podSelector": ({}, None, {"matchLabels": {"app": "y"}}, {"matchExpressions": [{"key": "a", "operator": "Exists"}]}),
            "podSelector.matchExpressions": ([{"key": "a", "operator": "In"}], [{"key": "", "operator": "Exists", "values": ["x"]}], [{}]),
            "policyTypes": (["Ingress"], ["Egress"], ["Ingress", "Egress"], [], None, ["Bad"], ["Ingress", "Ingress"], ["Ingress", "Egress", "X"]),
            "ingress": ([{}], [], None, [{"from": PEERS[0]}, {"ports": [{"port": 80}]}]),
            "ingress.0.from": PEERS,
            "ingress.0.ports": POLICY_PORTS,
            "egress": ([{}], [], None),
            "egress.0.to": PEERS,
            "egress.0.ports": POLICY_PORTS,
            "": ({}, None),
        },
    ),
)  # fmt: skip
