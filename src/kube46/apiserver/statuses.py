"""Kubernetes' `Status` answers: every refusal the server can give, as an exception that is also the answer's body.

The texts are those of k8s.io/apimachinery/pkg/api/errors; semantics 0.3 names the codes and reasons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.api import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kube46.apiserver.kinds import Kind


class StatusError(Exception):
    """A request that is refused: `code` is the HTTP status, the rest become the fields of the Status."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        *,
        retry_after: int | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.details, self.retry_after, self.metadata = details, retry_after, metadata or {}
        self.nosniff = False  # whether browsers are told not to take the answer for anything but what it says it is

    def body(self) -> dict[str, Any]:
        """The Status object; an empty reason is left out (semantics E-6)."""
        status: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": self.metadata, "status": "Failure"}
        status["message"] = self.message
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status


def success(kind: Kind, name: str, uid: str) -> dict[str, Any]:
    """The Status that answers a delete."""
    details: dict[str, Any] = {"name": name, **_group(kind), "kind": kind.plural, "uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _group(kind: Kind) -> dict[str, str]:
    return {"group": kind.group} if kind.group else {}


def _details(kind: Kind, name: str) -> dict[str, Any]:
    return {**({"name": name} if name else {}), **_group(kind), "kind": kind.plural}


def not_found(kind: Kind, name: str) -> StatusError:
    """404: no object of that name."""
    return StatusError(404, "NotFound", f'{kind.qualified} "{name}" not found', _details(kind, name))


def no_such_resource() -> StatusError:
    """404: the path names no kind of object."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(kind: Kind, name: str) -> StatusError:
    """409 on create."""
    return StatusError(409, "AlreadyExists", f'{kind.qualified} "{name}" already exists', _details(kind, name))


def conflict(kind: Kind, name: str, text: str = "") -> StatusError:
    """409 on update or delete; the usual text says that the object has been modified."""
    text = text or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {text}'
    return StatusError(409, "Conflict", message, _details(kind, name))


def conflict_of_kind(kind: Kind, name: str, text: str) -> StatusError:
    """409 that names the kind where others name the resource, as deletions with preconditions do."""
    qualified = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    details = {"name": name, **_group(kind), "kind": kind.kind}
    return StatusError(409, "Conflict", f'Operation cannot be fulfilled on {qualified} "{name}": {text}', details)


def storage_conflict(kind: Kind, namespace: str, name: str, text: str, *, dry_run: bool = False) -> StatusError:
    """409 with the words of upstream's storage, the key in etcd included; a dry run knows no prefix of keys."""
    place = "/".join(part for part in (stored_under(kind), namespace, name) if part)
    key = f"/{place}" if dry_run else f"/registry/{place}"
    start = f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
    return conflict(kind, name, start + text)


def stored_under(kind: Kind) -> str:
    """The path below /registry where upstream's etcd has the objects of a kind."""
    own = {"services": "services/specs", "endpoints": "services/endpoints", "nodes": "minions"}
    if kind.custom or kind.group in ("apiextensions.k8s.io",):
        return f"{kind.group}/{kind.plural}"
    return own.get(kind.plural, {"ingresses": "ingress"}.get(kind.plural, kind.plural))


def bad_request(message: str) -> StatusError:
    """400."""
    return StatusError(400, "BadRequest", message)


def forbidden(kind: Kind, name: str, text: str, causes: Sequence[dict[str, str]] = ()) -> StatusError:
    """403 by a rule of the write path (not by authorization)."""
    details = _details(kind, name)
    if causes:
        details["causes"] = list(causes)
    quoted = f' "{name}"' if name else ""
    return StatusError(403, "Forbidden", f"{kind.qualified}{quoted} is forbidden: {text}", details)


def invalid(kind: Kind, name: str, problems: Sequence[errors.FieldError]) -> StatusError:
    """422 with one cause per error (semantics E-1 to E-5); it names the group in which the kind is stored."""
    group = kind.storage.rpartition("/")[0] if kind.storage else kind.group
    message, causes = errors.summary(kind.kind, group, name, problems)
    of = {"kind": kind.kind} if kind.kind else {}  # reviews' errors have none
    details = {**({"name": name} if name else {}), **({"group": group} if group else {}), **of, "causes": causes}
    return StatusError(422, "Invalid", message, details)


def invalid_resource(kind: Kind, name: str, problems: Sequence[errors.FieldError]) -> StatusError:
    """The same where upstream names the resource in the kind's place."""
    message, causes = errors.summary(kind.plural, kind.group, name, problems)
    details = {**({"name": name} if name else {}), **_group(kind), "kind": kind.plural, "causes": causes}
    return StatusError(422, "Invalid", message, details)


def internal(text: str) -> StatusError:
    """500 `Internal error occurred: …` (semantics E-6)."""
    message = f"Internal error occurred: {text}"
    return StatusError(500, "InternalError", message, {"causes": [{"message": text}]})


def method_not_allowed() -> StatusError:
    """405."""
    return StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def gone(message: str) -> StatusError:
    """410: the revision asked for is no longer in the event log."""
    return StatusError(410, "Expired", message)
