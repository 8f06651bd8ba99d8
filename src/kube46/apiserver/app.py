"""The ASGI application: authentication, authorization, dispatch, and the one place where refusals become answers.

Bare ASGI: every request passes here, and a framework's router would cost as much as the request itself (ecosystem §5).
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.apiserver import answers, attributes, inflight, requests, statuses
from kube46.apiserver.components import Components
from kube46.apiserver.customresources.kinds import CustomKind
from kube46.apiserver.impersonation import impersonate
from kube46.apiserver.inflight import InFlight
from kube46.apiserver.measures import GROUP as MEASURED_GROUP
from kube46.apiserver.negotiation import check_router, negotiate
from kube46.apiserver.options import check_timeout
from kube46.apiserver.requests import Disconnected, check_method
from kube46.apiserver.reviews import GROUPS as REVIEW_GROUPS
from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from kube46.apiserver.aggregation.aggregator import Aggregator
    from kube46.apiserver.answers import Answer
    from kube46.apiserver.authentication import Authenticator
    from kube46.apiserver.authorization import Authorizer
    from kube46.apiserver.catalog import Catalog
    from kube46.apiserver.kubelets import Kubelets
    from kube46.apiserver.measures import Measures
    from kube46.apiserver.metrics import Metrics
    from kube46.apiserver.paths import Paths
    from kube46.apiserver.proxying.proxy import Proxy
    from kube46.apiserver.requests import Request, Target
    from kube46.apiserver.resources import Resources
    from kube46.apiserver.reviews import Reviews
    from kube46.apiserver.subresources import Subresources

# parts of an object that go the way of the whole: "" is the object itself
STORED = ("", "approval", "ephemeralcontainers", "resize", "status")
LISTS = ("list", "watch")
TRUE = ("1", "t", "T", "TRUE", "true", "True")  # Go's ParseBool
READERS = (b"curl", b"Wget", b"Mozilla/5.0")

log = logging.getLogger(__name__)

STREAMS = ("attach", "exec", "portforward")  # who opens one runs programs in a pod, or speaks to them


class Application:
    """The server's parts, joined; instances are ASGI applications."""

    def __init__(
        self, authenticator: Authenticator, authorizer: Authorizer, resources: Resources, subresources: Subresources,
        reviews: Reviews, kubelets: Kubelets, proxy: Proxy, measures: Measures, paths: Paths, metrics: Metrics,
        catalog: Catalog, aggregator: Aggregator,
    ) -> None:  # fmt: skip
        self._authenticator, self._authorizer, self._catalog = authenticator, authorizer, catalog
        self._resources, self._subresources = resources, subresources
        self._measures, self._in_flight = measures, InFlight()
        self._reviews, self._kubelets, self._paths, self._metrics = reviews, kubelets, paths, metrics
        self._proxy, self._aggregator = proxy, aggregator
        self._components = Components(resources)

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer one request, whatever happens."""
        request = requests.parse(scope, receive, self._catalog)
        try:
            await self._serve(request, send)
        finally:
            if request.seated:
                self._in_flight.leave()

    async def _serve(self, request: Request, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        started = time.perf_counter()
        try:
            answer = await self._answer(request)
        except StatusError as error:
            answer = refusal(error)
        except RecursionError:  # JSON of a thousand levels
            answer = refusal(statuses.bad_request("the request body is nested too deeply: exceeded max depth"))
        except (Disconnected, asyncio.CancelledError):
            raise
        except Exception:  # the server stays up: one request's bug must not end all others
            log.exception("request failed method=%s path=%r user=%r", request.method, request.path, request.user.name)
            answer = refusal(StatusError(500, "InternalError", "Internal error occurred: see the server's log", {}))
        if answer is None or answer.sent:  # the connection was taken over, or all is said
            self._observe(request, 101 if answer is None else answer.code, None)
            return
        self._observe(request, answer.code, None if answer.endless else time.perf_counter() - started)
        answers.write(answer, request.accept)
        answer.headers += answers.warning_headers(request.warnings)
        if _indented(request) and answer.content_type == answers.JSON and not answer.endless:
            answer.body = msgspec.json.format(answer.body, indent=2)
        await self._send(answer, request, send)

    async def _send(self, answer: Answer, request: Request, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        try:
            if not answer.endless:
                await answers.send(answer, request, send)
            else:
                with self._counted(request):
                    await _send_stream(answer, request, send)
        except TimeoutError:  # the client reads nothing
            log.info("client too slow path=%r user=%r", request.path, request.user.name)
            request.scope["state"]["connection"].transport.abort()

    @contextmanager
    def _counted(self, request: Request) -> Iterator[None]:
        if request.verb != "watch" or request.target is None:
            yield
            return
        plural, watching = request.target.kind.resource, self._resources.watching
        watching[plural] = watching.get(plural, 0) + 1
        try:
            yield
        finally:
            watching[plural] -= 1

    def _observe(self, request: Request, code: int, seconds: float | None) -> None:
        self._metrics.observe(request, code, seconds)

    async def _answer(self, request: Request) -> Answer | None:
        user = self._authenticator.authenticate(request)
        if user is not None:
            request.user = user
        impersonate(request, self._authorizer)
        self._authorizer.authorize(request)
        if request.verb not in LISTS:
            check_timeout(request.query)
        if request.target is None:
            remote = self._aggregator.find(request.path)
            if remote is not None:
                return await self._aggregator.answer(request, remote)
            return await self._paths.answer(request)
        if not _long(request):
            seated = await self._in_flight.enter(request.user)
            if seated is None:
                return inflight.refused()
            request.seated = seated
        kind = request.target.kind
        if not kind.custom:
            check_router(request.accept, listing=request.verb in LISTS)
        if isinstance(kind, CustomKind) and kind.terminating and request.verb == "create":
            text = "create not allowed while custom resource definition is terminating"
            raise StatusError(405, "MethodNotAllowed", text, {"group": kind.group, "kind": kind.plural})
        check_method(request, request.target)
        if request.target.kind.warning:
            request.warnings.append(request.target.kind.warning)
        return await self._resource(request, request.target)

    async def _resource(self, request: Request, target: Target) -> Answer | None:
        if target.kind.group == MEASURED_GROUP:
            return await self._measures.answer(request, target)
        if target.kind.group in REVIEW_GROUPS:
            negotiate(request.accept, tables=False)
            return await self._reviews.answer(request, target)
        if target.kind.plural == "componentstatuses" and not target.kind.group:
            return await self._components.answer(request, target)
        if target.kind.plural == "bindings" and not target.kind.group:
            negotiate(request.accept)
            return await self._subresources.bind(request, target)
        if target.subresource in STORED:
            handler = getattr(self._resources, request.verb)
            answer: Answer = await handler(request, target)
            return answer
        if target.subresource in STREAMS:
            self._check_stream(request)
        if target.subresource in (*STREAMS, "proxy"):
            await self._resources.connect(request, target)
        if target.subresource in STREAMS:
            return await self._kubelets.answer(request, target)
        if target.subresource == "log":
            return await self._kubelets.answer(request, target)
        if target.subresource == "proxy":
            return await self._proxy.answer(request, target)
        negotiate(request.accept)  # before anything is written
        return await self._subresources.answer(request, target)

    def _check_stream(self, request: Request) -> None:
        """Whoever opens a stream by GET, as WebSocket clients do, needs the right to create it, too."""
        asked = replace(attributes.of(request), verb="create")
        allowed, reason = self._authorizer.decide(request.user, asked)
        if not allowed:
            assert request.target is not None
            raise statuses.forbidden(request.target.kind, request.target.name, reason)


def _long(request: Request) -> bool:
    """Whether a request may last as long as its client likes."""
    target = request.target
    return request.verb == "watch" or (target is not None and target.subresource in ("log", "proxy", *STREAMS))


async def _send_stream(answer: Answer, request: Request, send: Any) -> None:
    """Send a stream until it ends or its client goes away, which only `receive` tells."""
    too_slow = False
    try:
        async with asyncio.TaskGroup() as group:
            sender = group.create_task(answers.send(answer, request, send))
            gone = group.create_task(_gone(request, sender))
            sender.add_done_callback(lambda _: gone.cancel())
    except* TimeoutError:
        too_slow = True
    if too_slow:  # raised here: within except* it would be wrapped in a group again
        raise TimeoutError


async def _gone(request: Request, sender: asyncio.Task[None]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    sender.cancel()


def _indented(request: Request) -> bool:
    """Whether a person reads the answer: `pretty` says so, else the program that asks."""
    if given := request.query.get("pretty"):
        return given in TRUE
    return request.headers.get(b"user-agent", b"").startswith(READERS)


def refusal(error: StatusError) -> Answer:
    """A Status as an answer; 413 and 408 also close the connection, whose rest can't be trusted."""
    answer = answers.whole(error.body(), error.code)
    if error.retry_after is not None:
        answer.headers.append((b"retry-after", str(error.retry_after).encode()))
    if error.nosniff:
        answer.headers.append(answers.NOSNIFF)
    if error.code in (408, 413):
        answer.headers.append((b"connection", b"close"))
    return answer
