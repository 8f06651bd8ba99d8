"""IPAddress objects: the record of an address in use (semantics 2.4; KEP 1880)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.addresses.families import Address, family_of
from kube46.api import ip, names
from kube46.api.errors import FieldError, each_invalid, invalid, required

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]

FAMILY_LABEL = "ipaddress.kubernetes.io/ip-family"
MANAGED_LABEL = "ipaddress.kubernetes.io/managed-by"
ALLOCATOR = "ipallocator.k8s.io"
OWNED: Object = {  # all of a record is the server's
    "manager": "kube-apiserver",
    "operation": "Update",
    "apiVersion": "networking.k8s.io/v1",
    "fieldsType": "FieldsV1",
    "fieldsV1": {
        "f:metadata": {"f:labels": {".": {}, f"f:{FAMILY_LABEL}": {}, f"f:{MANAGED_LABEL}": {}}},
        "f:spec": {"f:parentRef": {".": {}, "f:name": {}, "f:namespace": {}, "f:resource": {}}},
    },
}


def of_service(address: Address, namespace: str, name: str, time: str) -> Object:
    """The record that an address belongs to a Service, made at `time` (RFC 3339)."""
    labels = {FAMILY_LABEL: str(family_of(address)), MANAGED_LABEL: ALLOCATOR}
    parent = {"resource": "services", "namespace": namespace, "name": name}
    meta = {"name": str(address), "labels": labels, "managedFields": [{**OWNED, "time": time}]}
    return {"metadata": meta, "spec": {"parentRef": parent}}


def name_problems(name: str) -> list[str]:
    """The name must be an address in canonical form."""
    return [problem] if (problem := ip.canonical_problem(name)) else []


def validate(obj: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> list[FieldError]:
    """Errors of `spec`.

    What is missing is told last, by declarative checks; of a changed parent these tell only that it is immutable.
    """
    field, parent = "spec.parentRef", (obj.get("spec") or {}).get("parentRef")
    if parent is None:
        return [required(field)]
    found: list[FieldError] = []
    missing: list[FieldError] = []
    told = missing if old is None or not immutable(obj, old) else found
    if group := parent.get("group"):
        found += each_invalid(f"{field}.group", group, names.subdomain(group))
    for key in ("resource", "name", "namespace"):
        value = parent.get(key) or ""
        told += [required(f"{field}.{key}")] if not value and key != "namespace" else []
        found += each_invalid(f"{field}.{key}", value, names.path_segment(value))
    return found + missing


def immutable(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[FieldError]:
    """`parentRef` is set once; the check is declarative, which prints no struct."""
    if (new.get("spec") or {}).get("parentRef") == (old.get("spec") or {}).get("parentRef"):
        return []
    return [invalid("spec.parentRef", None, "field is immutable")]
