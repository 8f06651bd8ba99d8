"""Services, their endpoints, and the addresses they have."""

from typing import Any

import msgspec

from kube46.api.objects.meta import Condition, Object, Value


class ServicePort(Value, frozen=True):
    """spec.ports[] of a Service; `target_port` is a number or the name of a container port."""

    name: str = ""
    protocol: str = "TCP"
    app_protocol: str | None = None
    port: int = 0
    target_port: int | str = 0
    node_port: int = 0


class ClientIPConfig(Value, frozen=True):
    """Session affinity's lifetime, seconds."""

    timeout_seconds: int = 10800


class SessionAffinityConfig(Value, frozen=True):
    """spec.sessionAffinityConfig."""

    client_ip: ClientIPConfig | None = None


class ServiceSpec(Value, frozen=True):
    """spec of a Service; `selector` is None when absent, which differs from empty (semantics C4-1)."""

    type: str = "ClusterIP"
    cluster_ip: str = ""
    cluster_ips: tuple[str, ...] = ()
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str | None = None
    ports: tuple[ServicePort, ...] = ()
    selector: dict[str, str] | None = None
    external_name: str = ""
    external_ips: tuple[str, ...] = msgspec.field(default=(), name="externalIPs")
    publish_not_ready_addresses: bool = False
    session_affinity: str = "None"
    session_affinity_config: SessionAffinityConfig | None = None
    internal_traffic_policy: str = "Cluster"
    external_traffic_policy: str = ""
    traffic_distribution: str | None = None
    health_check_node_port: int = 0
    load_balancer_source_ranges: tuple[str, ...] = ()


class LoadBalancerIngress(Value, frozen=True):
    """status.loadBalancer.ingress[]."""

    ip: str = ""
    hostname: str = ""
    ip_mode: str | None = msgspec.field(default=None, name="ipMode")


class LoadBalancerStatus(Value, frozen=True):
    """status.loadBalancer."""

    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(Value, frozen=True):
    """status of a Service."""

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Service(Object, frozen=True):
    """v1 Service."""

    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class EndpointConditions(Value, frozen=True):
    """A nil `ready` or `serving` counts as true, a nil `terminating` as false."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class TargetRef(Value, frozen=True):
    """What an endpoint or an Event is about."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    field_path: str = ""
    resource_version: str = ""


class ZoneHint(Value, frozen=True):
    """hints.forZones[]."""

    name: str = ""


class EndpointHints(Value, frozen=True):
    """Zones or nodes that should use an endpoint."""

    for_zones: tuple[ZoneHint, ...] = ()
    for_nodes: tuple[ZoneHint, ...] = ()


class Endpoint(Value, frozen=True):
    """endpoints[] of a slice; consumers use its first address only."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None
    node_name: str | None = None
    zone: str | None = None
    target_ref: TargetRef | None = None
    hints: EndpointHints | None = None


class EndpointPort(Value, frozen=True):
    """ports[] of a slice."""

    name: str | None = None
    protocol: str | None = None
    port: int | None = None
    app_protocol: str | None = None


class EndpointSlice(Object, frozen=True):
    """discovery.k8s.io/v1 EndpointSlice: endpoints of one family. Nil lists occur in the API and mean empty."""

    address_type: str = ""
    endpoints: tuple[Endpoint, ...] | None = ()
    ports: tuple[EndpointPort, ...] | None = ()


class Endpoints(Object, frozen=True):
    """v1 Endpoints: the old single-object form of EndpointSlices; its subsets are kept whole, as JSON."""

    subsets: tuple[dict[str, Any], ...] | None = ()


class ServiceCIDRSpec(Value, frozen=True):
    """spec of a ServiceCIDR."""

    cidrs: tuple[str, ...] = ()


class ServiceCIDRStatus(Value, frozen=True):
    """status of a ServiceCIDR."""

    conditions: tuple[Condition, ...] = ()


class ServiceCIDR(Object, frozen=True):
    """networking.k8s.io/v1 ServiceCIDR."""

    spec: ServiceCIDRSpec = ServiceCIDRSpec()
    status: ServiceCIDRStatus = ServiceCIDRStatus()


class IPAddress(Object, frozen=True):
    """networking.k8s.io/v1 IPAddress: its name is the address."""
