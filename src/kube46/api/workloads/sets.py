"""DaemonSets and StatefulSets: defaulting and validation (pkg/apis/apps/{v1/defaults.go,validation}, 1.37)."""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, each_invalid, invalid, not_supported, required
from kube46.api.pods.defaults import default_spec
from kube46.api.storage import claims
from kube46.api.workloads import validation

Object = dict[str, Any]

REVISIONS = 10  # ControllerRevisions kept beside those in use
GENERATION = "deprecated.daemonset.template.generation"
ROLLING, ON_DELETE = "RollingUpdate", "OnDelete"
FIXED = ("volumeClaimTemplates", "serviceName", "podManagementPolicy")


def default_daemon_set(obj: Object) -> None:
    """Rolled out one node at a time; Go reads and writes a number of templates that is not told as 0."""
    meta = obj.setdefault("metadata", {})
    meta["annotations"] = {GENERATION: "0"} | (meta.get("annotations") or {})
    spec = _common(obj)
    strategy = spec["updateStrategy"] = spec.get("updateStrategy") or {}
    strategy["type"] = strategy.get("type") or ROLLING
    if strategy["type"] == ROLLING:
        rolling = strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
        for key, value in (("maxUnavailable", 1), ("maxSurge", 0)):
            if rolling.get(key) is None:
                rolling[key] = value


def template_number(obj: Object) -> int:
    """How many templates a DaemonSet has had, as its annotation says; 1 for what says nothing."""
    text = ((obj.get("metadata") or {}).get("annotations") or {}).get(GENERATION, "")
    return max(int(text), 1) if text.isascii() and text.isdecimal() and len(text) < 19 else 1


def count_template(obj: Object, number: int) -> None:
    """Note the template's number."""
    obj["metadata"]["annotations"] = {**(obj["metadata"].get("annotations") or {}), GENERATION: str(number)}


def default_stateful_set(obj: Object) -> None:
    """One replica, made in order and rolled out from the last to the first."""
    spec = _common(obj)
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    spec["podManagementPolicy"] = spec.get("podManagementPolicy") or "OrderedReady"
    strategy = spec["updateStrategy"] = spec.get("updateStrategy") or {}
    if not strategy.get("type"):
        strategy["type"] = ROLLING
        strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
    if strategy["type"] == ROLLING and strategy.get("rollingUpdate") is not None:
        for key, value in (("partition", 0), ("maxUnavailable", 1)):
            if strategy["rollingUpdate"].get(key) is None:
                strategy["rollingUpdate"][key] = value
    for template in spec.get("volumeClaimTemplates") or ():
        claims.default(template)
        template.update({"kind": "PersistentVolumeClaim", "apiVersion": "v1"})
    retention = spec["persistentVolumeClaimRetentionPolicy"] = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for key in ("whenDeleted", "whenScaled"):
        retention[key] = retention.get(key) or "Retain"


def _common(obj: Object) -> Object:
    spec: Object = obj.setdefault("spec", {})
    if spec.get("revisionHistoryLimit") is None:
        spec["revisionHistoryLimit"] = REVISIONS
    default_spec(spec.setdefault("template", {}).setdefault("spec", {}))
    obj.setdefault("status", {})
    return spec


def daemon_set_errors(obj: Object) -> list[FieldError]:
    """Every error of a DaemonSet's `spec`."""
    spec: Object = obj["spec"]
    found = validation.chosen(spec, "daemonset") + validation.template(spec) + validation.lasting(spec, "DaemonSet")
    found += validation.not_negative(spec, "minReadySeconds")
    strategy = spec["updateStrategy"]
    if strategy["type"] == ROLLING:
        found += _steps(strategy["rollingUpdate"], "spec.updateStrategy.rollingUpdate")
    elif strategy["type"] != ON_DELETE:
        shown = {"Type": strategy["type"], "RollingUpdate": strategy.get("rollingUpdate")}
        found.append(not_supported("spec.updateStrategy", shown, (ROLLING, ON_DELETE)))
    return found + validation.not_negative(spec, "revisionHistoryLimit")


def _steps(rolling: Object, field: str) -> list[FieldError]:
    missing, surge = rolling["maxUnavailable"], rolling["maxSurge"]
    found = validation.share(f"{field}.maxUnavailable", missing, most=True)
    found += validation.share(f"{field}.maxSurge", surge, most=True)
    if not validation.zero(missing) and not validation.zero(surge):
        found.append(invalid(f"{field}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    elif validation.zero(missing) and validation.zero(surge):
        found.append(required(f"{field}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return found


def stateful_set_errors(obj: Object) -> list[FieldError]:
    """Every error of a StatefulSet's `spec`."""
    spec: Object = obj["spec"]
    found: list[FieldError] = []
    if (policy := spec["podManagementPolicy"]) not in ("OrderedReady", "Parallel"):
        found.append(invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'"))
    found += _partition(spec["updateStrategy"], "spec.updateStrategy")
    for key, value in spec["persistentVolumeClaimRetentionPolicy"].items():
        if value not in ("Retain", "Delete"):
            place = f"spec.persistentVolumeClaimRetentionPolicy.{key}"
            found.append(not_supported(place, value, ("Retain", "Delete")))
    found += validation.not_negative(spec, "replicas", "minReadySeconds", "revisionHistoryLimit")
    found += validation.not_negative(spec.get("ordinals") or {}, "start", place="spec.ordinals")
    if service := spec.get("serviceName"):
        found += each_invalid("spec.serviceName", service, names.label(service))
    found += validation.chosen(spec, "statefulset")
    for index, template in enumerate(spec.get("volumeClaimTemplates") or ()):
        found += claims.spec_errors(template.get("spec") or {}, f"spec.volumeClaimTemplates[{index}].spec")
    return found + validation.template(_mounted(spec)) + validation.lasting(spec, "StatefulSet")


def _partition(strategy: Object, field: str) -> list[FieldError]:
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == ON_DELETE:
        text = "only allowed for updateStrategy 'RollingUpdate'"
        return [invalid(f"{field}.rollingUpdate", rolling, text)] if rolling is not None else []
    if strategy["type"] != ROLLING:
        shown = {"Type": strategy["type"], "RollingUpdate": rolling}
        return [invalid(field, shown, "must be 'RollingUpdate' or 'OnDelete'")]
    if rolling is None:
        return []
    place = f"{field}.rollingUpdate"
    found = validation.not_negative(rolling, "partition", place=place)
    found += validation.share(f"{place}.maxUnavailable", rolling["maxUnavailable"], most=True)
    if validation.zero(rolling["maxUnavailable"]):
        found.append(invalid(f"{place}.maxUnavailable", rolling["maxUnavailable"], "cannot be 0"))
    return found


def _mounted(spec: Object) -> Object:
    """The spec with the volumes in its template that the controller will add, and without what it will replace."""
    claims = [(one.get("metadata") or {}).get("name") or "" for one in spec.get("volumeClaimTemplates") or ()]
    template = dict(spec["template"])
    pod = {key: value for key, value in template["spec"].items() if key not in ("hostname", "subdomain")}
    if claims:
        added = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
        pod["volumes"] = [*added, *(v for v in pod.get("volumes") or () if v.get("name") not in claims)]
    return {**spec, "template": {**template, "spec": pod}}
