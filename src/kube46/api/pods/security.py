"""Validation of security contexts (ValidateSecurityContext, ValidatePodSecurityContext, 1.37)."""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, duplicate, invalid, not_supported, required

Object = dict[str, Any]

MOST = 2**31 - 1
PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
PROC_MOUNTS = ("Default", "Unmasked")
LOCAL = "Localhost"
SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
SYSCTL = rf"({SEGMENT}[\./])*{SEGMENT}"
LONGEST_SYSCTL = 253
IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")


def of_pod(context: Object, field: str) -> list[FieldError]:
    """Errors of a pod's securityContext."""
    found = _ids(context, field, ("runAsUser", "runAsGroup", "fsGroup"))
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        found += _id(group, f"{field}.supplementalGroups[{index}]")
    return found + _profile(context.get("seccompProfile"), f"{field}.seccompProfile")


def sysctls(spec: Object, field: str) -> list[FieldError]:
    """Errors of a pod's kernel settings."""
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, one in enumerate((spec.get("securityContext") or {}).get("sysctls") or ()):
        place, name = f"{field}.securityContext.sysctls[{index}].name", one.get("name") or ""
        if not name:
            found.append(required(place))
        elif len(name) > LONGEST_SYSCTL or not names.matches(SYSCTL, name):
            text = f"must have at most {LONGEST_SYSCTL} characters and match regex ^{SYSCTL}$"
            found.append(invalid(place, name, text))
        elif name in seen:
            found.append(duplicate(place, name))
        seen.add(name)
        whole = name.replace("/", ".")
        if spec.get("hostNetwork") and whole.startswith("net."):
            found.append(invalid(place, name, "may not be specified when 'hostNetwork' is true"))
        if spec.get("hostIPC") and whole.startswith(IPC_SYSCTLS):
            found.append(invalid(place, name, "may not be specified when 'hostIPC' is true"))
    return found


def of_container(context: Object, field: str) -> list[FieldError]:
    """Errors of a container's securityContext."""
    found = _ids(context, field, ("runAsUser", "runAsGroup"))
    if (mount := context.get("procMount")) and mount not in PROC_MOUNTS:
        found.append(not_supported(f"{field}.procMount", mount, PROC_MOUNTS))
    found += _profile(context.get("seccompProfile"), f"{field}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        added = (context.get("capabilities") or {}).get("add") or ()
        if context.get("privileged"):
            text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            found.append(invalid(field, context, text))
        if "CAP_SYS_ADMIN" in added:
            text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            found.append(invalid(field, context, text))
    return found


def _ids(context: Object, field: str, keys: tuple[str, ...]) -> list[FieldError]:
    return [error for key in keys if context.get(key) is not None for error in _id(context[key], f"{field}.{key}")]


def _id(number: int, field: str) -> list[FieldError]:
    return [] if 0 <= number <= MOST else [invalid(field, number, f"must be between 0 and {MOST}, inclusive")]


def _profile(profile: Object | None, field: str) -> list[FieldError]:
    if profile is None:
        return []
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    if not kind:
        return [required(f"{field}.type", "type is required when seccompProfile is set")]
    if kind not in PROFILES:
        return [not_supported(f"{field}.type", kind, PROFILES)]
    if kind == LOCAL and not local:
        return [required(f"{field}.localhostProfile", "must be set when seccomp type is Localhost")]
    if kind != LOCAL and local is not None:
        return [invalid(f"{field}.localhostProfile", local, "can only be set when seccomp type is Localhost")]
    return []
