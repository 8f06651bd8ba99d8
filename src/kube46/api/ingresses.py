"""Ingresses: validation and warnings (pkg/apis/networking/validation, pkg/registry/networking/ingress, 1.37)."""

from __future__ import annotations

from typing import Any

from kube46.api import ip, names
from kube46.api.errors import FieldError, each_invalid, invalid, not_supported, required

Object = dict[str, Any]

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
BAD_SUFFIXES = ("/..", "/.")
NOT_AN_IP = "must be a DNS name, not an IP address"
ABSOLUTE = "must be an absolute path"


def validate(ingress: Object) -> list[FieldError]:
    """Errors of `spec`."""
    spec = ingress.get("spec") or {}
    rules, backend, class_name = spec.get("rules") or [], spec.get("defaultBackend"), spec.get("ingressClassName")
    found: list[FieldError] = []
    if not rules and backend is None:
        found.append(invalid("spec", spec.get("rules"), "either `defaultBackend` or `rules` must be specified"))
    if backend is not None:
        found += _backend("spec.defaultBackend", backend)
    for index, rule in enumerate(rules):
        found += _rule(f"spec.rules[{index}]", rule)
    for index, tls in enumerate(spec.get("tls") or ()):
        found += _tls(f"spec.tls[{index}]", tls)
    if class_name is not None:
        found += each_invalid("spec.ingressClassName", class_name, names.subdomain(class_name))
    return found


def validate_create(ingress: Object) -> list[FieldError]:
    """Errors of `spec`, and a class that is named twice and differently."""
    annotations = (ingress.get("metadata") or {}).get("annotations") or {}
    value, class_name = annotations.get(CLASS_ANNOTATION), (ingress.get("spec") or {}).get("ingressClassName")
    found = validate(ingress)
    if value is not None and class_name is not None and value != class_name:
        text = "must match `ingressClassName` when both are specified"
        found.append(invalid(f"annotations.{CLASS_ANNOTATION}", value, text))
    return found


def _host(field: str, host: str) -> list[FieldError]:
    return each_invalid(field, host, names.wildcard_subdomain(host) if "*" in host else names.subdomain(host))


def _rule(field: str, rule: Object) -> list[FieldError]:
    found: list[FieldError] = []
    if host := rule.get("host"):
        if ip.sloppy(host) is not None:
            found.append(invalid(f"{field}.host", host, NOT_AN_IP))
        found += _host(f"{field}.host", host)
    if (http := rule.get("http")) is not None:
        paths = http.get("paths") or []
        if not paths:
            found.append(required(f"{field}.http.paths"))
        for index, path in enumerate(paths):
            found += _path(f"{field}.http.paths[{index}]", path)
    return found


def _path(field: str, path: Object) -> list[FieldError]:
    kind, text = path.get("pathType"), path.get("path") or ""
    if kind is None:
        return [required(f"{field}.pathType", "pathType must be specified")]
    found: list[FieldError] = []
    if kind not in PATH_TYPES:
        found.append(not_supported(f"{field}.pathType", kind, PATH_TYPES))
    elif kind == "ImplementationSpecific":
        if text and not text.startswith("/"):
            found.append(invalid(f"{field}.path", text, ABSOLUTE))
    else:
        found += _literal_path(f"{field}.path", text)
    return found + _backend(f"{field}.backend", path.get("backend") or {})


def _literal_path(field: str, text: str) -> list[FieldError]:
    problems = [] if text.startswith("/") else [ABSOLUTE]
    problems += [f"must not contain '{part}'" for part in BAD_SEQUENCES if part in text]
    problems += [f"cannot end with '{part}'" for part in BAD_SUFFIXES if text.endswith(part)]
    return each_invalid(field, text, problems)


def _backend(field: str, backend: Object) -> list[FieldError]:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        return [invalid(field, "", "cannot set both resource and service backends")]
    if resource is not None:
        return _reference(f"{field}.resource", resource)
    if service is None:
        return [invalid(field, "", "resource or service backend is required")]
    name = service.get("name") or ""
    found = each_invalid(f"{field}.service.name", name, names.label(name)) if name else []
    if not name:
        found.append(required(f"{field}.service.name"))
    return found + _service_port(field, service.get("port") or {})


def _service_port(field: str, port: Object) -> list[FieldError]:
    name, number = port.get("name") or "", port.get("number") or 0
    if name and number:
        return [invalid(field, "", "cannot set both port name & port number")]
    if name:
        return each_invalid(f"{field}.service.port.name", name, names.port_name(name))
    if number:
        return each_invalid(f"{field}.service.port.number", number, names.port_number(number))
    return [required(field, "port name or number is required")]


def _reference(field: str, reference: Object) -> list[FieldError]:
    found: list[FieldError] = []
    if (group := reference.get("apiGroup")) is not None:
        found += each_invalid(f"{field}.apiGroup", group, names.subdomain(group))
    for key in ("kind", "name"):
        value = reference.get(key) or ""
        problems = each_invalid(f"{field}.{key}", value, names.path_segment(value))
        found += problems if value else [required(f"{field}.{key}")]
    return found


def _tls(field: str, tls: Object) -> list[FieldError]:
    found: list[FieldError] = []
    for index, host in enumerate(tls.get("hosts") or ()):
        found += _host(f"{field}.hosts[{index}]", host)
    if secret := tls.get("secretName"):
        found += each_invalid(f"{field}.secretName", secret, names.subdomain(secret))
    return found


def _entries(ingress: Object) -> list[Object]:
    return ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []


def validate_status(new: Object, old: Object) -> list[FieldError]:
    """Errors of `status.loadBalancer`."""
    known = [entry.get("ip") or "" for entry in _entries(old)]
    found: list[FieldError] = []
    for index, entry in enumerate(_entries(new)):
        field = f"status.loadBalancer.ingress[{index}]"
        if address := entry.get("ip"):
            found += ip.legacy_ip(f"{field}.ip", address, known)
        if host := entry.get("hostname"):
            found += each_invalid(f"{field}.hostname", host, names.subdomain(host))
            if ip.sloppy(host) is not None:
                found.append(invalid(f"{field}.hostname", host, NOT_AN_IP))
    return found


def status_warnings(ingress: Object) -> list[str]:
    """About reported addresses that are not written canonically."""
    return [
        text
        for index, entry in enumerate(_entries(ingress))
        for text in ip.ip_warnings(f"status.loadBalancer.ingress[{index}]", entry.get("ip") or "")
    ]


def warnings(ingress: Object) -> list[str]:
    """About the old way to name a class, on create."""
    if CLASS_ANNOTATION not in ((ingress.get("metadata") or {}).get("annotations") or {}):
        return []
    return [f"""annotation "{CLASS_ANNOTATION}" is deprecated, please use 'spec.ingressClassName' instead"""]
