"""An ADD that fails at any step, whatever it is, leaves nothing."""

import errno
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kube46.cni.errors import CniError, Code
from kube46.cni.store import Store
from kube46.cni.tables import Tables
from kube46.netlink import Netlink, NetlinkError
from kube46.netlink.connections import Netlink as Connection
from kube46.netlink.sockets import Socket

from .conftest import Node

pytestmark = pytest.mark.root

STEPS: list[tuple[Any, str, Callable[[], Exception]]] = [
    (Socket, "request", lambda: NetlinkError(errno.ENOBUFS, "injected")),
    (Socket, "get", lambda: NetlinkError(errno.ENOBUFS, "injected")),
    (Connection, "sysctls", lambda: OSError(errno.EROFS, "injected")),
    (Tables, "run", lambda: CniError(Code.KERNEL_REFUSED, "injected")),
    (Store, "reserve", lambda: OSError(errno.ENOSPC, "injected")),
]


@contextmanager
def failing(number: int) -> Iterator[list[int]]:
    """The step of that number, counted over everything an ADD asks of the kernel or writes, fails; what follows works.

    Yields the number of steps taken.
    """
    taken = [0]
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in STEPS]

    def wrapped(original: Callable[..., Any], error: Callable[[], Exception]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            taken[0] += 1
            if taken[0] == number:
                raise error()
            return original(*arguments, **named)

        return call

    try:
        for (owner, name, original), (_, _, error) in zip(originals, STEPS, strict=True):
            setattr(owner, name, wrapped(original, error))
        yield taken
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


@pytest.mark.parametrize(
    "options",
    [
        {"macspoofchk": True, "portIsolation": True, "mtu": 1400},
        {"routed": True, "hairpinMode": False},
        {"type": "ptp"},
    ],
    ids=["bridge", "routed", "ptp"],
)
def test_every_step_may_fail(node: Node, options: dict[str, Any]) -> None:
    """Each step in turn fails once: the answer is an error object, and no link, address, rule or file is left."""
    survivor, pod = node.pod(), node.pod()
    node.call("ADD", survivor, **options)
    before = state(node)
    for number in itertools.count(1):
        with failing(number) as taken:
            answered = node.call("ADD", pod, **options)
        if taken[0] < number:  # nothing was left to fail
            break
        if "ips" in answered:  # done in another way, as when the masquerading table is missing
            assert node.call("DEL", pod, **options) == {}
        else:
            assert answered["code"] in (5, 101), (number, answered)
        assert state(node) == before, (number, answered)
        with Netlink(pod) as inside:
            assert [link.name for link in inside.links()] == ["lo"], (number, answered)
    assert number > 25
    assert node.call("CHECK", pod, **options, prevResult=answered) == {}


def state(node: Node) -> object:
    """What there is of pods on a node."""
    tables = Tables()

    def listed() -> object:
        kept = [entry for entry in tables.listed("list ruleset") if "metainfo" not in entry]
        return json.loads(json.dumps(kept, sort_keys=True))

    try:
        rules = [without_handles(entry) for entry in node.inside(listed)]
    finally:
        tables.close()
    with Netlink(node.name) as host:
        routes = {(str(one.destination), one.link) for one in host.routes(None)}
        addresses = {(str(one.interface), one.link) for one in host.addresses()}
    return node.links(), node.addresses(), routes, addresses, sorted(rules)


def without_handles(entry: dict[str, Any]) -> str:
    """A listed object's text, but its number, which grows whenever a chain is filled anew."""
    (kind, content), *_ = entry.items()
    if isinstance(content.get("elem"), list):
        content["elem"] = sorted(map(str, content["elem"]))
    return f"{kind} " + json.dumps({key: value for key, value in content.items() if key != "handle"}, sort_keys=True)
