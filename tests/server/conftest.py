"""API servers for all tests, and namespaces of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from server.running import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that don't restart it; each test uses names of its own."""
    running = Server(tmp_path_factory.mktemp("apiserver")).start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def api(server: Server) -> Iterator[httpx2.Client]:
    """An administrator's client."""
    with server.client() as client:
        yield client


@pytest.fixture
def namespace(api: httpx2.Client, request: pytest.FixtureRequest) -> str:
    """A new namespace of the test's own."""
    made = api.post("/api/v1/namespaces", json={"metadata": {"generateName": "t-"}})
    assert made.status_code == 201, made.text
    return str(made.json()["metadata"]["name"])


@pytest.fixture
def server_class() -> type[Server]:
    """What `server_factory` starts."""
    return Server


@pytest.fixture
def server_factory(tmp_path: Path, server_class: type[Server]) -> Iterator[Callable[..., Server]]:
    """Starts servers of a test's own; all are ended after it."""
    running: list[Server] = []

    def start(**options: Any) -> Server:
        directory = tmp_path / f"server{len(running)}"
        directory.mkdir()
        running.append(server_class(directory, **options).start())
        return running[-1]

    yield start
    for server in running:
        if server.process is not None and server.process.poll() is None:
            server.process.kill()
            server.process.wait(60)
