"""The plugin portmap: real packets through ports of the node, in namespaces of their own.

client 192.0.2.10 ── node 192.0.2.1 ── cni0 10.244.1.1 ─┬─ pod
       2001:db8:c::10     2001:db8:c::1                 └─ pod
"""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from kernel.proxy.test_sctp import init, ports, raw
from kube46.netlink import Netlink, namespaces
from kube46.netlink.namespaces import open_sockets_in

from .conftest import REFERENCE, Node

pytestmark = pytest.mark.root

OUTSIDE = {4: "192.0.2.1", 6: "2001:db8:c::1"}
GATEWAY = {4: "10.244.1.1", 6: "fd00:10:244:1::1"}
SERVER = """
import socket, sys, threading
def tcp(listener):
    while True:
        connection, peer = listener.accept()
        connection.sendall(f"{sys.argv[1]} {peer[0].removeprefix('::ffff:')}".encode())
        connection.close()
sockets = []
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    made = socket.socket(socket.AF_INET6, kind)
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    made.bind(("::", 80))
    sockets.append(made)
sockets[0].listen()
threading.Thread(target=tcp, args=(sockets[0],), daemon=True).start()
print("ready", flush=True)
while True:
    _, peer = sockets[1].recvfrom(100)
    sockets[1].sendto(f"{sys.argv[1]} {peer[0].removeprefix('::ffff:')}".encode(), peer)
"""


class Place:
    """A node with a client beyond it, and pods that answer on port 80 with their name and whom they saw."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.client = node.pod()
        self.names: dict[str, str] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self.servers: list[subprocess.Popen[bytes]] = []
        with Netlink(node.name) as here, Netlink(self.client) as there:
            here.veth("out", "eth0", self.client)
            for end, link, last in ((here, "out", "1"), (there, "eth0", "10")):
                end.sysctl(f"net/ipv6/conf/{link}/accept_dad", 0)
                end.set_up(link)
                end.add_address(link, f"192.0.2.{last}/24")
                end.add_address(link, f"2001:db8:c::{last}/64")
            there.replace_route("0.0.0.0/0", "192.0.2.1")
            there.replace_route("::/0", "2001:db8:c::1")

    def add(self, name: str, /, *mappings: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """A pod on the bridge, its server, and its ports; the answer of portmap."""
        pod = self.node.pod()
        self.names[name] = pod
        self.results[pod] = self.node.call("ADD", pod)
        command = ["ip", "netns", "exec", pod, "python3", "-c", SERVER, name]
        server = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.servers.append(server)
        assert server.stdout
        assert server.stdout.readline() == b"ready\n"
        return self.portmap("ADD", name, *mappings, **changes)

    def portmap(self, verb: str, name: str, /, *mappings: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """A request to portmap about a pod."""
        pod = self.names[name]
        configuration = {
            "type": "portmap",
            "prevResult": self.results.get(pod),
            "runtimeConfig": {"portMappings": mappings},
        }
        return self.node.call(verb, pod, **configuration | changes)

    def remove(self, name: str) -> None:
        """DEL of the pod, as a runtime does it: the last plugin first."""
        assert self.portmap("DEL", name) == {}
        assert self.node.call("DEL", self.names[name]) == {}

    def table(self) -> str:
        """The table as nft writes it."""
        return _listed(self.node)

    def nft(self, text: str) -> None:
        """Change something."""
        subprocess.run(["ip", "netns", "exec", self.node.name, "nft", text], check=True)

    def close(self) -> None:
        """End the servers."""
        for server in self.servers:
            server.kill()
            server.communicate()


@pytest.fixture
def place(node: Node) -> Iterator[Place]:
    """A client, a node, no pods yet."""
    made = Place(node)
    yield made
    made.close()


def _listed(node: Node) -> str:
    command = ["ip", "netns", "exec", node.name, "nft", "list", "table", "inet", "kube46-portmap"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def mapping(host_port: int, protocol: str = "tcp", **changes: Any) -> dict[str, Any]:
    """A port of the node to the pods' port 80."""
    return {"hostPort": host_port, "containerPort": 80, "protocol": protocol} | changes


def ask(
    netns: str, address: str, port: int, kind: int = socket.SOCK_STREAM, timeout: float = 3.0, source: str = ""
) -> list[str]:
    """Who answers, and whom it saw; nothing when nobody does. `source` is the address that asks."""

    def work() -> list[str]:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, kind) as made:
            made.settimeout(timeout)
            try:
                if source:
                    made.bind((source, 0))
                made.connect((address, port))
                if kind == socket.SOCK_DGRAM:
                    made.send(b"?")
                return made.recv(100).decode().split()
            except OSError:
                return []

    found: list[str] = open_sockets_in(netns, work)
    return found


KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def test_both_families_and_protocols_from_outside(place: Place) -> None:
    """A client beyond the node reaches the pod through TCP and UDP ports of both families, seen with its own address;
    the result is the one before; after DEL nobody answers and the table holds nothing.
    """
    wanted = [mapping(8080), mapping(8053, "udp"), mapping(8036, "SCTP")]
    result = place.add("a", *wanted)
    assert result == place.results[place.names["a"]]
    for version, address in OUTSIDE.items():
        assert ask(place.client, address, 8080) == ["a", {4: "192.0.2.10", 6: "2001:db8:c::10"}[version]]
        assert ask(place.client, address, 8053, socket.SOCK_DGRAM)[:1] == ["a"]
    assert "sctp . 8036" in place.table()
    assert place.portmap("CHECK", "a", *wanted) == {}

    place.remove("a")
    place.remove("a")
    for address in OUTSIDE.values():
        assert ask(place.client, address, 8080, timeout=0.5) == []
    assert "elements" not in place.table()


def test_an_association_of_sctp(place: Place) -> None:
    """A client's INIT reaches the pod's port by both families (raw packets: this kernel has no SCTP sockets)."""
    place.add("a", mapping(8036, "sctp"))
    for address in OUTSIDE.values():
        with raw(place.names["a"], address) as pod, raw(place.client, address, connected=True) as client:
            client.send(init(40000, 8036))
            assert ports(pod.recv(2048), address) == (40000, 80)


def test_from_the_node_itself(place: Place) -> None:
    """The node reaches its ports by its own addresses and by 127.0.0.1; at ::1, whose answers the kernel would drop,
    the node's own processes are reached.
    """
    place.add("a", mapping(8080), mapping(8053, "udp"))
    for address in (*OUTSIDE.values(), *GATEWAY.values(), "127.0.0.1", "127.1.2.3"):
        assert ask(place.node.name, address, 8080)[:1] == ["a"], address
        assert ask(place.node.name, address, 8053, socket.SOCK_DGRAM)[:1] == ["a"], address
    with open_sockets_in(place.node.name, lambda: socket.create_server(("::1", 8080), family=socket.AF_INET6)) as own:
        thread = threading.Thread(target=lambda: own.accept()[0].sendall(b"own ::1"))
        thread.start()
        assert ask(place.node.name, "::1", 8080) == ["own", "::1"]
        thread.join()


def test_localhost_of_ipv6_from_another_address(place: Place) -> None:
    """Who asks at ::1 from another address of the node reaches the pod, also where the port is one of ::1 alone; the
    same port of the node's other address is another pod's.
    """
    place.add("a", mapping(8080, hostIP="::1"), mapping(8053, "udp"))
    place.add("b", mapping(8080, hostIP=OUTSIDE[6]))
    source = OUTSIDE[6]
    assert ask(place.node.name, "::1", 8080, source=source) == ["a", source]
    assert ask(place.node.name, "::1", 8053, socket.SOCK_DGRAM, source=source)[:1] == ["a"]
    assert ask(place.node.name, source, 8080)[:1] == ["b"]
    assert ask(place.node.name, "::1", 8080) == []


def test_pods_reach_their_own_and_each_others_ports(place: Place) -> None:
    """A pod reaches itself and its neighbour through ports of the node: both are masqueraded, as the answers would not
    come through the node.
    """
    place.add("a", mapping(8080))
    place.add("b", mapping(8081))
    for version, address in OUTSIDE.items():
        for asker, port, name in (("a", 8080, "a"), ("a", 8081, "b"), ("b", 8080, "a")):
            assert ask(place.names[asker], address, port) == [name, GATEWAY[version]]


def test_without_snat_and_with_masq_all(place: Place) -> None:
    """`snat: false` leaves the source alone always, `masqAll` replaces every source."""
    place.add("a", mapping(8080), snat=False)
    place.add("b", mapping(8081), masqAll=True)
    for version, address in OUTSIDE.items():
        assert ask(place.client, address, 8080) == ["a", {4: "192.0.2.10", 6: "2001:db8:c::10"}[version]]
        assert ask(place.client, address, 8081) == ["b", GATEWAY[version]]
        assert ask(place.names["a"], address, 8080, timeout=0.5) == []
    assert "mark-13" in place.table()


