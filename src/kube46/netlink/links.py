"""Links: veth pairs, bridges, their ports and their state."""

import errno
import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from kube46.netlink import namespaces, wire
from kube46.netlink.errors import NetlinkError
from kube46.netlink.sockets import Socket
from kube46.netlink.wire import Flag, Kind

IFF_UP, IFF_PROMISC = 0x1, 0x100
IFLA_ADDRESS, IFLA_MTU, IFLA_LINK, IFLA_MASTER = 1, 4, 5, 10
IFLA_PROTINFO, IFLA_AF_SPEC, IFLA_NET_NS_FD = 12, 26, 28
IFLA_OPERSTATE, OPERATIONAL = 16, 6
IFLA_INFO_DATA = 2
VETH_INFO_PEER = 1
IFLA_BRPORT_MODE, IFLA_BRPORT_ISOLATED = 4, 33
IFLA_IFALIAS = 20
IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE = 8, 1
AF_INET6, AF_BRIDGE = 10, 7
IFLA_BR_VLAN_FILTERING, IFLA_BR_VLAN_DEFAULT_PVID = 7, 39
IFLA_BRIDGE_VLAN_INFO, VLAN_PVID, VLAN_UNTAGGED, VLAN_BEGIN, VLAN_END = 2, 0x2, 0x4, 0x8, 0x10
NAME_BYTES = 15


@dataclass(frozen=True, slots=True)
class Link:
    """A link as the kernel reports it. `master` and `peer` are indexes (0: none; a peer may be elsewhere).

    The last two are a bridge's: whether it tells VLANs apart, and the one that new ports are in (0: none).
    """

    index: int
    name: str
    kind: str
    mtu: int
    hardware_address: str
    up: bool
    promiscuous: bool
    master: int
    peer: int
    alias: str
    vlan_filtering: bool = False
    default_vlan: int = 0


