"""A node with two pods on a bridge and a client beyond it, in network namespaces; servers and clients are sockets here.

client 192.0.2.10 ── node 192.0.2.1 ── cni0 10.244.0.1 ─┬─ pod 2 (10.244.0.2, fd00:10:244::2)
       2001:db8:c::10     2001:db8:c::1                 └─ pod 3
"""

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from typing import TypeVar

from kube46.netlink.namespaces import open_sockets_in
from patience import patient

T = TypeVar("T")
PREFIX = os.environ.get("KUBE46_TEST_PREFIX", f"k46t-g-{os.getpid()}")
CLIENT, NODE, PODS = f"{PREFIX}-client", f"{PREFIX}-node", {2: f"{PREFIX}-pod2", 3: f"{PREFIX}-pod3"}
UNALLOCATED = ("10.96.7.7", "fd00:10:96::7777")
"""Addresses of the Service ranges that no Service has; the client would answer for them if a packet came through."""
FURTHER = ("10.97.7.7", "fd00:10:97::7777")
"""Addresses of no Service range, unless there is another one; the client answers for them."""
NAMESPACES = (CLIENT, NODE, *PODS.values())


def run(*command: str) -> None:
    """Carry out a command. Raises with its error output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


def ip(netns: str, *lines: str) -> None:
    """`ip -batch` in a namespace."""
    done = subprocess.run(
        ["ip", "-n", netns, "-batch", "-"], input="\n".join(lines), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def add_address(netns: str, address: str) -> None:
    """One more address of a namespace, which can be used at once: without nodad an IPv6 one is so a moment later."""
    ip(netns, f"addr add {address} dev lo{' nodad' if ':' in address else ''}")


def create() -> None:
    """Make the topology."""
    for name in NAMESPACES:
        run("ip", "netns", "add", name)
        # a link-local address that is still being checked for duplicates stalls the first IPv6 packets
        run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
        ip(name, "link set lo up")
    ip(NODE, "link add cni0 type bridge", "link set cni0 up", "addr add 10.244.0.1/24 dev cni0")
    ip(NODE, "addr add fd00:10:244::1/64 dev cni0 nodad")
    ip(
        NODE,
        f"link add out type veth peer name eth0 netns {CLIENT}",
        "link set out up",
        "addr add 192.0.2.1/24 dev out",
    )
    ip(NODE, "addr add 2001:db8:c::1/64 dev out nodad")
    ip(CLIENT, "link set eth0 up", "addr add 192.0.2.10/24 dev eth0", "addr add 2001:db8:c::10/64 dev eth0 nodad")
    ip(CLIENT, "route add default via 192.0.2.1", "route add default via 2001:db8:c::1")
    for address in (*UNALLOCATED, *FURTHER):
        add_address(CLIENT, address)
    # the node needs a route to the Service ranges for its own packets, as a real node has a default route
    ip(NODE, "route add default via 192.0.2.10", "route add default via 2001:db8:c::10")
    for number, pod in PODS.items():
        ip(NODE, f"link add pod{number} type veth peer name eth0 netns {pod}", f"link set pod{number} master cni0 up")
        ip(NODE, f"link set pod{number} type bridge_slave hairpin on")
        ip(pod, "link set eth0 up", f"addr add 10.244.0.{number}/24 dev eth0")
        ip(pod, f"addr add fd00:10:244::{number}/64 dev eth0 nodad")
        ip(pod, "route add default via 10.244.0.1", "route add default via fd00:10:244::1")


def destroy() -> None:
    """Remove it; missing parts are no error."""
    for name in NAMESPACES:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def change_another_table() -> None:
    """Another program's process changes the node's nftables."""
    run("ip", "netns", "exec", NODE, "nft", "add table ip foreign ; delete table ip foreign")


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Server:
    """A pod's answering machine on a port, TCP and UDP, both families: each line or datagram is answered with
    `POD PEER-ADDRESS`, and a TCP connection stays open for more lines."""

    def __init__(self, netns: str, name: str, port: int = 8080) -> None:
        self.name = name
        self._sockets = open_sockets_in(netns, lambda: [_bound(kind, port) for kind in KINDS])
        works = zip((self._accept, self._answer), self._sockets, strict=True)
        self._threads = [threading.Thread(target=serve, args=(bound,), daemon=True) for serve, bound in works]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Close, so that another may have the port."""
        for bound, thread in zip(self._sockets, self._threads, strict=True):
            with contextlib.suppress(OSError):  # a datagram socket says it has no peer, and wakes its reader
                bound.shutdown(socket.SHUT_RDWR)
            thread.join()
            bound.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, peer = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection, peer), daemon=True).start()

    def _talk(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        with connection:
            while connection.recv(100):
                connection.sendall(self._line(peer))

    def _answer(self, bound: socket.socket) -> None:
        while True:
            try:
                asked, peer = bound.recvfrom(100)
                if not asked:  # the end
                    return
                bound.sendto(self._line(peer), peer)
            except OSError:
                return

    def _line(self, peer: tuple[str, int]) -> bytes:
        return f"{self.name} {peer[0].removeprefix('::ffff:')}".encode()


KINDS = (socket.SOCK_STREAM, socket.SOCK_DGRAM)


def _bound(kind: int, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6, kind)
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("::", port))
    if kind == socket.SOCK_STREAM:
        made.listen(64)
    return made


def in_namespace(netns: str, work: Callable[[], T]) -> T:
    """Do something in a namespace, on a thread of its own."""
    return open_sockets_in(netns, work)


def connect(netns: str, address: str, port: int, timeout: float = patient(2.0)) -> socket.socket:
    """A TCP connection from a namespace."""

    def work() -> socket.socket:
        made = socket.socket(family(address), socket.SOCK_STREAM)
        made.settimeout(timeout)
        try:
            made.connect((address, port))
        except OSError:
            made.close()
            raise
        return made

    return open_sockets_in(netns, work)


def talk(connection: socket.socket) -> tuple[str, str]:
    """(pod, client address as the pod saw it) of one exchange."""
    connection.sendall(b"?\n")
    pod, peer = connection.recv(100).decode().split()
    return pod, peer


def ask(netns: str, address: str, port: int, timeout: float = patient(2.0)) -> tuple[str, str]:
    """One exchange over TCP."""
    with connect(netns, address, port, timeout) as connection:
        return talk(connection)


def datagrams(netns: str, address: str, port: int, timeout: float = patient(2.0)) -> socket.socket:
    """A connected UDP socket in a namespace."""

    def work() -> socket.socket:
        made = socket.socket(family(address), socket.SOCK_DGRAM)
        made.settimeout(timeout)
        made.connect((address, port))
        return made

    return open_sockets_in(netns, work)


def ask_udp(netns: str, address: str, port: int, timeout: float = patient(2.0)) -> tuple[str, str]:
    """One exchange over UDP from a new port."""
    with datagrams(netns, address, port, timeout) as made:
        return talk(made)
