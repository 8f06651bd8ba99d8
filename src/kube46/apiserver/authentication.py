"""Who asks: a client certificate, a token of the token file, or a ServiceAccount's token."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.apiserver import websockettokens
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.strategy import User
from kube46.apiserver.tokens import LEEWAY, InvalidToken, Signer, Subject

if TYPE_CHECKING:
    from pathlib import Path

    from kube46.apiserver.requests import Request
    from kube46.apiserver.storage import Store

AUTHENTICATED = "system:authenticated"
CACHED_TOKENS = 2048  # checking an ES256 signature takes ~0.1 ms


class _Meta(msgspec.Struct, rename="camel"):
    uid: str = ""
    deletion_timestamp: datetime | None = None


class _Identified(msgspec.Struct):
    metadata: _Meta


_identified = msgspec.json.Decoder(_Identified)


class TokenFileError(Exception):
    """A line of the token file can't be used."""


def read_tokens(path: Path) -> dict[bytes, User]:
    """kube-apiserver's CSV (`token,user,uid,"group,group"`), keyed by the tokens' digests."""
    found: dict[bytes, User] = {}
    with path.open(newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if not row:
                continue
            if len(row) < 3 or not row[0] or not row[1]:
                message = f"--token-auth-file {path}: line {number}: must be token,user,uid and, if any, quoted groups"
                raise TokenFileError(message)
            groups = tuple(name.strip() for name in row[3].split(",") if name.strip()) if len(row) > 3 else ()
            found[_digest(row[0])] = User(row[1], groups, row[2])
    return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


@dataclass(frozen=True, slots=True)
class _Verified:
    subject: Subject
    claims: dict[str, Any]


class Authenticator:
    """Finds the user of a request; also answers TokenReviews."""

    def __init__(self, store: Store, signer: Signer, tokens: dict[bytes, User]) -> None:
        self._store, self._signer, self._tokens = store, signer, tokens
        self._verified: dict[tuple[bytes, tuple[str, ...]], _Verified] = {}

    def authenticate(self, request: Request) -> User | None:
        """The user; None for an anonymous request; raises 401 for a token that doesn't hold.

        In upstream's order: who has a certificate is whom that names; a header that is no bearer token says nothing.
        """
        certificate = request.scope["state"].get("client_certificate")
        if certificate and (user := _certificate_user(certificate)) is not None:
            return _known(user)
        refused = False
        for read in (_header_token, websockettokens.take):
            try:
                if token := read(request):
                    return _known(self.token_user(token))
            except InvalidToken:
                refused = True
        if refused:
            raise unauthorized()
        return None

    def reviewed(self, token: str, audiences: tuple[str, ...]) -> tuple[User, tuple[str, ...]]:
        """The user of a token, and for whom of the audiences (this server's, when none is asked for) it is meant.

        A token of the file is for this server. Raises InvalidToken.
        """
        wanted = audiences or self._signer.audiences
        if (user := self._tokens.get(_digest(token))) is not None:
            meant: tuple[str, ...] = self._signer.audiences
        else:
            user = self.token_user(token, wanted)
            meant = tuple(self._verified[_digest(token), wanted].claims.get("aud") or ())
        found = tuple(name for name in wanted if name in meant)
        if not found:
            raise InvalidToken
        return _known(user), found

    def token_user(self, token: str, audiences: tuple[str, ...] = ()) -> User:
        """The user of a bearer token; raises InvalidToken."""
        digest = _digest(token)
        if (user := self._tokens.get(digest)) is not None:
            return user
        place = digest, audiences
        verified = self._verified.get(place)
        if verified is None:
            verified = _Verified(*self._signer.verify(token, audiences))
            if len(self._verified) >= CACHED_TOKENS:
                self._verified.clear()
            self._verified[place] = verified
        self._signer.check_claims(verified.claims, audiences)
        self._check_lives(verified.subject)
        return _account_user(verified.subject, str(verified.claims.get("jti", "")))

    def _check_lives(self, subject: Subject) -> None:
        """A token dies with its ServiceAccount and with what it is bound to."""
        namespace, name, kind = subject.namespace, subject.name, subject.bound_kind
        account = self._meta("serviceaccounts", f"{namespace}/{name}")
        if account is None:
            raise InvalidToken(f'serviceaccounts "{name}" not found')
        if account.uid != subject.uid:
            raise InvalidToken(f"service account UID ({account.uid}) does not match claim ({subject.uid})")
        if _long_deleted(account):
            raise InvalidToken(f"service account {namespace}/{name} has been deleted")
        if not kind:
            return
        bound = self._meta(f"{kind}s", subject.bound_name if kind == "node" else f"{namespace}/{subject.bound_name}")
        if bound is None or (bound.uid == subject.bound_uid and _long_deleted(bound)):
            raise InvalidToken("service account token has been invalidated")
        if bound.uid != subject.bound_uid:
            text = f"does not match service account {kind} ref claim ({subject.bound_uid})"
            raise InvalidToken(f"{kind if kind == 'secret' else kind.capitalize()} UID ({bound.uid}) {text}")

    def _meta(self, plural: str, key: str) -> _Meta | None:
        record = self._store.get(plural, key)
        return None if record is None else _identified.decode(record.value).metadata


def _long_deleted(meta: _Meta) -> bool:
    """Whether it should have gone more than the leeway ago: its tokens are no longer valid."""
    when = meta.deletion_timestamp
    return when is not None and when < datetime.now(UTC) - timedelta(seconds=LEEWAY)


def _header_token(request: Request) -> str:
    """The token of a header `Authorization: Bearer …`; empty when there is none."""
    scheme, *rest = request.headers.get(b"authorization", b"").decode("latin-1").strip().split(" ", 2)
    return rest[0] if scheme.lower() == "bearer" and rest else ""


def unauthorized() -> StatusError:
    """401; says no more than that."""
    return StatusError(401, "Unauthorized", "Unauthorized")


def _known(user: User) -> User:
    return user if AUTHENTICATED in user.groups else replace(user, groups=(*user.groups, AUTHENTICATED))


def _account_user(subject: Subject, token_id: str) -> User:
    extra: dict[str, list[str]] = {}
    prefix = "authentication.kubernetes.io"
    if token_id:
        extra[f"{prefix}/credential-id"] = [f"JTI={token_id}"]
    if subject.bound_kind == "pod":
        extra |= {f"{prefix}/pod-name": [subject.bound_name], f"{prefix}/pod-uid": [subject.bound_uid]}
    if subject.node_name:
        extra[f"{prefix}/node-name"] = [subject.node_name]
        if subject.node_uid:
            extra[f"{prefix}/node-uid"] = [subject.node_uid]
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{subject.namespace}")
    return User(subject.user, groups, subject.uid, extra)


def _certificate_user(certificate: dict[str, Any]) -> User | None:
    """From ssl's getpeercert(): the common name, without which it names nobody, and the organizations."""
    pairs = [pair for name in certificate.get("subject", ()) for pair in name]
    names = [value for key, value in pairs if key == "commonName"]
    if not names or not names[-1]:
        return None
    return User(names[-1], tuple(value for key, value in pairs if key == "organizationName"))
