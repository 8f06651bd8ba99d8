"""EndpointSlices and Endpoints: what there is to say about them."""

from __future__ import annotations

from typing import Any

from cluster.conversations.drawing import Topic, fields
from cluster.conversations.services import ADDRESSES

Json = Any
TYPES = ("IPv4", "IPv6", "FQDN", "Bad", "", None)
ADDRESS_LISTS = (
    *ADDRESSES, ["10.1.0.1"], ["fd00::1"], ["FD00::1"], ["a.example.com"], ["Bad_Host"], ["fd00:0::1"], [None],
    [f"10.1.0.{n}" for n in range(1, 102)],
)  # fmt: skip
CONDITIONS = (
    {"ready": True},
    {"ready": False, "serving": True, "terminating": True},
    {},
    None,
    {"ready": "yes"},
    {"x": 1},
)
HINTS: tuple[Json, ...] = (
    {"forZones": [{"name": "z1"}]}, {"forZones": [{"name": "z1"}, {"name": "z1"}]}, {"forZones": [{"name": "bad zone"}]},
    {"forZones": [{"name": f"z{n}"} for n in range(9)]}, {"forNodes": [{"name": "n1"}]}, {"forZones": []}, {}, None,
    {"forNodes": [{"name": "Bad_Node"}, {"name": "n1"}, {"name": "n1"}]}, {"forZones": [{}]}, {"forZones": [{"name": ""}]},
)  # fmt: skip
PORTS: tuple[Json, ...] = (
    [{"port": 80}], [], None, [{"name": "a", "port": 80}, {"name": "b", "port": 81, "protocol": "UDP"}], [{}],
    [{"name": "a"}, {"name": "a"}], [{"port": 80}, {"port": 81}], [{"name": "UPPER"}], [{"protocol": "tcp"}],
    [{"protocol": ""}], [{"appProtocol": "http"}], [{"appProtocol": "a b"}], [{"port": 0}], [{"port": 70000}],
    [{"name": "b", "port": 81}, {"name": "a", "port": 80}], [{"name": "", "port": 80, "appProtocol": "kubernetes.io/h2c"}],
    [{"port": None, "name": None}], [{"name": "a" * 64}],
)  # fmt: skip


def _slice(kind: str, addresses: list[str], **fields: Json) -> Json:
    made = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {}, "addressType": kind}
    return {**made, "endpoints": [{"addresses": addresses}], "ports": [{"name": "http", "port": 80}], **fields}


SLICES = Topic(
    "endpointslices",
    "/apis/discovery.k8s.io/v1/namespaces/conversation/endpointslices",
    (
        _slice("IPv4", ["10.1.0.1"]),
        _slice("IPv4", ["10.1.0.1"]),
        _slice("IPv6", ["fd00::1"]),
        _slice("FQDN", ["a.example.com"]),
        _slice("IPv4", [], endpoints=[], ports=[]),
        _slice("IPv6", ["fd00::1"], metadata={"labels": {"kubernetes.io/service-name": "app"}}),
        _slice("IPv4", ["10.1.0.1"], endpoints=[{"addresses": ["10.1.0.1"], "nodeName": "n1", "zone": "z1"}]),
    ),
    fields(
        "",
        {
            "addressType": TYPES,
            "endpoints": ([], None, [{}], [{"addresses": ["10.1.0.2"]}, {"addresses": ["10.1.0.3"]}], [{"addresses": None}]),
            "endpoints.0.addresses": ADDRESS_LISTS,
            "endpoints.0.addresses.0": ("10.1.0.9", "fd00::9", "x", "fd00:0:0::9", "10.1.0.09", ""),
            "endpoints.0.conditions": CONDITIONS,
            "endpoints.0.conditions.ready": (True, False, None),
            "endpoints.0.hostname": ("web-0", "Bad", "a" * 64, "", "a.b", None),
            "endpoints.0.nodeName": ("n1", "Bad_Node", "", None),
            "endpoints.0.zone": ("z1", "", "bad zone", None),
            "endpoints.0.targetRef": ({"kind": "Pod", "name": "p", "namespace": "conversation"}, {}, None, {"x": 1}),
            "endpoints.0.hints": HINTS,
            "endpoints.0.deprecatedTopology": ({"a": "b"}, {}),
            "endpoints.1": ({"addresses": ["10.1.0.2"]}, {"addresses": ["fd00::2"]}, {"addresses": []}, {}),
            "endpoints.1.hostname": ("web-1", "Bad"),
            "ports": PORTS,
            "ports.0.port": (80, 0, -1, 70000, None, "80"),
            "ports.0.name": ("a", "", "b", "UPPER", None),
            "ports.0.protocol": ("TCP", "UDP", "SCTP", "tcp", None),
            "ports.1": ({"name": "z", "port": 1}, {"name": "http"}, {}),
            "metadata.labels.endpointslice~kubernetes~io/managed-by": (
                "endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io", "me",
            ),
            "metadata.labels.kubernetes~io/service-name": ("app", "db"),
        },
    ),
    queries=("labelSelector=kubernetes.io/service-name=app", "limit=1"),
)  # fmt: skip

