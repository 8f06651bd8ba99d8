"""The node's part: configuration list, routes to the other nodes' pods, and their healing."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
import uvloop

from kube46.api.objects import Node as NodeObject
from kube46.cni import controller, routing
from kube46.cni.settings import Settings
from kube46.netlink import Netlink, namespaces
from patience import patient

from .conftest import Node, ping, underlay
from .test_bridge import seen

if TYPE_CHECKING:
    from kube46.kubernetes.caches import Caches
    from kube46.kubernetes.client import Client

pytestmark = pytest.mark.root

CIDRS = {"n1": ["10.244.1.0/24", "fd00:10:244:1::/64"], "n2": ["10.244.2.0/24", "fd00:10:244:2::/64"]}
ADDRESSES = {"n1": ["10.46.0.11", "fd46::11"], "n2": ["10.46.0.12", "fd46::12"]}


def node_object(name: str, cidrs: list[str] | None = None, addresses: list[str] | None = None) -> NodeObject:
    """A Node as the API shows it."""
    document = {
        "metadata": {"name": name},
        "spec": {"podCIDRs": CIDRS[name] if cidrs is None else cidrs},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": text}
                for text in (ADDRESSES[name] if addresses is None else addresses)
            ]
        },
    }
    return msgspec.convert(document, NodeObject)


class Nodes(dict[tuple[str, str], NodeObject]):
    """A cache of nodes that the test fills."""

    def __init__(self, *nodes: NodeObject) -> None:
        super().__init__()
        self.synced = asyncio.Event()
        self.synced.set()
        self._listeners: list[Callable[[NodeObject | None, NodeObject | None], None]] = []
        for one in nodes:
            self.put(one)

    def of(self, _: object) -> "Nodes":
        """The cache of the only resource asked for."""
        return self

    def listen(self, listener: Callable[[NodeObject | None, NodeObject | None], None]) -> None:
        """As Cache.listen."""
        self._listeners.append(listener)
        for one in list(self.values()):
            listener(None, one)

    def put(self, node: NodeObject) -> None:
        """A node was added or changed."""
        old = self.get(node.key)
        self[node.key] = node
        for listener in self._listeners:
            listener(old, node)

    def remove(self, name: str) -> None:
        """A node was deleted."""
        old = self.pop(("", name))
        for listener in self._listeners:
            listener(old, None)


def running(node: Node, nodes: Nodes, directory: Path, script: Callable[[Netlink], Awaitable[None]]) -> None:
    """Run the part on a node, and a script beside it."""
    settings = Settings("n1", directory / "net.d" / "10-kube46.conflist", directory / "cni.sock", resync=30)

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            part = group.create_task(controller.run(settings, cast("Client", None), cast("Caches", nodes)))
            with Netlink() as kernel:
                await script(kernel)
            part.cancel()

    with namespaces.entered(node.name):
        uvloop.run(both())


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(patient(5)):
        while not condition():  # noqa: ASYNC110 – the kernel sets no asyncio.Event
            await asyncio.sleep(0.01)


def pod_routes(kernel: Netlink) -> dict[str, str]:
    """Our routes, by destination."""
    return {str(one.destination): str(one.via) for one in kernel.routes() if one.priority == routing.PRIORITY}


BOTH = {"10.244.2.0/24": "10.46.0.12", "fd00:10:244:2::/64": "fd46::12"}


def test_a_node_from_first_sight_to_removal(make_node: Callable[..., Node], tmp_path: Path) -> None:
    """The list is written once the node has prefixes; routes come, move and go with the other node."""
    one, two = make_node(*CIDRS["n1"]), make_node(*CIDRS["n2"])
    underlay(one, two)
    nodes = Nodes(node_object("n1", cidrs=[]))
    file = tmp_path / "net.d" / "10-kube46.conflist"

    async def script(kernel: Netlink) -> None:
        kernel.replace_route("10.99.0.0/16", "10.46.0.12")
        kernel.replace_route("10.244.2.0/24", "10.46.0.77", protocol=4)
        nodes.put(node_object("n2"))
        await until(lambda: pod_routes(kernel) == BOTH)
        assert not file.exists()
        nodes.put(node_object("n1"))
        await until(file.exists)
        document = json.loads(file.read_text())
        assert [one[0]["subnet"] for one in document["plugins"][0]["ipam"]["ranges"]] == CIDRS["n1"]
        assert document["plugins"][0]["mtu"] == 1500
        await until((tmp_path / "cni.sock").exists)
        nodes.put(node_object("n2", addresses=["fd46::99", "10.46.0.99"]))
        moved = {"10.244.2.0/24": "10.46.0.99", "fd00:10:244:2::/64": "fd46::99"}
        await until(lambda: pod_routes(kernel) == moved)
        nodes.remove("n2")
        await until(lambda: pod_routes(kernel) == {})
        foreign = {(str(route.destination), str(route.via)) for route in kernel.routes(None) if route.via}
        assert foreign == {("10.99.0.0/16", "10.46.0.12"), ("10.244.2.0/24", "10.46.0.77")}

    running(one, nodes, tmp_path, script)


def test_lost_routes_come_back(make_node: Callable[..., Node], tmp_path: Path) -> None:
    """A route that somebody deletes, and those that go when the link goes down, are there again at once."""
    one, two = make_node(*CIDRS["n1"]), make_node(*CIDRS["n2"])
    underlay(one, two)

    async def script(kernel: Netlink) -> None:
        await until(lambda: pod_routes(kernel) == BOTH)
        for destination in BOTH:
            assert kernel.delete_route(destination, priority=routing.PRIORITY)
            assert pod_routes(kernel) != BOTH
            await until(lambda: pod_routes(kernel) == BOTH)
        kernel.set_down("uplink")
        assert pod_routes(kernel) == {}
        kernel.set_up("uplink")
        kernel.add_address("uplink", "fd46::11/64")
        await until(lambda: pod_routes(kernel) == BOTH)

    running(one, Nodes(node_object("n1"), node_object("n2")), tmp_path, script)


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
def test_nodes_of_another_family(
    make_node: Callable[..., Node], tmp_path: Path, caplog: pytest.LogCaptureFixture, family: int
) -> None:
    """Pod prefixes without a node address of their family are skipped with a reason; the others work."""
    one, two = make_node(*CIDRS["n1"]), make_node(*CIDRS["n2"])
    underlay(one, two)
    nodes = Nodes(node_object("n1"), node_object("n2", addresses=[ADDRESSES["n2"][family]]))
    wanted = {CIDRS["n2"][family]: ADDRESSES["n2"][family]}

    async def script(kernel: Netlink) -> None:
        await until(lambda: pod_routes(kernel) == wanted)
        await until(lambda: f"{CIDRS['n2'][1 - family]}: node n2 has no IPv" in caplog.text)

    running(one, nodes, tmp_path, script)


def test_pods_of_two_nodes(make_node: Callable[..., Node], tmp_path: Path) -> None:
    """With the written list and the routes, pods of two nodes exchange packets over both families, each seen with its
    own address.
    """
    one, two = make_node(*CIDRS["n1"]), make_node(*CIDRS["n2"])
    underlay(one, two)
    pods: list[str] = []

    async def script(kernel: Netlink) -> None:
        await until(lambda: pod_routes(kernel) == BOTH)
        await until((tmp_path / "net.d" / "10-kube46.conflist").exists)
        listed = json.loads((tmp_path / "net.d" / "10-kube46.conflist").read_text())
        ipam = listed["plugins"][0]["ipam"] | {"dataDir": str(one.data)}
        plugin = listed["plugins"][0] | {"ipam": ipam, "name": listed["name"], "cniVersion": listed["cniVersion"]}
        pods.append(one.pod())
        assert len(one.call("ADD", pods[0], **plugin)["ips"]) == 2

    running(one, Nodes(node_object("n1"), node_object("n2")), tmp_path, script)
    with Netlink(two.name) as kernel:
        for destination, via in (("10.244.1.0/24", "10.46.0.11"), ("fd00:10:244:1::/64", "fd46::11")):
            kernel.replace_route(destination, via)
    pods.append(two.pod())
    two.call("ADD", pods[1], ipMasq=False)
    for target, source in (("10.244.2.2", "10.244.1.2"), ("fd00:10:244:2::2", "fd00:10:244:1::2")):
        assert ping(pods[0], target)
        assert seen(pods[1], pods[0], target) == source


def test_a_gateway_that_cannot_be_reached(
    make_node: Callable[..., Node], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A node address that is on no link is reported, and does not keep the other routes away."""
    one, two = make_node(*CIDRS["n1"]), make_node(*CIDRS["n2"])
    underlay(one, two)
    nodes = Nodes(node_object("n1"), node_object("n2", addresses=["192.0.2.1", "fd46::12"]))

    async def script(kernel: Netlink) -> None:
        await until(lambda: pod_routes(kernel) == {CIDRS["n2"][1]: "fd46::12"})
        await until(lambda: "192.0.2.1" in caplog.text)

    running(one, nodes, tmp_path, script)
