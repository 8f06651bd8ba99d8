"""The plugin `portmap`: connections to ports of the node go to a pod, whatever plugin made the pod's interface."""

import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address

from kube46.addresses.families import Address, Family, family_of
from kube46.cni import checks, conditions, host_ports, port_owners, port_table, results
from kube46.cni.configurations import Network
from kube46.cni.errors import CniError, Code
from kube46.cni.host_ports import HostPort
from kube46.cni.masquerading import Masquerading
from kube46.cni.port_table import NAME, TABLE, Contents, Style
from kube46.cni.requests import Attachment, Request
from kube46.cni.results import Result
from kube46.netlink import Netlink, NetlinkError, conntrack, namespaces, owned
from kube46.netlink.conntrack import Flow
from kube46.netlink.owned import Element

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
        made_for = port_owners.owner(network.name, request.attachment)
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
        made_for = port_owners.owner(network.name, request.attachment)
        self._remove(made_for, lambda text: text == made_for)

    def check(self, request: Request, network: Network) -> None:
        """Raises CniError 100 naming what is not as the ADD left it."""
        previous = checks.previous_result(network)
        ports = host_ports.host_ports(network, previous, request.attachment.ifname)
        style = _style(network)
        if not ports:
            return
        contents = self._contents()
        missing = port_table.hooks(style.bit) - contents.hooks
        missing |= port_table.parts(style.bit, style.chains(ports)) - {
            (chain, text) for chain, _, text in contents.rules
        }
        for chain, part in sorted(missing):
            raise _failed(f"the chain {chain} of {TABLE} lacks {part}")
        made_for = port_owners.owner(network.name, request.attachment)
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
        self._remove(port_owners.of_network(network.name), port_owners.stale(network.name, valid))

    def _make(self, ports: tuple[HostPort, ...], style: Style, made_for: str) -> None:
        text = port_table.creation(ports, style, made_for)
        try:
            self._tables.run(text)
        except CniError:  # no table, another's port, or what an ADD that was killed left: make room
            contents = self._contents()
            keys = {one.port for one in port_table.elements(ports, style, made_for)}
            room = port_table.removal(contents, lambda one: one.port in keys, lambda owner: owner == made_for)
            self._tables.run(port_table.schema(style.bit, style.chains(ports)) + room + text)

    def _remove(self, word: str, is_owner: Callable[[str], bool]) -> None:
        """Delete what owners have whose text holds the word. Raises CniError 101."""
        with namespaces.locked(), self._tables.kernel() as kernel:
            gone = owned.elements(kernel, NAME, port_table.MAPS, word, is_owner)
            owned.delete(kernel, NAME, gone, owned.rules(kernel, NAME, "conditional", word, is_owner))
        _forget(_answering(gone))

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


def _answering(gone: Iterable[Element]) -> list[Flow]:
    """What is tracked of clients of the ports that were removed: their pod is gone, or another's soon."""
    found = []
    for one in gone:
        host, protocol, port = one.key[:-8], one.key[-8], one.key[-4:-2]
        if one.value and protocol in ENDLESS.values():  # the maps of masquerading have verdicts
            target, target_port = ip_address(one.value[:-4]), one.value[-4:-2]
            endpoint = target, int.from_bytes(target_port)
            asked = ip_address(host) if host else None
            found.append(Flow(family_of(target), protocol, asked, int.from_bytes(port), endpoint))
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
