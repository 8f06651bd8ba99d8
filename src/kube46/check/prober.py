"""The program that probes from one place: standard library only, so it runs wherever Python does.

Reads a JSON list of probes (see `kube46.check.model.Probe`) from PROBES in its environment, else from its input, and
writes a JSON list of results.
"""

import json
import os
import socket
import struct
import sys
import threading
import time
from typing import Any

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
PATIENCE = 8  # seconds, for all probes together
QUERY_TYPES = {4: 1, 6: 28}


def ask_dns(server: str, name: str, version: int, timeout: float) -> list[str]:
    """The addresses of the family that a DNS server has for a name. Raises OSError."""
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split(".")) + b"\0"
    identity = os.urandom(2)
    query = identity + b"\x01\0\0\1\0\0\0\0\0\0" + question + struct.pack(">HH", QUERY_TYPES[version], 1)
    try:
        with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(timeout)
            sock.connect((server, 53))
            sock.send(query)
            reply = sock.recv(4096)
    except TimeoutError:
        raise OSError(f"DNS server {server} gave no answer in {timeout:g} s") from None
    except OSError as error:
        raise OSError(f"DNS server {server}: {lowered(error.strerror or str(error))}") from None
    if reply[:2] != identity or reply[3] & 15:
        raise OSError(f"DNS server {server} has no {name}: code {reply[3] & 15}")
    found = []
    place = 12 + len(question) + 4
    for _ in range(int.from_bytes(reply[6:8], "big")):
        while reply[place] and reply[place] < 192:
            place += reply[place] + 1
        place += 2 if reply[place] else 1
        kind, _, _, length = struct.unpack(">HHIH", reply[place : place + 10])
        place += 10
        if kind == QUERY_TYPES[version]:
            found.append(socket.inet_ntop(FAMILIES[version], reply[place : place + length]))
        place += length
    return found


def lowered(text: str) -> str:
    """The kernel's words inside a sentence."""
    return text[:1].lower() + text[1:]


def resolve(probe: dict[str, Any]) -> str:
    """The address to go to: as given, from the named DNS server, or by the place's own resolver."""
    if probe.get("dns_server"):
        server, name, version = probe["dns_server"], probe["host"], probe["family"]
        if addresses := ask_dns(server, name, version, probe["timeout"]):
            return addresses[0]
        raise OSError(f"DNS server {server} has no address of IPv{version} for {name}")
    found = socket.getaddrinfo(probe["host"], None, FAMILIES[probe["family"]], socket.SOCK_STREAM)
    return str(found[0][4][0])


def exchange(probe: dict[str, Any], address: str) -> tuple[bytes, str]:
    """Sends the request and returns the answer and our own address as the socket has it."""
    request = json.dumps({"nonce": probe["nonce"], "reply": probe["reply"]}).encode().ljust(probe["size"] - 1) + b"\n"
    kind = socket.SOCK_DGRAM if probe["protocol"] == "UDP" else socket.SOCK_STREAM
    with socket.socket(FAMILIES[probe["family"]], kind) as sock:
        sock.settimeout(probe["timeout"])
        sock.connect((address, probe["port"]))
        sock.sendall(request)
        if probe["protocol"] == "UDP":
            return sock.recv(65535), sock.getsockname()[0]
        answer = b""
        while not answer.endswith(b"\n"):
            chunk = sock.recv(65536)
            if not chunk:
                raise ConnectionError("connection closed before the answer's end")
            answer += chunk
        return answer, sock.getsockname()[0]


def once(probe: dict[str, Any]) -> dict[str, Any]:
    """One attempt."""
    address = ""
    try:
        if probe["protocol"] == "DNS":  # all that it says is the answer
            addresses = ask_dns(probe["dns_server"], probe["host"], probe["family"], probe["timeout"])
            return {"id": probe["id"], "error": "", "address": ",".join(sorted(addresses))}
        address = resolve(probe)
        answer, local = exchange(probe, address)
        return {
            "id": probe["id"],
            "error": "",
            "address": address,
            "local": local,
            "size": len(answer),
            **json.loads(answer),
        }
    except socket.gaierror as error:
        return {"id": probe["id"], "error": f"name {probe['host']} not resolved: {error.strerror}", "address": address}
    except TimeoutError:
        return {"id": probe["id"], "error": f"no answer in {probe['timeout']:g} s", "address": address}
    except (OSError, ValueError) as error:
        text = lowered(getattr(error, "strerror", None) or "") or str(error)
        return {"id": probe["id"], "error": text, "address": address}


def attempt(probe: dict[str, Any], results: list[dict[str, Any]]) -> None:
    """Tries until an answer or until the probe's attempts are over: the first large datagram may teach the path MTU."""
    for left in reversed(range(probe["attempts"])):
        result = once(probe)
        if not result["error"] or not left:
            results.append(result)
            return
        time.sleep(0.05)


def main() -> None:
    """Runs all probes, at most 32 at once; a resolver that is slower than all of them gets no more patience."""
    probes = json.loads(os.environ["PROBES"]) if "PROBES" in os.environ else json.load(sys.stdin)
    results: list[dict[str, Any]] = []
    places = threading.Semaphore(32)

    def work(probe: dict[str, Any]) -> None:
        with places:
            attempt(probe, results)

    threads = [threading.Thread(target=work, args=(probe,), daemon=True) for probe in probes]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    came = list(results)
    late = {probe["id"] for probe in probes} - {result["id"] for result in came}
    json.dump(came + [{"id": name, "error": f"no answer in {PATIENCE} s"} for name in late], sys.stdout)
    sys.stdout.flush()
    # Threads inside the resolver cannot be stopped, and would be waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
