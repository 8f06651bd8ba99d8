"""The real kube-apiserver with etcd, each a process of its own, used as `server.running.Server` is."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kube46.apiserver.certificates import Authority, write_private
from server.running import DUAL, Server, free_port

BUILDER = Path(__file__).parents[2] / "tools/go-programs.sh"

MOST_OPERATIONS = 100  # of an etcd transaction: it takes 128


@cache
def programs() -> Path:
    """The directory of the real kube-apiserver and kube-controller-manager; fails when they are not built."""
    environment = {**os.environ, "PYTHON": sys.executable}
    command = [str(BUILDER), "kubernetes", "--where"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


@dataclass
class Upstream(Server):
    """A running kube-apiserver 1.37 with etcd; stop and start keep its data."""

    ranges: str = DUAL
    advertised: str = "192.0.2.1"
    etcd: subprocess.Popen[bytes] | None = None
    etcd_port: int = field(default_factory=free_port)

    def command(self) -> list[str]:
        issuer = "https://kubernetes.default.svc.cluster.local"
        own = self.directory
        return [
            *self.wrapper, str(programs() / "kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--service-cluster-ip-range={self.ranges}", "--bind-address=127.0.0.1", f"--secure-port={self.port}",
            f"--tls-cert-file={own}/apiserver.crt", f"--tls-private-key-file={own}/apiserver.key",
            f"--client-ca-file={own}/ca.crt", f"--token-auth-file={own}/tokens.csv",
            f"--service-account-issuer={issuer}", f"--service-account-key-file={own}/sa.key",
            f"--service-account-signing-key-file={own}/sa.key", "--authorization-mode=Node,RBAC",
            f"--advertise-address={self.advertised}", *self.flags,
        ]  # fmt: skip

    def start(self) -> Self:
        programs()
        self._keys()
        self._start_etcd()
        try:
            super().start()
            self._await_defaults()
        except BaseException:
            self._end_etcd()
            raise
        return self

    def stop(self, number: int = 15) -> int:
        try:
            return super().stop(number)
        finally:
            self._end_etcd()

    def plant(self, objects: dict[str, dict[str, Any]]) -> None:
        """Put objects into etcd past every rule, by key below /registry, while the server is stopped."""
        pairs = [
            {"key": _base64(f"/registry/{key}".encode()), "value": _base64(json.dumps(obj).encode())}
            for key, obj in objects.items()
        ]
        self._start_etcd()
        try:
            for start in range(0, len(pairs), MOST_OPERATIONS):
                self._put(pairs[start : start + MOST_OPERATIONS])
        finally:
            self._end_etcd()

    def _put(self, pairs: list[dict[str, str]]) -> None:
        deadline, body = time.monotonic() + 60, {"success": [{"requestPut": pair} for pair in pairs]}
        while True:
            try:
                httpx2.post(f"http://127.0.0.1:{self.etcd_port}/v3/kv/txn", json=body, timeout=5).raise_for_status()
            except (httpx2.TransportError, httpx2.HTTPStatusError):  # it is only starting
                assert time.monotonic() < deadline, (self.directory / "etcd.log").read_text()[-2000:]
                time.sleep(0.05)
            else:
                return

    def _keys(self) -> None:
        authority = Authority.load_or_create(self.directory)
        names, addresses = ("localhost", "kubernetes"), ("127.0.0.1", "::1")
        certificate, key = authority.issue("kube-apiserver", dns_names=names, ip_addresses=addresses, server=True)
        (self.directory / "apiserver.crt").write_bytes(certificate)
        write_private(self.directory / "apiserver.key", key)
        if not (self.directory / "sa.key").exists():
            key = ec.generate_private_key(ec.SECP256R1())  # kube-apiserver takes no PKCS #8 here
            sec1 = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
            write_private(self.directory / "sa.key", sec1)

    def _start_etcd(self) -> None:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self.etcd_port, free_port()))
        command = [
            *self.wrapper, "etcd", f"--data-dir={self.directory}/etcd", f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
        ]  # fmt: skip
        with (self.directory / "etcd.log").open("ab") as log:
            self.etcd = subprocess.Popen(command, stdout=log, stderr=log)

    def _end_etcd(self) -> None:
        if self.etcd is not None:
            self.etcd.kill()
            self.etcd.wait()

    def _await_defaults(self) -> None:
        """Ready does not mean that the namespace `default` and the Service `kubernetes` exist."""
        deadline = time.monotonic() + 60
        with self.client() as client:
            while client.get("/api/v1/namespaces/default/services/kubernetes").status_code != 200:
                assert time.monotonic() < deadline, (self.directory / "log").read_text()[-4000:]
                time.sleep(0.05)
