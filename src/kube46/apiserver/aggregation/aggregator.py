"""Answers requests for groups that another API server serves: it is asked, and told who asks.

Source: k8s.io/kube-aggregator pkg/apiserver/handler_proxy.go.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from kube46.apiserver import answers
from kube46.apiserver.aggregation import identity
from kube46.apiserver.aggregation.kinds import document_of, kinds_of
from kube46.apiserver.aggregation.remotes import Remote, remotes_of
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.strategy import User

if TYPE_CHECKING:
    from kube46.apiserver.aggregation.identity import Front
    from kube46.apiserver.aggregation.kinds import RemoteKind
    from kube46.apiserver.answers import Answer
    from kube46.apiserver.proxying.locations import Location, Locations
    from kube46.apiserver.proxying.proxy import Proxy
    from kube46.apiserver.requests import Request
    from kube46.apiserver.storage import Store

PLURAL = "apiservices"
LOOK_SECONDS = 5  # to tell what it serves
OPENAPI = "/openapi/v3"
REDIRECTED = 502
OWN = User("system:kube-aggregator", ("system:masters",))
log = logging.getLogger(__name__)


class Aggregator:
    """Follows the committed APIServices that name a Service."""

    def __init__(self, store: Store, locations: Locations, proxy: Proxy, front: Front) -> None:
        self._store, self._locations, self._proxy, self._front = store, locations, proxy, front
        self.remotes: dict[tuple[str, str], Remote] = {}
        self._contexts: dict[Remote, ssl.SSLContext] = {}
        self._kinds: dict[tuple[str, str], tuple[RemoteKind, ...]] = {}  # as they said when last asked
        self.documents: dict[str, str] = {}  # `apis/GROUP/VERSION` → where its OpenAPI document is
        self.edition = 0  # changes with `kinds` and `documents`
        self.refresh()
        store.listeners[PLURAL] = self.refresh

    def refresh(self) -> None:
        """Take the APIServices as they are stored now."""
        records = self._store.collection(PLURAL).records.values()
        self.remotes = remotes_of(record.value for record in records)
        self._contexts = {one: self._contexts[one] for one in self.remotes.values() if one in self._contexts}
        for place in self._kinds.keys() - self.remotes.keys():
            del self._kinds[place]
            self.documents.pop("apis/{}/{}".format(*place), None)
            self.edition += 1

    @property
    def kinds(self) -> tuple[RemoteKind, ...]:
        """All kinds of all of them."""
        return tuple(kind for kinds in self._kinds.values() for kind in kinds)

    def find(self, path: str) -> Remote | None:
        """Who serves a path."""
        if not self.remotes:
            return None
        parts = path.removeprefix(OPENAPI).split("/", 4)
        return self.remotes.get((parts[2], parts[3])) if len(parts) > 3 and parts[1] == "apis" else None

    async def answer(self, request: Request, remote: Remote) -> Answer | None:
        """What the other server says; None when the connection has become a pipe."""
        if not remote.available:
            return _refusal("service unavailable", 503)
        try:
            location = self._location(remote)
            (name, number), *_ = answers.correlation(request)
            request.headers[name] = number  # one id in the logs of both
            given = identity.told(request.scope["headers"], request.user)
            kept = [one for one in given if one[0] not in (b"host", name)]
            own = [(b"host", location.place.encode()), (name, number)]
            return await self._proxy.pass_on(request, location, [*kept, *own])
        except StatusError as error:
            return _refusal(error.message, error.code)

    async def look(self, remote: Remote) -> None:
        """Ask what it serves, and keep it. Raises StatusError with the reason why it can't be used."""
        kinds, document = await self._fetch(remote, remote.path), ""
        try:
            document = document_of(remote, await self._fetch(remote, OPENAPI))
        except (StatusError, msgspec.DecodeError, RecursionError) as error:
            log.debug("no OpenAPI of %s error=%s", remote.name, error)
        try:
            self._keep(remote, kinds_of(remote, kinds), document)
        except (msgspec.DecodeError, RecursionError) as error:
            log.warning("%s lists no resources error=%s", remote.name, error)

    def _keep(self, remote: Remote, kinds: tuple[RemoteKind, ...], document: str) -> None:
        place = remote.group, remote.version
        if place not in self.remotes:  # it went meanwhile
            return
        if self._kinds.get(place) != kinds or self.documents.get(remote.path[1:], "") != document:
            self._kinds[place] = kinds
            self.documents.pop(remote.path[1:], None)
            if document:
                self.documents[remote.path[1:]] = document
            self.edition += 1

    async def _fetch(self, remote: Remote, path: str) -> bytes:
        location = self._location(remote)
        url = f"https://{location.place}{path}"
        given = [(b"host", remote.host.encode()), (b"accept", b"application/json"), *identity.headers(OWN)]
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                code, body = await self._proxy.fetch(location, path, given)
        except (StatusError, TimeoutError) as error:
            why = error.message if isinstance(error, StatusError) else "timed out"
            raise StatusError(503, "", f"failing or missing response from {url}: {why}") from error
        if not 200 <= code < 300:
            raise StatusError(503, "", f"failing or missing response from {url}: bad status from {url}: {code}")
        return body

    def _location(self, remote: Remote) -> Location:
        found = self._locations.of_service(remote.namespace, "https", remote.service, str(remote.port))
        return replace(found, tls=self._context(remote), name=remote.host)

    def _context(self, remote: Remote) -> ssl.SSLContext:
        if remote not in self._contexts:
            try:
                context = ssl.create_default_context(cadata=remote.bundle or None)
                if self._front.certificate is not None:
                    context.load_cert_chain(self._front.certificate, self._front.key)
            except (OSError, ssl.SSLError) as error:
                raise StatusError(500, "", f"unable to load root certificates: {error}") from error
            if remote.insecure:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._contexts[remote] = context
        return self._contexts[remote]


def _refusal(text: str, code: int) -> Answer:
    if code == REDIRECTED:
        return answers.text(text, code)
    answer = answers.text(f"{text}\n", code)
    answer.headers.append(answers.NOSNIFF)
    return answer
