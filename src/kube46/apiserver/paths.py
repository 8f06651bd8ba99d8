"""What is served beside resources: health, version, metrics, discovery and OpenAPI."""

from __future__ import annotations

import asyncio
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from kube46.apiserver import answers, statuses
from kube46.apiserver.answers import Answer
from kube46.apiserver.discovery import Discovery, Document
from kube46.apiserver.kinds import MEASURED
from kube46.apiserver.openapi import OpenApi

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kube46.apiserver.aggregation.aggregator import Aggregator
    from kube46.apiserver.catalog import Catalog
    from kube46.apiserver.discovery import Kind as Listed
    from kube46.apiserver.metrics import Metrics
    from kube46.apiserver.requests import Request
    from kube46.apiserver.tokens import Signer

VERSION = "v1.37.2+kube46"
JWKS = "/openid/v1/jwks"
READY_ONLY = ("etcd-readiness", "shutdown")
HEALTH = ("healthz", "livez", "readyz")


def version() -> dict[str, str]:
    """The body of /version."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": "1", "minor": "37", "emulationMajor": "1", "emulationMinor": "37", "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "36", "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": platform.python_implementation(),
        "platform": f"linux/{machine}",
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Checks:
    """Named health checks: each returns "" when well, else what is wrong."""

    live: Mapping[str, Callable[[], str]]
    ready: Mapping[str, Callable[[], str]]


class Paths:
    """Answers requests that name no resource."""

    def __init__(
        self, checks: Checks, metrics: Metrics, address: str, catalog: Catalog, aggregator: Aggregator, signer: Signer
    ) -> None:
        self._checks, self._metrics, self._address, self._signer = checks, metrics, address, signer
        self._catalog, self._aggregator = catalog, aggregator
        self._edition = catalog.edition, aggregator.edition
        self._discovery, self._openapi = Discovery(self._kinds, address), OpenApi(catalog.kinds)

    @property
    def _kinds(self) -> tuple[Listed, ...]:
        own = (*self._catalog.kinds, *MEASURED)
        served = {(kind.group, kind.version) for kind in own}
        return (*own, *(kind for kind in self._aggregator.kinds if (kind.group, kind.version) not in served))

    def _renew(self) -> None:
        """Make the documents anew when kinds have come or gone since."""
        edition = self._catalog.edition, self._aggregator.edition
        if self._edition != edition:
            self._edition = edition
            self._discovery = Discovery(self._kinds, self._address)
            self._openapi = self._openapi.of(self._catalog.kinds, self._aggregator.documents)

    async def answer(self, request: Request) -> Answer:
        """Dispatch by the path's first part."""
        first, _, rest = request.path.strip("/").partition("/")
        self._renew()
        if first in ("api", "apis") and (refused := self._refused(request, first, rest)) is not None:
            return refused
        allowed = {"version": ("GET",), "openapi": ("GET", "HEAD")}  # what else is here looks at no method, as upstream
        if request.method not in allowed.get(first, (request.method,)):
            raise statuses.method_not_allowed()
        if first in HEALTH:
            return _as_it_is(self._health(first, rest, request))
        match first:
            case "version":
                return answers.json(version())
            case "metrics":
                return Answer(await asyncio.to_thread(self._metrics.text), content_type=self._metrics.content_type)
            case "api" | "apis":
                path = request.path.rstrip("/")
                return _document(request, self._discovery.answer(path, request.accept))
            case ".well-known" if rest == "openid-configuration":
                return _public(answers.json(self._signer.configuration(f"https://{self._address}{JWKS}")))
            case "openid" if f"/{first}/{rest}" == JWKS:
                answer = answers.json(self._signer.jwks())
                answer.content_type = b"application/jwk-set+json"
                return _public(answer)
            case "openapi":
                ask = self._openapi.answer  # built at first use
                return _document(request, await asyncio.to_thread(ask, request.path, request.accept, request.query))
            case "" if request.path == "/":
                return answers.json({"paths": root_paths(self._kinds)})
        return _no_page()

    def _refused(self, request: Request, first: str, rest: str) -> Answer | None:
        """What discovery does not answer: groups that nobody knows, methods other than GET but at a group's root."""
        parts = rest.split("/") if rest else []
        if request.path.startswith("//") or (first == "apis" and parts and not self._knows(parts[0])):
            return _no_page()
        if request.method == "GET" or (first == "apis" and len(parts) < 2):
            return None
        if len(parts) < (2 if first == "api" else 3):
            raise statuses.method_not_allowed()
        raise statuses.no_such_resource()

    def _knows(self, group: str) -> bool:
        return any(kind.group == group for kind in self._kinds)

    def _health(self, which: str, name: str, request: Request) -> Answer:
        checks = self._checks.live if which == "livez" else self._checks.ready
        if which == "healthz":
            checks = {**self._checks.live, **{n: c for n, c in checks.items() if n not in READY_ONLY}}
        if name:
            if name not in checks:
                return _no_page()
            problem = checks[name]()
            return answers.text(f"internal server error: {problem}\n", 500) if problem else answers.text("ok")
        raw = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        excluded = {value for key, value in raw if key == "exclude"}
        lines, failed = [], False
        for check, look in checks.items():
            if check in excluded:
                lines.append(f"[+]{check} excluded: ok")
            elif look():
                failed = True
                lines.append(f"[-]{check} failed: reason withheld")
            else:
                lines.append(f"[+]{check} ok")
        if unknown := sorted(excluded - checks.keys()):
            named = ",".join(f'"{check}"' for check in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {named}")
        if failed:
            return answers.text("\n".join([*lines, f"{which} check failed", ""]), 500)
        if "verbose" in request.query:
            return answers.text("\n".join([*lines, f"{which} check passed", ""]))
        return answers.text("ok")


def _public(answer: Answer) -> Answer:
    """Who checks tokens may keep the issuer's documents for an hour, as kube-apiserver says."""
    answer.headers.append((b"cache-control", b"public, max-age=3600"))
    return answer


def _no_page() -> Answer:
    """404 in the words of Go's own router: the path is nobody's."""
    return _as_it_is(answers.text("404 page not found\n", 404))


def _as_it_is(answer: Answer) -> Answer:
    """Forbid browsers to take a text for something else, where Go's answers do."""
    if answers.NOSNIFF not in answer.headers:
        answer.headers.append(answers.NOSNIFF)
    return answer


def root_paths(kinds: Sequence[Listed]) -> list[str]:
    """The paths that `GET /` lists."""
    served = sorted({(kind.group, kind.version) for kind in kinds if kind.group})
    apis = dict.fromkeys(path for group, v in served for path in (f"/apis/{group}", f"/apis/{group}/{v}"))
    return [
        "/.well-known/openid-configuration",
        "/api",
        "/api/v1",
        "/apis",
        *apis,
        *(f"/{h}" for h in HEALTH),
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        JWKS,
        "/version",
    ]


def _document(request: Request, document: Document | None) -> Answer:
    if document is None:
        raise statuses.no_such_resource()
    headers = [(name.lower().encode(), value.encode()) for name, value in document.headers.items()]
    if document.etag:
        quoted = f'"{document.etag}"'.encode()
        headers.append((b"etag", quoted))
        if quoted in request.headers.get(b"if-none-match", b""):
            return Answer(b"", 304, document.content_type.encode(), headers)
    return Answer(document.body, document.status, document.content_type.encode(), headers)
