"""Addresses of links, of both families."""

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from kube46.netlink import wire
from kube46.netlink.errors import NetlinkError
from kube46.netlink.sockets import Socket
from kube46.netlink.wire import Flag, Kind

IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS = 1, 2, 8
IFA_F_NODAD = 0x02
IFA_F_DADFAILED = 0x08
IFA_F_TENTATIVE = 0x40
IFA_F_NOPREFIXROUTE = 0x200
SCOPE_GLOBAL, SCOPE_LINK, SCOPE_HOST = 0, 253, 254
AF = {4: 2, 6: 10}


@dataclass(frozen=True, slots=True)
class LinkAddress:
    """An address with its prefix length on the link of that index. Tentative: duplicate detection runs still.

    Duplicate: it found that another link has the address.
    """

    link: int
    interface: IPv4Interface | IPv6Interface
    scope: int
    tentative: bool
    duplicate: bool = False


class Addresses:
    """The requests about addresses; part of `Netlink`."""

    _socket: Socket

    def add_address(
        self, link: str, address: str, *, detect_duplicates: bool = False, prefix_route: bool = True
    ) -> None:
        """Give a link an address like `10.0.0.1/24`; one it has stays. IPv6 ones skip duplicate detection.

        Without `prefix_route` the kernel makes no route to the address's prefix: its neighbours are not on the link.
        """
        nodad = IFA_F_NODAD if ip_interface(address).version == 6 and not detect_duplicates else 0
        options = nodad | (0 if prefix_route else IFA_F_NOPREFIXROUTE)
        self._change(Kind.NEWADDR, link, address, "add", Flag.CREATE | Flag.REPLACE, options)

    def delete_address(self, link: str, address: str) -> bool:
        """Take an address from a link; returns whether it had it."""
        try:
            self._change(Kind.DELADDR, link, address, "delete", 0)
        except NetlinkError as error:
            if error.is_absence:
                return False
            raise
        return True

    def addresses(self, link: str | None = None) -> list[LinkAddress]:
        """The addresses of a link, or of all links. Raises NetlinkError when there is no such link."""
        index = self._socket.index(link) if link is not None else 0
        payload = wire.ADDRESS.pack(0, 0, 0, 0, index)
        return [
            _parsed(data)
            for data in self._socket.dump(Kind.GETADDR, payload, f"list addresses of {link or 'all links'}")
        ]

    def _change(self, kind: Kind, link: str, address: str, verb: str, flags: int, options: int = 0) -> None:
        interface = ip_interface(address)
        packed = interface.ip.packed
        payload = wire.ADDRESS.pack(AF[interface.version], interface.network.prefixlen, 0, 0, self._socket.index(link))
        payload += wire.attribute(IFA_LOCAL, packed) + wire.attribute(IFA_ADDRESS, packed)
        if options:
            payload += wire.attribute(IFA_FLAGS, options)
        self._socket.request(kind, payload, f"{verb} address {address} on {link}", flags=flags)


def _parsed(data: bytes) -> LinkAddress:
    _, length, flags, scope, index = wire.ADDRESS.unpack_from(data)
    found = wire.attributes(data, wire.ADDRESS.size)
    if IFA_FLAGS in found:
        flags = wire.number(found[IFA_FLAGS])
    packed = found.get(IFA_LOCAL) or found[IFA_ADDRESS]
    tentative, duplicate = bool(flags & IFA_F_TENTATIVE), bool(flags & IFA_F_DADFAILED)
    return LinkAddress(index, ip_interface((packed, length)), scope, tentative, duplicate)
