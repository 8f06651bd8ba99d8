"""Cluster IPs: taken and given back as IPAddress objects in the same commit as their Service (semantics 2.2 to 2.4).

An IPAddress object is the only record of an address in use; `taken` indexes them so that a free one is found without
a scan. Whoever adds or removes IPAddress objects tells the index by `note` and `forget`.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_network
from typing import TYPE_CHECKING

from kube46.addresses.families import Address, Family, family_of
from kube46.api import allocation, errors, ip, ipaddresses
from kube46.api.allocation import AddressRange, NumberSet
from kube46.apiserver import statuses
from kube46.apiserver.transactions import now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kube46.api.services.addresses import Wanted
    from kube46.api.services.traits import Spec
    from kube46.apiserver.strategy import Context, StatusError, Transaction

Taken = dict[Family, NumberSet]


def taken(txn: Transaction) -> Taken:
    """The addresses of all IPAddress objects, by family."""
    return txn.memory("service addresses", _index)


def _index(txn: Transaction) -> Taken:
    found: Taken = {family: NumberSet() for family in Family}
    for obj in txn.list("ipaddresses"):
        if (address := ip.sloppy(obj["metadata"]["name"])) is not None:
            found[family_of(address)].add(int(address))
    return found


def note(txn: Transaction, address: Address) -> None:
    """An IPAddress object has been added."""
    numbers = taken(txn)[family_of(address)]
    if numbers.add(int(address)):
        txn.undo(lambda: numbers.discard(int(address)))


def forget(txn: Transaction, address: Address) -> None:
    """An IPAddress object has been removed."""
    numbers = taken(txn)[family_of(address)]

    def undo() -> None:
        numbers.add(int(address))

    if int(address) in numbers:
        numbers.discard(int(address))
        txn.undo(undo)


def ranges(txn: Transaction, family: Family, *, ready: bool = True) -> Iterator[AddressRange]:
    """The CIDRs of a family to allocate from: of ServiceCIDRs that are ready and not being deleted (A-10), or all."""
    for obj in txn.list("servicecidrs"):
        if ready and (obj["metadata"].get("deletionTimestamp") or not _ready(obj)):
            continue
        for found in map(_parsed, obj["spec"]["cidrs"]):
            if found.prefix.version == family.version and found.supported:
                yield found


@lru_cache(maxsize=256)
def _parsed(text: str) -> AddressRange:
    return AddressRange(ip_network(text))


def _ready(cidr: dict[str, object]) -> bool:
    status = cidr.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    return all(c["status"] == "True" for c in conditions or () if c["type"] == "Ready")


def allocate(spec: Spec, wanted: Wanted, ctx: Context) -> dict[Family, str]:
    """Take an address for each family wanted; raises the StatusError that upstream answers with (2.3)."""
    one = _rehearse if ctx.dry_run else _take
    return {family: one(spec, family, asked, ctx) for family, asked in wanted.items()}


def _refused(spec: Spec, asked: str, text: str, ctx: Context) -> StatusError:
    detail = f"failed to allocate IP {asked}: {text}" if asked else f"failed to allocate IP: {text}"
    return statuses.invalid(ctx.kind, ctx.name, [errors.invalid("spec.clusterIPs", spec["clusterIPs"], detail)])


def _take(spec: Spec, family: Family, asked: str, ctx: Context) -> str:
    address: Address | None
    if asked:
        address = ip.sloppy(asked)
        if address is None or not any(address in found for found in ranges(ctx.txn, family)):
            raise _refused(spec, asked, allocation.NO_MATCH, ctx)
        if int(address) in taken(ctx.txn)[family]:
            raise _refused(spec, asked, allocation.ADDRESS_TAKEN, ctx)
    else:
        numbers = taken(ctx.txn)[family]
        picks = (found.pick(numbers) for found in ranges(ctx.txn, family))
        address = next((found for found in picks if found is not None), None)
        if address is None:
            text = f"failed to allocate a serviceIP for Service {errors.go_quote(ctx.name)}: {allocation.RANGE_FULL}"
            raise statuses.internal(text)
    obj = ipaddresses.of_service(address, ctx.namespace, ctx.name, now())
    if problems := ipaddresses.validate(obj):
        raise _refused(spec, asked, errors.summary("IPAddress", "networking.k8s.io", str(address), problems)[0], ctx)
    ctx.txn.create("ipaddresses", obj)
    note(ctx.txn, address)
    return asked or str(address)


def _rehearse(spec: Spec, family: Family, asked: str, ctx: Context) -> str:
    """Dry run: an asked address is only looked up in one CIDR, a dynamic one is that CIDR's network address (A-12)."""
    found = list(ranges(ctx.txn, family))
    if not found:
        raise _refused(spec, asked, allocation.NOT_READY, ctx)
    address = ip.sloppy(asked) if asked else None
    if address is None:
        return str(found[0].prefix.network_address)
    if not any(address in one for one in found):
        valid = f"The range of valid IPs is {found[0].prefix}"
        raise _refused(spec, asked, f"the provided IP ({asked}) is not in the valid range. {valid}", ctx)
    return asked


def release(addresses: list[str], ctx: Context) -> None:
    """Give addresses back; those of a family that the cluster does not have, or of no range that is left, are not
    known to an allocator: the repair loop finds their records (1.10).
    """
    configured = {family_of(prefix) for prefix in ctx.service_ranges}
    for text in addresses:
        address = ip.sloppy(text)
        if address is None or ctx.dry_run or family_of(address) not in configured:
            continue
        if any(address in one for one in ranges(ctx.txn, family_of(address), ready=False)):
            _give_back(address, ctx.txn)


def _give_back(address: Address, txn: Transaction) -> None:
    """A record that somebody holds by a finalizer lingers, as objects do, and its address stays taken."""
    record = txn.get("ipaddresses", str(address))
    if record is None:
        return
    if not record["metadata"].get("finalizers"):
        txn.delete("ipaddresses", str(address))
        forget(txn, address)
    elif not record["metadata"].get("deletionTimestamp"):
        record["metadata"].update(deletionTimestamp=now(), deletionGracePeriodSeconds=0)
        txn.update("ipaddresses", record)
