"""The program of a check's pods: says over TCP and UDP which pod it is, and whom it sees.

Standard library only: its source is the pod's command (`python3 -c …`), so it runs in any image with Python.
Request: one JSON object `{"nonce": text, "reply": bytes}` (padded with spaces to any size, then a newline).
Answer: one JSON object `{"pod", "nonce", "family", "client"}`, padded with spaces to `reply` bytes.
"""

import json
import os
import socket
import socketserver
import threading
from typing import Any


def answer(request: bytes, client: str, family: int) -> bytes:
    """The answer to a request from `client` over IP version `family`; raises ValueError when it is none."""
    asked = json.loads(request)
    said = {"pod": os.environ["POD_NAME"], "nonce": asked["nonce"], "family": family, "client": client}
    return json.dumps(said).encode().ljust(min(int(asked.get("reply", 0)), 1 << 20) - 1) + b"\n"


class Stream(socketserver.StreamRequestHandler):
    """One TCP connection: a line out for each line in."""

    timeout = 10

    def handle(self) -> None:
        """Answers until the client has asked all."""
        family = 6 if ":" in self.client_address[0] else 4
        while line := self.rfile.readline(1 << 20):
            self.wfile.write(answer(line, self.client_address[0], family))


class Datagram(socketserver.DatagramRequestHandler):
    """One datagram in, one out."""

    def handle(self) -> None:
        """Answers from the address that was asked."""
        family = 6 if ":" in self.client_address[0] else 4
        self.wfile.write(answer(self.packet, self.client_address[0], family))


class Quiet:
    """A connection that breaks is the other side's news, not ours."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing."""


class Tcp(Quiet, socketserver.ThreadingTCPServer):
    """TCP, a thread a connection."""

    daemon_threads = allow_reuse_address = True
    request_queue_size = 128


class Udp(Quiet, socketserver.UDPServer):
    """UDP, one at a time."""

    max_packet_size = 65535


def servers(port: int) -> list[socketserver.BaseServer]:
    """A TCP and a UDP server for each family the machine has: separate sockets, so no client looks IPv4-mapped."""
    made: list[socketserver.BaseServer] = []
    for family, host in ((socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")):
        for base, handler in ((Tcp, Stream), (Udp, Datagram)):
            server = type("Server", (base,), {"address_family": family})((host, port), handler, False)
            if family == socket.AF_INET6:
                server.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                server.server_bind()
            except OSError:
                server.server_close()
                continue
            server.server_activate()
            made.append(server)
    return made


if __name__ == "__main__":
    running = [threading.Thread(target=server.serve_forever) for server in servers(int(os.environ["PORT"]))]
    for thread in running:
        thread.start()
