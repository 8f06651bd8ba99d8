"""What a Service is: the questions that its rules ask of `spec` again and again."""

from __future__ import annotations

from typing import Any

Spec = dict[str, Any]

CLUSTER_IP, NODE_PORT, LOAD_BALANCER, EXTERNAL_NAME = "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"
TYPES = (CLUSTER_IP, EXTERNAL_NAME, LOAD_BALANCER, NODE_PORT)
NONE = "None"
SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"
POLICIES = (PREFER, REQUIRE, SINGLE)
LOCAL, CLUSTER = "Local", "Cluster"


def ips(spec: Spec) -> list[str]:
    """`clusterIPs`, [] when absent."""
    return spec.get("clusterIPs") or []


def families(spec: Spec) -> list[str]:
    """`ipFamilies`, [] when absent."""
    return spec.get("ipFamilies") or []


def ports(spec: Spec) -> list[Spec]:
    """`ports`, [] when absent."""
    return spec.get("ports") or []


def is_type(spec: Spec, *types: str) -> bool:
    """Whether `type` is one of these."""
    return spec.get("type") in types


def headless(spec: Spec) -> bool:
    """Whether `clusterIPs` is exactly ["None"]."""
    return ips(spec) == [NONE]


def selectorless_headless(spec: Spec) -> bool:
    """Whether `clusterIP` is "None" and there is no selector: exempt from the checks against the cluster."""
    return spec.get("clusterIP") == NONE and not spec.get("selector")


def externally_accessible(spec: Spec) -> bool:
    """Whether `externalTrafficPolicy` means something (semantics 1.9 D-6)."""
    return is_type(spec, LOAD_BALANCER, NODE_PORT) or (is_type(spec, CLUSTER_IP) and bool(spec.get("externalIPs")))


def needs_cluster_ip(spec: Spec) -> bool:
    """Whether the type has cluster IPs ("None" counts); an unknown type is taken for one that has."""
    return not is_type(spec, EXTERNAL_NAME)


def allocates_node_ports(spec: Spec) -> bool:
    """Whether ports without a nodePort get one."""
    return is_type(spec, NODE_PORT) or (
        is_type(spec, LOAD_BALANCER) and spec.get("allocateLoadBalancerNodePorts") is not False
    )


def needs_health_port(spec: Spec) -> bool:
    """Whether the Service has a healthCheckNodePort."""
    return is_type(spec, LOAD_BALANCER) and spec.get("externalTrafficPolicy") == LOCAL


def node_ports(spec: Spec) -> list[int]:
    """The nodePorts that are set, in order of the ports."""
    return [port["nodePort"] for port in ports(spec) if port.get("nodePort")]
