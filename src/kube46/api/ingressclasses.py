"""IngressClasses: defaulting and validation (pkg/apis/networking/{v1/defaults.go,validation}, 1.37)."""

from __future__ import annotations

from typing import Any

from kube46.api import names
from kube46.api.errors import FieldError, each_invalid, forbidden, invalid, not_supported, required, too_long

Object = dict[str, Any]

LONGEST_CONTROLLER = 250  # bytes
PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
CLUSTER, NAMESPACE = "Cluster", "Namespace"


def default(obj: Object) -> None:
    """Parameters are cluster-wide unless they say otherwise."""
    parameters = (obj.get("spec") or {}).get("parameters")
    if parameters is not None and parameters.get("scope") is None:
        parameters["scope"] = CLUSTER


def validate(obj: Object, old: Object | None = None) -> list[FieldError]:
    """Errors of `spec`; what 1.37 checks declaratively comes last."""
    spec, found = obj.get("spec") or {}, list[FieldError]()
    controller, parameters = spec.get("controller") or "", spec.get("parameters")
    if old is not None and controller != ((old.get("spec") or {}).get("controller") or ""):
        found.append(invalid("spec.controller", controller, "field is immutable"))
    found += _controller(controller)
    if parameters is None:
        return found
    last = [required(f"spec.parameters.{key}") for key in ("kind", "name") if not parameters.get(key)]
    return found + _parameters(parameters) + last


def _controller(controller: str) -> list[FieldError]:
    field, found = "spec.controller", list[FieldError]()
    if len(controller.encode()) > LONGEST_CONTROLLER:
        found.append(too_long(field, LONGEST_CONTROLLER))
    if not controller:
        return [*found, required(field)]
    host, _, path = controller.partition("/")
    if not host or not path:
        return [*found, invalid(field, controller, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    found += each_invalid(field, host, names.subdomain(host))
    if not names.matches(PATH, path):
        found.append(invalid(field, path, f"Invalid path (regex used for validation is '{PATH}')"))
    return found


def _parameters(parameters: Object) -> list[FieldError]:
    field, found = "spec.parameters", list[FieldError]()
    if (group := parameters.get("apiGroup")) is not None:
        found += each_invalid(f"{field}.apiGroup", group, names.subdomain(group))
    for key in ("kind", "name"):
        if value := parameters.get(key):
            found += each_invalid(f"{field}.{key}", value, names.path_segment(value))
    return found + _scope(f"{field}.scope", f"{field}.namespace", parameters["scope"], parameters.get("namespace"))


def _scope(field: str, place: str, scope: str, namespace: str | None) -> list[FieldError]:
    if scope not in (CLUSTER, NAMESPACE):
        return [not_supported(field, scope, (CLUSTER, NAMESPACE))]
    if scope == CLUSTER:
        return [] if namespace is None else [forbidden(place, "`parameters.scope` is set to 'Cluster'")]
    if namespace is None:
        return [required(place, "`parameters.scope` is set to 'Namespace'")]
    return each_invalid(place, namespace, names.label(namespace))
