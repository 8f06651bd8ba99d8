"""Routes of the main table, of both families."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from kube46.addresses.families import Address, Prefix
from kube46.netlink import wire
from kube46.netlink.addresses import AF
from kube46.netlink.errors import NetlinkError
from kube46.netlink.sockets import Socket
from kube46.netlink.wire import Flag, Kind

PROTOCOL = 46  # marks the routes that kube46 made; free in iproute2's rt_protos
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_METRICS, RTA_TABLE, RTA_VIA = 1, 4, 5, 6, 7, 8, 15, 18
RTAX_MTU, RTAX_ADVMSS = 2, 8
TABLE_MAIN = 254
TYPE_UNICAST = 1
SCOPE_UNIVERSE, SCOPE_LINK, SCOPE_NOWHERE = 0, 253, 255


@dataclass(frozen=True, slots=True)
class Route:
    """A unicast route of the main table. `link` is an index; 0 in a route with several next hops."""

    destination: Prefix
    via: Address | None
    link: int
    protocol: int
    priority: int = 0


class Routes:
    """The requests about routes; part of `Netlink`."""

    _socket: Socket

    def replace_route(
        self,
        destination: str,
        via: str | None = None,
        dev: str | None = None,
        protocol: int = PROTOCOL,
        *,
        priority: int = 0,
        mtu: int = 0,
        advmss: int = 0,
        table: int = TABLE_MAIN,
        scope: int | None = None,
        source: str = "",
    ) -> None:
        """Set the route to a prefix (`0.0.0.0/0`, `::/0`: default) through a gateway, a link or both; replaces one.

        `source` is the address that this namespace itself sends from to there, where it has several.
        Raises NetlinkError, e.g. ENETUNREACH when the gateway is not on a network of the link.
        """
        payload = self._payload(destination, via, dev, protocol, priority, scope, table)
        metrics = [wire.attribute(kind, value) for kind, value in ((RTAX_MTU, mtu), (RTAX_ADVMSS, advmss)) if value]
        if metrics:
            payload += wire.nested(RTA_METRICS, *metrics)
        if source:
            payload += wire.attribute(RTA_PREFSRC, ip_address(source).packed)
        what = f"set route to {destination}" + (f" via {via}" if via else "") + (f" on {dev}" if dev else "")
        self._socket.request(Kind.NEWROUTE, payload, what, flags=Flag.CREATE | Flag.REPLACE)

    def delete_route(
        self,
        destination: str,
        via: str | None = None,
        dev: str | None = None,
        protocol: int = PROTOCOL,
        *,
        priority: int = 0,
    ) -> bool:
        """Remove the route to a prefix that has that protocol (0: any), gateway and link; returns whether one was."""
        try:
            payload = self._payload(destination, via, dev, protocol, priority, scope=SCOPE_NOWHERE)
            self._socket.request(Kind.DELROUTE, payload, f"delete route to {destination}")
        except NetlinkError as error:
            if error.is_absence:
                return False
            raise
        return True

    def routes(self, protocol: int | None = PROTOCOL) -> list[Route]:
        """The unicast routes of the main table that have that protocol number; None: of any."""
        found = []
        for family in AF.values():
            payload = wire.ROUTE.pack(family, 0, 0, 0, TABLE_MAIN, protocol or 0, 0, TYPE_UNICAST, 0)
            found += [_parsed(data) for data in self._dump(payload)]
        return [route for route in found if protocol is None or route.protocol == protocol]

    def link_towards(self, address: Address) -> int:
        """The index of the link by which packets to an address leave. Raises NetlinkError when there is no route."""
        family = AF[address.version]
        payload = wire.ROUTE.pack(family, address.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
        payload += wire.attribute(RTA_DST, address.packed)
        found = self._socket.get(Kind.GETROUTE, payload, f"look up the route to {address}")
        return wire.number(wire.attributes(found, wire.ROUTE.size).get(RTA_OIF, b""))

    def _dump(self, payload: bytes) -> list[bytes]:
        try:
            return self._socket.dump(Kind.GETROUTE, payload, "list routes")
        except NetlinkError as error:
            if error.is_absence:  # a family whose main table was never used
                return []
            raise

    def _payload(
        self,
        destination: str,
        via: str | None,
        dev: str | None,
        protocol: int,
        priority: int,
        scope: int | None = None,
        table: int = TABLE_MAIN,
    ) -> bytes:
        prefix = ip_network(destination)
        if scope is None:
            scope = SCOPE_UNIVERSE if via or prefix.version == 6 else SCOPE_LINK
        payload = wire.ROUTE.pack(AF[prefix.version], prefix.prefixlen, 0, 0, 0, protocol, scope, TYPE_UNICAST, 0)
        payload += wire.attribute(RTA_TABLE, table) + wire.attribute(RTA_DST, prefix.network_address.packed)
        if via:
            payload += wire.attribute(RTA_GATEWAY, ip_address(via).packed)
        if dev:
            payload += wire.attribute(RTA_OIF, self._socket.index(dev))
        if priority:
            payload += wire.attribute(RTA_PRIORITY, priority)
        return payload


def _parsed(data: bytes) -> Route:
    family, length, _, _, _, protocol, _, _, _ = wire.ROUTE.unpack_from(data)
    found = wire.attributes(data, wire.ROUTE.size)
    packed = found.get(RTA_DST) or bytes(16 if family == AF[6] else 4)
    via = found.get(RTA_GATEWAY) or found.get(RTA_VIA, b"")[2:]
    return Route(
        destination=ip_network((packed, length)),
        via=ip_address(via) if via else None,
        link=wire.number(found.get(RTA_OIF, b"")),
        protocol=protocol,
        priority=wire.number(found.get(RTA_PRIORITY, b"")),
    )