class Links:
    """The requests about links; part of `Netlink`."""

    _socket: Socket

    def veth(
        self,
        name: str,
        peer: str,
        peer_netns: str | Path | int | None = None,
        *,
        mtu: int = 0,
        hardware_address: str = "",
        peer_hardware_address: str = "",
        master: str = "",
        up: bool = False,
    ) -> None:
        """Make a veth pair: `name` here, `peer` in `peer_netns` (a name, a path or a descriptor; here when None).

        `master` and `up` concern this end only. Raises NetlinkError, with `is_presence` when either name is taken.
        """
        descriptor = _namespace_descriptor(peer_netns)
        try:
            other = _naming(peer, mtu, peer_hardware_address)
            if descriptor is not None:
                other += wire.attribute(IFLA_NET_NS_FD, descriptor)
            data = wire.nested(IFLA_INFO_DATA, wire.attribute(VETH_INFO_PEER, wire.LINK.pack(0, 0, 0, 0, 0) + other))
            own = _naming(name, mtu, hardware_address)
            if master:
                own += wire.attribute(IFLA_MASTER, self.index(master))
            flags = IFF_UP if up else 0
            payload = wire.LINK.pack(0, 0, 0, flags, flags) + own + _info("veth", data)
            self._socket.request(
                Kind.NEWLINK, payload, f"create veth {name} with peer {peer}", flags=Flag.CREATE | Flag.EXCL
            )
        finally:
            if descriptor is not None and not isinstance(peer_netns, int):
                os.close(descriptor)

    def bridge(self, name: str, *, mtu: int = 0, hardware_address: str = "", vlan_filtering: bool = False) -> None:
        """Make a bridge. Raises NetlinkError, with `is_presence` when the name is taken.

        `vlan_filtering` lets it tell VLANs apart; EOPNOTSUPP where the kernel's bridges cannot.
        """
        data = wire.nested(IFLA_INFO_DATA, wire.attribute(IFLA_BR_VLAN_FILTERING, b"\1")) if vlan_filtering else b""
        payload = wire.LINK.pack(0, 0, 0, 0, 0) + _naming(name, mtu, hardware_address) + _info("bridge", data)
        self._socket.request(Kind.NEWLINK, payload, f"create bridge {name}", flags=Flag.CREATE | Flag.EXCL)

    def delete_link(self, name: str) -> bool:
        """Remove a link (and a veth's other end); returns whether there was one."""
        try:
            self._set(Kind.DELLINK, name, "delete link")
        except NetlinkError as error:
            if error.is_absence:
                return False
            raise
        return True

    def set_up(self, name: str) -> None:
        """Set a link up."""
        self._set(Kind.NEWLINK, name, "set up", flags=IFF_UP, change=IFF_UP)

    def set_down(self, name: str) -> None:
        """Set a link down; the kernel removes its IPv6 addresses and its routes."""
        self._set(Kind.NEWLINK, name, "set down", change=IFF_UP)

    def set_promiscuous(self, name: str) -> None:
        """Let a link take in all frames."""
        self._set(Kind.NEWLINK, name, "set promiscuous", flags=IFF_PROMISC, change=IFF_PROMISC)

    def set_mtu(self, name: str, mtu: int) -> None:
        """Set the largest packet, in bytes."""
        self._set(Kind.NEWLINK, name, f"set MTU {mtu} on", wire.attribute(IFLA_MTU, mtu))

    def set_hardware_address(self, name: str, hardware_address: str) -> None:
        """Set the MAC address; on a bridge this also stops it from taking the lowest of its ports'."""
        self._set(Kind.NEWLINK, name, "set address of", wire.attribute(IFLA_ADDRESS, _mac(hardware_address)))

    def set_master(self, name: str, master: str | None) -> None:
        """Make a link a port of a bridge, or of none."""
        index = self.index(master) if master else 0
        self._set(Kind.NEWLINK, name, f"set master {master} of", wire.attribute(IFLA_MASTER, index))

    def set_hairpin(self, name: str) -> None:
        """Let a bridge port send frames back where they came from, so that a pod reaches itself through a Service."""
        self._set_port(name, IFLA_BRPORT_MODE, "set hairpin on")

    def set_isolated(self, name: str) -> None:
        """Let a bridge port exchange frames with ports that are not isolated only."""
        self._set_port(name, IFLA_BRPORT_ISOLATED, "set isolated on")

    def add_vlans(self, name: str, first: int, last: int, *, untagged: bool = False) -> None:
        """Let a bridge port take part in the VLANs `first` to `last`; `untagged`: in one, with its untagged frames."""
        flags = VLAN_PVID | VLAN_UNTAGGED if untagged else 0
        self._set_vlans(Kind.SETLINK, name, f"add VLAN {first}-{last} to", first, last, flags)

    def delete_vlan(self, name: str, vlan: int) -> None:
        """Take a bridge port out of a VLAN."""
        self._set_vlans(Kind.DELLINK, name, f"delete VLAN {vlan} of", vlan, vlan, 0)

    def set_alias(self, name: str, alias: str) -> None:
        """Give a link a description, at most 255 bytes, that `ip link` shows and `links` returns."""
        self._set(Kind.NEWLINK, name, "set alias of", wire.attribute(IFLA_IFALIAS, alias.encode()))

    def set_no_link_local(self, name: str) -> None:
        """Let the kernel make no IPv6 link-local address when the link comes up; without IPv6 it makes none anyway."""
        mode = wire.attribute(IFLA_INET6_ADDR_GEN_MODE, bytes([IN6_ADDR_GEN_MODE_NONE]))
        spec = wire.nested(IFLA_AF_SPEC, wire.nested(AF_INET6, mode))
        try:
            self._set(Kind.NEWLINK, name, "set addrgenmode none on", spec)
        except NetlinkError as error:
            if error.errno != errno.EAFNOSUPPORT:  # IPv6 is off, or the link's MTU too small for it
                raise

    def rename(self, name: str, new_name: str) -> None:
        """Give a link that is down another name."""
        payload = wire.LINK.pack(0, 0, self.index(name), 0, 0) + _naming(new_name, 0, "")
        self._socket.request(Kind.NEWLINK, payload, f"rename link {name} to {new_name}")

    def move(self, name: str, netns: str | Path | int) -> None:
        """Move a link to another network namespace."""
        descriptor = _namespace_descriptor(netns)
        try:
            self._set(Kind.NEWLINK, name, f"move to namespace {netns}", wire.attribute(IFLA_NET_NS_FD, descriptor or 0))
        finally:
            if descriptor is not None and not isinstance(netns, int):
                os.close(descriptor)

    def link(self, which: str | int) -> Link | None:
        """The link of that name or index, or None."""
        if isinstance(which, int):
            payload = wire.LINK.pack(0, 0, which, 0, 0)
        else:
            payload = wire.LINK.pack(0, 0, 0, 0, 0) + _naming(which, 0, "")
        try:
            return _parsed(self._socket.get(Kind.GETLINK, payload, f"look up link {which}"))
        except NetlinkError as error:
            if error.is_absence:
                return None
            raise

    def await_up(self, name: str, seconds: float) -> bool:
        """Wait until packets pass a link that was set up, and its bridge knows; returns whether they do by then.

        The kernel notices a carrier a moment later; recent ones at once when the link is looked up.
        """
        payload = wire.LINK.pack(0, 0, 0, 0, 0) + _naming(name, 0, "")
        deadline = time.monotonic() + seconds
        while True:
            found = wire.attributes(self._socket.get(Kind.GETLINK, payload, f"look up link {name}"), wire.LINK.size)
            if wire.number(found.get(IFLA_OPERSTATE, b"")) == OPERATIONAL:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)

    def links(self) -> list[Link]:
        """All links of the namespace."""
        payload = wire.LINK.pack(0, 0, 0, 0, 0)
        return [_parsed(data) for data in self._socket.dump(Kind.GETLINK, payload, "list links")]

    def index(self, name: str) -> int:
        """A link's index. Raises NetlinkError with `is_absence` when there is no such link."""
        return self._socket.index(name)

    def _set_port(self, name: str, option: int, what: str) -> None:
        value = wire.nested(IFLA_PROTINFO, wire.attribute(option, b"\1"))
        self._set(Kind.SETLINK, name, what, value, family=AF_BRIDGE)

    def _set_vlans(self, kind: Kind, name: str, what: str, first: int, last: int, flags: int) -> None:
        self._set(kind, name, what, vlan_span(first, last, flags), family=AF_BRIDGE)

    def _set(
        self,
        kind: Kind,
        name: str,
        what: str,
        change_of: bytes = b"",
        *,
        flags: int = 0,
        change: int = 0,
        family: int = 0,
    ) -> None:
        # Bridge port requests (family AF_BRIDGE) are looked up by index only.
        index = self.index(name) if family else 0
        naming = b"" if family else _naming(name, 0, "")
        payload = wire.LINK.pack(family, 0, index, flags, change) + naming + change_of
        self._socket.request(kind, payload, f"{what} {name}")


