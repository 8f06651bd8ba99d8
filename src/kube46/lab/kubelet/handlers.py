"""What probes and lifecycle hooks do: a command, an HTTP request, a connection, a pause.

Requests go from the node to the pod's primary address, by the node's own sockets.
"""

import asyncio
import os
import ssl
from contextlib import suppress

from kube46 import __version__
from kube46.addresses.families import bracketed
from kube46.lab.kubelet import executing, grpchealth
from kube46.lab.kubelet.manifests import Grpc, Handler, HttpGet, Probe, TcpSocket
from kube46.lab.kubelet.probes import http_success, port_number
from kube46.lab.kubelet.targets import Target

LONGEST_HEAD = 64 * 1024
AGENT = "kube-probe/1.37"


class HandlerError(RuntimeError):
    """It failed; the message is what an Event says."""


async def probe(target: Target, wanted: Probe) -> None:
    """Do what a probe asks. Raises HandlerError."""
    if wanted.exec:
        await execute(target, wanted.exec.command, wanted.timeout_seconds)
    elif wanted.http_get:
        await get(target, wanted.http_get, wanted.timeout_seconds, AGENT)
    elif wanted.tcp_socket:
        await connect(target, wanted.tcp_socket, wanted.timeout_seconds)
    elif wanted.grpc:
        await ask_health(target, wanted.grpc, wanted.timeout_seconds)


async def hook(target: Target, wanted: Handler, timeout: float) -> None:
    """Do what a lifecycle hook asks. Raises HandlerError."""
    if wanted.exec:
        await execute(target, wanted.exec.command, timeout)
    elif wanted.http_get:
        await get(target, wanted.http_get, timeout, f"kube-lifecycle/1.37 kube46/{__version__}")
    elif wanted.sleep:
        await asyncio.sleep(min(wanted.sleep.seconds, timeout))


async def execute(target: Target, command: tuple[str, ...], timeout: float) -> None:
    """Run a command in the container; it must exit with 0. Raises HandlerError."""
    try:
        code, output = await executing.run(target, command, timeout)
    except TimeoutError:
        raise HandlerError(f"command {' '.join(command)!r} timed out after {timeout:g}s") from None
    except OSError as error:
        raise HandlerError(f"command {' '.join(command)!r} could not be run: {error}") from None
    if code:
        raise HandlerError(output.strip() or f"command exited with {code}")


async def connect(target: Target, wanted: TcpSocket, timeout: float) -> None:
    """Open a TCP connection. Raises HandlerError."""
    host, port = wanted.host or target.address, _port(target, wanted.port)
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        raise HandlerError(f"dial tcp {bracketed(host, port)}: i/o timeout") from None
    except OSError as error:
        raise HandlerError(_refused(host, port, error)) from None
    writer.close()


async def ask_health(target: Target, wanted: Grpc, timeout: float) -> None:
    """Ask a gRPC server for its health, which must be SERVING. Raises HandlerError."""
    host, port = target.address, wanted.port
    answer = grpchealth.Answer()
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(grpchealth.question(bracketed(host, port), wanted.service, AGENT))
                while not answer.over and (data := await reader.read(LONGEST_HEAD)):
                    writer.write(answer.feed(data))
            finally:
                writer.close()
    except TimeoutError:
        text = f'timeout: failed to connect service "{bracketed(host, port)}" within {timeout:g}s'
        raise HandlerError(f"{text}: context deadline exceeded") from None
    except OSError as error:
        text = f'error: failed to connect service at "{bracketed(host, port)}"'
        raise HandlerError(f"{text}: {_refused(host, port, error)}") from None
    except ValueError as error:
        raise HandlerError(f"error: health rpc probe failed: {error}") from None
    if not answer.status:
        raise HandlerError("error: this server does not implement the grpc health protocol (grpc.health.v1.Health)")
    if answer.status != grpchealth.SERVING:
        raise HandlerError(f'service unhealthy (responded with "{answer.status}")')


async def get(target: Target, wanted: HttpGet, timeout: float, agent: str) -> None:
    """Make an HTTP request; the answer must be 200 to 399. Redirects are not followed. Raises HandlerError."""
    host, port = wanted.host or target.address, _port(target, wanted.port)
    url = f"{wanted.scheme.lower()}://{bracketed(host, port)}{wanted.path}"
    try:
        async with asyncio.timeout(timeout):
            status = await _request(host, port, wanted, agent)
    except TimeoutError:
        raise HandlerError(f'Get "{url}": context deadline exceeded (no answer in {timeout:g}s)') from None
    except OSError as error:
        raise HandlerError(f'Get "{url}": {_refused(host, port, error)}') from None
    except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise HandlerError(f'Get "{url}": {error}') from None
    if not http_success(status):
        raise HandlerError(f"HTTP probe failed with statuscode: {status}")


async def _request(host: str, port: int, wanted: HttpGet, agent: str) -> int:
    """The status code of the answer; the rest is not read."""
    context = None
    if wanted.scheme.upper() == "HTTPS":
        # As kubelet: a probe asks whether it answers, not whom it is.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=LONGEST_HEAD)
    try:
        writer.write(request_bytes(host, port, wanted, agent))
        line = await reader.readuntil(b"\n")
    finally:
        writer.close()
        if context is None:
            with suppress(OSError):
                await writer.wait_closed()
    version, code, *_ = [*line.split(None, 2), b"", b""]
    if not version.startswith(b"HTTP/1.") or not code[:3].isdigit():
        raise ValueError(f"malformed HTTP response {line[:60]!r}")
    return int(code[:3])


def request_bytes(host: str, port: int, wanted: HttpGet, agent: str) -> bytes:
    """The request as HTTP/1.1 has it; the pod's own headers replace ours."""
    headers = {"Host": bracketed(host, port), "User-Agent": agent, "Accept": "*/*"}
    given = {h.name.title() if h.name.title() in headers else h.name: h.value for h in wanted.http_headers}
    lines = [f"{name}: {value}" for name, value in (headers | given).items()]
    if any("\r" in line or "\n" in line for line in (*lines, wanted.path)) or " " in wanted.path:
        raise ValueError("a header or the path of the request has a line break or blank in it")
    path = wanted.path if wanted.path.startswith("/") else f"/{wanted.path}"
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "Connection: close", "", ""]).encode()


def _refused(host: str, port: int, error: OSError) -> str:
    """A connection's failure as Go says it: `dial tcp 10.244.0.4:80: connect: connection refused`."""
    text = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
    return f"dial tcp {bracketed(host, port)}: connect: {text}"


def _port(target: Target, port: int | str) -> int:
    try:
        return port_number(port, target.ports)
    except ValueError as error:
        raise HandlerError(str(error)) from None
