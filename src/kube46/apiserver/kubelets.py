"""Pod subresources that the pod's kubelet answers: log is proxied, exec, attach and port-forward become a pipe.

The pipe forwards the client's upgrade request and then bytes both ways unchanged: it serves WebSocket and SPDY alike.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from kube46.addresses.families import bracketed
from kube46.apiserver import logsockets, statuses
from kube46.apiserver.answers import Answer
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.responses import BadResponse, Response
from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from kube46.apiserver.connections import Connection
    from kube46.apiserver.requests import Request, Target
    from kube46.apiserver.storage import Store
    from kube46.apiserver.strategy import Object

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10
FETCH_SECONDS = 5
PORT = 10250
PODS = BY_PLURAL["pods"]
PATHS = {"log": "containerLogs", "exec": "exec", "attach": "attach", "portforward": "portForward"}
HOP_HEADERS = (b"authorization", b"host", b"impersonate-")  # and what begins so


@dataclass(frozen=True, slots=True)
class Credentials:
    """How kubelets know this server (certificate and key) and it them (authority); None: not checked."""

    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None

    def context(self) -> ssl.SSLContext:
        """A TLS context for connections to kubelets."""
        context = ssl.create_default_context(cafile=self.authority)
        if self.authority is None:  # as kube-apiserver without --kubelet-certificate-authority
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a kubelet listens and what to ask it."""

    host: str
    port: int
    path: str


class Kubelets:
    """Reaches the kubelets of pods."""

    def __init__(self, store: Store, credentials: Credentials) -> None:
        self._store = store
        self.context = credentials.context()
        self._open: set[StreamWriter] = set()

    def close(self) -> None:
        """End all streams, because the server stops."""
        for writer in self._open:
            writer.close()

    async def answer(self, request: Request, target: Target) -> Answer | None:
        """Logs as an answer; None when the connection has become a pipe."""
        endpoint = self._endpoint(request, target)
        if endpoint is None:  # nothing has been said yet
            return Answer(content_type=b"text/plain")
        if target.subresource == "log" and logsockets.wanted(request.headers):
            await self._log_messages(endpoint, request)
            return None
        if target.subresource == "log":
            return await self._log(endpoint)
        upgrade = request.headers.get(b"upgrade")
        if not upgrade:
            raise statuses.bad_request("Upgrade request required")
        await self._pipe(endpoint, request)
        return None

    async def fetch(self, node: Object, path: str) -> bytes:
        """What a node's kubelet serves at a path. Raises StatusError, TimeoutError, OSError."""
        parts = self._parts(Endpoint(*kubelet_address(node), path))
        async with asyncio.timeout(FETCH_SECONDS), aclosing(parts):
            return b"".join([part async for part in parts])

    # Where

    def _endpoint(self, request: Request, target: Target) -> Endpoint | None:
        """The kubelet of a pod and what to ask it; None for the log of a pod that has no node yet."""
        with self._store.begin() as txn:
            pod = txn.get("pods", target.name, target.namespace)
            if pod is None:
                raise statuses.not_found(PODS, target.name)
            name = (pod.get("spec") or {}).get("nodeName", "")
            node = txn.get("nodes", name) if name else None
        if not name and target.subresource == "log":
            return None
        if not name:
            raise statuses.bad_request(f"pod {target.name} does not have a host assigned")
        if node is None:
            raise statuses.not_found(BY_PLURAL["nodes"], name)
        host, port = kubelet_address(node)
        query = dict(request.query)
        parts = [PATHS[target.subresource], target.namespace, target.name]
        if target.subresource != "portforward":
            parts.append(_container(pod, query.pop("container", ""), target.name))
        path = "/" + "/".join(quote(part, safe="") for part in parts)
        raw = request.scope["query_string"].decode("latin-1")
        if target.subresource in ("exec", "attach"):
            raw = "&".join(_renamed(part) for part in raw.split("&") if part and not part.startswith("container="))
        elif target.subresource == "log":
            raw = urlencode(query)
        return Endpoint(host, port, f"{path}?{raw}" if raw else path)

    @asynccontextmanager
    async def _connected(self, endpoint: Endpoint) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(
                    endpoint.host, endpoint.port, ssl=self.context, server_hostname=endpoint.host
                )
        except (OSError, TimeoutError, ValueError, OverflowError) as error:  # the last two: what is no host or port
            place = bracketed(endpoint.host, endpoint.port)
            text = f'Get "https://{place}{endpoint.path}": dial tcp {place}: {str(error) or "timed out"}'
            raise StatusError(500, "", text) from error
        self._open.add(writer)
        try:
            yield reader, writer
        finally:
            self._open.discard(writer)
            writer.close()

    # Logs

    async def _log(self, endpoint: Endpoint) -> Answer:
        parts = self._parts(endpoint)
        first = await anext(parts)  # refusals come before the answer begins

        async def stream() -> AsyncGenerator[bytes, None]:
            yield first
            async with aclosing(parts):
                async for part in parts:
                    yield part

        return Answer(content_type=b"text/plain", stream=stream())

    async def _log_messages(self, endpoint: Endpoint, request: Request) -> None:
        protocol = logsockets.protocol_of(request.headers)
        async with aclosing(self._parts(endpoint)) as parts:
            await anext(parts)  # refusals come before the connection is taken over
            connection: Connection = request.scope["state"]["connection"]
            reader, writer = connection.take_over()
            try:
                writer.write(logsockets.acceptance(request.headers, protocol))
                await logsockets.send(parts, protocol, reader, writer)
            except* OSError as broken:
                log.info("stream broke path=%s error=%s", endpoint.path, broken.exceptions[0])
            finally:
                writer.close()

    async def _parts(self, endpoint: Endpoint) -> AsyncGenerator[bytes, None]:
        async with self._connected(endpoint) as (reader, writer):
            head = f"GET {endpoint.path} HTTP/1.1\r\nhost: {bracketed(endpoint.host, endpoint.port)}\r\n"
            writer.write(f"{head}connection: close\r\n\r\n".encode())
            response = Response(reader)
            try:
                await response.read_head()
            except (BadResponse, OSError) as error:
                raise StatusError(502, "", f"the kubelet gave no answer: {error}") from error
            if response.code != 200:
                body = b"".join([part async for part in response.parts()])
                raise StatusError(response.code, *_refusal(response.code, body))
            yield b""
            with suppress(BadResponse):  # a kubelet that ends amid a log: so does the log
                async for part in response.parts():
                    yield part

    # Pipes

    async def _pipe(self, endpoint: Endpoint, request: Request) -> None:
        connection: Connection = request.scope["state"]["connection"]
        async with self._connected(endpoint) as (reader, writer):
            writer.write(_upgrade_request(endpoint, request))
            client_reader, client_writer = connection.take_over()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_pump(reader, client_writer))
                    group.create_task(_pump(client_reader, writer))
            except* OSError as broken:
                log.info("stream broke path=%s error=%s", endpoint.path, broken.exceptions[0])
            finally:
                client_writer.close()


