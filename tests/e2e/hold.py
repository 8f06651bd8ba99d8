"""Holds a TCP connection to each `host port` of its arguments, a line to and fro every 20 ms, until its input ends.

Every fifth round opens a new connection beside it. Prints `held` once all are open, and last a JSON list, in the
arguments' order: rounds made, fresh connections answered, the longest round (seconds), and the error that ended it.
"""

import json
import socket
import sys
import threading
import time

pairs = list(zip(sys.argv[1::2], map(int, sys.argv[2::2]), strict=True))
found = [{"rounds": 0, "fresh": 0, "longest": 0.0, "error": ""} for _ in pairs]
ended = threading.Event()


def hold(pair: tuple, sock: socket.socket, result: dict) -> None:
    """Speaks until told to end or until the connection breaks."""
    with sock, sock.makefile("rb") as lines:
        while not ended.wait(0.02):
            begun = time.monotonic()
            try:
                sock.sendall(b"x\n")
                line = lines.readline()
                if result["rounds"] % 5 == 0:
                    with socket.create_connection(pair, timeout=5) as another:
                        another.sendall(b"y\n")
                        result["fresh"] += bool(another.recv(999))
            except OSError as error:
                result["error"] = str(error) or type(error).__name__
                return
            if not line:
                result["error"] = "closed"
                return
            result["rounds"] += 1
            result["longest"] = max(result["longest"], time.monotonic() - begun)


sockets = [socket.create_connection(pair, timeout=5) for pair in pairs]
threads = [
    threading.Thread(target=hold, args=arguments, daemon=True) for arguments in zip(pairs, sockets, found, strict=True)
]
for thread in threads:
    thread.start()
print("held", flush=True)
sys.stdin.read()
ended.set()
for thread in threads:
    thread.join(6)
print(json.dumps(found))
