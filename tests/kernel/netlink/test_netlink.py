"""kube46.netlink against the kernel, in namespaces of its own."""

import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network

import pytest

from kube46.netlink import Netlink, NetlinkError, namespaces

pytestmark = pytest.mark.root

FIRST, SECOND = f"k46t-f-{os.getpid()}-a", f"k46t-f-{os.getpid()}-b"


@pytest.fixture
def pair() -> Iterator[tuple[Netlink, Netlink]]:
    """Two namespaces, and a connection to each."""
    for name in (FIRST, SECOND):
        namespaces.create(name)
    try:
        with Netlink(FIRST) as first, Netlink(SECOND) as second:
            yield first, second
    finally:
        for name in (FIRST, SECOND):
            namespaces.delete(name)


def test_namespaces_are_those_of_iproute2(pair: object) -> None:
    """A namespace made here is listed by `ip netns` and can be entered by it."""
    listed = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout

    assert FIRST in listed
    assert FIRST in namespaces.names()
    links = subprocess.run(["ip", "-n", FIRST, "-br", "link"], check=True, capture_output=True, text=True).stdout
    assert [line.split()[0] for line in links.splitlines()] == ["lo"]


def test_creation_refuses_a_name_in_use_and_heals_a_dead_file(pair: object) -> None:
    """A second creation fails; a file without a namespace (left by a killed creation) is taken over."""
    with pytest.raises(FileExistsError):
        namespaces.create(FIRST)
    stale = f"k46t-f-{os.getpid()}-stale"
    (namespaces.DIRECTORY / stale).touch()
    assert not namespaces.exists(stale)
    try:
        namespaces.create(stale)
        assert namespaces.exists(stale)
    finally:
        assert namespaces.delete(stale)
    assert not namespaces.delete(stale)


def test_deleted_namespace_goes_from_other_mount_namespaces_too() -> None:
    """Mounts under /run/netns propagate: a namespace deleted here does not live on in a process started meanwhile."""
    name = f"k46t-f-{os.getpid()}-prop"
    namespaces.create(name)
    other = subprocess.Popen(["unshare", "-m", "--propagation", "unchanged", "cat"], stdin=subprocess.PIPE)
    try:
        namespaces.delete(name)
        assert other.poll() is None
        mounts = (os.path.join("/proc", str(other.pid), "mounts"),)
        with open(mounts[0]) as file:
            assert name not in file.read()
    finally:
        other.communicate()


def test_entering_moves_only_this_thread_and_comes_back(pair: object) -> None:
    """Inside `entered` sockets belong to the namespace; afterwards, also after an error, the thread is home again."""
    home = os.stat("/proc/thread-self/ns/net").st_ino
    with pytest.raises(KeyError), namespaces.entered(FIRST):
        assert os.stat("/proc/thread-self/ns/net").st_ino == os.stat(namespaces.path_of(FIRST)).st_ino
        assert os.stat("/proc/self/ns/net").st_ino in (home, os.stat(namespaces.path_of(FIRST)).st_ino)
        raise KeyError

    assert os.stat("/proc/thread-self/ns/net").st_ino == home
    assert namespaces.open_sockets_in(FIRST, socket.if_nameindex) == [(1, "lo")]
    assert os.stat("/proc/thread-self/ns/net").st_ino == home
    with pytest.raises(FileNotFoundError):
        namespaces.open_sockets_in("k46t-f-no-such", socket.if_nameindex)


def test_veth_bridge_addresses_and_packets(pair: tuple[Netlink, Netlink]) -> None:
    """A veth into another namespace, on a bridge with addresses of both families, carries packets at once."""
    first, second = pair
    first.bridge("br0", mtu=1400)
    first.veth("port", "eth0", SECOND, mtu=1400, master="br0", up=True)
    first.set_hairpin("port")
    first.set_up("br0")
    for connection, link, last in ((first, "br0", 1), (second, "eth0", 2)):
        connection.set_up("lo")
        connection.set_up(link)
        for address in (f"10.9.0.{last}/24", f"fd09::{last}/64"):
            connection.add_address(link, address)
            connection.add_address(link, address)

    bridge, port, eth = first.link("br0"), first.link("port"), second.link("eth0")
    assert bridge and port and eth
    assert (bridge.kind, bridge.mtu, port.kind, port.master, port.mtu, port.up) == (
        "bridge",
        1400,
        "veth",
        bridge.index,
        1400,
        True,
    )
    assert {str(a.interface) for a in second.addresses("eth0") if a.scope == 0} == {"10.9.0.2/24", "fd09::2/64"}
    assert not any(a.tentative for a in second.addresses("eth0") if a.scope == 0)
    for target in ("10.9.0.1", "fd09::1"):
        subprocess.run(["ip", "netns", "exec", SECOND, "ping", "-c1", "-W2", target], check=True, capture_output=True)
    hairpin = subprocess.run(
        ["bridge", "-n", FIRST, "-d", "link", "show", "dev", "port"], check=True, capture_output=True, text=True
    )
    assert "hairpin on" in hairpin.stdout
    assert second.delete_address("eth0", "10.9.0.2/24")
    assert not second.delete_address("eth0", "10.9.0.2/24")
    assert first.delete_link("port")
    assert not first.delete_link("port")
    assert second.link("eth0") is None


