#!/usr/bin/python3
"""The sample servers of Kubernetes' tutorials, for pods without a registry: `samples.py NAME [VERSION]`.

Source: the answers that the tutorials on kubernetes.io show.
"""

import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SAMPLES = {  # name → (port, answer)
    "hello-app": (8080, "Hello, world!\nVersion: {version}.0.0\nHostname: {host}\n"),
    "hello-node": (8080, "Hello World!"),
    "node-hello": (8080, "Hello Kubernetes!"),
    "kubernetes-bootcamp": (8080, "Hello Kubernetes bootcamp! | Running on: {host} | v={version}\n"),
    "hello-backend": (80, '{{"message":"Hello"}}\n'),
}


class Handler(BaseHTTPRequestHandler):
    """One HTTP request: all are answered the same."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Says hello."""
        data = self.server.answer.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    """HTTP on all addresses of both families."""

    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port, answer):
        self.answer = answer
        super().__init__(("::", port), Handler)

    def server_bind(self):
        """For both families at once."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port, answer = SAMPLES[sys.argv[1]]
    Server(port, answer.format(version=sys.argv[2], host=socket.gethostname())).serve_forever()
