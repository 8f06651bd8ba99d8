"""Where the reverse zones of Services come from."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from kube46.dns.controller import _service_cidrs
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig


@pytest.fixture
def older_api() -> Iterator[str]:
    """An HTTP server that knows no kind at all, as an API server knows none of a later version's."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_an_api_without_service_cidrs_means_no_reverse_zones(older_api: str, caplog: pytest.LogCaptureFixture) -> None:
    """Before Kubernetes 1.33 there are none: names are served all the same, and the log says what is missing."""

    async def ask() -> tuple[str, ...]:
        async with Client(ClusterConfig(older_api), component="test") as client:
            return await _service_cidrs(client)

    assert asyncio.run(ask()) == ()
    assert "no PTR records" in caplog.text
