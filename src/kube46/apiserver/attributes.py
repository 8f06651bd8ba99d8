"""What a request asks for, as authorizers see it: known before anything of its kind is looked at.

Source: k8s.io/apiserver pkg/endpoints/request/requestinfo.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from kube46.api.rbac.rules import Asked

if TYPE_CHECKING:
    from kube46.apiserver.requests import Request

SELECTING = ("deletecollection", "list", "watch")
VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
TERM = re.compile(r"(?:[^\\,]|\\.)+", re.DOTALL)
OPERATORS = re.compile(r"!=|==|=")
ESCAPED = re.compile(r"\\([\\,=])")
OWN_SUBRESOURCES = ("status", "finalize")  # of namespaces, whose other third parts are kinds within them


def of(request: Request) -> Asked:
    """The verb on a resource, served or not, or on a path. A list that selects one name asks for that name."""
    target = request.target
    if target is None:
        parts = [unquote(part) for part in request.scope["raw_path"].decode("latin-1").strip("/").split("/")]
        found = _resource(request, parts) or Asked(request.method.lower(), path=request.path)
    else:
        group, plural = target.kind.group, target.kind.plural
        namespace = target.name if plural == "namespaces" and not group else target.namespace  # each is within itself
        found = Asked(request.verb, group, plural, target.subresource, namespace, target.name)
    text = request.query.get("fieldSelector")
    if text and found.verb in SELECTING:
        return _selected(found, field_terms(text) or ())
    return found


def _resource(request: Request, parts: list[str]) -> Asked | None:
    """A path below /api/v1 or /apis/GROUP/VERSION, though no such kind is served."""
    if parts[0] == "api" and len(parts) > 2:
        group, rest = "", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, rest = parts[1], parts[3:]
    else:
        return None
    verb, namespace = VERBS.get(request.method, ""), ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in OWN_SUBRESOURCES:
            rest = rest[2:]
    resource, name, subresource = [*rest, "", ""][:3]
    if not name and verb == "get":
        verb = "watch" if request.flag("watch") else "list"
    elif not name and verb == "delete":
        verb = "deletecollection"
    return Asked(verb, group, resource, subresource, namespace, name)


def _selected(asked: Asked, terms: tuple[tuple[str, str, str], ...]) -> Asked:
    name = asked.name or next((value for field, how, value in terms if (field, how) == ("metadata.name", "=")), "")
    place = asked.verb, asked.group, asked.resource, asked.subresource, asked.namespace
    return Asked(*place, name=name, fields=terms)


def field_terms(text: str) -> tuple[tuple[str, str, str], ...] | None:
    """A field selector's terms as field, `=` or `!=`, value; None when it is none. Any field will do."""
    found: list[tuple[str, str, str]] = []
    for term in TERM.findall(text):
        match = OPERATORS.search(term)
        if match is None:
            return None
        operator = "!=" if match[0] == "!=" else "="
        found.append((term[: match.start()], operator, ESCAPED.sub(r"\1", term[match.end() :])))
    return tuple(found)
