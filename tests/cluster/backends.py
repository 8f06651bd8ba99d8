"""A program behind a proxy: an HTTP server that notes what it is asked, and answers as the path says."""

import gzip
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAGE = (
    b'<!DOCTYPE html><HTML><head><base href=/base><script src="/s.js">if (a<b) "<a href=/no>"</script></head>'
    b'<body Background=\'/b.png\' class=x><!-- <a href="/no"> --><a href="/rewriteme">test</a><A HREF=rel>r</A>'
    b'<a href="http://192.0.2.46:8080/own?q=1&amp;r=2#f">o</a><a href="https://example.com/x">e</a><img src="//h/x"/>'
    b'<a href="http://proxy.example/p">h</a><a disabled href="mailto:x@y">m</a><br/>'
    b'<a href="/&eacute;&quot;%20">u</a></body>'
)


class Handler(BaseHTTPRequestHandler):
    """Answers, and notes each request's line and headers in the server's `seen`."""

    protocol_version = "HTTP/1.1"
    server: "Backend"

    def answer(self) -> None:
        """By the path's last part."""
        headers = sorted((name.lower(), value) for name, value in self.headers.items())
        self.server.seen.append((self.command, self.path, headers))
        what = self.path.partition("?")[0].rstrip("/").rpartition("/")[2]
        if self.headers.get("Upgrade"):
            self._upgrade(what)
            return
        body = self._body()
        handler = getattr(self, f"_{what}", None)
        if handler is None:
            said = {"method": self.command, "path": self.path, "body": body.decode()}
            self._say(200, json.dumps(said).encode(), {"Content-Type": "application/json"})
        else:
            handler()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _say(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        if code not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and code not in (204, 304):
            self.wfile.write(body)

    def _page(self) -> None:
        self._say(200, PAGE, {"Content-Type": "text/html; charset=utf-8", "ETag": '"e"'})

    def _packed(self) -> None:
        self._say(200, gzip.compress(PAGE), {"Content-Type": "text/html", "Content-Encoding": "gzip"})

    def _redirect(self) -> None:
        self._say(302, b"over there", {"Location": "/there?x=1", "Content-Type": "text/html"})

    def _redirectown(self) -> None:
        self._say(307, b"", {"Location": "http://192.0.2.46:8080/there/"})

    def _redirectother(self) -> None:
        self._say(301, b"", {"Location": "http://example.com/there"})

    def _cors(self) -> None:
        self._say(200, b"x", {"Access-Control-Allow-Origin": "*", "Content-Type": "text/css", "X-Own": "1"})

    def _teapot(self) -> None:
        self._say(418, b'{"kind":"Teapot"}', {"Content-Type": "application/json", "Connection": "X-Hop", "X-Hop": "1"})

    def _empty(self) -> None:
        self._say(204, b"", {})

    def _unchanged(self) -> None:
        self._say(304, b"", {"ETag": '"e"'})

    def _nothing(self) -> None:
        self.close_connection = True

    def _cut(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: text/plain\r\n\r\nshort")
        self.close_connection = True

    def _chunks(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n")
        self.wfile.write(b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n")

    def _untilend(self) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nto the end")
        self.close_connection = True

    def _early(self) -> None:
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        self._say(200, b"late", {"Content-Type": "text/plain"})

    def _upgrade(self, what: str) -> None:
        self.close_connection = True
        if what == "refused":
            self._say(403, b"not you", {"Content-Type": "text/plain", "Connection": "close"})
            return
        if what == "ignored":
            self._say(200, b"what upgrade", {"Content-Type": "text/plain"})
            return
        upgrade = self.headers["Upgrade"]
        head = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: {upgrade}\r\nConnection: Upgrade\r\n\r\n"
        self.wfile.write(head.encode())
        while data := self.connection.recv(65536):
            self.connection.sendall(data.upper())
            if b"bye" in data:
                return

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class Backend(ThreadingHTTPServer):
    """Listens on one address."""

    daemon_threads = True

    def __init__(self, host: str, port: int, seen: list[Any], context: ssl.SSLContext | None = None) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.seen = seen
        super().__init__((host, port), Handler)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may go away."""


@contextmanager
def serving(backends: list[Backend]) -> Iterator[None]:
    """They answer inside the block."""
    threads = [threading.Thread(target=backend.serve_forever, args=(0.05,)) for backend in backends]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for backend, thread in zip(backends, threads, strict=True):
            backend.shutdown()
            thread.join()
            backend.server_close()
