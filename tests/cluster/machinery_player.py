"""Conversations with an API server: played on two of them, brought into a comparable form, compared.

A step's path, body and headers may name what came before: `{2.metadata.uid}` is that field of the answer to step 2.
`{ns}` is the conversation's own namespace, which has the same name on both servers. What each server makes up is told
apart by when it first appears: uids, revisions of objects and made names become `<uid1>`, `<rv1>`, `<name1>`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

JSON = "application/json"
KEPT, SUFFIX = 58, "[bcdfghjklmnpqrstvwxz2456789]{5}"  # of a generateName, and what is made of it
REFERENCE = re.compile(r"\{(\d+)\.([^{}\s\"]+)\}")
UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
ACCESS = re.compile(r"kube-api-access-[a-z0-9]{5}\b")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
# revisions within texts
REVISION = re.compile(
    r"(resourceVersion: \"|resourceVersion\\*\":\s*\\*\"|ResourceVersion in (?:record \(|object meta: )"
    r"|resource version: \d+ \(|current: )(\d+)"
)
QUOTED = re.compile(r'"\{(?:[^"\\]|\\.)*\}"')  # an object that a text quotes
SCHEME = re.compile(r'in scheme "[^"]+"')  # the place of a line in upstream's source, which depends on how it was built
AGE = re.compile(r"\d+[smhd]")
RELIED_ON = ("allow", "cache-control", "content-type", "retry-after", "warning", "x-content-type-options")
OURS = ": stored, not "  # a warning of kube46 alone, of kinds that nothing acts on (decision 151)
PRESENT = ("audit-id",)  # of which only the presence is compared


@dataclass(frozen=True, slots=True)
class Step:
    """One request. A body that is no text is sent as JSON; `stream` reads lines until the server ends the answer."""

    method: str
    path: str
    body: Any = None
    content_type: str = JSON
    accept: str = JSON
    headers: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        body = "" if self.body is None else f" {self.content_type} {_text(self.body)[:600]}"
        accept = "" if self.accept == JSON else f" accept={self.accept}"
        return f"{self.method} {self.path}{accept}{body}"


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer as it came."""

    code: int
    headers: httpx2.Headers
    content: bytes

    def documents(self) -> list[Any]:
        """The JSON of the body, a line each where there are several; else its text."""
        try:
            return [json.loads(self.content)]
        except ValueError:
            pass
        try:
            return [json.loads(line) for line in self.content.splitlines()]
        except ValueError:
            return [self.content.decode(errors="replace")]


@dataclass
class Labels:
    """What one server made up, by the order in which it appeared."""

    namespace: str
    given: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    made: dict[str, re.Pattern[str]] = field(default_factory=dict)  # names made of a generateName

    def of(self, kind: str, value: str) -> str:
        """The label of a made up value."""
        if value not in self.given:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.given[value] = f"<{kind}{self.counts[kind]}>"
        return self.given[value]

    def learn(self, node: Any) -> None:
        """Name the revisions and made names of an answer, which texts may then repeat."""
        if isinstance(node, list):
            for inner in node:
                self.learn(inner)
        if not isinstance(node, dict):
            return
        meta = node.get("metadata")
        if isinstance(meta, dict) and isinstance(meta.get("resourceVersion"), str) and meta.get("uid"):
            self.of("rv", meta["resourceVersion"])
        for _, inner in sorted(node.items()):
            self.learn(inner)

    def normal(self, node: Any, key: str = "") -> Any:
        """A document without what differs from run to run."""
        if isinstance(node, dict):
            return {self.text(name): self.normal(inner, name) for name, inner in node.items()}
        if isinstance(node, list):
            return [self.normal(inner, key) for inner in (_managers(node) if key == "managedFields" else node)]
        if not isinstance(node, str):
            return node
        if key == "continue" and node:
            return "<continue>"
        if key == "resourceVersion":  # of a list, a bookmark: whatever else was written on that server counts, too
            return self.given.get(node, "<revision>" if node.isdigit() and node != "0" else node)
        return "<age>" if key == "cells" and AGE.fullmatch(node) else self.text(node)

    def text(self, text: str) -> str:
        """A text without what differs from run to run."""
        text = SCHEME.sub("in scheme <scheme>", QUOTED.sub(_sorted, text))
        text = REVISION.sub(lambda m: m[1] + self.given.get(m[2], "<revision>"), text)
        text = ACCESS.sub("kube-api-access-<name>", text)
        text = TIME.sub(lambda m: f"<time{len(m[0])}>", UID.sub(lambda m: self.of("uid", m[0]), text))
        for value, label in self.given.items():
            if not label.startswith("<rv") and value in text:
                text = re.sub(rf"(?<![\w.-]){re.escape(value)}(?![\w-])", label, text)
        for base, pattern in self.made.items():
            text = pattern.sub(f"{base}<name>", text)
        return text.replace(self.namespace, "{ns}") if self.namespace else text