async def _pump(reader: StreamReader, writer: StreamWriter) -> None:
    """Copy until the source ends, then close the destination: both programs see the end in their own protocol."""
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


def kubelet_address(node: Object) -> tuple[str, int]:
    """Where a node's kubelet listens; raises StatusError 500 for a node that names no address."""
    status = node.get("status") or {}
    addresses = status.get("addresses") or ()
    host = next((a["address"] for a in addresses if a["type"] == "InternalIP"), "")
    if not host:
        text = f"no preferred addresses found; known addresses: {[a['address'] for a in addresses]}"
        raise StatusError(500, "", text)
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or PORT
    return host, int(port)


def _container(pod: Object, wanted: str, name: str) -> str:
    """The container a request means: the named one, the default one, or the only one."""
    spec: dict[str, Any] = pod["spec"]
    names = [c["name"] for c in spec.get("containers") or ()]
    inits = [c["name"] for c in spec.get("initContainers") or ()]
    ephemeral = [c["name"] for c in spec.get("ephemeralContainers") or ()]
    if wanted:
        if wanted not in names + inits + ephemeral:
            raise statuses.bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    annotations = pod["metadata"].get("annotations") or {}
    default = annotations.get("kubectl.kubernetes.io/default-container")
    if default in names:
        return str(default)
    if len(names) != 1:
        choice = f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
        raise statuses.bad_request(choice + (f" or one of the init containers: [{' '.join(inits)}]" if inits else ""))
    return str(names[0])


def _renamed(part: str) -> str:
    """A query parameter as kubelets spell it: stdin → input, stdout → output, stderr → error."""
    name, equals, value = part.partition("=")
    name = {"stdin": "input", "stdout": "output", "stderr": "error"}.get(name, name)
    value = {"true": "1", "false": "0"}.get(value, value) if name in ("input", "output", "error", "tty") else value
    return f"{name}{equals}{value}"


def _upgrade_request(endpoint: Endpoint, request: Request) -> bytes:
    lines = [f"{request.method} {endpoint.path} HTTP/1.1".encode()]
    lines.append(b"host: " + bracketed(endpoint.host, endpoint.port).encode())
    lines += [name + b": " + value for name, value in request.scope["headers"] if not name.startswith(HOP_HEADERS)]
    return b"\r\n".join([*lines, b"", b""])


def _refusal(code: int, body: bytes) -> tuple[str, str]:
    reasons = {400: "BadRequest", 404: "NotFound", 403: "Forbidden"}
    return reasons.get(code, "InternalError"), body.decode(errors="replace").strip() or f"the kubelet answered {code}"
