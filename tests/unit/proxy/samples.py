"""Services, slices and nodes for the proxy's tests, in both families unless said otherwise."""

from collections.abc import Sequence
from typing import Any

from kube46.addresses.families import Family
from kube46.api.objects import (
    Endpoint,
    EndpointConditions,
    EndpointPort,
    EndpointSlice,
    LoadBalancerIngress,
    LoadBalancerStatus,
    Meta,
    Node,
    NodeAddress,
    NodeSpec,
    NodeStatus,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
)
from kube46.proxy.settings import NodeView, Settings, node_view

NODE = "node1"
SETTINGS = Settings(NODE)
HTTP = ServicePort(name="http", protocol="TCP", port=80, target_port=8080)
CLUSTER_IPS = ("10.96.0.20", "fd00:10:96::20")


def node(addresses: Sequence[str] = ("192.0.2.1", "2001:db8:c::1"), **metadata: Any) -> Node:
    """A dual-stack node with its pod CIDRs."""
    return Node(
        metadata=Meta(name=NODE, **metadata),
        spec=NodeSpec(pod_cidrs=("10.244.0.0/24", "fd00:10:244::/64")),
        status=NodeStatus(addresses=tuple(NodeAddress("InternalIP", text) for text in addresses)),
    )


VIEW: NodeView = node_view(node(), SETTINGS)


def service(
    name: str = "web",
    *,
    ports: Sequence[ServicePort] = (HTTP,),
    cluster_ips: Sequence[str] = CLUSTER_IPS,
    ingress: Sequence[str] = (),
    **spec: Any,
) -> Service:
    """A dual-stack Service."""
    families = tuple("IPv6" if ":" in ip else "IPv4" for ip in cluster_ips if ip != "None")
    spec.setdefault("ip_families", families)
    return Service(
        metadata=Meta(name=name, namespace="default"),
        spec=ServiceSpec(cluster_ip=cluster_ips[0], cluster_ips=tuple(cluster_ips), ports=tuple(ports), **spec),
        status=ServiceStatus(LoadBalancerStatus(tuple(map(LoadBalancerIngress, ingress)))),
    )


def endpoint(address: str, node_name: str = NODE, **conditions: bool) -> Endpoint:
    """A ready endpoint, unless the conditions say otherwise."""
    return Endpoint(
        addresses=(address,), node_name=node_name, conditions=EndpointConditions(**{"ready": True, **conditions})
    )


def slices(
    ends: Sequence[Endpoint], *, name: str = "web", ports: Sequence[EndpointPort] | None = None
) -> list[EndpointSlice]:
    """The slices of a Service, one for each family among the endpoints."""
    ports = ports or (EndpointPort(name="http", protocol="TCP", port=8080),)
    found = []
    for family in Family:
        members = tuple(end for end in ends if (":" in end.addresses[0]) == (family is Family.IPV6))
        if members:
            labels = {"kubernetes.io/service-name": name}
            meta = Meta(name=f"{name}-{family.lower()}", namespace="default", labels=labels)
            found.append(EndpointSlice(metadata=meta, address_type=family.value, endpoints=members, ports=tuple(ports)))
    return found


def pods(*numbers: int, node_name: str = NODE, **conditions: bool) -> list[Endpoint]:
    """Both addresses of pods 10.244.0.N and fd00:10:244::N."""
    return [
        endpoint(f"{prefix}{number}", node_name, **conditions)
        for number in numbers
        for prefix in ("10.244.0.", "fd00:10:244::")
    ]