def _managers(entries: list[Any]) -> list[Any]:
    """Entries of managedFields by name: upstream sorts by time first, so a second that ends would show.

    What is not in upstream's order is left as it is, and differs.
    """

    def order(entry: Any, *, timed: bool) -> tuple[str, ...]:
        names = ("operation", *(("time",) if timed else ()), "manager", "apiVersion", "subresource")
        return tuple(str(entry.get(name) or "") for name in names)

    if not all(isinstance(entry, dict) for entry in entries) or entries != sorted(
        entries, key=lambda entry: order(entry, timed=True)
    ):
        return entries
    return sorted(entries, key=lambda entry: order(entry, timed=False))


def _sorted(quoted: re.Match[str]) -> str:
    """A quoted object with its keys in order: Go has them in the order of its structs."""
    try:
        found = json.loads(json.loads(quoted[0]))
        if (meta := found.get("metadata")) and isinstance(meta.get("managedFields"), list):
            meta["managedFields"] = _managers(meta["managedFields"])
        return json.dumps(json.dumps(found, sort_keys=True, separators=(",", ":")))
    except (ValueError, AttributeError):
        return quoted[0]


def play(client: httpx2.Client, steps: Sequence[Step], namespace: str = "") -> list[dict[str, Any]]:
    """The normalised answers to all steps; `namespace` is made first when it has a name."""
    if namespace:
        made = client.post("/api/v1/namespaces", json={"metadata": {"name": namespace}})
        assert made.status_code in (201, 409), made.text
    labels, heard = Labels(namespace), list[Heard]()
    shown: list[dict[str, Any]] = []
    for step in steps:
        answer = _ask(client, step, heard, namespace)
        heard.append(answer)
        documents = answer.documents()
        labels.learn(documents)
        headers: dict[str, Any] = {
            name: [labels.text(value) for value in sorted(answer.headers.get_list(name)) if OURS not in value]
            for name in RELIED_ON
            if name in answer.headers
        }
        headers = {name: values for name, values in headers.items() if values}
        headers |= {name: True for name in PRESENT if name in answer.headers}
        meta = step.body.get("metadata") if isinstance(step.body, dict) else None
        if isinstance(meta, dict) and (base := meta.get("generateName")):
            base = base.replace("{ns}", namespace)
            labels.made[labels.text(base[:KEPT])] = re.compile(re.escape(base[:KEPT]) + SUFFIX)
        shown.append({"code": answer.code, "headers": headers, "body": labels.normal(documents)})
    return shown


def _ask(client: httpx2.Client, step: Step, heard: Sequence[Heard], namespace: str) -> Heard:
    def filled(text: str) -> str:
        text = text.replace("{ns}", namespace)
        return REFERENCE.sub(lambda match: str(_found(heard[int(match[1])], match[2])), text)

    headers = {"accept": step.accept, **{name: filled(value) for name, value in step.headers}}
    content: bytes | None = None
    if step.body is not None:
        content = step.body if isinstance(step.body, bytes) else filled(_text(step.body)).encode()
        if step.content_type:
            headers["content-type"] = step.content_type
    try:
        answer = client.request(step.method, filled(step.path), content=content, headers=headers)
    except httpx2.TransportError as error:
        return Heard(0, httpx2.Headers(), f"{type(error).__name__}: {error}".encode())
    return Heard(answer.status_code, answer.headers, answer.content)


def _text(body: Any) -> str:
    return body if isinstance(body, str) else str(body) if isinstance(body, bytes) else json.dumps(body)


def _found(answer: Heard, path: str) -> Any:
    node = answer.documents()[0]
    for part in path.split("."):
        try:
            node = node[int(part)] if isinstance(node, list) else node[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return "<absent>"  # the difference shows elsewhere
    return node


def differences(
    steps: Sequence[Step], theirs: Sequence[dict[str, Any]], ours: Sequence[dict[str, Any]]
) -> dict[int, str]:
    """What the second server answered otherwise than the first: a text for the step's number."""
    found = {}
    for number, (step, want, have) in enumerate(zip(steps, theirs, ours, strict=True)):
        if want != have:
            lines = "\n".join(f"  {line}" for line in _differing("", want, have))
            found[number] = f"step {number}: {step}\n{lines}"
    return found


ABSENT, LONGEST = object(), 500


def _differing(path: str, want: Any, have: Any) -> Iterable[str]:
    if path == "" and want["code"] != have["code"]:
        for called, answer in (("real", want), ("kube46", have)):
            yield f"  {called:6} {answer['code']} {_gist(answer['body'])}"
    elif isinstance(want, dict) and isinstance(have, dict):
        for name in sorted(want.keys() | have.keys()):
            yield from _differing(f"{path}.{name}", want.get(name, ABSENT), have.get(name, ABSENT))
    elif isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        for index, (first, second) in enumerate(zip(want, have, strict=True)):
            yield from _differing(f"{path}[{index}]", first, second)
    elif want != have or isinstance(want, bool) is not isinstance(have, bool):
        real, own = ("<absent>" if value is ABSENT else json.dumps(value) for value in (want, have))
        start = max(0, next((i for i, (a, b) in enumerate(zip(real, own, strict=False)) if a != b), 0) - 60)
        yield f"{path or '.'}:\n    real   {real[start : start + LONGEST]}\n    kube46 {own[start : start + LONGEST]}"


def _gist(body: Any) -> str:
    first = body[0] if isinstance(body, list) and body else body
    return json.dumps(first.get("message", first) if isinstance(first, dict) else first)[:LONGEST]
