"""Namespaces and what is kept in them: ConfigMaps, Secrets, ServiceAccounts, Leases."""

from kube46.api.objects.meta import Condition, Object, Value


class NamespaceSpec(Value, frozen=True):
    """spec of a Namespace: who must still finish before it goes."""

    finalizers: tuple[str, ...] = ()


class NamespaceStatus(Value, frozen=True):
    """status of a Namespace: `phase` is Active or Terminating."""

    phase: str = ""
    conditions: tuple[Condition, ...] = ()


class Namespace(Object, frozen=True):
    """v1 Namespace."""

    spec: NamespaceSpec = NamespaceSpec()
    status: NamespaceStatus = NamespaceStatus()


class ConfigMap(Object, frozen=True):
    """v1 ConfigMap."""

    data: dict[str, str] = {}
    binary_data: dict[str, str] = {}


class Secret(Object, frozen=True):
    """v1 Secret; values of `data` are base64."""

    type: str = "Opaque"
    data: dict[str, str] = {}


class ServiceAccount(Object, frozen=True):
    """v1 ServiceAccount."""


class LeaseSpec(Value, frozen=True):
    """spec of a Lease; times are RFC 3339 with microseconds."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(Object, frozen=True):
    """coordination.k8s.io/v1 Lease."""

    spec: LeaseSpec = LeaseSpec()