SUBSETS: tuple[Json, ...] = (
    [{"addresses": [{"ip": "10.1.0.1"}], "ports": [{"port": 80}]}],
    [{"addresses": [{"ip": "10.1.0.2"}, {"ip": "10.1.0.1"}], "ports": [{"port": 81, "name": "b"}, {"port": 80, "name": "a"}]}],
    [{"addresses": [{"ip": "10.1.0.1"}], "ports": [{"port": 80}]}, {"addresses": [{"ip": "10.1.0.2"}], "ports": [{"port": 80}]}],
    [{"addresses": [{"ip": "10.1.0.1"}], "ports": [{"port": 80}]}, {"notReadyAddresses": [{"ip": "10.1.0.1"}], "ports": [{"port": 80}]}],
    [{"addresses": [{"ip": "10.1.0.1"}], "notReadyAddresses": [{"ip": "10.1.0.1"}, {"ip": "fd00::1"}], "ports": [{"port": 80}]}],
    [{"addresses": [{"ip": "10.1.0.1"}, {"ip": "10.1.0.1"}], "ports": [{"port": 80}, {"port": 80}]}],
    [{"addresses": [{"ip": "10.1.0.1"}]}], [{"ports": [{"port": 80}]}], [{}], [], None, [{"addresses": [], "ports": []}],
    [{"addresses": [{"ip": "10.1.0.1"}], "ports": [{"port": 80, "name": "a", "appProtocol": "http"}, {"port": 81, "name": "b", "protocol": "UDP"}]}],
    [
        {"addresses": [{"ip": "10.1.0.1"}], "ports": [{"port": 80, "name": "a"}]},
        {"addresses": [{"ip": "10.1.0.1"}], "ports": [{"port": 81, "name": "b"}]},
    ],
    [
        {"addresses": [{"ip": "10.1.0.1", "targetRef": {"kind": "Pod", "name": "p", "uid": "u1"}}], "ports": [{"port": 80}]},
        {"addresses": [{"ip": "10.1.0.1", "targetRef": {"kind": "Pod", "name": "q", "uid": "u2"}}], "ports": [{"port": 80}]},
    ],
)  # fmt: skip
SINGLE = (
    "10.1.0.1",
    "fd00::1",
    "FD00::1",
    "10.1.0.01",
    "::ffff:10.1.0.1",
    "x",
    "",
    "127.0.0.1",
    "fe80::1",
    "0.0.0.0",
    None,
)

ENDPOINTS = Topic(
    "endpoints",
    "/api/v1/namespaces/conversation/endpoints",
    tuple({"apiVersion": "v1", "kind": "Endpoints", "metadata": {}, "subsets": subsets} for subsets in SUBSETS[:6]),
    fields(
        "",
        {
            "subsets": SUBSETS,
            "subsets.0.addresses": ([{"ip": "10.1.0.1"}], [{"ip": "fd00::1"}, {"ip": "10.1.0.3"}], [], None, [{}]),
            "subsets.0.addresses.0.ip": SINGLE,
            "subsets.0.addresses.0.hostname": ("web-0", "Bad", "", "a.b"),
            "subsets.0.addresses.0.nodeName": ("n1", "Bad_Node", "", None),
            "subsets.0.addresses.0.targetRef": ({"kind": "Pod", "name": "p", "uid": "u"}, {}, None),
            "subsets.0.addresses.1": ({"ip": "10.1.0.7"}, {"ip": "10.1.0.1"}, {"ip": "x"}),
            "subsets.0.notReadyAddresses": ([{"ip": "10.1.0.5"}], [{"ip": "10.1.0.1"}], [{"ip": "x"}], None),
            "subsets.0.ports": ([{"port": 80}], [{"port": 81, "name": "b"}, {"port": 80, "name": "a"}], [], None, [{}]),
            "subsets.0.ports.0.port": (80, 0, -1, 65536, "80", None),
            "subsets.0.ports.0.name": ("a", "", "UPPER", "a" * 64, None),
            "subsets.0.ports.0.protocol": ("TCP", "UDP", "tcp", "", None),
            "subsets.0.ports.0.appProtocol": ("http", "a b", "", None),
            "subsets.0.ports.1": ({"port": 81, "name": "b"}, {"port": 81}, {"port": 80, "name": "a"}),
            "subsets.1": ({"addresses": [{"ip": "10.1.0.9"}], "ports": [{"port": 90}]}, {}),
            "metadata.labels.endpoints~kubernetes~io/managed-by": ("endpoint-controller", ""),
        },
    ),
)
