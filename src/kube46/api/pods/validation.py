"""Validation of a new Pod and of a pod template."""

from __future__ import annotations

from typing import Any

from kube46.api import ip, names
from kube46.api.errors import FieldError, each_invalid, forbidden, invalid, not_supported, required, too_many
from kube46.api.metadata import labels_valid
from kube46.api.pods import containers, placement, security, volumes, wholes

Object = dict[str, Any]

RESTART_POLICIES = ("Always", "Never", "OnFailure")
DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
TOLERATION_EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")
MAX_NAMESERVERS = 3


def validate(spec: Object, field: str = "spec") -> list[FieldError]:
    """Every error of a pod's spec (or of a template's, at another field)."""
    known, found = volumes.validate(spec.get("volumes") or [], f"{field}.volumes")
    found += containers.validate(spec, known, field)
    found += wholes.errors(spec, field)
    if spec.get("ephemeralContainers"):
        text = "cannot be set on create" if field == "spec" else "ephemeral containers not allowed in pod template"
        found.append(forbidden(f"{field}.ephemeralContainers", text))
    if spec.get("restartPolicy") not in RESTART_POLICIES:
        found.append(not_supported(f"{field}.restartPolicy", spec.get("restartPolicy"), RESTART_POLICIES))
    found += _dns(spec, field)
    found += security.sysctls(spec, field) + security.of_pod(
        spec.get("securityContext") or {}, f"{field}.securityContext"
    )
    found += labels_valid(spec.get("nodeSelector"), f"{field}.nodeSelector")
    found += _host_ports(spec, field)
    account = spec.get("serviceAccountName") or ""
    if account:
        found += each_invalid(f"{field}.serviceAccountName", account, names.subdomain(account))
    if node := spec.get("nodeName"):
        found += each_invalid(f"{field}.nodeName", node, names.subdomain(node))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= 2**31 - 1:
        text = "must be between 1 and 2147483647, inclusive"
        found.append(invalid(f"{field}.activeDeadlineSeconds", deadline, text))
    for key in ("hostname", "subdomain"):
        if value := spec.get(key):
            found += each_invalid(f"{field}.{key}", value, names.label(value))
    found += placement.validate(spec, field)
    return found + _tolerations(spec, field) + _aliases(spec, field) + _grace(spec, field)


def _dns(spec: Object, field: str) -> list[FieldError]:
    policy, config = spec.get("dnsPolicy"), spec.get("dnsConfig") or {}
    found: list[FieldError] = []
    if policy not in DNS_POLICIES:
        found.append(not_supported(f"{field}.dnsPolicy", policy, DNS_POLICIES))
    servers = config.get("nameservers") or []
    if policy == "None" and not servers:
        text = f"must provide at least one DNS nameserver when `dnsPolicy` is {policy}"
        found.append(
            required(f"{field}.dnsConfig.nameservers" if spec.get("dnsConfig") else f"{field}.dnsConfig", text)
        )
    if len(servers) > MAX_NAMESERVERS:
        found.append(too_many(f"{field}.dnsConfig.nameservers", len(servers), MAX_NAMESERVERS))
    for index, server in enumerate(servers):
        found += ip.legacy_ip(f"{field}.dnsConfig.nameservers[{index}]", server)
    return found


def _host_ports(spec: Object, field: str) -> list[FieldError]:
    if not spec.get("hostNetwork"):
        return []
    return [
        invalid(f"{field}.containers[{i}].ports[{j}].containerPort", port.get("containerPort"), text)
        for i, container in enumerate(spec.get("containers") or ())
        for j, port in enumerate(container.get("ports") or ())
        for text in ["must match `hostPort` when `hostNetwork` is true"]
        if port.get("hostPort") != port.get("containerPort")
    ]


def _tolerations(spec: Object, field: str) -> list[FieldError]:
    found: list[FieldError] = []
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        place = f"{field}.tolerations[{index}]"
        key, value, effect = (toleration.get(name) or "" for name in ("key", "value", "effect"))
        operator = toleration.get("operator") or "Equal"
        if key:
            found += each_invalid(f"{place}.key", key, names.qualified(key))
        elif operator != "Exists":
            text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            found.append(invalid(f"{place}.operator", operator, text))
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            found.append(invalid(f"{place}.effect", effect, text))
        if operator == "Exists" and value:
            found.append(invalid(f"{place}.operator", value, "value must be empty when `operator` is 'Exists'"))
        elif operator not in ("Equal", "Exists"):
            found.append(not_supported(f"{place}.operator", operator, ("Equal", "Exists")))
        if effect and effect not in TOLERATION_EFFECTS:
            found.append(not_supported(f"{place}.effect", effect, TOLERATION_EFFECTS))
    return found


def _aliases(spec: Object, field: str) -> list[FieldError]:
    found: list[FieldError] = []
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        place = f"{field}.hostAliases[{index}]"
        found += ip.legacy_ip(f"{place}.ip", alias.get("ip") or "")
        for host in alias.get("hostnames") or ():
            found += each_invalid(f"{place}.hostnames", host, names.subdomain(host))
    return found


def _grace(spec: Object, field: str) -> list[FieldError]:
    seconds = spec.get("terminationGracePeriodSeconds")
    if seconds is None:
        return [required(f"{field}.terminationGracePeriodSeconds")]
    return []
