"""Adapter: links, addresses, routes, namespaces and tracked connections of the kernel, through netlink.

with Netlink("k46-demo-node1") as node:
    node.bridge("cni0")
    node.add_address("cni0", "fd00::1/64")
    node.set_up("cni0")
"""

from kube46.netlink.addresses import LinkAddress
from kube46.netlink.connections import Netlink
from kube46.netlink.errors import NetlinkError
from kube46.netlink.links import Link
from kube46.netlink.monitors import Monitor
from kube46.netlink.routes import PROTOCOL, Route

__all__ = ["PROTOCOL", "Link", "LinkAddress", "Monitor", "Netlink", "NetlinkError", "Route"]
