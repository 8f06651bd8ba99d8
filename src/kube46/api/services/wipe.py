"""Fields that no longer apply after a change of type are wiped, if the client left them alone (semantics 1.5.3)."""

from __future__ import annotations

from typing import Any

from kube46.api.services.traits import (
    LOAD_BALANCER,
    NODE_PORT,
    Spec,
    externally_accessible,
    ips,
    is_type,
    needs_cluster_ip,
    needs_health_port,
    node_ports,
    ports,
)


def type_dependent_fields(service: dict[str, Any], old_service: dict[str, Any]) -> None:
    """Wipe what an update of the type made meaningless; changes `service`."""
    spec, old = service["spec"], old_service["spec"]
    if needs_cluster_ip(old) and not needs_cluster_ip(spec):
        if spec.get("clusterIP", "") == old.get("clusterIP", "") and ips(spec) == ips(old):
            _drop(spec, "clusterIP", "clusterIPs")
        _drop_unchanged(spec, old, "ipFamilies", "ipFamilyPolicy")
    left = is_type(old, NODE_PORT, LOAD_BALANCER) and not is_type(spec, NODE_PORT, LOAD_BALANCER)
    if left and set(node_ports(spec)) <= set(node_ports(old)):
        for port in ports(spec):
            port.pop("nodePort", None)
    if needs_health_port(old) and not needs_health_port(spec):
        _drop_unchanged(spec, old, "healthCheckNodePort")
    if is_type(old, LOAD_BALANCER) and not is_type(spec, LOAD_BALANCER):
        _drop_unchanged(spec, old, "allocateLoadBalancerNodePorts", "loadBalancerClass")
        service["status"] = {**service.get("status", {}), "loadBalancer": {}}
    if externally_accessible(old) and not externally_accessible(spec):
        _drop_unchanged(spec, old, "externalTrafficPolicy")


def _drop_unchanged(spec: Spec, old: Spec, *keys: str) -> None:
    _drop(spec, *(key for key in keys if spec.get(key) == old.get(key)))


def _drop(spec: Spec, *keys: str) -> None:
    for key in keys:
        spec.pop(key, None)
