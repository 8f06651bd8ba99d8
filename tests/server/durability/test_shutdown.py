"""SIGTERM: first not ready, then no new connections; what is under way is answered and watches end."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from server.durability.load import MAPS
from server.running import Server, connect

pytestmark = pytest.mark.timeout(300)  # several starts of a server each


def test_delay(server_factory: Callable[..., Server]) -> None:
    """While the delay lasts /readyz says no, everything else is served, watches are told; then they end, status 0."""
    server = server_factory(flags=("--shutdown-delay-duration", "5s"))
    with server.client() as api, api.stream("GET", f"{MAPS}?watch=1&allowWatchBookmarks=true") as watch:
        os.kill(server.pid, signal.SIGTERM)
        deadline = time.monotonic() + 4
        while api.get("/readyz").status_code == 200:
            assert time.monotonic() < deadline
        assert api.get("/readyz/shutdown").status_code == 500
        assert api.get("/livez").status_code == 200
        with server.client() as newcomer:
            assert newcomer.post(MAPS, json={"metadata": {"name": "late"}}).status_code == 201
        (event,) = map(json.loads, watch.iter_lines())  # and then a proper end
        assert event["object"]["metadata"]["name"] == "late"
    assert server.process is not None
    assert server.process.wait(60) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))


def test_under_way(server_factory: Callable[..., Server]) -> None:
    """A request whose body comes slowly is answered after SIGTERM, and its object is there at the next start."""
    server = server_factory()
    body = json.dumps({"metadata": {"name": "slow"}}).encode()
    head = f"POST {MAPS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer admintoken\r\ncontent-length: {len(body)}\r\n\r\n"
    with connect(server) as slow:
        slow.sendall(head.encode() + body[:5])
        with server.client() as api:
            assert api.get("/readyz").status_code == 200  # the head has been read by now
        os.kill(server.pid, signal.SIGTERM)
        wait_until_closed(server)
        slow.sendall(body[5:])
        assert slow.recv(100).startswith(b"HTTP/1.1 201 ")
    assert server.process is not None
    assert server.process.wait(60) == 0
    server.start()
    with server.client() as api:
        assert api.get(f"{MAPS}/slow").status_code == 200


def wait_until_closed(server: Server) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", server.port)).close()
        except ConnectionResetError:  # the very moment
            pass
        except ConnectionRefusedError:
            return
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_many_under_way(server_factory: Callable[..., Server]) -> None:
    """SIGTERM amid writers: each request that was sent is answered or its connection closed, and no answer is a lie."""
    server = server_factory()
    answered: list[str] = []
    odd: list[Any] = []

    def write(number: int) -> None:
        try:
            with server.client() as api:
                for turn in range(10_000):
                    name = f"w{number}-{turn}"
                    answer = api.post(MAPS, json={"metadata": {"name": name}})
                    (answered if answer.status_code == 201 else odd).append(name)
        except (httpx2.TransportError, OSError):
            return

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while len(answered) < 40:
        time.sleep(0.01)
    assert server.stop() == 0
    for thread in threads:
        thread.join(20)
    server.start()
    with server.client() as api:
        there = {item["metadata"]["name"] for item in api.get(MAPS).json()["items"]}
    assert odd == []
    assert set(answered) <= there
    assert len(there - set(answered)) <= 5  # four that were not answered, and kube-root-ca.crt
