"""Acting as somebody else (`kubectl --as`): the Impersonate-* headers, and the rights that they need.

First the constrained ways, where a right is of one kind of identity and one verb, then the one right for all.
Source: k8s.io/apiserver pkg/endpoints/filters/impersonation (mode.go, KEP-5284).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from kube46.api import names
from kube46.api.errors import go_quote
from kube46.api.rbac.rules import ACCOUNT_PREFIX, MASTERS, Asked
from kube46.apiserver import attributes, statuses
from kube46.apiserver.authentication import AUTHENTICATED
from kube46.apiserver.authorization import refusal
from kube46.apiserver.nodeauthorizer import NODES, PREFIX
from kube46.apiserver.strategy import User

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kube46.apiserver.authorization import Authorizer
    from kube46.apiserver.requests import Request
    from kube46.apiserver.statuses import StatusError

ANONYMOUS, UNAUTHENTICATED, ACCOUNTS = "system:anonymous", "system:unauthenticated", "system:serviceaccounts"
HEADER, EXTRA = b"impersonate-", b"impersonate-extra-"
GROUP = "authentication.k8s.io"
NODE_EXTRA = "authentication.kubernetes.io/node-name"
MANY = 4  # so many values of one kind are first tried all at once, by "*"


@dataclass(slots=True)
class Wanted:
    """Whom the headers name."""

    name: str
    uid: str = ""
    groups: list[str] = field(default_factory=list)
    extra: dict[str, list[str]] = field(default_factory=dict)

    @property
    def only_name(self) -> bool:
        """Whether nothing else is named."""
        return not (self.uid or self.groups or self.extra)


def impersonate(request: Request, authorizer: Authorizer) -> None:
    """Make a request the one of whom its headers name. Raises StatusError 400 and 403."""
    if not any(header.startswith(HEADER) for header in request.headers):
        return
    wanted = _wanted(request)
    if wanted is None:
        return
    asked = attributes.of(request)
    first: StatusError | None = None
    for mode in _modes(wanted, request.user):
        try:
            request.user = _Mode(authorizer, request.user, mode).check(wanted, asked)
        except statuses.StatusError as error:
            first = first or error
        else:
            return
    assert first is not None
    raise first


def _wanted(request: Request) -> Wanted | None:
    found = Wanted("")
    for header, raw in request.scope["headers"]:
        value = raw.decode(errors="replace")
        match header:
            case b"impersonate-user":
                found.name = found.name or value
            case b"impersonate-uid":
                found.uid = found.uid or value
            case b"impersonate-group":
                found.groups.append(value)
            case _ if header.startswith(EXTRA):
                found.extra.setdefault(unquote(header[len(EXTRA) :].decode("latin-1")), []).append(value)
    if found.name:
        return found
    if not found.only_name:
        raise statuses.bad_request(f"requested {_go(found)} without impersonating a user name")
    return None


def _go(wanted: Wanted) -> str:
    """A user.DefaultInfo as Go's %#v prints it."""
    groups = f"[]string{{{', '.join(map(go_quote, wanted.groups))}}}" if wanted.groups else "[]string(nil)"
    pairs = (f"{go_quote(k)}:[]string{{{', '.join(map(go_quote, v))}}}" for k, v in sorted(wanted.extra.items()))
    extra = f"map[string][]string{{{', '.join(pairs)}}}" if wanted.extra else "map[string][]string(nil)"
    return f'&user.DefaultInfo{{Name:"", UID:{go_quote(wanted.uid)}, Groups:{groups}, Extra:{extra}}}'


def _modes(wanted: Wanted, asking: User) -> Iterator[str]:
    """The ways that fit whom is wanted, the narrowest first; "" is the one right for all."""
    node, account = _node(wanted.name), _account(wanted.name)
    if wanted.only_name and node:
        if _account(asking.name) and list(asking.extra.get(NODE_EXTRA, ())) == [node]:
            yield "associated-node"
        yield "arbitrary-node"
    if wanted.only_name and account:
        yield "serviceaccount"
    if not node and not account:
        yield "user-info"
    yield ""


