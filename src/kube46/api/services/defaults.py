"""Static defaulting, done to every Service that is decoded (semantics 1.9)."""

from __future__ import annotations

from typing import Any

from kube46.api.services.traits import CLUSTER, CLUSTER_IP, LOAD_BALANCER, NODE_PORT, Spec, externally_accessible

AFFINITY_TIMEOUT = 10800  # seconds
# Fields that Go leaves out when they hold their zero value: absent and empty are the same.
OMIT_EMPTY = (
    "clusterIP", "clusterIPs", "ipFamilies", "externalIPs", "externalName", "loadBalancerIP",
    "loadBalancerSourceRanges", "ports", "selector", "type", "sessionAffinity", "externalTrafficPolicy",
    "healthCheckNodePort", "publishNotReadyAddresses",
)  # fmt: skip
OMIT_EMPTY_PORT = ("name", "protocol", "nodePort")


def default(service: dict[str, Any]) -> None:
    """Fill what a client may leave out; changes the Service."""
    spec: Spec = service.setdefault("spec", {})
    _omit_empty(spec, OMIT_EMPTY)
    _affinity(spec)
    spec.setdefault("type", CLUSTER_IP)
    for port in spec.get("ports", ()):
        _port(port)
    if externally_accessible(spec):
        spec.setdefault("externalTrafficPolicy", CLUSTER)
    if spec["type"] in (CLUSTER_IP, NODE_PORT, LOAD_BALANCER) and spec.get("internalTrafficPolicy") is None:
        spec["internalTrafficPolicy"] = CLUSTER
    if spec["type"] == LOAD_BALANCER and spec.get("allocateLoadBalancerNodePorts") is None:
        spec["allocateLoadBalancerNodePorts"] = True
    balancer = service.setdefault("status", {}).setdefault("loadBalancer", {})
    _omit_empty(balancer, ("ingress",))
    for entry in balancer.get("ingress", ()):
        _omit_empty(entry, ("ip", "hostname"))
        if spec["type"] == LOAD_BALANCER and entry.get("ip") and entry.get("ipMode") is None:
            entry["ipMode"] = "VIP"


def _omit_empty(value: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        if key in value and not value[key]:
            del value[key]


def _affinity(spec: Spec) -> None:
    affinity = spec.setdefault("sessionAffinity", "None")
    if affinity == "None":
        spec.pop("sessionAffinityConfig", None)
    elif affinity == "ClientIP":
        client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if client.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": AFFINITY_TIMEOUT}}


def _port(port: dict[str, Any]) -> None:
    _omit_empty(port, OMIT_EMPTY_PORT)
    port.setdefault("port", 0)
    port.setdefault("protocol", "TCP")
    if port.get("targetPort") in (None, 0, ""):
        port["targetPort"] = port["port"]