def test_addresses_of_the_node(place: Place) -> None:
    """hostIP names the node's one address, of one family; the unspecified one names all of its family; one address's
    port comes before all addresses' port of another pod.
    """
    place.add("all", mapping(8080))
    place.add("one", mapping(8080, hostIP=OUTSIDE[4]), mapping(8081, hostIP="::"))
    assert ask(place.client, OUTSIDE[4], 8080)[:1] == ["one"]
    assert ask(place.client, OUTSIDE[6], 8080)[:1] == ["all"]
    assert ask(place.node.name, GATEWAY[4], 8080)[:1] == ["all"]
    assert ask(place.client, OUTSIDE[6], 8081)[:1] == ["one"]
    assert ask(place.client, OUTSIDE[4], 8081, timeout=0.5) == []


def test_the_newest_owner_has_the_port(place: Place) -> None:
    """A port that two pods claim goes to the newer; the older one's DEL does not take it away, and its CHECK tells."""
    place.add("old", mapping(8080), masqAll=True)
    place.add("new", mapping(8080))
    assert place.portmap("CHECK", "old", mapping(8080), masqAll=True)["code"] == 100
    assert place.portmap("CHECK", "new", mapping(8080)) == {}
    place.remove("old")
    for address in OUTSIDE.values():
        assert ask(place.client, address, 8080)[:1] == ["new"]


def test_the_newest_owners_way(place: Place) -> None:
    """Whose connections are masqueraded is the newest owner's word, too: with `snat: false` nobody's."""
    place.add("old", mapping(8080), masqAll=True)
    place.add("new", mapping(8080), snat=False)
    assert ask(place.client, OUTSIDE[4], 8080) == ["new", "192.0.2.10"]
    assert ask(place.client, OUTSIDE[6], 8080) == ["new", "2001:db8:c::10"]
    place.remove("new")
    place.remove("old")
    assert "8080" not in place.table()


def test_hundreds_of_ports_of_hundreds_of_pods(node: Node) -> None:
    """DEL finds all of its own among others': each pod's 60 ports of both families, whose elements are several
    messages of the kernel's; GC takes the others'.
    """

    def request(verb: str, name: str, number: int) -> None:
        ips = [{"address": f"10.244.1.{number + 2}/24"}, {"address": f"fd00::{number + 2}/64"}]
        given = [
            mapping(port, protocol) for port in range(1000 + 30 * number, 1030 + 30 * number) for protocol in KINDS
        ]
        answer = node.call(
            verb,
            name,
            type="portmap",
            prevResult={"cniVersion": "1.1.0", "ips": ips} if verb == "ADD" else None,
            runtimeConfig={"portMappings": given if verb == "ADD" else []},
        )
        assert "code" not in answer, answer

    for number in range(10):
        request("ADD", f"p{number}", number)
    for number in (0, 4, 8):
        request("DEL", f"p{number}", number)
        listed = _listed(node)
        assert [listed.count(f"net p{one} ") for one in (number, number + 1)] == [0, 60 * 2 * 2]
    assert node.call("GC", "", type="portmap", **{"cni.dev/valid-attachments": []}) == {}
    assert "elements" not in _listed(node)


def test_a_tracked_client_follows(place: Place) -> None:
    """A UDP client that keeps its port reaches the new pod at once: what is tracked of it is forgotten, whether it
    asked before there was a pod, or another pod.
    """

    def client(address: str) -> socket.socket:
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        made.settimeout(3)
        made.connect((address, 8053))
        return made

    clients = [open_sockets_in(place.client, lambda one=one: client(one)) for one in OUTSIDE.values()]
    for made in clients:
        made.send(b"nobody hears this")
        with pytest.raises(ConnectionRefusedError):
            made.recv(100)
    for name in ("first", "second"):
        place.add(name, mapping(8053, "udp"))
        for made in clients:
            made.send(b"?")
            assert made.recv(100).split()[0] == name.encode()
    for made in clients:
        made.close()


CONDITIONS = {
    "iptables": {"conditionsV4": ["!", "-s", "192.0.2.10"], "conditionsV6": ["-s", "2001:db8:c::/64", "-i", "out"]},
    "nftables": {"conditionsV4": ["ip saddr != 192.0.2.10"], "conditionsV6": ["ip6 saddr 2001:db8:c::/64 iif out"]},
}


