"""How an API server behind this one knows who asks: by headers, which it takes from this server's certificate alone.

Source: k8s.io/client-go transport/round_trippers.go (SetAuthProxyHeaders, headerKeyEscape); k8s.io/kubernetes
pkg/controlplane/controller/clusterauthenticationtrust.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

    from kube46.apiserver.proxying.headers import Headers
    from kube46.apiserver.strategy import Object, User

USER, UID, GROUP, EXTRA = "X-Remote-User", "X-Remote-Uid", "X-Remote-Group", "X-Remote-Extra-"
STOLEN = tuple(name.lower().encode() for name in (USER, UID, GROUP, EXTRA))
# of RFC 7230's token, without the percent sign
LEGAL = frozenset(b"!#$&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
NAME = "extension-apiserver-authentication"


@dataclass(frozen=True, slots=True)
class Front:
    """This server's certificate and key towards them, and the authority by which they know it; None: none is shown."""

    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None


def headers(user: User) -> Headers:
    """Who a user is."""
    found = [(USER, user.name), *([(UID, user.uid)] if user.uid else ()), *((GROUP, group) for group in user.groups)]
    found += [(EXTRA + escaped(key), value) for key, values in user.extra.items() for value in values]
    return [(name.lower().encode(), _clean(value).encode()) for name, value in found]


def told(given: Headers, user: User) -> Headers:
    """A request's headers with those of its user in place of what its client said of that."""
    return [*((name, value) for name, value in given if not name.startswith(STOLEN)), *headers(user)]


def escaped(key: str) -> str:
    """A key of `extra` in a header's name."""
    return "".join(chr(byte) if byte in LEGAL else f"%{byte:02X}" for byte in key.encode())


def _clean(value: str) -> str:
    """A name may come from a certificate, and hold what would be another header."""
    return "".join(" " if char in "\r\n\0" else char for char in value)


def published(client_ca: Path | None, front: Front) -> Object | None:
    """The ConfigMap that tells them whom to believe; None when there is nothing to tell. Raises OSError, ValueError."""
    data = {} if client_ca is None else {"client-ca-file": client_ca.read_text()}
    if front.authority is not None and front.certificate is not None:
        certificate = x509.load_pem_x509_certificate(front.certificate.read_bytes())
        names = [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        data |= {
            "requestheader-client-ca-file": front.authority.read_text(),
            "requestheader-allowed-names": json.dumps(names),
            "requestheader-username-headers": json.dumps([USER]),
            "requestheader-uid-headers": json.dumps([UID]),
            "requestheader-group-headers": json.dumps([GROUP]),
            "requestheader-extra-headers-prefix": json.dumps([EXTRA]),
        }
    return {"metadata": {"name": NAME, "namespace": "kube-system"}, "data": data} if data else None
