"""The cells of kinds of a cluster's platform: certificates, admission, drivers, devices, flow control, APIServices."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from kube46.apiserver.tables_text import NONE, age, dig, labels, name_of, selector, since, span

if TYPE_CHECKING:
    from collections.abc import Callable

Object = dict[str, Any]
UNSET = "<unset>"


def _conditions(found: Object, status: str = "") -> list[str]:
    listed = dig(found, "status", "conditions") or ()
    return [c.get("type", "") for c in listed if not status or c.get("status") == status]


def _component(found: Object, now: datetime.datetime) -> list[Any]:
    healthy = next((c for c in found.get("conditions") or () if c.get("type") == "Healthy"), None)
    if healthy is None:
        return [name_of(found), "Unknown", "", ""]
    state = "Healthy" if healthy.get("status") == "True" else "Unhealthy"
    return [name_of(found), state, healthy.get("message", ""), healthy.get("error", "")]


def _api_service(found: Object, now: datetime.datetime) -> list[Any]:
    service = dig(found, "spec", "service")
    where = f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "Local"
    listed = dig(found, "status", "conditions") or ()
    state = next((c for c in listed if c.get("type") == "Available"), None)
    shown = "Unknown" if state is None else state.get("status", "")
    if state is not None and shown != "True":
        shown = f"{shown} ({state.get('reason', '')})"
    return [name_of(found), where, shown, age(found, now)]


def _signing_request(found: Object, now: datetime.datetime) -> list[Any]:
    spec, states = found.get("spec") or {}, _conditions(found)
    state = next((word for word in ("Denied", "Approved") if word in states), "Pending")
    state += ",Failed" if "Failed" in states else ""
    state += ",Issued" if dig(found, "status", "certificate") else ""
    seconds = spec.get("expirationSeconds")
    lasts = NONE if seconds is None else span(datetime.timedelta(seconds=seconds))
    return [
        name_of(found), age(found, now), spec.get("signerName") or NONE, spec.get("username", ""), lasts, state,
    ]  # fmt: skip


def _trust_bundle(found: Object, now: datetime.datetime) -> list[Any]:
    return [name_of(found), dig(found, "spec", "signerName") or NONE]


def _pod_certificate(found: Object, now: datetime.datetime) -> list[Any]:
    spec = found.get("spec") or {}
    words = [word for word in _conditions(found) if word in ("Issued", "Denied", "Failed")]
    named = [spec.get(name, "") for name in ("podName", "serviceAccountName", "nodeName", "signerName")]
    return [name_of(found), *named, words[-1] if words else "Pending", labels(spec.get("unverifiedUserAnnotations"))]


def _csi_driver(found: Object, now: datetime.datetime) -> list[Any]:
    spec = found.get("spec") or {}
    tokens = spec.get("tokenRequests")
    attach = spec.get("attachRequired")
    return [
        name_of(found), attach is None or attach, bool(spec.get("podInfoOnMount")), bool(spec.get("storageCapacity")),
        UNSET if tokens is None else ",".join(token.get("audience", "") for token in tokens),
        bool(spec.get("requiresRepublish")), ",".join(spec.get("volumeLifecycleModes") or ()) or NONE, age(found, now),
    ]  # fmt: skip


def _csi_node(found: Object, now: datetime.datetime) -> list[Any]:
    return [name_of(found), len(dig(found, "spec", "drivers") or ()), age(found, now)]


def _attachment(found: Object, now: datetime.datetime) -> list[Any]:
    spec = found.get("spec") or {}
    volume = dig(spec, "source", "persistentVolumeName") or ""
    attached = bool(dig(found, "status", "attached"))
    return [name_of(found), spec.get("attacher", ""), volume, spec.get("nodeName", ""), attached, age(found, now)]


def _field(*path: str) -> Callable[[Object, datetime.datetime], list[Any]]:
    """Name, one text, age."""
    return lambda found, now: [name_of(found), dig(found, *path) or "", age(found, now)]


def _plain(found: Object, now: datetime.datetime) -> list[Any]:
    return [name_of(found), age(found, now)]


def _webhooks(found: Object, now: datetime.datetime) -> list[Any]:
    return [name_of(found), len(found.get("webhooks") or ()), age(found, now)]


def _policy(listed: str) -> Callable[[Object, datetime.datetime], list[Any]]:
    def cells(found: Object, now: datetime.datetime) -> list[Any]:
        spec = found.get("spec") or {}
        kind = spec.get("paramKind")
        shown = f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else UNSET
        return [name_of(found), len(spec.get(listed) or ()), shown, age(found, now)]

    return cells


def _policy_binding(found: Object, now: datetime.datetime) -> list[Any]:
    spec = found.get("spec") or {}
    parameter, shown = spec.get("paramRef") or {}, UNSET
    if parameter.get("name"):
        shown = f"{parameter.get('namespace') or '*'}/{parameter['name']}"
    elif parameter.get("selector") is not None:
        shown = selector(parameter["selector"])
    return [name_of(found), spec.get("policyName", ""), shown, age(found, now)]


def _taint(found: Object, now: datetime.datetime) -> list[Any]:
    taint = dig(found, "spec", "taint") or {}
    added = taint.get("timeAdded")
    shown = [taint.get(name, "") for name in ("key", "value", "effect")]
    return [name_of(found), *shown, since(added, now) if added else "", age(found, now)]


def _claim(found: Object, now: datetime.datetime) -> list[Any]:
    deleted, status = dig(found, "metadata", "deletionTimestamp"), found.get("status") or {}
    states = ["deleted"] if deleted else []
    if status.get("allocation") is not None:
        states += ["allocated", "reserved"] if status.get("reservedFor") else ["allocated"]
    elif not deleted:
        states.append("pending")
    return [name_of(found), ",".join(states), age(found, now)]


def _slice(found: Object, now: datetime.datetime) -> list[Any]:
    spec = found.get("spec") or {}
    pool = dig(spec, "pool", "name") or ""
    return [name_of(found), spec.get("nodeName") or "", spec.get("driver", ""), pool, age(found, now)]


def _flow_schema(found: Object, now: datetime.datetime) -> list[Any]:
    spec = found.get("spec") or {}
    level, method = dig(spec, "priorityLevelConfiguration", "name") or "", dig(spec, "distinguisherMethod", "type")
    listed = dig(found, "status", "conditions") or ()
    dangling = next((c.get("status", "") for c in listed if c.get("type") == "Dangling"), "?")
    return [
        name_of(found), level, spec.get("matchingPrecedence") or 0, method or NONE, age(found, now), dangling,
    ]  # fmt: skip


def _priority_level(found: Object, now: datetime.datetime) -> list[Any]:
    spec = found.get("spec") or {}
    limited = spec.get("limited")
    shares = NONE if limited is None else limited.get("nominalConcurrencyShares", 0)
    queuing = dig(limited, "limitResponse", "queuing")
    names = ("queues", "handSize", "queueLengthLimit")
    queues = [NONE if queuing is None else queuing.get(name, 0) for name in names]
    return [name_of(found), spec.get("type", ""), shares, *queues, age(found, now)]


def _migration(found: Object, now: datetime.datetime) -> list[Any]:
    resource = dig(found, "spec", "resource") or {}
    group = f".{resource['group']}" if resource.get("group") else ""
    states = [word for word in _conditions(found, "True") if word in ("Running", "Failed", "Succeeded")]
    return [name_of(found), f"{resource.get('resource', '')}{group}", states[-1] if states else "Unknown"]


ADMISSION, DEVICES, STORAGE = "admissionregistration.k8s.io", "resource.k8s.io", "storage.k8s.io"
CELLS: dict[tuple[str, str], Callable[[Object, datetime.datetime], list[Any]]] = {
    ("", "componentstatuses"): _component,
    ("apiregistration.k8s.io", "apiservices"): _api_service,
    ("certificates.k8s.io", "certificatesigningrequests"): _signing_request,
    ("certificates.k8s.io", "clustertrustbundles"): _trust_bundle,
    ("certificates.k8s.io", "podcertificaterequests"): _pod_certificate,
    (STORAGE, "csidrivers"): _csi_driver,
    (STORAGE, "csinodes"): _csi_node,
    (STORAGE, "volumeattachments"): _attachment,
    (STORAGE, "volumeattributesclasses"): _field("driverName"),
    (ADMISSION, "mutatingadmissionpolicies"): _policy("mutations"),
    (ADMISSION, "validatingadmissionpolicies"): _policy("validations"),
    (ADMISSION, "mutatingadmissionpolicybindings"): _policy_binding,
    (ADMISSION, "validatingadmissionpolicybindings"): _policy_binding,
    (ADMISSION, "mutatingwebhookconfigurations"): _webhooks,
    (ADMISSION, "validatingwebhookconfigurations"): _webhooks,
    ("node.k8s.io", "runtimeclasses"): _field("handler"),
    (DEVICES, "deviceclasses"): _plain,
    (DEVICES, "devicetaintrules"): _taint,
    (DEVICES, "resourceclaims"): _claim,
    (DEVICES, "resourceclaimtemplates"): _plain,
    (DEVICES, "resourceslices"): _slice,
    ("flowcontrol.apiserver.k8s.io", "flowschemas"): _flow_schema,
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"): _priority_level,
    ("storagemigration.k8s.io", "storageversionmigrations"): _migration,
}
