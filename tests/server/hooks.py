"""A webhook: an HTTPS server in a process of its own, with a CA of its own, which does what a call's path says."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kube46.apiserver.certificates import Authority, write_private
from patience import patient

Object = dict[str, Any]
WRITING = threading.Lock()
NAMES = ("localhost", "hook.hooks.svc")


@dataclass
class Hooks:
    """A running webhook; `asked` is what it was sent, in order."""

    directory: Path
    reserved: socket.socket | None = None  # bound, and never listening: nobody else gets the port
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Hooks:
        """Serve; the same port and certificate at each start."""
        if self.reserved is None:
            self.reserved = socket.socket()
            self.reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self.reserved.bind(("127.0.0.1", 0))
            certificate, key = Authority.load_or_create(self.directory).issue(
                "hook", (), NAMES, ["127.0.0.1", "::1"], server=True
            )
            (self.directory / "hook.crt").write_bytes(certificate)
            write_private(self.directory / "hook.key", key)
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(self.directory), str(self.port)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        deadline = time.monotonic() + patient(15)
        while not (self.directory / "ready").exists():
            assert time.monotonic() < deadline and self.process.poll() is None
            time.sleep(0.02)
        return self

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self.reserved is not None
        return int(self.reserved.getsockname()[1])

    def close(self) -> None:
        """End it, and give the port back."""
        self.kill()
        if self.reserved is not None:
            self.reserved.close()

    def kill(self) -> None:
        """As a power cut does it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            (self.directory / "ready").unlink(missing_ok=True)

    def at(self, path: str) -> Object:
        """A clientConfig."""
        return {"url": f"https://127.0.0.1:{self.port}/{path}", "caBundle": self.bundle}

    @property
    def bundle(self) -> str:
        """Its CA, as configurations have it."""
        return base64.b64encode((self.directory / "ca.crt").read_bytes()).decode()

    @property
    def asked(self) -> list[Object]:
        """Every body that came."""
        log = self.directory / "asked.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def about(self, name: str) -> list[Object]:
        """The requests of reviews that name an object."""
        found = [body["request"] for body in self.asked if "request" in body]
        return [
            one for one in found if name in (one.get("name"), (one.get("object") or {}).get("metadata", {}).get("name"))
        ]


def quoted(value: Any) -> str:
    """Something as a part of a path."""
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def plain(text: str) -> str:
    """What `quoted` made it from."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def response(parts: list[str], request: Object) -> Object:
    """The answer to an AdmissionRequest: each part of the path adds to it."""
    answer: Object = {"uid": request.get("uid"), "allowed": True}
    for part in parts:
        what, _, text = part.partition("=")
        if what == "deny":
            answer |= {"allowed": False, **({"status": json.loads(plain(text))} if text else {})}
        elif what == "sleep":
            time.sleep(float(text))
        elif what == "warn":
            answer.setdefault("warnings", []).append(text)
        elif what == "patch":
            answer |= {"patch": base64.b64encode(plain(text).encode()).decode(), "patchType": "JSONPatch"}
        elif what == "count":  # how often this path was asked is put into the object
            data = (request["object"].get("data") or {}).get(text, "")
            patch = [{"op": "add", "path": f"/data/{text}", "value": f"{data}x"}]
            answer |= {"patch": base64.b64encode(json.dumps(patch).encode()).decode(), "patchType": "JSONPatch"}
        elif what == "answer":
            answer |= json.loads(plain(text))
    return answer


def converted(request: Object) -> Object:
    """The answer to a ConversionRequest: `hostPort` of v1 is `host` and `port` of v2."""
    objects = []
    for obj in request["objects"]:
        obj["apiVersion"] = request["desiredAPIVersion"]
        if "hostPort" in obj:
            obj["host"], _, obj["port"] = obj.pop("hostPort").partition(":")
        else:
            obj["hostPort"] = f"{obj.pop('host')}:{obj.pop('port')}"
        if obj.get("host") == "inconvertible":
            return {"uid": request["uid"], "result": {"status": "Failed", "message": "no such host"}}
        objects.append(obj)
    return {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": objects}


class Shared(ThreadingHTTPServer):
    """On a port that another socket holds."""

    daemon_threads = True
    allow_reuse_port = True


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    directory: Path

    def do_POST(self) -> None:
        path = self.path.partition("?")[0]
        parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with WRITING, (self.directory / "asked.jsonl").open("a") as log:
            log.write(json.dumps({**body, "path": path, "connection": self.client_address[1]}) + "\n")
        if parts[0].startswith("status="):
            self.answer(int(parts[0].partition("=")[2]), b"not today")
        elif parts[0].startswith("body="):
            self.answer(200, plain(parts[0].partition("=")[2]).encode())
        else:
            review = {"apiVersion": body["apiVersion"], "kind": body["kind"]}
            request = body.get("request") or {}
            review["response"] = converted(request) if "objects" in request else response(parts, request)
            self.answer(200, json.dumps(review).encode())

    def answer(self, code: int, body: bytes) -> None:
        """The whole answer."""
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until killed."""
    from pathlib import Path

    Handler.directory = Path(sys.argv[1])
    server = Shared(("127.0.0.1", int(sys.argv[2])), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Handler.directory / "hook.crt", Handler.directory / "hook.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    (Handler.directory / "ready").touch()
    server.serve_forever()


if __name__ == "__main__":
    main()
