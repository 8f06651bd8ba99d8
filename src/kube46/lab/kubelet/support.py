"""Which fields of a pod the stand-in kubelet does not honour, by name: none is ignored in silence."""

from collections.abc import Callable, Iterable, Iterator
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from kube46.lab.kubelet.manifests import PodSpec
from kube46.lab.kubelet.sandboxrules import SAFE_SYSCTLS
from kube46.lab.kubelet.security import ALLOWED_CAPABILITIES

# Fields that other parts answer for (the scheduler, admission, the garbage collector): nothing is left for a kubelet.
ELSEWHERE = frozenset(
    "spec." + name
    for name in [
        "affinity",
        "imagePullSecrets",
        "nodeSelector",
        "os",
        "preemptionPolicy",
        "priority",
        "priorityClassName",
        "schedulerName",
        "schedulingGates",
        "tolerations",
        "topologySpreadConstraints",
        "overhead",
        "resources",
    ]
)
# Values of fields that mean "as you do anyway".
HARMLESS: dict[str, Any] = {"hostUsers": True, "os": {"name": "linux"}}


def unsupported(spec: dict[str, Any]) -> list[str]:
    """What of a pod's spec can't be honoured, as sentences that begin with the field's path; empty when all can be."""
    found = [f"{path} is not supported" for path in _unknown(spec, PodSpec, "spec") if path not in ELSEWHERE]
    for path, value in _walk(spec, "spec"):
        name = path.rpartition(".")[2]
        rule = _VALUES.get(name)
        if rule and (complaint := rule(path, value)):
            found.append(complaint)
    return found


def by_reason(complaints: Iterable[str]) -> dict[str, list[str]]:
    """The complaints by the reasons of the Events that tell them: a volume is not mounted, as kubelet has it."""
    found: dict[str, list[str]] = {}
    for text in complaints:
        reason = "FailedMount" if text.startswith("spec.volumes[") else "UnsupportedField"
        found.setdefault(reason, []).append(text)
    return found


def unenforced(spec: PodSpec, missing: Iterable[str]) -> list[tuple[str, str]]:
    """(reason, message) of what is taken and told, but not held to; `missing`: what the machine can't limit."""
    containers = (*spec.init_containers, *spec.containers)
    limited = [f"{name} of {c.name}" for c in containers for name in missing if name in c.resources.limits]
    found = []
    if limited:
        text = f"resources.limits: {', '.join(limited)} can't be enforced, this machine offers no control group for it"
        found.append(("LimitsNotEnforced", text))
    if withheld := [name for name, asked in (("hostPID", spec.host_pid), ("hostIPC", spec.host_ipc)) if asked]:
        text = (
            f"{' and '.join(withheld)}: a node of a stand-alone cluster has no such namespace beside the machine's own"
        )
        found.append(("HostNamespaceWithheld", f"{text}, so the pod has one to itself"))
    return found


def _unknown(value: Any, kind: Any, path: str) -> Iterator[str]:
    """Paths of fields that `kind` doesn't name; empty values count as absent."""
    if get_origin(kind) in (Union, UnionType):
        kind = next((k for k in get_args(kind) if k is not NoneType), Any)
    if get_origin(kind) is tuple and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(item, get_args(kind)[0], f"{path}[{index}]")
        return
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, dict)):
        return
    known = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    for name, item in value.items():
        if name in known:
            yield from _unknown(item, known[name], f"{path}.{name}")
        elif item not in (None, False, 0, "", [], {}) and HARMLESS.get(name) != item:
            yield f"{path}.{name}"


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every field below `value` with its path."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield f"{path}.{name}", item
            yield from _walk(item, f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]")


def _one_of(*allowed: Any) -> Callable[[str, Any], str]:
    def rule(path: str, value: Any) -> str:
        return "" if value in allowed else f"{path}: {value!r} is not supported; use {' or '.join(map(repr, allowed))}"

    return rule


def _capabilities(path: str, value: Any) -> str:
    asked = (value or {}).get("add") or []
    refused = [name for name in asked if name.removeprefix("CAP_") not in ALLOWED_CAPABILITIES]
    return f"{path}.add: {', '.join(refused)} is not allowed here" if refused else ""


def _sysctls(path: str, value: Any) -> str:
    refused = [s.get("name", "") for s in value or [] if s.get("name") not in SAFE_SYSCTLS]
    return f"{path}: {', '.join(refused)} is not in the safe set ({', '.join(sorted(SAFE_SYSCTLS))})" if refused else ""


_VALUES: dict[str, Callable[[str, Any], str]] = {
    "seccompProfile": lambda path, value: _one_of("RuntimeDefault")(path + ".type", (value or {}).get("type")),
    "appArmorProfile": lambda path, value: _one_of("RuntimeDefault", "Unconfined")(
        path + ".type", (value or {}).get("type")
    ),
    "procMount": _one_of("Default"),
    "allowPrivilegeEscalation": _one_of(False, None),
    "capabilities": _capabilities,
    "sysctls": _sysctls,
    "medium": _one_of("", "Memory"),
    "mountPropagation": _one_of("", "None"),
    "recursiveReadOnly": _one_of("", "Disabled", "IfPossible", "Enabled"),
    "supplementalGroupsPolicy": _one_of("", "Merge"),
}