def vlan_span(first: int, last: int, flags: int) -> bytes:
    """The attribute that names a span of VLANs to a bridge port (if_bridge.h, struct bridge_vlan_info)."""
    parts = [(flags, first)] if first == last else [(flags | VLAN_BEGIN, first), (flags | VLAN_END, last)]
    infos = b"".join(wire.attribute(IFLA_BRIDGE_VLAN_INFO, struct.pack("=HH", *part)) for part in parts)
    return wire.attribute(IFLA_AF_SPEC, infos)


def _naming(name: str, mtu: int, hardware_address: str) -> bytes:
    if not 0 < len(name.encode()) <= NAME_BYTES:
        raise ValueError(f"{name!r} is no name of a link: give 1 to {NAME_BYTES} bytes")
    parts = wire.attribute(wire.IFLA_IFNAME, name)
    if mtu:
        parts += wire.attribute(IFLA_MTU, mtu)
    if hardware_address:
        parts += wire.attribute(IFLA_ADDRESS, _mac(hardware_address))
    return parts


def _info(kind: str, data: bytes = b"") -> bytes:
    return wire.nested(wire.IFLA_LINKINFO, wire.attribute(wire.IFLA_INFO_KIND, kind), data)


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _namespace_descriptor(netns: str | Path | int | None) -> int | None:
    if netns is None or isinstance(netns, int):
        return netns
    return os.open(namespaces.path_of(netns), os.O_RDONLY | os.O_CLOEXEC)


def _parsed(data: bytes) -> Link:
    _, _, index, flags, _ = wire.LINK.unpack_from(data)
    found = wire.attributes(data, wire.LINK.size)
    kind = wire.link_kind(data)
    info = wire.attributes(wire.attributes(found.get(wire.IFLA_LINKINFO, b"")).get(IFLA_INFO_DATA, b""))
    return Link(
        index=index,
        name=wire.text(found[wire.IFLA_IFNAME]),
        kind=kind,
        mtu=wire.number(found.get(IFLA_MTU, b"")),
        hardware_address=found.get(IFLA_ADDRESS, b"").hex(":"),
        up=bool(flags & IFF_UP),
        promiscuous=bool(flags & IFF_PROMISC),
        master=wire.number(found.get(IFLA_MASTER, b"")),
        peer=wire.number(found.get(IFLA_LINK, b"")),
        alias=wire.text(found.get(IFLA_IFALIAS, b"")),
        vlan_filtering=bool(wire.number(info.get(IFLA_BR_VLAN_FILTERING, b""))) if kind == "bridge" else False,
        default_vlan=wire.number(info.get(IFLA_BR_VLAN_DEFAULT_PVID, b"")) if kind == "bridge" else 0,
    )
