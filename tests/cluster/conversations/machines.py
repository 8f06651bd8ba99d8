"""Pods' and Nodes' addresses: what there is to say about them."""

from __future__ import annotations

from typing import Any

from cluster.conversations.drawing import Topic, fields
from cluster.conversations.services import CIDRS

Json = Any
SINGLE = ("10.1.0.1", "10.1.0.2", "fd00::1", "FD00::1", "10.1.0.01", "::ffff:10.1.0.1", "x", "", None)
LISTS: tuple[Json, ...] = (
    [{"ip": "10.1.0.1"}], [{"ip": "10.1.0.1"}, {"ip": "fd00::1"}], [{"ip": "fd00::1"}, {"ip": "10.1.0.1"}], [{"ip": "fd00::2"}],
    [{"ip": "10.1.0.1"}, {"ip": "10.1.0.2"}], [{"ip": "10.1.0.1"}, {"ip": "10.1.0.1"}], [{"ip": "10.1.0.1"}, {"ip": "fd00::1"}, {"ip": "10.1.0.3"}],
    [], None, [{}], [{"ip": ""}], [{"ip": "x"}], [{"ip": "FD00::1"}], [{"ip": "10.1.0.01"}], [{"ip": "10.1.0.1"}, {"ip": "x"}],
    [{"ip": "::ffff:10.1.0.1"}], [{"ip": "10.1.0.1", "surplus": 1}],
)  # fmt: skip
CONTAINER = {"name": "c", "image": "img"}
PODS = Topic(
    "pods",
    "/api/v1/namespaces/conversation/pods",
    (
        {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"containers": [CONTAINER]}},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"labels": {"app": "x"}},
            "spec": {"containers": [CONTAINER], "dnsPolicy": "ClusterFirst"},
        },
    ),
    fields(
        "",
        {
            "status": ({"podIP": "10.1.0.1"}, {"podIPs": LISTS[1]}, {}, None),
            "status.podIP": SINGLE,
            "status.podIPs": LISTS,
            "status.hostIP": SINGLE,
            "metadata.labels.app": ("x", "y"),
        },
    ),
    names=("app", "app", "app", "app", "db"),
    status=fields(
        "status",
        {
            "podIP": SINGLE,
            "podIPs": LISTS,
            "podIPs.0.ip": SINGLE,
            "podIPs.1": ({"ip": "fd00::1"}, {"ip": "10.1.0.9"}, {"ip": "x"}),
            "hostIP": SINGLE,
            "hostIPs": LISTS,
            "hostIPs.0.ip": SINGLE,
            "phase": ("Running", "Pending", "Bad"),
        },
    )
    * 2,
    queries=(
        "fieldSelector=status.podIP=10.1.0.1",
        "fieldSelector=status.podIPs=10.1.0.1",
        "fieldSelector=spec.nodeName=",
    ),
)

ADDRESSES: tuple[Json, ...] = (
    [{"type": "InternalIP", "address": "192.0.2.1"}], [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "InternalIP", "address": "2001:db8::1"}],
    [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "InternalIP", "address": "192.0.2.1"}], [{"type": "Hostname", "address": "n"}], [], None,
    [{"type": "Bad", "address": "x"}], [{}], [{"type": "ExternalIP", "address": "2001:DB8::1"}], [{"type": "InternalIP"}],
)  # fmt: skip
PAIRS: tuple[Json, ...] = (
    *CIDRS, ["10.1.0.0/24"], ["fd00:1::/64"], ["10.1.0.0/24", "fd00:1::/64"], ["fd00:1::/64", "10.1.0.0/24"], ["10.1.0.0/24", "10.2.0.0/24"],
    ["10.1.0.0/24", "fd00:1::/64", "10.3.0.0/24"], ["10.1.0.0/24", "x"], ["10.1.0.0/24", "fd00:2::/64"],
)  # fmt: skip
NODES = Topic(
    "nodes",
    "/api/v1/nodes",
    (
        {"apiVersion": "v1", "kind": "Node", "metadata": {}},
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {},
            "spec": {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24", "fd00:1::/64"]},
        },
        {"apiVersion": "v1", "kind": "Node", "metadata": {}, "spec": {"podCIDR": "10.1.0.0/24"}},
        {"apiVersion": "v1", "kind": "Node", "metadata": {}, "spec": {"podCIDRs": ["fd00:1::/64", "10.1.0.0/24"]}},
    ),
    fields(
        "spec",
        {
            "podCIDR": ("10.1.0.0/24", "10.2.0.0/24", "fd00:1::/64", "", "x", "10.1.0.1/24", "FD00:1::/64", None),
            "podCIDRs": PAIRS,
            "podCIDRs.0": ("10.1.0.0/24", "10.2.0.0/24", "fd00:1::/64", "x", ""),
            "podCIDRs.1": ("fd00:1::/64", "10.2.0.0/24", "x"),
            "unschedulable": (True, False),
            "providerID": ("a://b", "c://d", ""),
            "": ({}, None),
        },
    )
    + fields("status", {"addresses": ADDRESSES}),
    names=("node-a", "node-a", "node-a", "node-b", "Bad_Name"),
    status=fields(
        "status",
        {
            "addresses": ADDRESSES,
            "addresses.0": (
                {"type": "InternalIP", "address": "192.0.2.1"},
                {"type": "ExternalIP", "address": "192.0.2.1"},
            ),
            "addresses.1": (
                {"type": "InternalIP", "address": "2001:db8::1"},
                {"type": "InternalIP", "address": "192.0.2.1"},
            ),
        },
    ),
    queries=("fieldSelector=spec.unschedulable=true", "fieldSelector=metadata.name=node-a"),
)
