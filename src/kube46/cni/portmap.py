"""The plugin `portmap`: connections to ports of the node go to a pod, whatever plugin made the pod's interface."""

import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address

from kube46.addresses.families import Address, Family
from kube46.cni import checks, conditions, host_ports, port_table, results
from kube46.cni.configurations import Network
from kube46.cni.errors import CniError, Code
from kube46.cni.host_ports import HostPort
from kube46.cni.masquerading import Masquerading
from kube46.cni.port_table import TABLE, Contents, Style
from kube46.cni.requests import Attachment, Request
from kube46.cni.results import Result
from kube46.netlink import Netlink, NetlinkError, conntrack, namespaces
from kube46.netlink.conntrack import Flow

ENDLESS = {"udp": 17, "sctp": 132}  # tracked connections that live as long as their client sends, and their numbers
PROBE = "inet kube46-portmap-status"


class Portmap:
    """The plugin's verbs, in the network namespace of the thread that calls them.

    Reading the table and changing it are one step under the namespace's lock: an element of the same key may be another
    pod's by the time that a DEL comes.
    """

    def __init__(self, masquerading: Masquerading) -> None:
        self._tables = masquerading.tables

    def add(self, request: Request, network: Network) -> Result:
        """Translate the ports, as the newest owner of each. What was done is undone when a later step fails."""
        previous = _previous(network)
        ports = host_ports.host_ports(network, previous, request.attachment.ifname)
        style = _style(network)
        if not ports:
            return previous
        made_for = port_table.owner(network.name, request.attachment)
        with namespaces.locked():
            self._make(ports, style, made_for)
        try:
            _forget(_asked(ports))
            if style.snat:
                _route_loopback(ports)
        except (CniError, OSError):
            self.delete(request, network)
            raise
        return previous

    def delete(self, request: Request, network: Network) -> None:
        """Translate the attachment's ports no longer, whatever ports the request says."""
        made_for = port_table.owner(network.name, request.attachment)
        self._remove(lambda text: text == made_for)

    def check(self, request: Request, network: Network) -> None:
        """Raises CniError 100 naming what is not as the ADD left it."""
        previous = checks.previous_result(network)
        ports = host_ports.host_ports(network, previous, request.attachment.ifname)
        style = _style(network)
        if not ports:
            return
        contents = self._contents()
        missing = port_table.hooks(style.bit) - contents.hooks
        missing |= port_table.parts(style.bit) - {(chain, text) for chain, _, text in contents.rules}
        for chain, part in sorted(missing):
            raise _failed(f"the chain {chain} of {TABLE} lacks {part}")
        made_for = port_table.owner(network.name, request.attachment)
        for one in port_table.elements(ports, style, made_for):
            if one not in contents.elements:
                raise _failed(f"{one.map} of {TABLE} has no {one.key} : {one.value} for this attachment")
        wanted = sum(len(port_table.conditional_rules(port, style)) for port in ports)
        found = sum(chain == "conditional" and text == made_for for chain, _, text in contents.rules)
        if found != wanted:
            raise _failed(f"the chain conditional of {TABLE} has {found} rules for this attachment, not {wanted}")

    def status(self, request: Request, network: Network) -> None:
        """Raises CniError 50 when the kernel or libnftables could not translate."""
        _style(network)
        probe = (
            f"add table {PROBE}\nadd chain {PROBE} x {{ type nat hook output priority -100; }}\ndelete table {PROBE}\n"
        )
        try:
            with namespaces.locked():
                self._tables.run(probe)
        except CniError as error:
            raise CniError(Code.NOT_AVAILABLE, "Ports cannot be mapped", error.details) from error

    def collect_garbage(self, request: Request, network: Network, valid: frozenset[Attachment]) -> None:
        """Remove this network's ports of attachments that are not valid."""
        self._remove(port_table.stale(network.name, valid))

    def _make(self, ports: tuple[HostPort, ...], style: Style, made_for: str) -> None:
        text = port_table.creation(ports, style, made_for)
        try:
            self._tables.run(text)
        except CniError:  # no table, another's port, or what an ADD that was killed left: make room
            contents = self._contents()
            keys = {(one.map, one.asked) for one in port_table.elements(ports, style, made_for)}
            room = port_table.removal(
                contents, lambda one: (one.map, one.asked) in keys, lambda owner: owner == made_for
            )
            self._tables.run(port_table.schema(style.bit) + room + text)

    def _remove(self, owned: Callable[[str], bool]) -> None:
        with namespaces.locked():
            contents = self._contents()
            text = port_table.removal(contents, lambda _: False, owned)
            if text:
                self._tables.run(text)
        _forget(_answering(contents, owned))

    def _contents(self) -> Contents:
        return port_table.read(self._tables.listed(f"list table {TABLE}"))


def _previous(network: Network) -> Result:
    if network.prev_result is None:
        details = "prevResult: it is missing; portmap comes after the plugin that makes the interface."
        raise CniError(Code.INVALID_CONFIG, "Invalid network configuration", details)
    return results.parse(network.prev_result)


def _style(network: Network) -> Style:
    """Raises CniError 7 for conditions or a mark that are not understood."""
    texts = {Family.IPV4: network.conditions_v4, Family.IPV6: network.conditions_v6}
    found = {family: conditions.matches(text, family) for family, text in texts.items()}
    return Style(network.snat, network.masq_all, host_ports.mark_bit(network), found)


def _asked(ports: Iterable[HostPort]) -> list[Flow]:
    """What is tracked of clients that asked for the ports before: they would never see the new translation."""
    wanted = [port for port in ports if port.protocol in ENDLESS]
    if not wanted:
        return []
    with Netlink() as node:
        own: list[Address] = [one.interface.ip for one in node.addresses()]
    return [
        Flow(port.family, ENDLESS[port.protocol], address, port.port, None, anyone=True)
        for port in wanted
        for address in ([port.host] if port.host else own)
        if address.version == port.family.version
    ]


def _answering(contents: Contents, owned: Callable[[str], bool]) -> list[Flow]:
    """What is tracked of clients of the ports that were removed: their pod is gone, or another's soon."""
    found = []
    for one in contents.elements:
        *host, protocol, port = one.key.split(" . ")
        if one.map.startswith("masq-") or protocol not in ENDLESS or not owned(one.owner):
            continue
        address, _, target_port = one.value.partition(" . ")
        target = ip_address(address)
        family = Family.IPV4 if target.version == 4 else Family.IPV6
        at = ip_address(host[0]) if host else None
        found.append(Flow(family, ENDLESS[protocol], at, int(port), (target, int(target_port))))
    return found


def _forget(flows: list[Flow]) -> None:
    # Informative, as in the reference: without connection tracking there is nothing to forget.
    if flows:
        with suppress(OSError):
            conntrack.forget(flows)


def _route_loopback(ports: Iterable[HostPort]) -> None:
    """Let connections from 127.0.0.1 leave by the links to the pods, and their answers come back."""
    targets = {port.target for port in ports if port.family is Family.IPV4}
    with Netlink() as node:
        for target in targets:
            try:
                link = socket.if_indextoname(node.link_towards(target))
            except (NetlinkError, OSError):
                continue  # no route yet: nothing of the node's reaches the pod
            node.sysctl(f"net/ipv4/conf/{link}/route_localnet", "1")


def _failed(what: str) -> CniError:
    return CniError(Code.CHECK_FAILED, "A port is not mapped as it was", f"{what}; delete the pod to mend it.")