@pytest.mark.parametrize("words", CONDITIONS)
def test_conditions(place: Place, words: str) -> None:
    """Only connections that fulfil the conditions are translated, said in iptables' words or in nftables'; CHECK finds
    a rule that is gone, and DEL removes them.
    """
    place.add("a", mapping(8080), **CONDITIONS[words])
    assert ask(place.client, OUTSIDE[4], 8080, timeout=0.5) == []
    assert ask(place.names["a"], OUTSIDE[4], 8080) == ["a", GATEWAY[4]]
    assert ask(place.client, OUTSIDE[6], 8080) == ["a", "2001:db8:c::10"]
    assert ask(place.node.name, OUTSIDE[6], 8080, timeout=0.5) == []
    assert place.portmap("CHECK", "a", mapping(8080), **CONDITIONS[words]) == {}
    place.nft("flush chain inet kube46-portmap conditional")
    assert place.portmap("CHECK", "a", mapping(8080), **CONDITIONS[words])["code"] == 100
    assert place.portmap("ADD", "a", mapping(8080), **CONDITIONS[words])["ips"]
    place.remove("a")
    assert "dport 8080" not in place.table()


@pytest.mark.parametrize(
    "damage",
    [
        "delete table inet kube46-portmap",
        "flush map inet kube46-portmap any6",
        "flush map inet kube46-portmap from-any4",
        "flush chain inet kube46-portmap prerouting",
        "flush chain inet kube46-portmap mark-13",
        "flush chain inet kube46-portmap near-13-0af40100-24",
        "delete chain inet kube46-portmap masquerade-13",
    ],
)
def test_check_finds_what_is_missing(place: Place, damage: str) -> None:
    """CHECK is error 100 when a rule, an element or the table is gone; another ADD mends it."""
    pod = place.names["a"] = place.node.pod()
    place.results[pod] = place.node.call("ADD", pod)
    assert place.portmap("ADD", "a", mapping(8080))["ips"]
    assert place.portmap("CHECK", "a", mapping(8080)) == {}
    place.nft(damage)
    assert place.portmap("CHECK", "a", mapping(8080))["code"] == 100
    assert place.portmap("ADD", "a", mapping(8080))["ips"]
    assert place.portmap("CHECK", "a", mapping(8080)) == {}


def test_garbage_collection(place: Place) -> None:
    """GC removes the ports of this network's attachments that are not valid, and nothing else."""
    for number, name in enumerate(("valid", "leaked", "other")):
        pod = place.names[name] = place.node.pod()
        place.results[pod] = place.node.call("ADD", pod)
        network = {"name": "other-net"} if name == "other" else {}
        assert place.portmap("ADD", name, mapping(8080 + number), mapping(8080 + number, "udp"), **network)["ips"]
    before = place.table()
    keep = [{"containerID": place.names["valid"], "ifname": "eth0"}]
    assert place.node.call("GC", "", type="portmap", **{"cni.dev/valid-attachments": keep}) == {}
    after = place.table()
    for port, kept in ((8080, True), (8081, False), (8082, True)):
        assert after.count(f". {port} ") == (before.count(f". {port} ") if kept else 0)
    assert place.portmap("CHECK", "valid", mapping(8080), mapping(8080, "udp")) == {}
    assert place.portmap("CHECK", "other", mapping(8082), mapping(8082, "udp"), name="other-net") == {}


BAD: list[dict[str, Any]] = [
    {"runtimeConfig": {"portMappings": [mapping(0)]}},
    {"runtimeConfig": {"portMappings": [mapping(65536)]}},
    {"runtimeConfig": {"portMappings": [mapping(8080, "icmp")]}},
    {"runtimeConfig": {"portMappings": [mapping(8080, hostIP="nowhere")]}},
    {"runtimeConfig": {"portMappings": [mapping(8080), mapping(8080, containerPort=81)]}},
    {"runtimeConfig": {"portMappings": "8080"}},
    {"prevResult": None},
    {"markMasqBit": 32},
    {"markMasqBit": 14, "externalSetMarkChain": "KUBE-MARK-MASQ"},
    {"conditionsV4": ["ip saddr 10.0.0.1 accept"]},
    {"conditionsV4": ["ip saddr {10.0.0.1}drop"]},
    {"conditionsV4": ["ip saddr 10.0.0.1; flush ruleset"]},
    {"conditionsV4": ["ip saddr 10.0.0.1", "\n", "flush ruleset\n#"]},
    {"conditionsV4": ["-m", "owner", "--uid-owner", "0"]},
    {"conditionsV6": ["-d", "10.0.0.0/8"]},
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: json.dumps(bad)[:60])
def test_bad_input(node: Node, bad: dict[str, Any]) -> None:
    """What cannot be done is error 7 naming why, and nothing is made."""
    pod = node.pod()
    previous = {
        "cniVersion": "1.1.0",
        "interfaces": [{"name": "eth0", "sandbox": "/x"}],
        "ips": [{"address": "10.244.1.9/24", "interface": 0}],
    }
    good = {"prevResult": previous, "runtimeConfig": {"portMappings": [mapping(8080)]}}
    answer = node.call("ADD", pod, type="portmap", **good | bad)
    assert answer["code"] == 7, answer
    assert namespaces.open_sockets_in(node.name, lambda: _tables(node)) == ""


