"""ServiceCIDRs, IPAddresses, Ingresses, their classes, and NetworkPolicies."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kube46.api import ingressclasses, ingresses, ip, ipaddresses, networkpolicies, servicecidrs
from kube46.apiserver.strategies import service_addresses
from kube46.apiserver.strategies.generic import Generic
from kube46.apiserver.strategies.stored import told

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object


class ServiceCIDRs(Generic):
    """Semantics 2.5."""

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec.cidrs`."""
        return servicecidrs.validate(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Only a second family may be added."""
        return servicecidrs.validate_update(new, old)


class IPAddresses(Generic):
    """Semantics 2.4; the index of addresses in use follows every one that comes or goes."""

    name_rule = staticmethod(ipaddresses.name_problems)

    def generate_name(self, base: str) -> str:
        """A random suffix would make no address: the base is taken as it is."""
        return base

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """The address is taken."""
        address = ip.sloppy(obj["metadata"].get("name") or "")
        if address is not None and not ctx.dry_run:
            service_addresses.note(ctx.txn, address)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec.parentRef`."""
        return ipaddresses.validate(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """The parent is set once."""
        return ipaddresses.validate(new, old) + ipaddresses.immutable(new, old)

    def after_delete(self, obj: Object, ctx: Context) -> None:
        """The address is free again."""
        address = ip.sloppy(obj["metadata"]["name"])
        if address is not None and not ctx.dry_run:
            service_addresses.forget(ctx.txn, address)


class Ingresses(Generic):
    """Rules, back ends, TLS and class."""

    def default(self, obj: Object) -> None:
        """A status always has a load balancer's; an empty list of rules is only for the error that there are none."""
        spec = obj.get("spec") or {}
        if spec.get("rules") == [] and spec.get("defaultBackend") is not None:
            del spec["rules"]
        obj.setdefault("status", {}).setdefault("loadBalancer", {})

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """A fresh status."""
        obj["status"] = {"loadBalancer": {}}

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`, and a class named twice."""
        return ingresses.validate_create(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return ingresses.validate(new)

    def status_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of the load balancer's addresses."""
        return ingresses.validate_status(new, old)

    def status_warnings(self, new: Object) -> list[str]:
        """Addresses that are not written canonically."""
        return ingresses.status_warnings(new)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """The old way to name a class, on create."""
        return ingresses.warnings(new) if old is None else []


class IngressClasses(Generic):
    """Controllers of Ingresses and their parameters."""

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        ingressclasses.default(obj)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return ingressclasses.validate(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`; the controller is set once."""
        return ingressclasses.validate(new, old)


class NetworkPolicies(Generic):
    """Stored for whoever enforces them: kube46 does not."""

    blank: ClassVar[Object] = {"spec": {"podSelector": {}}}

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        networkpolicies.default(obj)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`."""
        return networkpolicies.validate(obj)

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of `spec`; CIDRs that are stored already are not looked at."""
        return networkpolicies.validate(new, old)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """CIDRs that are not written canonically, and that nothing comes of it: who relies on it must know."""
        return [*networkpolicies.warnings(new), told("NetworkPolicy", new, "enforced")]
