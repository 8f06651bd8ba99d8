"""The kubelet's HTTPS server, port 10250: logs, exec, attach, port-forward, pods, health, metrics."""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import h11
import msgspec
from prometheus_client import generate_latest

from kube46.addresses.families import Family, family_of
from kube46.kubernetes.client import Client
from kube46.lab.kubelet import authentication, dialing, forwarding, logs, metrics, nodelogs, streaming, usage
from kube46.lab.kubelet.channels import PROTOCOLS, SOCKET_PROTOCOLS
from kube46.lab.kubelet.crilogs import Selection, stamp
from kube46.lab.kubelet.forwarding import Forwarder
from kube46.lab.kubelet.metering import Meter
from kube46.lab.kubelet.podstate import PodState
from kube46.lab.kubelet.sessions import OverSpdy, OverWebSocket, Session, Streams
from kube46.lab.kubelet.settings import Settings
from kube46.lab.kubelet.spdywire import Spdy
from kube46.lab.kubelet.wire import Closed, Http, Request, Tunnel, WebSocket

WILDCARDS = {Family.IPV4: "0.0.0.0", Family.IPV6: "::"}
VERBS = {"GET": "get", "POST": "create"}
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
log = logging.getLogger(__name__)


class Refusal(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Server:
    """Answers on all addresses of the node's families."""

    def __init__(
        self,
        settings: Settings,
        client: Client,
        find: Callable[[str, str], PodState | None],
        every: Callable[[], list[PodState]],
        meter: Meter,
    ) -> None:
        self._meter = meter
        self._settings, self._client, self._find, self._every = settings, client, find, every

    async def run(self) -> None:
        """Listens until cancelled. Raises OSError when the port is taken."""
        if not self._settings.tls_cert_file:
            log.warning("No server for logs and exec: give --tls-cert-file and --tls-private-key-file")
            return
        hosts = [WILDCARDS[family_of(address)] for address in self._settings.node_ips]
        server = await asyncio.start_server(
            self._serve, hosts, self._settings.port, ssl=authentication.context(self._settings), reuse_address=True
        )
        async with server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = Http(reader, writer)
        try:
            while (request := await http.request()) is not None:
                try:
                    await self._answer(http, request, writer)
                except Refusal as refusal:
                    await http.answer(refusal.status, refusal.text)
                if not http.reusable:
                    return
        except (h11.ProtocolError, Closed, ConnectionError, TimeoutError, ssl.SSLError):
            return
        except asyncio.CancelledError:
            # The client left amid a stream, or the kubelet stops: this connection is over in either case.
            return
        except BaseExceptionGroup as group:
            if group.split((ConnectionError, Closed, ssl.SSLError))[1]:
                log.exception("Request failed")
        finally:
            writer.close()

    async def _answer(self, http: Http, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path == ("healthz",):
            await http.answer(200, "ok")
            return
        await self._authorize(request, writer)
        match request.path:
            case ("pods",):
                await http.answer(200, self._pods(), "application/json")
            case ("metrics",):
                await http.answer(200, self._metrics(), METRICS_TYPE)
            case ("metrics", "resource"):
                await http.answer(200, usage.exposition(*await self._meter.look()), METRICS_TYPE)
            case ("stats", "summary"):
                body = usage.summary(self._settings.node_name, *await self._meter.look())
                await http.answer(200, msgspec.json.encode(body), "application/json")
            case ("logs", *parts):
                await self._node_logs(http, parts)
            case ("containerLogs", namespace, pod, container):
                await self._logs(http, request, self._pod(namespace, pod), container)
            case ("exec" | "attach" as what, namespace, pod, container) | (
                "exec" | "attach" as what,
                namespace,
                pod,
                _,
                container,
            ):
                await self._stream(http, request, what, self._pod(namespace, pod), container)
            case ("portForward", namespace, pod) | ("portForward", namespace, pod, _):
                await self._forward(http, request, self._pod(namespace, pod))
            case _:
                raise Refusal(404, "404 page not found\n")

    async def _authorize(self, request: Request, writer: asyncio.StreamWriter) -> None:
        caller = authentication.certified(writer.get_extra_info("peercert"))
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if caller is None and scheme.lower() == "bearer" and token:
            caller = await authentication.of_token(self._client, token.strip())
        if caller is None:
            raise Refusal(401, "Unauthorized")
        node, verb = self._settings.node_name, VERBS.get(request.method, "get")
        if not await authentication.may(self._client, caller, node, verb):
            raise Refusal(403, f"Forbidden (user={caller.name}, verb={verb}, resource=nodes, subresource=proxy)")

    def _pod(self, namespace: str, pod: str) -> PodState:
        state = self._find(namespace, pod)
        if state is None:
            raise Refusal(
                404, f'pod "{pod}" does not exist in namespace "{namespace}" on node {self._settings.node_name}'
            )
        return state

    def _pods(self) -> bytes:
        items = [msgspec.to_builtins(state.object) for state in self._every()]
        return msgspec.json.encode({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})

    def _metrics(self) -> bytes:
        seen = [state.observe() for state in self._every()]
        metrics.RUNNING_PODS.set(sum(1 for pod in seen if pod.sandbox))
        metrics.RUNNING_CONTAINERS.set(sum(1 for pod in seen for run in pod.runs.values() if run.running))
        return generate_latest()

    # Logs

    async def _logs(self, http: Http, request: Request, state: PodState, container: str) -> None:
        name = state.pod.metadata.name
        if state.pod.spec.container(container) is None:
            raise Refusal(404, f'container "{container}" not found in pod "{name}"')
        previous = request.flag("previous")
        found = state.run_of(container, previous=previous)
        if found is None and previous:
            raise Refusal(400, f'previous terminated container "{container}" in pod "{name}" not found')
        if found is None:
            raise Refusal(
                400, f'container "{container}" in pod "{name}" is waiting to start: {state.waiting(container)}'
            )
        run, writer = found
        path = state.directory.log(container, run.attempt)
        if not path.exists():
            raise Refusal(404, f'the log of container "{container}" in pod "{name}" is gone')
        selection, tail = selected(request)
        await http.stream(logs.read(path, selection, tail, writer if request.flag("follow") else None))

    async def _node_logs(self, http: Http, parts: list[str]) -> None:
        try:
            found = await asyncio.to_thread(nodelogs.listed, parts, self._every())
            if isinstance(found, Path):
                with found.open("rb") as file:
                    await http.stream(nodelogs.content(file), "text/plain; charset=utf-8")
                return
        except OSError:  # gone meanwhile
            found = None
        if found is None:
            raise Refusal(404, "404 page not found\n")
        await http.answer(200, nodelogs.page(found), "text/html; charset=utf-8")

    # Streams

    async def _stream(self, http: Http, request: Request, what: str, state: PodState, container: str) -> None:
        name = state.pod.metadata.name
        tended = state.running(container)
        if tended is None:
            raise Refusal(
                404 if state.pod.spec.container(container) is None else 400,
                f'container "{container}" of pod "{name}" is not running',
            )
        command = request.query.get("command", [])
        if what == "exec" and not command:
            raise Refusal(400, "you must specify at least 1 command")
        streams = Streams(
            request.flag("input", "stdin"),
            request.flag("output", "stdout"),
            request.flag("error", "stderr") and not request.flag("tty"),
            request.flag("tty"),
        )
        if not (streams.stdin or streams.stdout or streams.stderr):
            raise Refusal(400, "you must specify at least 1 of stdin, stdout, stderr")
        session = await _session(http, request, streams)
        if what == "exec":
            await streaming.execute(session, tended.target, command)
        else:
            await streaming.attach(session, tended.process, once=tended.container.stdin_once)

    async def _forward(self, http: Http, request: Request, state: PodState) -> None:
        made = state.made
        if made is None:
            raise Refusal(400, f'pod "{state.pod.metadata.name}" has no network yet')
        if request.upgrade == "websocket":
            spdy = Spdy(Tunnel((await _web_socket(http, request, (forwarding.TUNNEL,)))[0]))
        else:
            spdy = await _spdy(http, request, (forwarding.PROTOCOL,))
        netns = made.namespaces.get("network", "")

        async def dial(port: int) -> socket.socket:
            return await dialing.dial(netns, made.sandbox.ips, port)

        await Forwarder(spdy, dial, state.object.metadata.uid).run()


async def _session(http: Http, request: Request, streams: Streams) -> Session:
    """The client's session, over what it asked for. Raises Refusal, Closed."""
    if request.upgrade == "websocket":
        session = OverWebSocket(*await _web_socket(http, request, SOCKET_PROTOCOLS), streams)
        await session.open()
        return session
    joined = OverSpdy(await _spdy(http, request, PROTOCOLS), streams)
    await joined.join()
    return joined


async def _web_socket(http: Http, request: Request, known: tuple[str, ...]) -> tuple[WebSocket, str]:
    """The connection as a WebSocket, and the subprotocol. Raises Refusal."""
    if "sec-websocket-key" not in request.headers:
        raise Refusal(400, "unable to upgrade: the header Sec-WebSocket-Key is missing")
    protocol = _agreed(request, known)
    return await http.web_socket(request, protocol), protocol


async def _spdy(http: Http, request: Request, known: tuple[str, ...]) -> Spdy:
    """The connection as SPDY. Raises Refusal."""
    if request.upgrade != "spdy/3.1":
        asked = f"the client asked for {request.upgrade or 'no upgrade'}"
        raise Refusal(400, f"unable to upgrade: missing upgrade headers: {asked}, known are websocket and SPDY/3.1")
    return Spdy(await http.bare("SPDY/3.1", [("X-Stream-Protocol-Version", _agreed(request, known))]))


def _agreed(request: Request, known: tuple[str, ...]) -> str:
    """The first subprotocol we know of those that the client offers. Raises Refusal."""
    offered = request.protocols()
    protocol = next((name for name in known if name in offered), None)
    if protocol is None:
        client, server = (f"[{' '.join(names)}]" for names in (offered, known))
        text = f"unable to upgrade: unable to negotiate protocol: client supports {client}, server accepts {server}"
        raise Refusal(403, text)
    return protocol


def selected(request: Request) -> tuple[Selection, int | None]:
    """What of a log a request asks for. Raises Refusal naming the parameter."""
    numbers: dict[str, int | None] = {}
    for name in ("tailLines", "sinceSeconds", "limitBytes"):
        text = request.value(name)
        if text and not text.isdecimal():
            raise Refusal(400, f"{name}: {text!r} is not a number of 0 or more")
        numbers[name] = int(text) if text else None
    since = ""
    if numbers["sinceSeconds"] is not None:
        since = stamp(time.time_ns() - numbers["sinceSeconds"] * 1_000_000_000)
    elif request.value("sinceTime"):
        try:
            moment = datetime.fromisoformat(request.value("sinceTime"))
        except ValueError:
            raise Refusal(400, f"sinceTime: {request.value('sinceTime')!r} is not an RFC 3339 time") from None
        since = stamp(int(moment.timestamp() * 1_000_000_000))
    selection = Selection(
        timestamps=request.flag("timestamps"),
        since=since,
        limit_bytes=numbers["limitBytes"],
        stream=request.value("stream") or "All",
    )
    return selection, numbers["tailLines"]
