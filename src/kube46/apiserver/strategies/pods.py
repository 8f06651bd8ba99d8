"""Pods: defaulting, default admission, addresses in the status, and what an update may change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.api import names
from kube46.api.pods import admission, defaults, resizes, runtimeclasses, status, updates, validation, warnings, wholes
from kube46.apiserver import statuses
from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object

DEFAULT_ACCOUNT = "default"
KEPT_BY_RESIZE = ("labels", "annotations", "finalizers", "ownerReferences")  # ResetObjectMetaForStatus


class Pods(Generic):
    """`podIP` and `podIPs` are brought together on every decoding (semantics 3.1)."""

    name_rule = staticmethod(names.subdomain)
    hosts = "the Pod's hostname"

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        defaults.default(obj)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """What the default admission plugins fill in, and a fresh status."""
        self.admit(obj, ctx)
        wholes.default(obj["spec"])
        obj["status"] = status.initial(obj["spec"])

    def admit(self, obj: Object, ctx: Context) -> None:
        """Priority, tolerations, account, runtime class."""
        spec: Object = obj["spec"]
        if unknown := admission.priority(spec, _class(spec, ctx)):
            raise statuses.forbidden(ctx.kind, ctx.name, f"no PriorityClass with name {unknown} was found")
        admission.tolerations(spec)
        self._account(spec, ctx)
        _runtime_class(spec, ctx)

    @staticmethod
    def _account(spec: Object, ctx: Context) -> None:
        """The default account is taken if it is there: a server without controllers has none."""
        name = spec.get("serviceAccountName") or DEFAULT_ACCOUNT
        account = ctx.txn.get("serviceaccounts", name, ctx.namespace)
        if account is not None:
            admission.service_account(spec, account)
        elif spec.get("serviceAccountName"):
            text = f'error looking up service account {ctx.namespace}/{name}: serviceaccount "{name}" not found'
            raise statuses.forbidden(ctx.kind, ctx.name, text)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        """The quality-of-service class of a Pod never changes; /ephemeralcontainers and /resize change nothing else."""
        if ctx.subresource == "ephemeralcontainers":
            new["spec"] = updates.with_ephemeral(new["spec"], old["spec"])
        if ctx.subresource == "resize":
            new["spec"] = resizes.merged(new["spec"], old["spec"])
            wholes.default(new["spec"])
            for name in KEPT_BY_RESIZE:
                new["metadata"].pop(name, None)
                if name in old["metadata"]:
                    new["metadata"][name] = old["metadata"][name]
        if not ctx.subresource:  # default admission fills an update, too
            admission.tolerations(new["spec"])
            for key in ("priority", "preemptionPolicy", "resources"):
                if new["spec"].get(key) is None and old["spec"].get(key) is not None:
                    new["spec"][key] = old["spec"][key]
        if ctx.subresource == "status" and not ctx.dual_stack:
            status.drop_second(new, old)
        if ctx.subresource == "status" and (kept := (old.get("status") or {}).get("qosClass")):
            new.setdefault("status", {})["qosClass"] = kept

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return validation.validate(obj["spec"])

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Only a few fields of `spec` may change; binding and ephemeral containers go by their own subresources."""
        if ctx.subresource == "ephemeralcontainers":
            return updates.ephemeral_errors(new, old)
        spec = {name: value for name, value in new["spec"].items() if name != "ephemeralContainers"}
        if ctx.subresource == "resize":
            return validation.validate(spec) + resizes.errors(new, old)
        if ctx.subresource:
            return []
        return validation.validate(spec) + updates.errors(new, old)

    def status_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of reported addresses."""
        return status.validate(new, old)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Of a new pod only: updates are many, and not people's."""
        return super().warnings(new, old) + warnings.of_pod(new) if old is None else []

    def status_warnings(self, new: Object) -> list[str]:
        """Addresses that are not written canonically."""
        return status.warnings(new)


def _class(spec: Object, ctx: Context) -> Object | None:
    """The PriorityClass that the pod names, or the one that is for all pods that name none."""
    if name := spec.get("priorityClassName"):
        return ctx.txn.get("priorityclasses", name)
    return next((one for one in ctx.txn.list("priorityclasses") if one.get("globalDefault")), None)


def _runtime_class(spec: Object, ctx: Context) -> None:
    """Raises 403 when there is no such class, or the pod contradicts it."""
    name = spec.get("runtimeClassName")
    found = None if name is None else ctx.txn.get("runtimeclasses", name)
    if name is not None and found is None:
        raise statuses.forbidden(ctx.kind, ctx.name, f'pod rejected: RuntimeClass "{name}" not found')
    if text := runtimeclasses.admit(spec, found) or runtimeclasses.schedule(spec, found):
        raise statuses.forbidden(ctx.kind, ctx.name, text)