def test_routes_of_both_families(pair: tuple[Netlink, Netlink]) -> None:
    """Routes are replaced in place, listed by protocol, and only ours are deleted."""
    first, _ = pair
    first.veth("a", "b")
    for link in ("a", "b"):
        first.set_up(link)
    for address in ("10.8.0.1/24", "fd08::1/64"):
        first.add_address("a", address)
    link = first.index("a")
    for destination, via, other in (
        ("10.244.3.0/24", "10.8.0.9", "10.8.0.10"),
        ("fd00:10:244:3::/64", "fd08::9", "fd08::a"),
        ("0.0.0.0/0", "10.8.0.9", "10.8.0.10"),
        ("::/0", "fd08::9", "fd08::a"),
    ):
        first.replace_route(destination, via)
        first.replace_route(destination, other)
        ours = [route for route in first.routes() if route.destination == ip_network(destination)]
        assert [(route.via, route.link, route.protocol) for route in ours] == [(ip_address(other), link, 46)]
        assert not first.delete_route(destination, protocol=99)
        assert first.delete_route(destination)
        assert not first.delete_route(destination)
    assert first.routes() == []
    assert {str(route.destination) for route in first.routes(None)} >= {"10.8.0.0/24", "fd08::/64"}


def test_refusals_name_request_and_object(pair: tuple[Netlink, Netlink]) -> None:
    """An error says what was asked of which object, and whether that was missing or there already."""
    first, _ = pair
    with pytest.raises(NetlinkError, match="nosuch") as missing:
        first.set_up("nosuch")
    first.bridge("br0")
    with pytest.raises(NetlinkError, match="create bridge br0") as taken:
        first.bridge("br0")
    with pytest.raises(NetlinkError, match=r"route to 10.77.0.0/16 via 10.66.0.1.*invalid gateway"):
        first.replace_route("10.77.0.0/16", "10.66.0.1")
    with pytest.raises(ValueError, match="no name of a link"):
        first.bridge("a-name-longer-than-15")

    assert missing.value.is_absence
    assert taken.value.is_presence


def test_sysctls_are_those_of_the_namespace(pair: tuple[Netlink, Netlink]) -> None:
    """Setting a sysctl changes the namespace of the connection and no other."""
    first, second = pair
    assert first.sysctl("net/ipv6/conf/all/forwarding", 1) == "1"
    assert second.sysctl("net/ipv6/conf/all/forwarding") == "0"
    with pytest.raises(FileNotFoundError):
        first.sysctl("net/ipv6/conf/nosuch/accept_dad", 0)


def test_link_changes(pair: tuple[Netlink, Netlink]) -> None:
    """Rename, move, MTU, MAC, promiscuity, master and the absence of a link-local address are as asked for."""
    first, second = pair
    first.veth("a", "b", hardware_address="02:00:00:00:00:01", peer_hardware_address="02:00:00:00:00:02")
    first.rename("b", "c")
    first.move("c", SECOND)
    second.set_mtu("c", 1300)
    second.set_promiscuous("c")
    second.set_no_link_local("c")
    first.set_up("a")
    second.set_up("c")
    moved = second.link("c")
    assert moved
    assert (moved.mtu, moved.hardware_address, moved.promiscuous) == (1300, "02:00:00:00:00:02", True)
    assert second.addresses("c") == []
    second.set_hardware_address("c", "02:00:00:00:00:03")
    first.bridge("br0")
    first.set_master("a", "br0")
    assert [link.name for link in first.links() if link.master] == ["a"]
    first.set_master("a", None)
    first.set_down("a")
    assert [link.name for link in first.links() if link.master or link.up] == []


def test_a_removed_link_is_gone_when_the_call_returns(pair: tuple[Netlink, Netlink]) -> None:
    """`remove_link` leaves neither end, address, route nor bridge port, whoever else removes links at the time."""
    first, second = pair
    first.bridge("br0")
    for number in range(20):
        first.veth(f"v{number}", f"p{number}", SECOND, master="br0")
        first.set_up(f"v{number}")
        second.set_up(f"p{number}")
        second.add_address(f"p{number}", f"fd00::{number:x}:1/112")

    def remove(number: int) -> list[str]:
        with Netlink() as here:
            assert here.remove_link(f"v{number}")
            return [link.name for link in here.links()]

    def all_at_once() -> list[list[str]]:
        with ThreadPoolExecutor(4) as threads:  # each in the namespace of the thread that starts it
            return list(threads.map(remove, range(20)))

    for number, left in enumerate(namespaces.open_sockets_in(FIRST, all_at_once)):
        assert f"v{number}" not in left
    assert [link.name for link in second.links()] == ["lo"]
    assert [str(one.destination) for one in second.routes(None)] == []


def test_removals_that_fail(pair: tuple[Netlink, Netlink]) -> None:
    """A link that is not there is no error; one that cannot be removed is, with the kernel's reason."""

    def attempts() -> None:
        with Netlink() as here:
            assert not here.remove_link("none")
            with pytest.raises(NetlinkError, match="delete link lo: Operation not supported"):
                here.remove_link("lo")

    namespaces.open_sockets_in(FIRST, attempts)
    with Netlink(FIRST) as first:
        first.veth("v0", "v1")
        assert first.remove_link("v0")  # through a connection to another namespace
        assert not first.remove_link("v1")
