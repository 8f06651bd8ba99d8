"""PersistentVolumes, PersistentVolumeClaims and StorageClasses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.api.quantities import parse
from kube46.api.storage import claims, classes, shared, volumes
from kube46.apiserver import statuses
from kube46.apiserver.strategies.generic import Generic
from kube46.apiserver.transactions import now

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object

ONLY_BOUND = "Only bound persistent volume claims can be expanded"
NOT_EXPANDED = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
)


def _protect(obj: Object, finalizer: str) -> None:
    """What is in use stays until it is let go (StorageObjectInUseProtection)."""
    listed = obj["metadata"].get("finalizers") or []
    if finalizer not in listed:
        obj["metadata"]["finalizers"] = [*listed, finalizer]


def _default_class(ctx: Context) -> str:
    return classes.default_class(ctx.txn.list("storageclasses"))


class PersistentVolumes(Generic):
    """Where data lies; its source never changes."""

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        volumes.default(obj)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """Pending since now, and protected."""
        obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": now()}
        _protect(obj, volumes.FINALIZER)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        """A change of the phase has its time."""
        if ctx.subresource != "status":
            return
        status, before = new.setdefault("status", {}), old.get("status") or {}
        since, was = status.get("lastPhaseTransitionTime"), before.get("lastPhaseTransitionTime")
        if status.get("phase") != before.get("phase"):
            if since in (None, was):
                status["lastPhaseTransitionTime"] = now()
        elif since is None and was is not None:
            status["lastPhaseTransitionTime"] = was

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return volumes.errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`, and of what is set once."""
        return volumes.errors(new) + volumes.changed(new, old)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """What is deprecated."""
        return volumes.warnings(new)


class PersistentVolumeClaims(Generic):
    """Who wants a volume; only its size may change once it has one."""

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        claims.default(obj)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """Protected, pending, of the default class unless it names one (DefaultStorageClass)."""
        spec = obj["spec"]
        obj["status"] = {"phase": "Pending"}
        _protect(obj, claims.FINALIZER)
        named = shared.CLASS_ANNOTATION in (obj["metadata"].get("annotations") or {})
        if not named and spec.get("storageClassName") is None and (name := _default_class(ctx)):
            spec["storageClassName"] = name
        claims.prepare(spec)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        """A claim grows only where its class lets it (PersistentVolumeClaimResize)."""
        if ctx.subresource:
            return
        claims.prepare(new["spec"], old["spec"])
        size, was = (parse(claims.size(obj["spec"]) or "0") for obj in (new, old))
        if size > was and claims.size(old["spec"]) is not None:
            if (old.get("status") or {}).get("phase") != "Bound":
                raise statuses.forbidden(ctx.kind, ctx.name, ONLY_BOUND)
            if not self._may_grow(new, old, ctx):
                raise statuses.forbidden(ctx.kind, ctx.name, NOT_EXPANDED)

    @staticmethod
    def _may_grow(new: Object, old: Object, ctx: Context) -> bool:
        name = shared.class_of(new)
        found = ctx.txn.get("storageclasses", name) if name and name == shared.class_of(old) else None
        return bool(found and found.get("allowVolumeExpansion"))

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return claims.errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`, and of what is set once."""
        return claims.errors(new) + claims.changed(new, old)

    def status_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Amounts below zero."""
        return claims.status_errors(new)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """What is deprecated."""
        return claims.warnings(new)


class StorageClasses(Generic):
    """How volumes are made; what they are made by never changes."""

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        classes.default(obj)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Every error."""
        return classes.errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Every error, and what is set once."""
        return classes.errors(new) + classes.changed(new, old)
