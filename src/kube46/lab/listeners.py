"""The API server's listening sockets, opened here so that they outlive its restarts: host loopback and cp."""

import os
import socket
from collections.abc import Iterator

from kube46.addresses.families import Family, family_of
from kube46.lab import rules
from kube46.lab.paths import Paths
from kube46.lab.settings import Settings
from kube46.netlink import namespaces

LOOPBACK = ("127.0.0.1", "::1")


class PortTaken(RuntimeError):
    """The API server's port on the host belongs to another program; the message names the flag and the mend."""


def open_sockets(settings: Settings, paths: Paths, port: int) -> tuple[int, ...]:
    """The API server's listening sockets: the host's loopback addresses, and cp's underlay addresses.

    kube-apiserver opens the latter itself: the former are for the relay to it (`relaying`).
    """
    found = [listener(address, port) for address in filter(has_loopback, LOOPBACK)]
    if settings.upstream:
        return tuple(found)
    with namespaces.entered(paths.namespace(rules.CP)):
        found += [listener(address, rules.SECURE_PORT) for address in rules.node_addresses(settings, rules.CP)]
    return tuple(found)


def choose_port(paths: Paths, port: int) -> int:
    """The port on the host: the one given, else the kept one, else a free one. Raises PortTaken."""
    kept = int(paths.port.read_text()) if paths.port.exists() else 0
    check_port(port)
    if port or (kept and _is_free(kept)):
        return port or kept
    return next(found for found in _free_ports() if _is_free(found))


def check_port(port: int) -> None:
    """Raise PortTaken when that port, if one is given, is another program's."""
    if port and not _is_free(port):
        raise PortTaken(f"--api-port {port}: is taken by another program, choose another port or leave the flag out")


def listener(address: str, port: int) -> int:
    """A listening TCP socket's descriptor. Raises OSError when the port is taken."""
    family = socket.AF_INET if family_of(address) is Family.IPV4 else socket.AF_INET6
    opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((address, port))
        opened.listen(1024)
    except OSError:
        opened.close()
        raise
    return opened.detach()


def has_loopback(address: str) -> bool:
    """Whether this machine has that loopback address: IPv6 may be switched off on it."""
    family = socket.AF_INET if family_of(address) is Family.IPV4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _free_ports() -> Iterator[int]:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        yield port


def _is_free(port: int) -> bool:
    """Whether the port can be had on every loopback address of this machine."""
    for address in filter(has_loopback, LOOPBACK):
        try:
            os.close(listener(address, port))
        except OSError:
            return False
    return True
