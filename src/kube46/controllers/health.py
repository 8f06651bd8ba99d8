"""Serves /livez, /readyz, /healthz and /metrics over plain HTTP on a thread of its own."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from kube46.addresses.families import bracketed


class Page(Protocol):
    """What a page of somebody else's answers."""

    @property
    def status(self) -> int:
        """Of HTTP."""

    @property
    def body(self) -> bytes:
        """What follows the headers."""

    @property
    def headers(self) -> Mapping[str, str]:
        """But for the length; the type is plain text unless said."""


NO_PAGES: Mapping[str, Callable[[], Page]] = {}


class BadAddress(ValueError):
    """The text is no `address:port`, or cannot be listened on; says the mend."""


@contextmanager
def served(
    address: str, ready: Callable[[], bool], pages: Mapping[str, Callable[[], Page]] = NO_PAGES
) -> Iterator[str]:
    """Serves on `address` (`127.0.0.1:10257`, `[::1]:0`; port 0 is any) inside the block; yields the real one.

    `pages` are further ones by path, or in the place of these. The address `0` serves nowhere. Raises BadAddress.
    """
    if address == "0":
        yield ""
        return
    host, port = parse(address)
    try:
        server = _Server(host, port, ready, pages)
    except OSError as error:
        raise BadAddress(f"--bind-address {address}: {error.strerror}; choose another port, or 0 for none") from error
    thread = threading.Thread(target=server.serve_until_ended, name="health", daemon=True)
    thread.start()
    try:
        yield bracketed(host, server.server_address[1])
    finally:
        server.end()
        thread.join()
        server.server_close()


def parse(address: str) -> tuple[str, int]:
    """Host and port of `host:port` with brackets around an IPv6 host. Raises BadAddress."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or (":" in host) != host.startswith("["):
        raise BadAddress(
            f"--bind-address {address!r} is no address and port; write it as 127.0.0.1:10257 or [::1]:10257"
        )
    return host.strip("[]"), int(port)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self, host: str, port: int, ready: Callable[[], bool], pages: Mapping[str, Callable[[], Page]]
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.ready, self.pages, self._ended = ready, pages, False
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """`::` is every address of both families, whatever net.ipv6.bindv6only says, as in Go."""
        if self.server_address[0] == "::":
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def serve_until_ended(self) -> None:
        """Without the polling of `serve_forever`, which wakes an idle machine twice a second and ends late."""
        while not self._ended:
            self.handle_request()

    def end(self) -> None:
        """Makes `serve_until_ended` return now: a listening socket that is shut down is ready, and accepts nothing."""
        self._ended = True
        self.socket.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def do_GET(self) -> None:
        """Answers one probe."""
        path = self.path.partition("?")[0]
        if path in self.server.pages:
            page = self.server.pages[path]()
            self._answer(page.status, page.body, **page.headers)
        elif path == "/metrics":
            encode, kind = choose_encoder(self.headers.get("Accept", ""))
            self._answer(200, encode(REGISTRY), **{"Content-Type": kind})
        elif path in ("/healthz", "/livez"):
            self._answer(200, b"ok")
        elif path == "/readyz":
            ready = self.server.ready()
            self._answer(200 if ready else 503, b"ok" if ready else b"not ready: no first list of all objects yet")
        else:
            self._answer(404, b"not found")

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes are no news."""
