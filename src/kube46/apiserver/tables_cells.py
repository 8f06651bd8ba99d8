"""The cells of a Table's rows, one function a kind; pods, workloads and volumes have modules of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.apiserver import tables_autoscaling, tables_platform, tables_workloads
from kube46.apiserver.strategies.events import NAMES
from kube46.apiserver.tables_pods import pod
from kube46.apiserver.tables_storage import claim, storage_class, volume
from kube46.apiserver.tables_text import NONE, UNKNOWN, age, dig, joined, labels, name_of, selector, since

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterable

Object = dict[str, Any]
MOST = 3  # endpoints, ports and hosts that a cell lists
ROLE = "node-role.kubernetes.io/"
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"


def generic(found: Object, now: datetime.datetime) -> list[Any]:
    """Name and creation time: what a kind without a printer gets."""
    return [name_of(found), dig(found, "metadata", "creationTimestamp") or "0001-01-01T00:00:00Z"]


def _service(found: Object, now: datetime.datetime) -> list[Any]:
    spec = found.get("spec") or {}
    addresses = spec.get("clusterIPs") or [NONE]
    ports = ",".join(_port(port) for port in spec.get("ports") or ())
    return [
        name_of(found),
        spec.get("type", ""),
        addresses[0],
        _external(found),
        ports or NONE,
        age(found, now),
        labels(spec.get("selector")),
    ]


def _port(port: Object) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port', 0)}{node}/{port.get('protocol', '')}"


def _external(found: Object) -> str:
    """Where the Service is reached from outside."""
    spec = found.get("spec") or {}
    given, kind = list(spec.get("externalIPs") or ()), spec.get("type")
    if kind in ("ClusterIP", "NodePort"):
        return ",".join(given) or NONE
    if kind == "LoadBalancer":
        return ",".join(_ingress_points(found) + given) or "<pending>"
    return (spec.get("externalName") or "") if kind == "ExternalName" else UNKNOWN


def _ingress_points(found: Object) -> list[str]:
    points = (
        point.get("ip") or point.get("hostname") for point in dig(found, "status", "loadBalancer", "ingress") or ()
    )
    return sorted({point for point in points if point})


def _node(found: Object, now: datetime.datetime) -> list[Any]:
    info, status = dig(found, "status", "nodeInfo") or {}, found.get("status") or {}
    kernel = info.get("kernelVersion") or UNKNOWN
    if info.get("architecture"):
        kernel += f" ({info['architecture']})"
    return [
        name_of(found), ",".join(_node_states(found)), ",".join(_roles(found)) or NONE, age(found, now),
        info.get("kubeletVersion", ""), _node_address(status, "InternalIP"), _node_address(status, "ExternalIP"),
        info.get("osImage") or UNKNOWN, kernel, info.get("containerRuntimeVersion") or UNKNOWN,
    ]  # fmt: skip


def _node_states(found: Object) -> list[str]:
    ready = [c.get("status") for c in dig(found, "status", "conditions") or () if c.get("type") == "Ready"]
    states = ["Unknown"] if not ready else ["Ready" if ready[-1] == "True" else "NotReady"]
    return [*states, "SchedulingDisabled"] if dig(found, "spec", "unschedulable") else states


def _roles(found: Object) -> list[str]:
    roles = set()
    for name, value in (dig(found, "metadata", "labels") or {}).items():
        if name.startswith(ROLE):
            roles.add(name.removeprefix(ROLE))
        elif name == "kubernetes.io/role":
            roles.add(value)
    return sorted(roles - {""})


def _node_address(status: Object, kind: str) -> str:
    return next((a.get("address", "") for a in status.get("addresses") or () if a.get("type") == kind), NONE)


def _endpoints(found: Object, now: datetime.datetime) -> list[Any]:
    subsets = found.get("subsets")
    if not subsets:
        return [name_of(found), NONE, age(found, now)]
    every = [text for subset in subsets for text in _subset(subset)]
    more = f" + {len(every) - MOST} more..." if len(every) > MOST else ""
    return [name_of(found), ",".join(every[:MOST]) + more, age(found, now)]


def _subset(subset: Object) -> Iterable[str]:
    addresses = [a.get("ip", "") for a in subset.get("addresses") or ()]
    if not subset.get("ports"):
        return addresses
    return [joined(address, port.get("port", 0)) for port in subset["ports"] for address in addresses]


def _endpoint_slice(found: Object, now: datetime.datetime) -> list[Any]:
    ports = [_slice_port(port) for port in found.get("ports") or ()]
    addresses = [address for endpoint in found.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return [name_of(found), found.get("addressType", ""), _some(ports), _some(addresses), age(found, now)]


def _slice_port(port: Object) -> str:
    if port.get("port") is not None:
        return str(port["port"])
    return "*" if port.get("name") is None else str(port["name"])


def _some(texts: list[str]) -> str:
    more = f" + {len(texts) - MOST} more..." if len(texts) > MOST else ""
    return ",".join(texts[:MOST]) + more or "<unset>"


def _ip_address(found: Object, now: datetime.datetime) -> list[Any]:
    parent = dig(found, "spec", "parentRef")
    text = NONE
    if parent is not None:
        group, resource = parent.get("group") or "", parent.get("resource") or ""
        text = (f"{resource}.{group}" if group else resource).lower()
        text += f"/{parent['namespace']}" if parent.get("namespace") else ""
        text += f"/{parent.get('name', '')}"
    return [name_of(found), text, age(found, now)]


def _service_cidr(found: Object, now: datetime.datetime) -> list[Any]:
    return [name_of(found), ",".join(dig(found, "spec", "cidrs") or ()), age(found, now)]


def _namespace(found: Object, now: datetime.datetime) -> list[Any]:
    return [name_of(found), dig(found, "status", "phase") or "", age(found, now)]


def _config_map(found: Object, now: datetime.datetime) -> list[Any]:
    return [name_of(found), len(found.get("data") or ()) + len(found.get("binaryData") or ()), age(found, now)]


def _secret(found: Object, now: datetime.datetime) -> list[Any]:
    return [name_of(found), found.get("type", ""), len(found.get("data") or ()), age(found, now)]


def _service_account(found: Object, now: datetime.datetime) -> list[Any]:
    return [name_of(found), age(found, now)]


def _new_event(found: Object, now: datetime.datetime) -> list[Any]:
    return _event({NAMES.get(name, name): value for name, value in found.items()}, now)


def _event(found: Object, now: datetime.datetime) -> list[Any]:
    first = since(found.get("firstTimestamp") or found.get("eventTime"), now)
    last = since(found["lastTimestamp"], now) if found.get("lastTimestamp") else first
    count, series = found.get("count") or 1, found.get("series")
    if series:
        last, count = since(series.get("lastObservedTime"), now), series.get("count", 0)
    about, source = found.get("involvedObject") or {}, found.get("source") or {}
    target = (about.get("kind") or "").lower()
    target += f"/{about['name']}" if about.get("name") else ""
    component = source.get("component") or found.get("reportingComponent") or ""
    host = source.get("host") or found.get("reportingInstance") or ""
    return [
        last, found.get("type", ""), found.get("reason", ""), target, about.get("fieldPath", ""),
        f"{component}, {host}" if host else component, (found.get("message") or "").strip(), first, count,
        name_of(found),
    ]  # fmt: skip


def _lease(found: Object, now: datetime.datetime) -> list[Any]:
    return [name_of(found), dig(found, "spec", "holderIdentity") or "", age(found, now)]


def _budget(found: Object, now: datetime.datetime) -> list[Any]:
    spec = found.get("spec") or {}
    limits = [str(spec[key]) if spec.get(key) is not None else "N/A" for key in ("minAvailable", "maxUnavailable")]
    return [name_of(found), *limits, dig(found, "status", "disruptionsAllowed") or 0, age(found, now)]


def _priority(found: Object, now: datetime.datetime) -> list[Any]:
    shown = [found.get("value") or 0, bool(found.get("globalDefault")), age(found, now)]
    return [name_of(found), *shown, found.get("preemptionPolicy") or ""]


def _binding(found: Object, now: datetime.datetime) -> list[Any]:
    role = found.get("roleRef") or {}
    names: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in found.get("subjects") or ():
        name, namespace = subject.get("name", ""), subject.get("namespace")
        whole = f"{namespace}/{name}" if subject.get("kind") == "ServiceAccount" and namespace else name
        names.setdefault(subject.get("kind", ""), []).append(whole)
    subjects = [", ".join(names[kind]) for kind in ("User", "Group", "ServiceAccount")]
    return [name_of(found), f"{role.get('kind', '')}/{role.get('name', '')}", age(found, now), *subjects]


def _ingress(found: Object, now: datetime.datetime) -> list[Any]:
    spec = found.get("spec") or {}
    rules = spec.get("rules") or []
    hosts = [rule["host"] for rule in rules if rule.get("host")]
    # as upstream counts: rules beyond three, once three hosts are listed and another rule follows
    more = f" + {len(rules) - MOST} more..." if sum(bool(rule.get("host")) for rule in rules[:-1]) >= MOST else ""
    shown = ",".join(hosts[:MOST]) + more or "*"
    kind = spec.get("ingressClassName")
    ports = "80, 443" if spec.get("tls") else "80"
    return [
        name_of(found),
        NONE if kind is None else kind,
        shown,
        ",".join(_ingress_points(found)),
        ports,
        age(found, now),
    ]


def _ingress_class(found: Object, now: datetime.datetime) -> list[Any]:
    default = (dig(found, "metadata", "annotations") or {}).get(DEFAULT_CLASS) == "true"
    name, given = name_of(found) + (" (default)" if default else ""), dig(found, "spec", "parameters")
    parameters = NONE
    if given:
        group = f".{given['apiGroup']}" if given.get("apiGroup") is not None else ""
        parameters = f"{given.get('kind', '')}{group}/{given.get('name', '')}"
    return [name, dig(found, "spec", "controller") or "", parameters, age(found, now)]


def _network_policy(found: Object, now: datetime.datetime) -> list[Any]:
    return [name_of(found), selector(dig(found, "spec", "podSelector") or {}), age(found, now)]


def _quota(found: Object, now: datetime.datetime) -> list[Any]:
    hard, used = dig(found, "status", "hard") or {}, dig(found, "status", "used") or {}
    shown: dict[bool, list[str]] = {False: [], True: []}
    for name in sorted(hard):
        shown[name.startswith("limits")].append(f"{name}: {used.get(name, 0)}/{hard[name]}")
    return [name_of(found), ", ".join(shown[False]), ", ".join(shown[True]), age(found, now)]


def _definition(found: Object, now: datetime.datetime) -> list[Any]:
    spec = found.get("spec") or {}
    versions = sorted(
        f"{version['name']}{'(storage)' if version.get('storage') else ''}"
        for version in spec.get("versions") or ()
        if version.get("served")
    )
    conditions = dig(found, "status", "conditions") or ()
    established = any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)
    names = spec.get("names") or {}
    name, created = generic(found, now)
    return [
        name, spec.get("scope", ""), ",".join(versions), created, spec.get("group", ""), names.get("kind", ""),
        ",".join(names.get("shortNames") or ()), established,
    ]  # fmt: skip


CELLS: dict[tuple[str, str], Callable[[Object, datetime.datetime], list[Any]]] = {
    ("", "pods"): pod,
    ("", "services"): _service,
    ("", "nodes"): _node,
    ("", "endpoints"): _endpoints,
    ("", "resourcequotas"): _quota,
    ("", "namespaces"): _namespace,
    ("", "configmaps"): _config_map,
    ("", "secrets"): _secret,
    ("", "serviceaccounts"): _service_account,
    ("", "events"): _event,
    ("events.k8s.io", "events"): _new_event,
    ("discovery.k8s.io", "endpointslices"): _endpoint_slice,
    ("coordination.k8s.io", "leases"): _lease,
    ("networking.k8s.io", "servicecidrs"): _service_cidr,
    ("networking.k8s.io", "ipaddresses"): _ip_address,
    ("networking.k8s.io", "ingresses"): _ingress,
    ("networking.k8s.io", "ingressclasses"): _ingress_class,
    ("networking.k8s.io", "networkpolicies"): _network_policy,
    ("apps", "replicasets"): tables_workloads.replica_set,
    ("apps", "deployments"): tables_workloads.deployment,
    ("apps", "daemonsets"): tables_workloads.daemon_set,
    ("apps", "statefulsets"): tables_workloads.stateful_set,
    ("batch", "jobs"): tables_workloads.job,
    ("batch", "cronjobs"): tables_workloads.cron_job,
    ("apps", "controllerrevisions"): tables_workloads.revision,
    ("policy", "poddisruptionbudgets"): _budget,
    ("apiextensions.k8s.io", "customresourcedefinitions"): _definition,
    ("scheduling.k8s.io", "priorityclasses"): _priority,
    ("", "persistentvolumes"): volume,
    ("", "persistentvolumeclaims"): claim,
    ("storage.k8s.io", "storageclasses"): storage_class,
    ("rbac.authorization.k8s.io", "rolebindings"): _binding,
    ("rbac.authorization.k8s.io", "clusterrolebindings"): _binding,
    ("autoscaling", "scale"): tables_workloads.scale,
    ("autoscaling", "horizontalpodautoscalers"): tables_autoscaling.autoscaler,
    ("", "podtemplates"): tables_workloads.pod_template,
    ("", "replicationcontrollers"): tables_workloads.replication_controller,
    **tables_platform.CELLS,
}
