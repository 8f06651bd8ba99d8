"""Asks each address of its arguments on port 80 over and over, a new TCP connection each time, until its input ends.

Prints `asking` once each has answered, and last a JSON list: answers, different answerers, and the errors there were.
"""

import json
import socket
import sys
import threading
import time

found = [{"answers": 0, "names": [], "errors": []} for _ in sys.argv[1:]]
answered = [threading.Event() for _ in found]
ended = threading.Event()


def ask(address: str, result: dict, first: threading.Event) -> None:
    """One question after another."""
    names = set()
    while not ended.wait(0.01):
        try:
            with socket.create_connection((address, 80), timeout=2) as connection:
                connection.sendall(b"x\n")
                name = connection.recv(999).split()[0].decode()
        except (OSError, IndexError) as error:
            if first.is_set():
                result["errors"].append(f"{time.monotonic():.2f} {error or type(error).__name__}")
            continue
        names.add(name)
        result["answers"] += 1
        first.set()
    result["names"] = sorted(names)


threads = [
    threading.Thread(target=ask, args=arguments, daemon=True)
    for arguments in zip(sys.argv[1:], found, answered, strict=True)
]
for thread in threads:
    thread.start()
for event in answered:
    event.wait(60)
print("asking", flush=True)
sys.stdin.read()
ended.set()
for thread in threads:
    thread.join(5)
print(json.dumps(found))
