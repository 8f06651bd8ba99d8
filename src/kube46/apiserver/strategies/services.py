"""Services: the rules of `kube46.api.services` in upstream's order, with addresses and node ports taken on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.addresses.families import Family, family_of
from kube46.api import names
from kube46.api.services import (
    addresses,
    carry,
    defaults,
    families,
    gating,
    immutable,
    nodeports,
    reading,
    status,
    sync,
    validation,
    warnings,
    wipe,
)
from kube46.api.services.traits import EXTERNAL_NAME, headless, ips, is_type
from kube46.apiserver import statuses
from kube46.apiserver.strategies import service_addresses, service_ports
from kube46.apiserver.strategies.generic import Generic
from kube46.apiserver.transactions import copied

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.api.services.traits import Spec
    from kube46.apiserver.strategy import Context, Object


# as stored JSON has them
FAMILIES, EXTERNAL, INTERNAL_POLICY = b'"ipFamilies":[', b'"type":"ExternalName"', b'"internalTrafficPolicy":'
CLUSTER_IP = b'"clusterIP":"'


class Services(Generic):
    """Semantics section 1; what readers see is what is stored, but for few, so that reads need no decoding.

    `default` is the cluster's first family, None where it knows no families.
    """

    create_on_update = True
    bare_status = True
    name_rule = staticmethod(names.label)

    def __init__(self, default: Family | None = None) -> None:
        self._default = default

    def default(self, obj: Object) -> None:
        """Static defaulting (1.9)."""
        defaults.default(obj)

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """Steps 3 to 6 of a create (1.1): families, addresses, ports; each may refuse alone."""
        obj["status"] = {"loadBalancer": {}}
        if ctx.subresource:  # a PUT to /status of a missing Service: upstream's second store allocates nothing
            return
        spec: Spec = obj["spec"]
        sync.on_create(spec)
        if not ctx.dual_stack:
            gating.drop(spec)
        self._initialise(spec, None, ctx)
        addresses.place(spec, service_addresses.allocate(spec, addresses.on_create(spec), ctx))
        service_ports.run(ctx, lambda pool: nodeports.create(spec, pool))

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        """The same for an update, against the stored Service as readers see it."""
        if ctx.subresource == "status":
            return
        before = copied(old)
        reading.complete(before, _cluster(ctx)[0])
        spec, stored = new["spec"], before["spec"]
        carry.allocated_values(spec, stored)
        sync.on_update(spec, stored)
        if not ctx.dual_stack and not gating.in_use(old):
            gating.drop(spec)
        if ctx.dual_stack or not gating.in_use(old):  # else what it has of dual-stack is left as it is
            self._initialise(spec, stored, ctx)
        wanted, given_back = addresses.on_update(spec, stored)
        addresses.place(spec, service_addresses.allocate(spec, wanted, ctx))
        service_ports.run(ctx, lambda pool: nodeports.update(spec, stored, pool))
        wipe.type_dependent_fields(new, before)
        service_addresses.release(given_back, ctx)

    @staticmethod
    def _initialise(spec: Spec, old: Spec | None, ctx: Context) -> None:
        if errors := families.initialise(spec, old, _cluster(ctx)):
            raise statuses.invalid(ctx.kind, ctx.name, errors)

    def validate_create(self, obj: Object, ctx: Context) -> list[FieldError]:
        """What is wrong with it; a valid one has no families where dual-stack is off."""
        found = super().validate_create(obj, ctx)
        if not found and not ctx.dual_stack:
            gating.forget(obj)
        return found

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """The same, unless it had families before."""
        found = super().validate_update(new, old, ctx)
        if not found and not ctx.dual_stack and not gating.in_use(old):
            gating.forget(new)
        return found

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Everything that is still wrong (1.8)."""
        return validation.errors(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """What may not change (1.6), then everything that is wrong."""
        before = {**old, "spec": {**old["spec"]}}  # nothing deeper is completed
        reading.complete(before, _cluster(ctx)[0])
        return immutable.errors(new["spec"], before["spec"]) + validation.errors(new, before)

    def on_read(self, obj: Object) -> None:
        """Families of a headless Service that /status created; ExternalName hides `internalTrafficPolicy` (R-3)."""
        if self._default is not None:
            reading.complete(obj, self._default)

    def shown_as_stored(self, value: bytes) -> bool:
        """It has families, or is an ExternalName without a policy or an address."""
        if self._default is None:
            return True
        if FAMILIES in value:
            return EXTERNAL not in value
        return EXTERNAL in value and INTERNAL_POLICY not in value and CLUSTER_IP not in value

    def status_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """The load balancer's addresses (1.8.4)."""
        return status.errors(new, old)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Of the Service (1.8.5)."""
        return warnings.warnings(new)

    def status_warnings(self, new: Object) -> list[str]:
        """Of its reported addresses."""
        return status.warnings(new)

    def after_delete(self, obj: Object, ctx: Context) -> None:
        """Give back what it held, and remove its Endpoints (S1.1.4)."""
        spec: Spec = obj["spec"]
        ctx.txn.delete("endpoints", obj["metadata"]["name"], obj["metadata"]["namespace"])
        if not is_type(spec, EXTERNAL_NAME) and not headless(spec):
            service_addresses.release(ips(spec), ctx)

        def give_back(pool: nodeports.Operation) -> None:
            for port in nodeports.held(spec):
                pool.release(port)

        service_ports.run(ctx, give_back)


def _cluster(ctx: Context) -> list[Family]:
    """The families of --service-cluster-ip-range, the default family first."""
    return [family_of(prefix) for prefix in ctx.service_ranges]