def test_what_nftables_refuses_leaves_nothing(node: Node) -> None:
    """Conditions that only nftables finds wrong are error 101; neither port nor rule stays."""
    previous = {"cniVersion": "1.1.0", "ips": [{"address": "10.244.1.9/24"}]}
    given = {"portMappings": [mapping(8080)]}
    answer = node.call(
        "ADD", "p", type="portmap", prevResult=previous, runtimeConfig=given, conditionsV4=["ip nonsense"]
    )
    assert answer["code"] == 101
    assert _tables(node) == ""


def _tables(node: Node) -> str:
    command = ["ip", "netns", "exec", node.name, "nft", "list", "tables"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_status(node: Node) -> None:
    """STATUS is good, leaves nothing behind, and is error 7 for a configuration that ADD refuses."""
    assert node.call("STATUS", "", type="portmap") == {}
    assert _tables(node) == ""
    assert node.call("STATUS", "", type="portmap", markMasqBit=99)["code"] == 7


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0"])
def test_after_a_reference_plugin(node: Node, version: str) -> None:
    """portmap follows the reference bridge's result of each version, and prints it in that version."""
    pod = node.pod()
    changes: dict[str, Any] = {"cniVersion": version, "ipMasq": False}
    previous = node.execute(REFERENCE / "bridge", "ADD", pod, **changes)
    given = {"portMappings": [mapping(8080)]}
    answer = node.call("ADD", pod, type="portmap", prevResult=previous, runtimeConfig=given, **changes)
    assert answer == previous
    listed = ["ip", "netns", "exec", node.name, "nft", "list", "map", "inet", "kube46-portmap", "any6"]
    assert "fd00:10:244:1::2 . 80" in subprocess.run(listed, capture_output=True, text=True, check=True).stdout


def test_nothing_of_a_result_is_lost(node: Node) -> None:
    """Whatever version 1.1.0 has in a result passes through portmap, which need not understand it."""
    interface = {
        "name": "eth0",
        "mac": "02:00:00:00:00:01",
        "mtu": 9000,
        "sandbox": "/x",
        "socketPath": "/s",
        "pciID": "0",
    }
    route = {"dst": "0.0.0.0/0", "gw": "10.244.1.1", "mtu": 1400, "advmss": 1360, "priority": 5, "table": 7, "scope": 0}
    previous = {
        "cniVersion": "1.1.0",
        "interfaces": [interface],
        "ips": [{"address": "10.244.1.9/24", "interface": 0, "gateway": "10.244.1.1"}],
        "routes": [route],
        "dns": {"nameservers": ["10.96.0.10"], "search": ["a"], "options": ["ndots:5"], "domain": "b"},
    }
    assert node.call("ADD", "p", type="portmap", prevResult=previous) == previous
    given = {"portMappings": [mapping(8080)]}
    assert node.call("ADD", "p", type="portmap", prevResult=previous, runtimeConfig=given) == previous


def test_fifty_at_once(node: Node) -> None:
    """Fifty pods that come and go at once, with ports that collide, leave nothing."""
    assert node.call("STATUS", "", type="portmap") == {}

    def live(number: int) -> None:
        previous = {"cniVersion": "1.1.0", "ips": [{"address": f"10.244.1.{number + 2}/24"}]}
        given = {"portMappings": [mapping(8000 + number), mapping(9000 + number % 5, "udp")]}
        for verb in ("ADD", "DEL"):
            answer = node.call(verb, f"p{number}", type="portmap", prevResult=previous, runtimeConfig=given)
            assert "code" not in answer, answer

    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            live(number)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert "elements" not in _listed(node)
