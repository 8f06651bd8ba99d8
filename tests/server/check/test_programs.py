"""The responder and the prober, run as they are run in pods: by their source, with the system's Python alone."""

import inspect
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kube46.check import prober, responder

PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A responder on both loopback addresses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    environment = {**os.environ, "POD_NAME": "on-node1", "PORT": str(number)}
    command = [PYTHON, "-IS", "-c", inspect.getsource(responder)]
    with subprocess.Popen(command, env=environment) as process:
        for _ in range(200):
            try:
                socket.create_connection(("::1", number), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield number
        process.kill()


def probe(**fields: Any) -> dict[str, Any]:
    """Runs one probe and returns its result."""
    given = {
        "id": "a",
        "family": 4,
        "protocol": "TCP",
        "nonce": "n",
        "size": 128,
        "reply": 128,
        "timeout": 2.0,
        "attempts": 1,
    }
    done = subprocess.run(
        [PYTHON, "-IS", "-c", inspect.getsource(prober)],
        input=json.dumps([{**given, **fields}]),
        capture_output=True,
        text=True,
        check=True,
    )
    (result,) = json.loads(done.stdout)
    return dict(result)


@pytest.mark.parametrize(("family", "host"), [(4, "127.0.0.1"), (6, "::1"), (4, "localhost")])
@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("size", [128, 4000])
def test_the_responder_says_who_it_is_and_whom_it_sees(
    port: int, family: int, host: str, protocol: str, size: int
) -> None:
    """Pod name, nonce, family and client address come back, padded to the size asked for."""
    address = "::1" if family == 6 else "127.0.0.1"
    result = probe(family=family, host=host, port=port, protocol=protocol, size=size, reply=size)
    assert result == {
        "id": "a", "error": "", "address": address, "local": address, "size": size,
        "pod": "on-node1", "nonce": "n", "family": family, "client": address,
    }  # fmt: skip


def test_64_kib_each_way(port: int) -> None:
    """Large requests and answers arrive whole over TCP."""
    assert probe(host="127.0.0.1", port=port, size=65536, reply=65536)["size"] == 65536


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"host": "127.0.0.1", "port": 1}, "connection refused"),
        ({"host": "127.0.0.1", "port": 1, "protocol": "UDP"}, "connection refused"),
        ({"host": "no-such-name.invalid", "port": 1}, "name no-such-name.invalid not resolved"),
        ({"host": "a.b", "port": 1, "dns_server": "127.0.0.1"}, "connection refused"),
    ],
)
def test_failures_say_why(fields: dict[str, Any], error: str) -> None:
    """A refusal, a name that does not exist and a DNS server that is not there are told apart."""
    assert error in probe(**fields)["error"]


def test_garbage_does_not_stop_the_responder(port: int) -> None:
    """A request that is no JSON ends its own connection, nothing else."""
    with socket.create_connection(("127.0.0.1", port), 2) as sock:
        sock.sendall(b"GET / HTTP/1.1\n")
        assert sock.recv(100) == b""
    assert probe(host="127.0.0.1", port=port)["error"] == ""
