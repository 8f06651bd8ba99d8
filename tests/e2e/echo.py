"""The tests' server, run in pods and places: answers each TCP line and each UDP datagram with its name and the client.

`echo.py [PORT]`, 8080 unless told; its name is POD_NAME. Standard library only.
"""

import os
import signal
import socket
import sys
import threading

NAME = os.environ.get("POD_NAME", "echo")
PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 8080


def stream(connection: socket.socket, client: str) -> None:
    """One connection, line by line, for as long as it lasts."""
    with connection, connection.makefile("rb") as lines:
        try:
            for line in lines:
                connection.sendall(f"{NAME} {client} {line.decode().strip()}\n".encode())
        except OSError:
            return


def accept(server: socket.socket) -> None:
    """A thread a connection."""
    while True:
        connection, client = server.accept()
        threading.Thread(target=stream, args=(connection, client[0]), daemon=True).start()


def datagrams(server: socket.socket) -> None:
    """One datagram in, one out."""
    while True:
        data, client = server.recvfrom(65535)
        server.sendto(f"{NAME} {client[0]} {data.decode().strip()}\n".encode(), client)


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
for family, host in ((socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")):
    for kind, work in ((socket.SOCK_STREAM, accept), (socket.SOCK_DGRAM, datagrams)):
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            listener.bind((host, PORT))
        except OSError:
            continue
        if kind == socket.SOCK_STREAM:
            listener.listen(128)
        threading.Thread(target=work, args=(listener,), daemon=True).start()
signal.pause()
