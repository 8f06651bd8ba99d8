"""ServiceAccount tokens: JSON Web Tokens signed with ES256 or RS256, bound to a pod, a secret or a node.

Sources: RFC 7515, RFC 7518 §3.3–3.4, RFC 7519; k8s.io/kubernetes pkg/serviceaccount (claims.go).
"""

from __future__ import annotations

import base64
import hashlib
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from kube46.api.errors import go_quote
from kube46.api.rbac.rules import ACCOUNT_PREFIX
from kube46.apiserver.certificates import key_pem, new_key, write_private

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ISSUER = "https://kubernetes.default.svc.cluster.local"
DEFAULT_SECONDS, LEAST_SECONDS, MOST_SECONDS = 3600, 600, 1 << 32
LEEWAY = 60  # seconds that clocks may differ


class InvalidToken(Exception):
    """The token is malformed, forged, expired or meant for others; the text says which."""


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a token is for: a ServiceAccount, perhaps bound to one object (kind in lower case, name, uid)."""

    namespace: str
    name: str
    uid: str
    bound_kind: str = ""
    bound_name: str = ""
    bound_uid: str = ""
    node_name: str = ""
    node_uid: str = ""

    @property
    def user(self) -> str:
        """`system:serviceaccount:NAMESPACE:NAME`."""
        return f"{ACCOUNT_PREFIX}{self.namespace}:{self.name}"


class Signer:
    """Makes and checks tokens with one key."""

    def __init__(self, pem: bytes, issuer: str = ISSUER, audiences: tuple[str, ...] = ()) -> None:
        key = serialization.load_pem_private_key(pem, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            message = "the service account signing key is neither ECDSA nor RSA"
            raise ValueError(message)
        self._key = key
        self._public = key.public_key()
        self._algorithm = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
        der = self._public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self._id = _b64(hashlib.sha256(der).digest())
        self.issuer, self.audiences = issuer, audiences or (issuer,)

    @classmethod
    def load_or_create(cls, path: Path, issuer: str = ISSUER, audiences: tuple[str, ...] = ()) -> Signer:
        """With the key of a file, which is made when missing."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(path, key_pem(new_key()))
        return cls(path.read_bytes(), issuer, audiences)

    def configuration(self, keys: str) -> dict[str, Any]:
        """The issuer's OpenID Connect discovery document; `keys`: where its keys are."""
        return {
            "issuer": self.issuer,
            "jwks_uri": keys,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self._algorithm],
        }

    def jwks(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set (RFC 7517)."""
        numbers = self._public.public_numbers()
        if isinstance(numbers, rsa.RSAPublicNumbers):
            sizes = {"n": (numbers.n, (numbers.n.bit_length() + 7) // 8), "e": (numbers.e, 3)}
            kind: dict[str, str] = {"kty": "RSA"}
        else:
            sizes = {"x": (numbers.x, 32), "y": (numbers.y, 32)}
            kind = {"kty": "EC", "crv": "P-256"}
        parts = {name: _b64(value.to_bytes(size, "big")) for name, (value, size) in sizes.items()}
        return {"keys": [{"use": "sig", **kind, "kid": self._id, "alg": self._algorithm, **parts}]}

    def sign(self, subject: Subject, audiences: tuple[str, ...], seconds: int) -> tuple[str, int]:
        """A token and the Unix second it expires at."""
        issued = int(time.time())
        claims: dict[str, Any] = {
            "aud": list(audiences or self.audiences), "exp": issued + seconds, "iat": issued, "iss": self.issuer,
            "jti": str(uuid.uuid4()), "kubernetes.io": _private_claims(subject), "nbf": issued, "sub": subject.user,
        }  # fmt: skip
        header = {"alg": self._algorithm, "kid": self._id}
        text = f"{_b64(msgspec.json.encode(header))}.{_b64(msgspec.json.encode(claims))}"
        return f"{text}.{_b64(self._signature(text.encode()))}", issued + seconds

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def verify(self, token: str, audiences: tuple[str, ...] = ()) -> tuple[Subject, dict[str, Any]]:
        """The subject and all claims of a token for one of the audiences; raises InvalidToken."""
        try:
            head, body, signature = token.split(".")
            header = msgspec.json.decode(_unb64(head), type=dict)
            if header.get("alg") != self._algorithm or header.get("kid", self._id) != self._id:
                raise InvalidToken("invalid signature, no keys found")
            self._check(f"{head}.{body}".encode(), _unb64(signature))
            claims = msgspec.json.decode(_unb64(body), type=dict)
            subject = _subject(claims["kubernetes.io"])
        except InvalidSignature as error:
            raise InvalidToken("go-jose/go-jose: error in cryptographic primitive") from error
        except (ValueError, KeyError, TypeError, msgspec.DecodeError) as error:
            raise InvalidToken from error  # no token of ours: there is nothing more to say of it
        self.check_claims(claims, audiences)
        return subject, claims

    def _check(self, data: bytes, signature: bytes) -> None:
        if isinstance(self._public, rsa.RSAPublicKey):
            self._public.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
            return
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        self._public.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))

    def check_claims(self, claims: dict[str, Any], audiences: tuple[str, ...] = ()) -> None:
        """Refuse tokens out of their time or for others."""
        moment = time.time()
        if claims.get("iss") != self.issuer:
            raise InvalidToken
        wanted = audiences or self.audiences
        if not set(meant := claims.get("aud") or ()) & set(wanted):
            text = f"token audiences {_listed(meant)} is invalid for the target audiences {_listed(wanted)}"
            raise InvalidToken(text)
        if moment > claims.get("exp", 0) + LEEWAY:
            raise InvalidToken("service account token has expired")
        if moment < claims.get("nbf", 0) - LEEWAY:
            raise InvalidToken("service account token is not valid yet")


def _listed(names: Iterable[str]) -> str:
    return "[" + " ".join(map(go_quote, names)) + "]"


def _private_claims(subject: Subject) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "namespace": subject.namespace,
        "serviceaccount": {"name": subject.name, "uid": subject.uid},
    }
    if subject.bound_kind:
        claims[subject.bound_kind] = {"name": subject.bound_name, "uid": subject.bound_uid}
    if subject.node_name:
        claims["node"] = {"name": subject.node_name, **({"uid": subject.node_uid} if subject.node_uid else {})}
    return claims


def _subject(claims: dict[str, Any]) -> Subject:
    account = claims["serviceaccount"]
    node = claims.get("node") or {}
    bound_kind = next((kind for kind in ("pod", "secret") if kind in claims), "node" if node else "")
    bound = claims.get(bound_kind) or {}
    return Subject(
        claims["namespace"], account["name"], account["uid"], bound_kind, bound.get("name", ""), bound.get("uid", ""),
        node.get("name", ""), node.get("uid", ""),
    )  # fmt: skip
