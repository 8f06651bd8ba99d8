"""Ethernet frames, sent and seen in a network namespace."""

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kube46.netlink import namespaces

ALL, EXPERIMENT, ARP, IPV6 = 0x0003, 0x88B5, 0x0806, 0x86DD
BROADCAST = "ff:ff:ff:ff:ff:ff"
OUTGOING = 4  # PACKET_OUTGOING: what this namespace sent itself


class Tap:
    """What arrives at, or passes, an interface; and a way to send from it."""

    def __init__(self, namespace: str, interface: str) -> None:
        self._socket = namespaces.open_sockets_in(namespace, lambda: _opened(interface))

    def send(self, to: str, sender: str, text: bytes = b"kube46") -> None:
        """Send a frame of an ethertype that nobody uses."""
        self._socket.send(_mac(to) + _mac(sender) + struct.pack("!H", EXPERIMENT) + text.ljust(50, b"\0"))

    def sees(self, wanted: Callable[[bytes], bool], seconds: float = 5) -> bool:
        """Whether such a frame arrives in time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._socket], [], [], left)[0]:
                return False
            data, address = self._socket.recvfrom(2048)
            if address[2] != OUTGOING and wanted(data):
                return True
        return False

    def until(self, wanted: list[Callable[[bytes], bool]], seconds: float = 5) -> list[bytes]:
        """The frames that arrive until there was one of each wanted kind, or the time is over."""
        found: list[bytes] = []
        missing = list(wanted)

        def note(data: bytes) -> bool:
            found.append(data)
            missing[:] = [check for check in missing if not check(data)]
            return not missing

        self.sees(note, seconds)
        return found

    def close(self) -> None:
        """Close it."""
        self._socket.close()


@contextmanager
def tap(namespace: str, interface: str = "eth0") -> Iterator[Tap]:
    """A tap, closed at the end."""
    opened = Tap(namespace, interface)
    try:
        yield opened
    finally:
        opened.close()


def carries(text: bytes) -> Callable[[bytes], bool]:
    """Frames of ours with that text."""
    return lambda data: data[12:14] == struct.pack("!H", EXPERIMENT) and data[14:].startswith(text)


def is_gratuitous_arp(address: str, mac: str) -> Callable[[bytes], bool]:
    """ARP packets by which an address tells its own MAC address to all (RFC 5227 section 3)."""
    packed = socket.inet_pton(socket.AF_INET, address)

    def check(data: bytes) -> bool:
        if data[12:14] != struct.pack("!H", ARP):
            return False
        arp = data[14:42]
        return arp[8:14] == _mac(mac) and arp[14:18] == packed == arp[24:28]

    return check


def is_unsolicited_advertisement(address: str, mac: str) -> Callable[[bytes], bool]:
    """Neighbour advertisements to all nodes with the address's MAC address (RFC 4861 section 7.2.6)."""
    packed, everyone = (socket.inet_pton(socket.AF_INET6, one) for one in (address, "ff02::1"))

    def check(data: bytes) -> bool:
        if data[12:14] != struct.pack("!H", IPV6) or data[20] != 58 or data[54] != 136:
            return False
        return data[38:54] == everyone and data[62:78] == packed and data[78:86] == b"\2\1" + _mac(mac)

    return check


def is_duplicate_detection(address: str) -> Callable[[bytes], bool]:
    """Neighbour solicitations from the unspecified address (RFC 4862 section 5.4.2)."""
    packed = socket.inet_pton(socket.AF_INET6, address)

    def check(data: bytes) -> bool:
        if data[12:14] != struct.pack("!H", IPV6) or data[20] != 58 or data[54] != 135:
            return False
        return data[22:38] == bytes(16) and data[62:78] == packed

    return check


def _opened(interface: str) -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
    opened.bind((interface, 0))
    return opened


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
