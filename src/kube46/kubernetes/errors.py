"""What a Kubernetes API answers when it refuses.

    ApiError                    any answer of status 400 and above; has .status, .reason, .message, .details
     ├─ Unauthorized      401   no identity, or a bad one
     ├─ Forbidden         403   known, but not allowed
     ├─ NotFound          404
     ├─ Conflict          409   changed since it was read, or a precondition failed
     │   └─ AlreadyExists 409   the name is taken
     ├─ Gone              410   the resourceVersion is too old: list again
     ├─ Invalid           422   the object is not valid; .details has the causes
     ├─ TooManyRequests   429   .retry_after says when to come back, seconds
     └─ ServerUnavailable 5xx
    Unreachable                 no answer at all: refused, timed out, TLS failed

Source: apimachinery meta/v1 Status.
"""

from typing import Any

import msgspec


class KubernetesError(Exception):
    """The request did not succeed."""


class Unreachable(KubernetesError):
    """The API server gave no answer."""


class NotConnected(Unreachable):
    """No connection could be made, so nothing was asked of it."""


class ApiError(KubernetesError):
    """The API server answered with a failure Status."""

    def __init__(self, status: int, reason: str, message: str, details: dict[str, Any], retry_after: float) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.details = status, reason, message, details
        self.retry_after = retry_after

    @property
    def namespace_ends(self) -> bool:
        """Whether the object's namespace is being deleted: nothing can be made in it any more, and nothing need be."""
        return any(cause.get("reason") == "NamespaceTerminating" for cause in self.details.get("causes") or ())


class Unauthorized(ApiError):
    """401."""


class Forbidden(ApiError):
    """403."""


class NotFound(ApiError):
    """404."""


class Conflict(ApiError):
    """409."""


class AlreadyExists(Conflict):
    """409 with reason AlreadyExists."""


class Gone(ApiError):
    """410."""


class Invalid(ApiError):
    """422."""


class TooManyRequests(ApiError):
    """429."""


class ServerUnavailable(ApiError):
    """500 and above."""


BY_STATUS: dict[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


class Status(msgspec.Struct):
    """The failure's JSON, as far as it is told apart."""

    reason: str = ""
    message: str = ""
    code: int = 0
    details: dict[str, Any] | None = None


def from_answer(status: int, body: bytes, retry_after: float = 0.0) -> ApiError:
    """The error an answer of HTTP status `status` stands for; `body` may be a Status or any text."""
    try:
        said = msgspec.json.decode(body, type=Status)
    except msgspec.DecodeError:
        said = Status(message=body[:500].decode(errors="replace").strip() or f"HTTP status {status}")
    kind = BY_STATUS.get(status, ServerUnavailable if status >= 500 else ApiError)
    if said.reason == "AlreadyExists":
        kind = AlreadyExists
    return kind(status, said.reason, said.message, said.details or {}, retry_after)