def _node(name: str) -> str:
    rest = name.removeprefix(PREFIX)
    return rest if name.startswith(PREFIX) and not names.subdomain(rest) else ""


def _account(name: str) -> tuple[str, str] | None:
    namespace, colon, account = name.removeprefix(ACCOUNT_PREFIX).partition(":")
    if not name.startswith(ACCOUNT_PREFIX) or not colon or names.label(namespace) or names.subdomain(account):
        return None
    return namespace, account


class _Mode:
    """The checks of one way."""

    def __init__(self, authorizer: Authorizer, asking: User, mode: str) -> None:
        self._authorizer, self._asking, self._mode = authorizer, asking, mode
        self._verb, self._group = (f"impersonate:{mode}", GROUP) if mode else ("impersonate", "")
        if mode == "associated-node":
            keys = {"authentication.kubernetes.io/associated-node-keys": sorted(asking.extra)}
            self._asking = replace(asking, extra=keys)

    def check(self, wanted: Wanted, asked: Asked) -> User:
        """Who the request is now of; raises StatusError 403."""
        if self._mode:
            self._authorizer.check(self._asking, replace(asked, verb=f"impersonate-on:{self._mode}:{asked.verb}"))
        groups = self._name(wanted)
        if wanted.uid:
            self._may("uids", wanted.uid, group=GROUP)
        self._groups(wanted.groups)
        self._extra(wanted.extra)
        if wanted.name == ANONYMOUS:
            groups += [UNAUTHENTICATED] if UNAUTHENTICATED not in groups else []
        elif not {AUTHENTICATED, UNAUTHENTICATED} & set(groups):
            groups.append(AUTHENTICATED)
        return User(wanted.name, tuple(groups), wanted.uid, wanted.extra)

    def _may(self, resource: str, name: str, namespace: str = "", *, group: str | None = None, key: str = "") -> None:
        where = self._group if group is None else group
        self._authorizer.check(self._asking, Asked(self._verb, where, resource, key, namespace, name))

    def _name(self, wanted: Wanted) -> list[str]:
        """Check the name; returns the groups that go with it."""
        if (account := _account(wanted.name)) is not None:
            self._may("serviceaccounts", account[1], account[0])
            return list(wanted.groups) or [ACCOUNTS, f"{ACCOUNTS}:{account[0]}"]
        node = _node(wanted.name)
        if self._mode and node:
            self._may("nodes", "*" if self._mode == "associated-node" else node)
            return [NODES]
        self._may("users", wanted.name)
        return list(wanted.groups)

    def _groups(self, groups: list[str]) -> None:
        if self._mode and "" in groups:
            self._refuse("groups", "", "impersonating the empty string group is not allowed")
        if self._mode and MASTERS in groups:
            self._refuse("groups", MASTERS, "impersonating the system:masters group is not allowed")
        if self._mode and len(groups) >= MANY and self._allowed(Asked(self._verb, self._group, "groups", name="*")):
            return
        for name in groups:
            self._may("groups", name)

    def _extra(self, extra: dict[str, list[str]]) -> None:
        if self._mode:
            if any("" in values for values in extra.values()):
                self._refuse("userextras", "", "impersonating the empty string value in extra is not allowed", GROUP)
            every = Asked(self._verb, GROUP, "userextras", "*", name="*")
            if sum(map(len, extra.values())) >= MANY and self._allowed(every):
                return
        for key, values in extra.items():
            for value in values:
                self._may("userextras", value, group=GROUP, key=key)

    def _allowed(self, asked: Asked) -> bool:
        return self._authorizer.allowed(self._asking, asked)

    def _refuse(self, resource: str, name: str, text: str, group: str = "") -> None:
        raise refusal(self._asking, Asked(self._verb, group or self._group, resource, name=name), text)
