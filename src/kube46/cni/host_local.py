"""The IPAM plugin `host-local`: an address of each range set for an attachment, kept in files on this node."""

from functools import lru_cache
from ipaddress import ip_address, ip_interface
from pathlib import Path

from kube46.addresses.families import Address
from kube46.cni import ranges, results
from kube46.cni.configurations import Network
from kube46.cni.errors import CniError, Code
from kube46.cni.ranges import RangeSet
from kube46.cni.requests import Attachment, Request, check_arguments
from kube46.cni.results import Assigned, Result
from kube46.cni.store import Store


def add(request: Request, network: Network) -> Result:
    """Assign an address of each range set, or of none. Raises CniError 11 when a set is exhausted."""
    check_arguments(request.args)
    sets = ranges.load(network)
    wanted = list(ranges.requested(network, request.args.get("IP", "")))
    result = Result(routes=_routes(network), dns=_dns(network.ipam.resolv_conf))
    store = store_of(network)
    with store.locked():
        _refuse_second(store, sets, request.attachment)
        # Everything is decided before anything is written, so a refusal leaves nothing.
        chosen = [_choose(store, one, index, wanted) for index, one in enumerate(sets)]
        if wanted:
            raise CniError(
                Code.INVALID_CONFIG, "Requested addresses not available", f"{', '.join(map(str, wanted))}: in no range."
            )
        _reserve(store, [address for address, _ in chosen], request.attachment)
    ips = tuple(Assigned(ip_interface((address, one.subnet.prefixlen)), one.gateway) for address, one in chosen)
    return Result(ips=ips, routes=result.routes, dns=result.dns)


def delete(request: Request, network: Network) -> list[str]:
    """Give back the attachment's addresses, and return them; having none is no error."""
    store = store_of(network)
    if not store.directory.exists():
        return []
    with store.locked():
        released = store.addresses_of(request.attachment)
        for address in released:
            store.release(address)
    return released


def addresses_of(request: Request, network: Network) -> list[str]:
    """The addresses that the attachment has."""
    store = store_of(network)
    if not store.directory.exists():
        return []
    with store.locked():
        return store.addresses_of(request.attachment)


def check(request: Request, network: Network) -> None:
    """Raises CniError 100 when the attachment has no address assigned."""
    ranges.load(network)
    if not addresses_of(request, network):
        details = f"{store_of(network).directory} has none for container {request.attachment.container_id}."
        raise CniError(Code.CHECK_FAILED, "No address is assigned", details)


def status(network: Network) -> None:
    """Raises CniError 50 when a range set has no free address, or the files of the plugin cannot be used."""
    sets = ranges.load(network)
    _routes(network)
    store = store_of(network)
    try:
        _dns(network.ipam.resolv_conf)
        with store.locked():
            exhausted = [
                one for index, one in enumerate(sets) if ranges.next_free(one, store.last(index), store.taken()) is None
            ]
            refusal = store.refusal()
    except OSError as error:
        raise CniError(Code.NOT_AVAILABLE, "A file cannot be used", f"{error}.") from error
    if refusal:
        raise CniError(Code.NOT_AVAILABLE, "A file cannot be used", f"{store.directory}: {refusal}.")
    for one in exhausted:
        raise CniError(Code.NOT_AVAILABLE, "No address is free", f"{_span(one)} of {network.name} is exhausted.")


def collect_garbage(network: Network, valid: frozenset[Attachment]) -> list[str]:
    """Give back the addresses of all attachments but the valid ones, and return them."""
    store = store_of(network)
    if not store.directory.exists():
        return []
    ids = {attachment.container_id for attachment in valid}
    with store.locked():
        stale = [
            address
            for address, owner in store.owners().items()
            if owner not in valid and (owner.ifname or owner.container_id not in ids)
        ]
        for address in stale:
            store.release(address)
    return stale


def store_of(network: Network) -> Store:
    """The store of a network; the same object for the same directory, so that it reads only what changed."""
    path = network.ipam.data_dir
    if ".." in Path(path).parts or "\0" in path or (path and not path.startswith("/")):
        details = f"ipam.dataDir: {path!r} must be an absolute path without '..'."
        raise CniError(Code.INVALID_CONFIG, "Invalid network configuration", details)
    return _store(network.name, network.ipam.data_dir)


@lru_cache(maxsize=64)
def _store(network: str, data_directory: str) -> Store:
    return Store(network, data_directory)


def _refuse_second(store: Store, sets: tuple[RangeSet, ...], attachment: Attachment) -> None:
    for text in store.addresses_of(attachment):
        if not any(ranges.range_of(one, ip_address(text)) for one in sets):
            continue  # of ranges that are configured no more
        details = f"{text} is assigned to {attachment.container_id} {attachment.ifname}; DEL it before another ADD."
        raise CniError(Code.CONFLICT, "The attachment has an address", details)


def _choose(store: Store, range_set: RangeSet, index: int, wanted: list[Address]) -> tuple[Address, ranges.Range]:
    """The address for a range set: the one asked for that lies in it (taken off `wanted`), else the next free one."""
    asked = next((address for address in wanted if ranges.range_of(range_set, address)), None)
    if asked is None:
        free = ranges.next_free(range_set, store.last(index), store.taken())
        if free is None:
            details = f"{_span(range_set)}: all addresses are assigned; widen the range or delete pods."
            raise CniError(Code.TRY_AGAIN_LATER, "No address is free", details)
        return free
    wanted.remove(asked)
    within = ranges.range_of(range_set, asked)
    if within is None or within.excludes(asked) or str(asked) in store.taken():
        details = f"{asked} is assigned already, or the gateway, network or broadcast address."
        raise CniError(Code.CONFLICT, "The requested address is not available", details)
    return asked, within


def _reserve(store: Store, addresses: list[Address], attachment: Attachment) -> None:
    done: list[str] = []
    try:
        for index, address in enumerate(addresses):
            store.reserve(address, attachment, index)
            done.append(str(address))
    except OSError as error:
        for text in done:
            store.release(text)
        raise CniError(Code.IO_FAILURE, "An address cannot be stored", f"{error}.") from error


def _routes(network: Network) -> tuple[results.Route, ...]:
    try:
        return tuple(results.parse_route(route) for route in network.ipam.routes)
    except (KeyError, TypeError, ValueError) as error:
        details = f"ipam.routes: {error}; give each a dst in CIDR notation and, if wanted, a gw."
        raise CniError(Code.INVALID_CONFIG, "Invalid network configuration", details) from error


def _dns(path: str) -> dict[str, list[str] | str]:
    """The DNS settings of a resolv.conf, as results carry them; none without a path."""
    found: dict[str, list[str] | str] = {}
    lists: dict[str, list[str]] = {}
    if "\0" in path:
        details = f"ipam.resolvConf: {path!r} is no path."
        raise CniError(Code.INVALID_CONFIG, "Invalid network configuration", details)
    for line in Path(path).read_text(errors="replace").splitlines() if path else ():
        keyword, *values = line.split() or [""]
        if not values:
            continue
        if keyword == "domain":
            found["domain"] = values[0]
        elif keyword == "nameserver":
            lists.setdefault("nameservers", []).append(values[0])
        elif keyword in ("search", "options"):
            lists.setdefault(keyword, []).extend(values)
    return found | lists


def _span(range_set: RangeSet) -> str:
    return ", ".join(f"{one.start}-{one.end}" for one in range_set)
