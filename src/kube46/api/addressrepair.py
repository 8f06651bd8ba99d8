"""What is wrong between Services and the IPAddress objects that record their addresses, and its mend (semantics 2.7).

Only verdicts are given here; whoever asks writes the Events and mends. Source:
pkg/registry/core/service/ipallocator/controller/repairip.go (1.37).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

import msgspec

from kube46.addresses.families import Address, family_of
from kube46.api import ip
from kube46.api.allocation import AddressRange
from kube46.api.ipaddresses import ALLOCATOR, FAMILY_LABEL, MANAGED_LABEL

UNCLAIMED_SECONDS = 60.0  # an address may wait so long for its Service to be stored
YOUNG_SECONDS = 5.0  # so long a younger address than its Service may belong to a create that will be refused
SERVICE_ACTION, ADDRESS_ACTION = "ClusterIPAllocation", "IPAddressAllocation"


class Meta(msgspec.Struct, rename="camel", frozen=True):
    """The metadata that counts, and what an Event says about whom it is about."""

    name: str
    uid: str
    resource_version: str
    creation_timestamp: datetime
    namespace: str = ""
    labels: dict[str, str] = {}


class ServiceSpec(msgspec.Struct, rename="camel", frozen=True):
    """The addresses of a Service."""

    cluster_ip: str = msgspec.field(name="clusterIP", default="")
    cluster_ips: tuple[str, ...] = msgspec.field(name="clusterIPs", default=())
    type: str = ""


class Service(msgspec.Struct, frozen=True):
    """A Service as far as its addresses go."""

    metadata: Meta
    spec: ServiceSpec


class Parent(msgspec.Struct, frozen=True):
    """Whom an IPAddress says that it belongs to."""

    resource: str
    name: str
    group: str = ""
    namespace: str = ""

    @property
    def is_service(self) -> bool:
        """Whether that is a Service at all."""
        return not self.group and self.resource == "services"


class AddressSpec(msgspec.Struct, rename="camel", frozen=True):
    """The spec of an IPAddress."""

    parent_ref: Parent


class Record(msgspec.Struct, frozen=True):
    """An IPAddress."""

    metadata: Meta
    spec: AddressSpec

    @property
    def managed(self) -> bool:
        """Whether the allocator made it; all others are let alone."""
        return self.metadata.labels.get(MANAGED_LABEL) == ALLOCATOR


class CIDRSpec(msgspec.Struct, frozen=True):
    """The spec of a ServiceCIDR."""

    cidrs: tuple[str, ...]


class CIDR(msgspec.Struct, frozen=True):
    """A ServiceCIDR as far as its ranges go."""

    metadata: Meta
    spec: CIDRSpec


class Mend(Enum):
    """What is to be done with the IPAddress of that name."""

    NOTHING = "nothing"
    CREATE = "create"
    RECREATE = "recreate"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: the Event's words (no reason: no Event) and the mend."""

    address: str
    mend: Mend = Mend.NOTHING
    reason: str = ""
    note: str = ""
    action: str = field(default=SERVICE_ACTION)


def of_service(
    service: Service,
    ranges: Iterable[AddressRange],
    record_of: Callable[[str], Record | None],
    service_of: Callable[[str, str], Service | None],
) -> list[Finding]:
    """What is wrong with each address of a Service; `ranges` are those of all ServiceCIDRs, whatever their state."""
    if service.spec.cluster_ip in ("", "None"):
        return []
    found: list[Finding] = []
    for text in service.spec.cluster_ips:
        address = ip.sloppy(text)
        if address is None:
            note = "Cluster IP <nil> is not a valid IP; please recreate Service"
            found.append(Finding(text, Mend.NOTHING, "ClusterIPNotValid", note, "ClusterIPValidation"))
        else:
            found += _of_address(service, address, ranges, record_of(str(address)), service_of)
    return found


def _of_address(
    service: Service,
    address: Address,
    ranges: Iterable[AddressRange],
    record: Record | None,
    service_of: Callable[[str, str], Service | None],
) -> list[Finding]:
    name, family, meta = str(address), family_of(address), service.metadata
    if not any(address in one for one in ranges):
        note = f"Cluster IP [{family}]: {name} is not within any configured Service CIDR; please recreate service"
        return [Finding(name, Mend.NOTHING, "ClusterIPOutOfRange", note)]
    if record is None:
        note = f"Cluster IP [{family}]: {name} is not allocated; repairing"
        return [Finding(name, Mend.CREATE, "ClusterIPNotAllocated", note)]
    parent = record.spec.parent_ref
    own = parent.is_service and (parent.namespace, parent.name) == (meta.namespace, meta.name)
    other = service_of(parent.namespace, parent.name) if parent.is_service and not own else None
    if not own and other is None:
        where = f"{name} for Service {meta.namespace}/{meta.name}"
        note = f"the ClusterIP [{family}]: {where} has a wrong reference; repairing"
        return [Finding(name, Mend.RECREATE, "ClusterIPNotAllocated", note)]
    found: list[Finding] = []
    if other is not None and name in other.spec.cluster_ips:
        note = f"Cluster IP [{family}]:{name} was assigned to multiple services; please recreate service"
        found.append(Finding(name, Mend.NOTHING, "ClusterIPAlreadyAllocated", note))
    if record.metadata.labels.get(FAMILY_LABEL) != family or not record.managed:
        found.append(Finding(name, Mend.RECREATE))
    return found


def of_record(
    record: Record, service_of: Callable[[str, str], Service | None], now: datetime
) -> Finding | float | None:
    """What is wrong with an IPAddress, or in how many seconds to look again, or None when all is well."""
    if not record.managed:
        return None
    parent, meta = record.spec.parent_ref, record.metadata
    if not parent.is_service:
        shown = f"&ParentReference{{Group:{parent.group},Resource:{parent.resource},Namespace:{parent.namespace}"
        shown += f",Name:{parent.name},}}"
        note = f"IPAddress {meta.name} appears to have been modified, not referencing a Service {shown}: cleaning up"
        return _clean(record, "IPAddressNotAllocated", note)
    service, age = service_of(parent.namespace, parent.name), (now - meta.creation_timestamp).total_seconds()
    where = f"IPAddress: {meta.name} for Service {parent.namespace}/{parent.name}"
    if service is None:
        if age <= UNCLAIMED_SECONDS:
            return UNCLAIMED_SECONDS - age
        return _clean(record, "IPAddressNotAllocated", f"{where} appears to have leaked: cleaning up")
    if meta.name in service.spec.cluster_ips:
        return None
    if service.spec.type == "ExternalName" and age < UNCLAIMED_SECONDS:
        return UNCLAIMED_SECONDS - age
    if meta.creation_timestamp > service.metadata.creation_timestamp and age < YOUNG_SECONDS:
        return YOUNG_SECONDS
    return _clean(record, "IPAddressWrongReference", f"{where} has a wrong reference; cleaning up")


def _clean(record: Record, reason: str, note: str) -> Finding:
    return Finding(record.metadata.name, Mend.DELETE, reason, note, ADDRESS_ACTION)
