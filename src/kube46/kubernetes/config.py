"""Where the API server is and who we are: kubeconfig files, or the Pod's ServiceAccount.

Order of search, as client-go: an explicit path, `KUBECONFIG` (colon list, the first that names a thing wins),
`~/.kube/config`, the ServiceAccount of the Pod we run in.
"""

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from kube46.addresses.families import bracketed

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ConfigError(ValueError):
    """No usable configuration; the message names the file, the field and the mend."""


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """One API server and one identity there. Certificates and keys are PEM text."""

    server: str
    ca: str = ""
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    client_certificate: str = ""
    client_key: str = field(default="", repr=False)
    exec_plugin: dict[str, Any] | None = None
    insecure: bool = False
    namespace: str = "default"

    @classmethod
    def load(cls, kubeconfig: Path | None = None, context: str | None = None) -> "ClusterConfig":
        """The configuration of `context`, else of the current context. Raises ConfigError."""
        if kubeconfig is not None:
            return _from_files([kubeconfig], context)
        named = os.environ.get("KUBECONFIG", "")
        files = [Path(part) for part in named.split(":") if part] or [Path.home() / ".kube" / "config"]
        if any(path.exists() for path in files):
            return _from_files(files, context)
        if os.environ.get("KUBERNETES_SERVICE_HOST"):
            return _in_cluster()
        raise ConfigError(f"no kubeconfig at {', '.join(map(str, files))} and not in a Pod: give --kubeconfig FILE")

    def ssl_context(self) -> ssl.SSLContext:
        """A TLS context that trusts the cluster's CA and shows our client certificate. Raises ConfigError."""
        try:
            context = ssl.create_default_context(cadata=self.ca or None)
            if self.insecure:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if self.client_certificate:
                _load_chain(context, self.client_certificate, self.client_key)
        except ssl.SSLError as error:
            raise ConfigError(f"the certificates for {self.server} cannot be read: {error}") from error
        return context

    def bearer_token(self) -> str:
        """The token to send now: read anew, since a Pod's token is renewed on disk. Empty without one."""
        if self.token_file is not None:
            return self.token_file.read_text().strip()
        return _exec_token(self.exec_plugin, self.server) if self.exec_plugin and not self.token else self.token


def _load_chain(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Python reads a certificate chain from files only: a private directory, deleted at once."""
    with tempfile.TemporaryDirectory() as directory:
        pem = Path(directory) / "client.pem"
        pem.touch(mode=0o600)
        pem.write_text(f"{certificate}\n{key}")
        context.load_cert_chain(pem)


def _exec_token(plugin: dict[str, Any], server: str) -> str:
    """The token an exec credential plugin prints (client.authentication.k8s.io/v1)."""
    command = [plugin["command"], *(plugin.get("args") or [])]
    info = {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": {"interactive": False}}
    extra = {entry["name"]: entry["value"] for entry in plugin.get("env") or []}
    environment = {**os.environ, **extra, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
        return str(json.loads(done.stdout)["status"]["token"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise ConfigError(f"the credential plugin {command[0]} for {server} gave no token: {error}") from error


def _in_cluster() -> ClusterConfig:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ.get("KUBERNETES_SERVICE_PORT", "443"))
    return ClusterConfig(
        server=f"https://{bracketed(host, port)}",
        ca=(SERVICE_ACCOUNT / "ca.crt").read_text(),
        token_file=SERVICE_ACCOUNT / "token",
        namespace=(SERVICE_ACCOUNT / "namespace").read_text().strip(),
    )


def _from_files(files: Iterable[Path], context: str | None) -> ClusterConfig:
    merged: dict[str, dict[str, tuple[dict[str, Any], Path]]] = {"clusters": {}, "contexts": {}, "users": {}}
    current = context or ""
    names = []
    for path in files:
        names.append(str(path))
        if not path.exists():
            continue
        document = _read(path)
        current = current or document.get("current-context") or ""
        for part, entries in merged.items():
            for entry in document.get(part) or []:
                entries.setdefault(entry["name"], (entry.get(part[:-1]) or {}, path))
    if not any(path.exists() for path in files):
        raise ConfigError(f"{', '.join(names)} does not exist: give another --kubeconfig")
    if not merged["contexts"]:
        raise ConfigError(f"{', '.join(names)} has no contexts: give another --kubeconfig")
    if not current:
        raise ConfigError(f"{', '.join(names)} has no current context: choose one with `kubectl config use-context`")
    if current not in merged["contexts"]:
        raise ConfigError(f"{', '.join(names)} has no context {current!r}: `kubectl config get-contexts` lists them")
    chosen, _ = merged["contexts"][current]
    if chosen.get("cluster") not in merged["clusters"]:
        raise ConfigError(f"context {current!r} names no known cluster in {', '.join(names)}")
    cluster, cluster_file = merged["clusters"][chosen["cluster"]]
    user, user_file = merged["users"].get(chosen.get("user", ""), ({}, cluster_file))
    if urlsplit(cluster.get("server", "")).scheme not in ("http", "https"):
        raise ConfigError(f"{cluster_file}: cluster {chosen['cluster']!r} has no server URL")
    return ClusterConfig(
        server=cluster["server"].rstrip("/"),
        ca=_inline(cluster, "certificate-authority", cluster_file),
        token=user.get("token") or "",
        token_file=user_file.parent / user["tokenFile"] if user.get("tokenFile") else None,
        client_certificate=_inline(user, "client-certificate", user_file),
        client_key=_inline(user, "client-key", user_file),
        exec_plugin=user.get("exec"),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        namespace=chosen.get("namespace") or "default",
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} is not a kubeconfig")
    return document


def _inline(entry: dict[str, Any], name: str, path: Path) -> str:
    """`NAME-data` (base64) or the file that `NAME` points at, relative to the kubeconfig."""
    try:
        if entry.get(f"{name}-data"):
            return base64.b64decode(entry[f"{name}-data"]).decode()
        return (path.parent / entry[name]).read_text() if entry.get(name) else ""
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {name}: {error}") from error
