"""Holds a conversation with one server."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cluster.conversations.normal import Normal
from cluster.conversations.steps import JSON, Conversation, Step

if TYPE_CHECKING:
    from server.running import Server

Json = Any
NAMESPACE = "conversation"
OBJECTS = ("services", "endpoints", "pods")
SAFE = "/?&=%"
ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"
REPAIR = 2.0  # seconds, in which both servers' repair loops have looked at a Service
OURS = ": stored, not "  # what kube46 says of kinds that nothing acts on, and nobody else


@dataclass(frozen=True, slots=True)
class Answer:
    """What is compared of an answer."""

    code: int
    body: Json
    warnings: tuple[str, ...] = ()
    form: str = JSON


class Speaker:
    """One connection to one server; cleans up behind each conversation."""

    def __init__(self, server: Server) -> None:
        context = server.tls()
        assert isinstance(context, ssl.SSLContext)
        self.dropped = 0  # requests that were not answered
        self._connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=30, context=context)
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        self._kept = {path: {item["metadata"]["name"] for item in self._items(path)} for path in CLUSTER_WIDE}

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def ask(
        self, method: str, path: str, body: Json = None, form: str = JSON, accept: str = JSON
    ) -> tuple[int, Json, tuple[str, ...], str]:
        """One request: status, decoded body, warnings and content type."""
        headers = {"Authorization": "Bearer admintoken", "Accept": accept, "User-Agent": "conversations/1"}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = form
        try:
            self._connection.request(method, quote(path, safe=SAFE), data, headers)
            response = self._connection.getresponse()
            raw = response.read()
        except (http.client.HTTPException, OSError) as error:
            self._connection.close()
            self.dropped += 1
            return 0, str(error), (), ""
        warned = tuple(text for text in response.headers.get_all("Warning") or () if OURS not in text)
        content = response.headers.get("Content-Type", "")
        try:
            return response.status, json.loads(raw), warned, content
        except ValueError:
            return response.status, raw.decode(errors="replace"), warned, content

    def hold(self, conversation: Conversation) -> list[Answer]:
        """The answers to all steps, normalised; what was made is removed again."""
        normal, seen = Normal(), dict[str, Json]()
        try:
            return [self._step(step, normal, seen) for step in conversation.steps]
        finally:
            self.clean({step.path.split("?")[0] for step in conversation.steps})

    def _step(self, step: Step, normal: Normal, seen: dict[str, Json]) -> Answer:
        body = step.body(seen)
        if isinstance(body, dict) and step.method == "PATCH" and step.last:
            body.get("metadata", {}).pop("managedFields", None)
        code, answer, warned, form = self.ask(step.method, step.path, body, step.form, step.accept)
        if code in (200, 201) and isinstance(answer, dict) and "dryRun" not in step.path:
            remember(step, answer, seen)
            if code == 201 and "/services/" in step.path and "/status" in step.path:
                self._await_records(answer)
        return Answer(code, normal.answer(answer), tuple(map(normal.text, warned)), form)

    def _await_records(self, service: Json) -> None:
        """A Service that /status made has records of its addresses once the repair loop has looked, if it ever has."""
        wanted, end = set(service["spec"].get("clusterIPs") or ()) - {"None"}, time.monotonic() + REPAIR
        while time.monotonic() < end:
            if wanted <= {item["metadata"]["name"] for item in self._items(ADDRESSES)}:
                return
            time.sleep(0.01)

    def _items(self, path: str) -> list[Json]:
        answer = self.ask("GET", path)[1]
        return (answer.get("items") or []) if isinstance(answer, dict) else []

    def clean(self, paths: set[str]) -> None:
        """Remove what a conversation made: objects of the namespace, and cluster-wide ones that were not there."""
        for collection in sorted({collection_of(path) for path in paths} - {""}):
            self._empty(collection)
        if any("/services" in path for path in paths):
            self._empty(f"/api/v1/namespaces/{NAMESPACE}/endpoints")
            self._empty(ADDRESSES)

    def _empty(self, collection: str) -> None:
        kept = self._kept.get(collection, set())
        for item in self._items(collection):
            meta = item["metadata"]
            if meta["name"] in kept:
                continue
            path = f"{collection}/{meta['name']}"
            if meta.get("finalizers"):
                patch = {"metadata": {"finalizers": None}}
                self.ask("PATCH", path, patch, "application/merge-patch+json")
            self.ask("DELETE", f"{path}?gracePeriodSeconds=0")


CLUSTER_WIDE = (
    "/api/v1/nodes",
    ADDRESSES,
    "/apis/networking.k8s.io/v1/servicecidrs",
    "/apis/networking.k8s.io/v1/ingressclasses",
)


def collection_of(path: str) -> str:
    """The path of the collection that an object's path belongs to, "" for others."""
    parts = path.split("/")
    depth = {"api": 3, "apis": 4}.get(parts[1], 0)
    if "namespaces" in parts[depth : depth + 1]:
        depth += 2
    return "/".join(parts[: depth + 1]) if len(parts) > depth else ""


def remember(step: Step, answer: Json, seen: dict[str, Json]) -> None:
    """Keep what the server showed of an object, by the object's path."""
    if answer.get("kind") in ("Status", "Table") or str(answer.get("kind", "")).endswith("List"):
        return
    name = (answer.get("metadata") or {}).get("name")
    if name:
        seen[f"{collection_of(step.path.split('?')[0])}/{name}"] = answer
