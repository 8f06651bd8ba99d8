"""Static defaulting of Pods and of pod templates."""

from __future__ import annotations

from typing import Any

from kube46.api.nodes import plural_of
from kube46.api.pods import volumes

Object = dict[str, Any]

GRACE_SECONDS = 30
SCHEDULER = "default-scheduler"
CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


def default(pod: Object) -> None:
    """Fill what a client may leave out of a Pod; changes it."""
    spec = pod.setdefault("spec", {})
    if spec.get("enableServiceLinks") is None:
        spec["enableServiceLinks"] = True
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        _requests(container)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1  # of a template it stays
    default_spec(spec)
    _addresses(pod.setdefault("status", {}))


def default_spec(spec: Object) -> None:
    """Fill what a Pod and a template have in common; changes `spec`."""
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("restartPolicy", "Always")
    if spec.get("terminationGracePeriodSeconds") is None:
        spec["terminationGracePeriodSeconds"] = GRACE_SECONDS
    spec.setdefault("schedulerName", SCHEDULER)
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    if spec.get("serviceAccountName") or spec.get("serviceAccount"):
        name = spec.get("serviceAccountName") or spec["serviceAccount"]
        spec["serviceAccountName"] = spec["serviceAccount"] = name
    for volume in spec.get("volumes") or ():
        volumes.default(volume)
    for key in CONTAINERS:
        for container in spec.get(key) or ():
            _container(container, host_network=bool(spec.get("hostNetwork")))


def _container(container: Object, *, host_network: bool) -> None:
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(container.get("image") or "")
    container.setdefault("resources", {})
    for port in container.get("ports") or ():
        port["protocol"] = port.get("protocol") or "TCP"
        if host_network and not port.get("hostPort") and port.get("containerPort"):
            port["hostPort"] = port["containerPort"]
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(key) is not None:
            _probe(container[key])
    for hook in ("postStart", "preStop"):
        handler = (container.get("lifecycle") or {}).get(hook) or {}
        if handler.get("httpGet") is not None:
            _http(handler["httpGet"])
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            reference["apiVersion"] = reference.get("apiVersion") or "v1"


def pull_policy(image: str) -> str:
    """Always for the tag `latest` or none at all, IfNotPresent for anything that names a version."""
    tail = image.rpartition("/")[2]
    tag = tail.partition("@")[0].partition(":")[2]
    return "Always" if tag == "latest" or (not tag and "@" not in tail) else "IfNotPresent"


def _probe(probe: Object) -> None:
    for key, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)):
        probe[key] = probe.get(key) or value
    if probe.get("httpGet") is not None:
        _http(probe["httpGet"])
    if probe.get("grpc") is not None and probe["grpc"].get("service") is None:
        probe["grpc"]["service"] = ""


def _http(action: Object) -> None:
    action["path"] = action.get("path") or "/"
    action["scheme"] = action.get("scheme") or "HTTP"


def _requests(container: Object) -> None:
    """A limit without a request is the request."""
    resources = container.get("resources") or {}
    if limits := resources.get("limits"):
        resources["requests"] = {**limits, **(resources.get("requests") or {})}


def _addresses(status: Object) -> None:
    """podIP and podIPs agree (semantics 3.1); hostIP and hostIPs are left as they come."""
    plural = [entry.get("ip") or "" for entry in status.pop("podIPs", None) or ()]
    addresses = plural_of(status.pop("podIP", None) or "", plural)
    if addresses:
        if addresses[0]:
            status["podIP"] = addresses[0]
        status["podIPs"] = [{"ip": address} if address else {} for address in addresses]
