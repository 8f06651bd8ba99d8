"""The socket that executables hand requests to."""

import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kube46.cni import handover
from kube46.cni.handover import Handover
from kube46.cni.masquerading import Masquerading
from kube46.cni.plugin import Answer
from kube46.cni.server import Server
from kube46.cni.settings import Settings


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory whose path is short, as a socket's must be."""
    with tempfile.TemporaryDirectory(prefix="k46t-") as name:
        yield Path(name)


def ask(path: Path, verb: str, **more: str) -> socket.socket:
    """A request to host-local, sent."""
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))
    environment = {"CNI_COMMAND": verb, "CNI_CONTAINERID": "c", "CNI_IFNAME": "eth0", "CNI_NETNS": "/none"}
    data = "\0".join(f"{key}={value}" for key, value in environment.items())
    ranges = [[{"subnet": "fd00::/64"}]]
    ipam = {"type": "host-local", "dataDir": str(path.parent / "data"), "ranges": ranges}
    configuration = json.dumps({"cniVersion": "1.0.0", "name": "net", "ipam": ipam} | more)
    client.sendall(f"host-local\0{handover.own_namespace()}\0\0{data}\0\0{configuration}".encode())
    client.shutdown(socket.SHUT_WR)
    return client


def test_stopping_answers_who_waits(directory: Path) -> None:
    """Requests that are in the queue when the server stops are answered; later ones find nobody."""
    seen: list[tuple[str, str, int]] = []

    def report(request: Handover, found: Answer, seconds: float) -> None:
        assert 0 <= seconds < 60
        seen.append((request.plugin, request.verb, found.status))

    server = Server(Settings("", socket=directory / "s", workers=1), Masquerading(), report)
    server.start()
    waiting = [ask(directory / "s", "VERSION") for _ in range(5)] + [ask(directory / "s", "ADD", name="..")]
    server.stop()
    for number, one in enumerate(waiting):
        with one:
            assert one.recv(100).startswith(b"1\n" if number == 5 else b"0\n")
    assert seen == [("host-local", "VERSION", 0)] * 5 + [("host-local", "ADD", 1)]
    with pytest.raises(ConnectionRefusedError):
        ask(directory / "s", "VERSION")


def test_a_sender_that_gave_up(directory: Path) -> None:
    """A request that waited for another about its attachment is dropped when its sender has gone meanwhile."""
    server = Server(Settings("", socket=directory / "s", workers=2), Masquerading())
    server.start()
    with server._turns.one(("c", "eth0")):
        ask(directory / "s", "ADD", name="left").close()
        kept = ask(directory / "s", "ADD", name="kept")
        while server.busy < 3:
            pass
    server.stop()
    with kept:
        assert kept.recv(100).startswith(b"0\n")
    assert [path.name for path in (directory / "data").iterdir()] == ["kept"]


def test_another_in_its_place(directory: Path) -> None:
    """A server knows when another has taken its path, or somebody removed it."""
    first, second = (Server(Settings("", socket=directory / "s", workers=1), Masquerading()) for _ in range(2))
    first.start()
    assert first.is_reachable()
    second.start()
    assert not first.is_reachable()
    assert second.is_reachable()
    (directory / "s").unlink()
    assert not second.is_reachable()
    first.stop()
    second.stop()
