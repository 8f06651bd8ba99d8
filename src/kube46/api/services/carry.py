"""Allocated values that an update left out are taken over from the stored Service (semantics 1.5.1)."""

from __future__ import annotations

from kube46.api.services.traits import (
    Spec,
    allocates_node_ports,
    ips,
    needs_cluster_ip,
    needs_health_port,
    node_ports,
    ports,
)


def allocated_values(spec: Spec, old: Spec) -> None:
    """Take over addresses, node ports and the health check port; changes `spec`."""
    if needs_cluster_ip(old) and needs_cluster_ip(spec):
        if not spec.get("clusterIP") and old.get("clusterIP"):
            spec["clusterIP"] = old["clusterIP"]
        if not ips(spec) and ips(old):
            spec["clusterIPs"] = list(ips(old))
    if allocates_node_ports(old) and allocates_node_ports(spec):
        _node_ports(spec, old)
    if needs_health_port(old) and needs_health_port(spec) and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = old.get("healthCheckNodePort", 0)


def _node_ports(spec: Spec, old: Spec) -> None:
    """By port name; a number that both sides spell out may belong to another port already."""
    kept = set(node_ports(old)) & set(node_ports(spec))
    by_name = {port.get("name", ""): port.get("nodePort", 0) for port in ports(old)}
    for port in ports(spec):
        number = by_name.get(port.get("name", ""), 0)
        if not port.get("nodePort") and number and number not in kept:
            port["nodePort"] = number
