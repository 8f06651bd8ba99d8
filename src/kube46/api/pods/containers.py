"""Validation of the containers of a Pod."""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, duplicate, each_invalid, forbidden, invalid, not_supported, required
from kube46.api.pods import mounts, requirements, resizes, security
from kube46.api.services.ports import number_or_name

Object = dict[str, Any]

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
SCHEMES = ("HTTP", "HTTPS")
FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
PROTOCOLS = ("SCTP", "TCP", "UDP")
HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")


def validate(spec: Object, known_volumes: set[str], field: str) -> list[FieldError]:
    """Errors of `containers` and `initContainers`."""
    listed = spec.get("containers") or []
    found: list[FieldError] = [] if listed else [required(f"{field}.containers")]
    seen: set[str] = set()
    for key in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(key) or ()):
            place = f"{field}.{key}[{index}]"
            found += _name(place, container.get("name") or "", seen)
            found += _container(place, container, known_volumes)
            policies, restarts = container.get("resizePolicy") or [], spec.get("restartPolicy") or ""
            found += resizes.policy_errors(policies, f"{place}.resizePolicy", restarts)
            if key == "initContainers" and container.get("restartPolicy") != "Always":
                found += resizes.init_policy_errors(policies, f"{place}.resizePolicy")
                text = "may not be set for init containers without restartPolicy=Always"
                probes = [
                    probe for probe in ("livenessProbe", "readinessProbe", "startupProbe") if container.get(probe)
                ]
                found += [forbidden(f"{place}.{probe}", text) for probe in probes]
    return found + _host_ports(spec, field)


def _name(field: str, name: str, seen: set[str]) -> list[FieldError]:
    if not name:
        return [required(f"{field}.name")]
    found = each_invalid(f"{field}.name", name, names.label(name))
    if name in seen:
        found.append(duplicate(f"{field}.name", name))
    seen.add(name)
    return found


def common(field: str, container: Object, known_volumes: set[str]) -> list[FieldError]:
    """Errors of a container by itself: its name and its fields."""
    name = container.get("name") or ""
    found = each_invalid(f"{field}.name", name, names.label(name)) if name else [required(f"{field}.name")]
    return found + _container(field, container, known_volumes)


def _container(field: str, container: Object, known_volumes: set[str]) -> list[FieldError]:
    found: list[FieldError] = []
    image = container.get("image") or ""
    if not image:
        found.append(required(f"{field}.image"))
    elif image != image.strip():
        found.append(invalid(f"{field}.image", image, "must not have leading or trailing whitespace"))
    found += _ports(f"{field}.ports", container.get("ports") or [])
    for index, variable in enumerate(container.get("env") or ()):
        found += _variable(f"{field}.env[{index}]", variable)
    found += mounts.mounts(container, known_volumes, f"{field}.volumeMounts")
    found += requirements.validate(container.get("resources") or {}, f"{field}.resources")
    found += security.of_container(container.get("securityContext") or {}, f"{field}.securityContext")
    policy = container.get("imagePullPolicy") or ""
    if policy not in PULL_POLICIES:
        found.append(not_supported(f"{field}.imagePullPolicy", policy, PULL_POLICIES))
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(key) is not None:
            found += _probe(f"{field}.{key}", container[key], always_one=key != "readinessProbe")
    return found


def _ports(field: str, ports: list[Object]) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        place, name, number = f"{field}[{index}]", port.get("name") or "", port.get("containerPort") or 0
        if name:
            problems = each_invalid(place + ".name", name, names.port_name(name))
            found += problems
            if not problems and name in seen:
                found.append(duplicate(f"{place}.name", name))
            seen.add(name)
        if number == 0:
            found.append(required(f"{place}.containerPort"))
        else:
            found += each_invalid(f"{place}.containerPort", number, names.port_number(number))
        if host := port.get("hostPort"):
            found += each_invalid(f"{place}.hostPort", host, names.port_number(host))
        if port["protocol"] not in PROTOCOLS:
            found.append(not_supported(f"{place}.protocol", port["protocol"], PROTOCOLS))
    return found


def _host_ports(spec: Object, field: str) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[str] = set()
    for i, container in enumerate(spec.get("containers") or ()):
        for j, port in enumerate(container.get("ports") or ()):
            if port.get("hostPort"):
                key = f"{port['protocol']}/{port.get('hostIP') or ''}/{port['hostPort']}"
                if key in seen:
                    found.append(duplicate(f"{field}.containers[{i}].ports[{j}].hostPort", key))
                seen.add(key)
    return found


def _variable(field: str, variable: Object) -> list[FieldError]:
    name = variable.get("name") or ""
    problems = each_invalid(f"{field}.name", name, names.environment_variable(name))
    found = problems if name else [required(f"{field}.name")]
    source = variable.get("valueFrom")
    if source is None:
        return found
    given = [key for key in source if source[key] is not None]
    if variable.get("value"):
        found.append(invalid(f"{field}.valueFrom", "", "may not be specified when `value` is not empty"))
    elif not given:
        text = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        found.append(invalid(f"{field}.valueFrom", "", text))
    elif len(given) > 1:
        found.append(invalid(f"{field}.valueFrom", "", "may not have more than one field specified at a time"))
    if source.get("fieldRef") is not None:
        found += _field(f"{field}.valueFrom.fieldRef", source["fieldRef"].get("fieldPath") or "")
    return found


def _field(field: str, path: str) -> list[FieldError]:
    """Errors of the pod's field that a variable takes its value from."""
    if not path:
        return [required(f"{field}.fieldPath")]
    if path in FIELDS or path.startswith(("metadata.labels['", "metadata.annotations['")):
        return []
    return [invalid(f"{field}.fieldPath", path, f"error converting fieldPath: field label not supported: {path}")]


def _probe(field: str, probe: Object, *, always_one: bool) -> list[FieldError]:
    handlers = [key for key in HANDLERS if probe.get(key) is not None]
    found: list[FieldError] = [] if handlers else [required(field, "must specify a handler type")]
    found += [forbidden(f"{field}.{key}", "may not specify more than 1 handler type") for key in handlers[1:]]
    if handlers and handlers[0] in ("httpGet", "tcpSocket"):
        found += number_or_name(f"{field}.{handlers[0]}.port", probe[handlers[0]].get("port") or 0)
    scheme = (probe.get("httpGet") or {}).get("scheme") or "HTTP"
    if handlers and handlers[0] == "httpGet" and scheme not in SCHEMES:
        found.append(not_supported(f"{field}.httpGet.scheme", scheme, SCHEMES))
    if handlers and handlers[0] == "exec" and not probe["exec"].get("command"):
        found.append(required(f"{field}.exec.command"))
    for key in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if (probe.get(key) or 0) < 0:
            found.append(invalid(f"{field}.{key}", probe[key], "must be greater than or equal to 0"))
    if always_one and probe.get("successThreshold") != 1:
        found.append(invalid(f"{field}.successThreshold", probe.get("successThreshold"), "must be 1"))
    return found
