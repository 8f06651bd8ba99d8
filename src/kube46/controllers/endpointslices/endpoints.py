"""From a pod to the endpoint and ports that it is to a Service, in one family.

Source: kubernetes/staging/src/k8s.io/endpointslice/utils.go, semantics C4-3 to C4-5, C4-10, C4-11.
"""

from collections.abc import Iterable

from kube46.addresses.families import Family, family_of
from kube46.api.objects import Container, Endpoint, EndpointConditions, EndpointPort, Node, Pod, Service, ServicePort
from kube46.api.objects import TargetRef as Reference

ZONE = "topology.kubernetes.io/zone"
PortKey = tuple[tuple[str, int, str, str], ...]
EndpointKey = tuple[tuple[str, ...], str, str]


def families(service: Service) -> tuple[Family, ...]:
    """The families that the Service has slices for (C4-2)."""
    spec = service.spec
    if spec.ip_families:
        return tuple(Family(text) for text in spec.ip_families)
    if spec.cluster_ip and spec.cluster_ip != "None":
        return (family_of(spec.cluster_ip),)
    return tuple(Family)


def takes_part(pod: Pod) -> bool:
    """Whether the pod can be an endpoint: it has an address and has not ended; a terminating one can."""
    return pod.status.phase not in ("Succeeded", "Failed") and bool(addresses(pod))


def addresses(pod: Pod) -> tuple[str, ...]:
    """The pod's addresses of both families."""
    return tuple(ip.ip for ip in pod.status.pod_ips if ip.ip) or ((pod.status.pod_ip,) if pod.status.pod_ip else ())


def endpoint(pod: Pod, node: Node | None, service: Service, family: Family) -> Endpoint | None:
    """The pod as an endpoint of the Service, without hints; None when it has no address of the family."""
    # The API server has checked the addresses; parsing each again would be most of a large Service's sync.
    own = tuple(address for address in addresses(pod) if (":" in address) is (family is Family.IPV6))
    if not own:
        return None
    serving, terminating = pod.status.ready, pod.metadata.deletion_timestamp is not None
    ready = service.spec.publish_not_ready_addresses or (serving and not terminating)
    meta, spec = pod.metadata, pod.spec
    return Endpoint(
        addresses=own,
        conditions=EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        hostname=spec.hostname if spec.hostname and spec.subdomain == service.metadata.name else None,
        node_name=spec.node_name or None,
        zone=(node.metadata.labels.get(ZONE) or None) if node else None,
        target_ref=Reference(kind="Pod", namespace=meta.namespace, name=meta.name, uid=meta.uid),
    )


def endpoint_key(value: Endpoint) -> EndpointKey:
    """What makes an endpoint the same one although its conditions change: its addresses and its pod's name."""
    target = value.target_ref
    return value.addresses, target.namespace if target else "", target.name if target else ""


def ports(service: Service, pod: Pod) -> tuple[EndpointPort, ...]:
    """The Service's ports as this pod serves them; a port whose name the pod doesn't know is left out."""
    found = []
    for port in service.spec.ports:
        number = _number(pod, port)
        if number is not None:
            found.append(EndpointPort(port.name, port.protocol, number, port.app_protocol))
    return tuple(found)


def port_key(values: Iterable[EndpointPort] | None) -> PortKey:
    """Ports in an order of their own, so that equal sets are equal; nil is the empty set."""
    return tuple(sorted((p.name or "", p.port or 0, p.protocol or "TCP", p.app_protocol or "") for p in values or ()))


def _number(pod: Pod, port: ServicePort) -> int | None:
    if isinstance(port.target_port, int):
        return port.target_port or port.port
    for container in _serving_containers(pod):
        for known in container.ports:
            if known.name == port.target_port and known.protocol == port.protocol:
                return known.container_port
    return None


def _serving_containers(pod: Pod) -> list[Container]:
    """Containers, then the init containers that stay (sidecars, KEP-753)."""
    return [*pod.spec.containers, *(c for c in pod.spec.init_containers if c.restart_policy == "Always")]
