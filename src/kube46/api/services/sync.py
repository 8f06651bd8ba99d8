"""Keeping `clusterIP` and `clusterIPs` together when a client knows only one of them (semantics 1.2, 1.5.2)."""

from __future__ import annotations

from kube46.api.services.traits import Spec, ips


def on_create(spec: Spec) -> None:
    """The singular alone makes the plural; the reverse is left for validation to refuse."""
    if spec.get("clusterIP") and not ips(spec):
        spec["clusterIPs"] = [spec["clusterIP"]]


def on_update(spec: Spec, old: Spec) -> None:
    """Divine what a client meant that changed only one of the two; changes `spec`."""
    ip, old_ip = spec.get("clusterIP", ""), old.get("clusterIP", "")
    if ips(old) and not ips(spec) and ip == old_ip:
        spec["clusterIPs"] = list(ips(old))
    if ip == old_ip or ips(spec) != ips(old):
        return
    if old_ip and not ip:
        spec.pop("clusterIPs", None)
    else:
        spec["clusterIPs"] = [ip]
