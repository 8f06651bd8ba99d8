"""Which records the cluster's Services and endpoints have.

Source: Kubernetes DNS-Based Service Discovery, schema version 1.1.0. Names here are lower-case, absolute and without
their last dot.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from kube46.addresses.families import Family, family_of
from kube46.api.objects import Endpoint, EndpointSlice, Service

SCHEMA_VERSION = "1.1.0"
ADDRESS_TYPE = {Family.IPV4: "A", Family.IPV6: "AAAA"}
# What CoreDNS answers for a single target; the schema leaves both numbers open.
SRV_PRIORITY, SRV_WEIGHT = 0, 100
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


@dataclass(frozen=True, slots=True, order=True)
class Record:
    """One resource record; `data` is in zone-file form, with absolute names ending in a dot."""

    name: str
    type: str
    data: str


def is_name(text: str) -> bool:
    """Whether the text is a domain name of letters, digits, `-` and `_`: nothing else reaches a zone."""
    return 0 < len(text) <= 253 and all(_LABEL.fullmatch(label) for label in text.split("."))


def dashed(address: str) -> str:
    """The label of an endpoint without a hostname, as CoreDNS makes it: `fd00::` becomes `fd00--0`."""
    label = address.replace(".", "-").replace(":", "-")
    return f"{label}0" if label.endswith("-") else label


def reverse_name(address: str) -> str:
    """The name whose PTR record tells who has the address."""
    return ip_address(address).reverse_pointer


def service_records(service: Service, slices: Iterable[EndpointSlice], domain: str) -> frozenset[Record]:
    """All records of one Service; those with a name that is none are left out."""
    namespace, name = service.key
    owner = f"{name}.{namespace}.svc.{domain}".lower()
    if service.spec.type == "ExternalName":
        found = _external(owner, service.spec.external_name)
    elif _is_headless(service):
        found = _headless(owner, slices)
    else:
        found = _cluster_ip(owner, service)
    return frozenset(record for record in found if is_name(record.name))


def fixed_records(domain: str, server_addresses: Iterable[str]) -> frozenset[Record]:
    """What the forward zone holds whatever the Services are: the schema's version and the name server."""
    server = f"ns.dns.{domain}"
    addresses = {Record(server, ADDRESS_TYPE[family_of(address)], address) for address in server_addresses}
    return frozenset(
        {
            Record(f"dns-version.{domain}", "TXT", f'"{SCHEMA_VERSION}"'),
            Record(domain, "NS", f"{server}."),
            *addresses,
        }
    )


def zone_of(name: str, zones: Collection[str]) -> str | None:
    """The zone, of those given, in which a name lies: the longest that is a suffix of it."""
    while name:
        if name in zones:
            return name
        _, _, name = name.partition(".")
    return None


def _is_headless(service: Service) -> bool:
    return not service.spec.cluster_ips or service.spec.cluster_ips[0] in ("", "None")


def _external(owner: str, target: str) -> Iterator[Record]:
    host = target.rstrip(".").lower()
    if is_name(host):
        yield Record(owner, "CNAME", f"{host}.")


def _cluster_ip(owner: str, service: Service) -> Iterator[Record]:
    for address in service.spec.cluster_ips:
        yield Record(owner, ADDRESS_TYPE[family_of(address)], str(ip_address(address)))
        yield Record(reverse_name(address), "PTR", f"{owner}.")
    for port in service.spec.ports:
        if port.name:
            yield _srv(owner, port.name, port.protocol, port.port, owner)


def _headless(owner: str, slices: Iterable[EndpointSlice]) -> Iterator[Record]:
    for piece in slices:
        if piece.address_type not in (Family.IPV4, Family.IPV6):
            continue
        for endpoint in piece.endpoints or ():
            if endpoint.conditions.ready is not False:
                yield from _endpoint(owner, piece, endpoint)


def _endpoint(owner: str, piece: EndpointSlice, endpoint: Endpoint) -> Iterator[Record]:
    # Consumers use the first address only (KEP-752): more than one means nothing today.
    for address in endpoint.addresses[:1]:
        host = f"{(endpoint.hostname or dashed(address)).lower()}.{owner}"
        for name in (owner, host):
            yield Record(name, ADDRESS_TYPE[family_of(address)], str(ip_address(address)))
        yield Record(reverse_name(address), "PTR", f"{host}.")
        for port in piece.ports or ():
            if port.name and port.port:
                yield _srv(owner, port.name, port.protocol or "TCP", port.port, host)


def _srv(owner: str, port_name: str, protocol: str, port: int, target: str) -> Record:
    name = f"_{port_name}._{protocol}.{owner}".lower()
    return Record(name, "SRV", f"{SRV_PRIORITY} {SRV_WEIGHT} {port} {target}.")
