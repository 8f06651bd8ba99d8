"""A bearer token among a WebSocket's subprotocols, where a browser can put no header.

Source: k8s.io/apiserver pkg/authentication/request/websocket/protocol.go.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from kube46.apiserver.tokens import InvalidToken

if TYPE_CHECKING:
    from kube46.apiserver.requests import Request

PREFIX = "base64url.bearer.authorization.k8s.io."
PROTOCOLS = b"sec-websocket-protocol"
BASE64 = re.compile(r"[-_0-9A-Za-z]*")


def take(request: Request) -> str:
    """The token, which nobody behind this server gets to see; empty when there is none. Raises InvalidToken."""
    if not is_web_socket(request):
        return ""
    lines = [value.decode("latin-1") for name, value in request.scope["headers"] if name == PROTOCOLS]
    offered = [protocol.strip() for line in lines for protocol in line.split(",")]
    tokens = [protocol.removeprefix(PREFIX) for protocol in offered if protocol.startswith(PREFIX)]
    if not tokens:
        return ""
    others = [protocol for protocol in offered if not protocol.startswith(PREFIX)]
    if len(tokens) > 1:
        raise InvalidToken("multiple base64.bearer.authorization tokens specified")
    token = _decoded(tokens[0])
    if token and not others:  # one is to be told to the client
        raise InvalidToken("missing additional subprotocol")
    kept = ",".join(others).encode("latin-1")
    headers = [(name, value) for name, value in request.scope["headers"] if name != PROTOCOLS]
    request.scope["headers"] = [*headers, (PROTOCOLS, kept)]
    request.headers[PROTOCOLS] = kept
    return token


def is_web_socket(request: Request) -> bool:
    """Whether a client asks to leave HTTP for WebSocket."""
    upgrade, connection = (request.headers.get(name, b"").lower() for name in (b"upgrade", b"connection"))
    return upgrade == b"websocket" and b"upgrade" in connection


def _decoded(text: str) -> str:
    if not BASE64.fullmatch(text):
        raise InvalidToken("invalid base64.bearer.authorization token encoding")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidToken("invalid base64.bearer.authorization token encoding") from None
