"""Warnings about a Service that is accepted (semantics 1.8.5)."""

from __future__ import annotations

from typing import Any

from kube46.api import ip
from kube46.api.services.traits import CLUSTER_IP, EXTERNAL_NAME, NONE, Spec, ips, is_type
from kube46.api.services.validation import HINTS, MODE


def warnings(service: dict[str, Any]) -> list[str]:
    """The texts, in upstream's order."""
    spec: Spec = service["spec"]
    annotations = (service.get("metadata") or {}).get("annotations") or {}
    texts = [f"annotation {HINTS} is deprecated, please use {MODE} instead"] if HINTS in annotations else []
    for index, address in enumerate(ips(spec)):
        if address != NONE:
            texts += ip.ip_warnings(f"spec.clusterIPs[{index}]", address)
    return texts + _headless(spec) + _external_ips(spec) + _balancer(spec) + _last(spec)


def _is_headless(spec: Spec) -> bool:
    return is_type(spec, CLUSTER_IP) and spec.get("clusterIP") == NONE


def _headless(spec: Spec) -> list[str]:
    if not _is_headless(spec):
        return []
    ignored = {
        "spec.loadBalancerIP": spec.get("loadBalancerIP"),
        "spec.externalIPs": spec.get("externalIPs"),
        "spec.SessionAffinity": spec.get("sessionAffinity", "None") != "None",
    }
    return [f"{field} is ignored for headless services" for field, present in ignored.items() if present]


def _external_ips(spec: Spec) -> list[str]:
    texts: list[str] = []
    for index, address in enumerate(spec.get("externalIPs") or ()):
        texts += ip.ip_warnings(f"spec.externalIPs[{index}]", address)
    if spec.get("externalIPs") and not _is_headless(spec) and not is_type(spec, EXTERNAL_NAME):
        texts.append("spec.externalIPs is deprecated and may no longer be implemented in some clusters")
    return texts


def _balancer(spec: Spec) -> list[str]:
    texts = ip.ip_warnings("spec.loadBalancerIP", spec.get("loadBalancerIP", ""))
    for index, text in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        texts += ip.cidr_warnings(f"spec.loadBalancerSourceRanges[{index}]", text)
    return texts


def _last(spec: Spec) -> list[str]:
    texts = []
    if is_type(spec, EXTERNAL_NAME):
        if spec.get("externalIPs"):
            texts.append('spec.externalIPs is ignored when spec.type is "ExternalName"')
    elif spec.get("externalName"):
        texts.append('spec.externalName is ignored when spec.type is not "ExternalName"')
    if spec.get("trafficDistribution") == "PreferClose":
        texts.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    return texts
