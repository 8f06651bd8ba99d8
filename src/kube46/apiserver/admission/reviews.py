"""AdmissionReview: what a webhook is told of a write, and what its answer means.

Source: k8s.io/apiserver pkg/admission/plugin/webhook/{request/admissionreview.go,errors/statuserror.go}.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.api.errors import go_quote
from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kube46.apiserver.admission.attributes import Attributes
    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.strategy import User

Object = dict[str, Any]
GROUP = "admission.k8s.io"
VERSIONS = ("v1", "v1beta1")
REFUSED = 400  # the least status of a denial


class _Status(msgspec.Struct):
    """Of a denial, as far as it is passed on."""

    message: str | None = None
    reason: str | None = None
    code: int | None = None
    details: dict[str, Any] | None = None


class _Response(msgspec.Struct):
    """An AdmissionResponse's fields by their types; what else is in it counts for nothing."""

    uid: str | None = None
    allowed: bool | None = None
    status: _Status | None = None
    patch: str | None = None
    patchType: str | None = None  # noqa: N815 - the field's name
    warnings: list[str] | None = None
    auditAnnotations: dict[str, str] | None = None  # noqa: N815


class BadAnswer(Exception):
    """An answer that can't be taken for one; the text is upstream's."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a webhook says; `patch` is a JSON patch as bytes, `result` the Status of a denial."""

    allowed: bool
    patch: bytes = b""
    result: Object = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    annotations: dict[str, str] = field(default_factory=dict)


def version_of(accepted: Iterable[str]) -> str:
    """The version of the review to send: the first that both sides know; "" where there is none."""
    return next((version for version in accepted if version in VERSIONS), "")


def review(
    version: str, uid: str, asked: Attributes, kind: Kind, objects: tuple[Object | None, Object | None]
) -> bytes:
    """The request, as JSON; `kind` is the version that the objects are in."""
    group, shown, name = asked.gvk
    plain = (group, shown, name) != (asked.kind.group, asked.kind.version, asked.kind.kind)
    told = (group, shown, name) if plain else (kind.group, kind.version, kind.kind)
    request: Object = {
        "uid": uid, "kind": _kind(*told), "resource": _resource(kind),
        "requestKind": _kind(group, shown, name), "requestResource": _resource(asked.kind),
        "name": asked.name, "namespace": asked.namespace, "operation": asked.operation,
        "userInfo": user_info(asked.user), "object": objects[0], "oldObject": objects[1], "dryRun": asked.dry_run,
        "options": asked.options or None,
    }  # fmt: skip
    for name, value in (("subResource", asked.subresource), ("requestSubResource", asked.subresource)):
        request |= {name: value} if value else {}
    for name in ("name", "namespace"):
        if not request[name]:
            del request[name]
    return msgspec.json.encode({"kind": "AdmissionReview", "apiVersion": f"{GROUP}/{version}", "request": request})


def user_info(user: User) -> Object:
    """Who asks; what is empty is left out."""
    extra = {name: list(values) for name, values in user.extra.items()}
    found = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": extra}
    return {name: value for name, value in found.items() if value}


def _kind(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}


def _resource(kind: Kind) -> Object:
    return {"group": kind.group, "version": kind.version, "resource": kind.plural}


def verdict(body: bytes, version: str, uid: str, *, mutating: bool) -> Verdict:
    """What an answer says; raises BadAnswer."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadAnswer(f"couldn't get version/kind; json parse error: {error}") from None
    if not isinstance(found, dict):
        raise BadAnswer("couldn't get version/kind; json parse error: the answer is no object")
    response = found.get("response")
    if response is None:
        raise BadAnswer("webhook response was absent")
    if not isinstance(response, dict):
        raise BadAnswer("webhook response is no object")
    try:
        typed = msgspec.convert(response, _Response)
        patch = base64.b64decode(typed.patch, validate=True) if typed.patch and mutating else b""
    except (msgspec.ValidationError, binascii.Error) as error:
        raise BadAnswer(f"webhook response can't be read: {error}") from None
    if version == "v1":
        _check(found, response, uid, mutating=mutating)
    result = msgspec.to_builtins(typed.status) if typed.status else {}
    return Verdict(typed.allowed is True, patch, result, tuple(typed.warnings or ()), typed.auditAnnotations or {})


def _check(found: Object, response: Object, uid: str, *, mutating: bool) -> None:
    if response.get("uid") != uid:
        given = go_quote(str(response.get("uid") or ""))
        raise BadAnswer(f"expected response.uid={go_quote(uid)}, got {given}")
    group, _, version = str(found.get("apiVersion") or "").rpartition("/")
    if (group, version, found.get("kind")) != (GROUP, "v1", "AdmissionReview"):
        told = f"{group}/{version}, Kind={found.get('kind') or ''}"
        raise BadAnswer(f"expected webhook response of {GROUP}/v1, Kind=AdmissionReview, got {told}")
    patch, kind = response.get("patch"), response.get("patchType")
    if not mutating:
        if patch:
            raise BadAnswer("validating webhook may not return response.patch")
        if kind is not None:
            raise BadAnswer("validating webhook may not return response.patchType")
        return
    if patch and kind is None:
        raise BadAnswer("webhook returned response.patch but not response.patchType")
    if not patch and kind is not None:
        raise BadAnswer("webhook returned response.patchType but not response.patch")
    if kind is not None and not kind:
        raise BadAnswer(f"webhook returned invalid response.patchType of {go_quote(kind)}")


def denial(name: str, result: Object) -> StatusError:
    """The refusal of a request that a webhook denies: its Status, with who it was before its message."""
    denied = f"admission webhook {go_quote(name)} denied the request"
    message, reason = str(result.get("message") or ""), str(result.get("reason") or "")
    code = result.get("code")
    code = code if isinstance(code, int) and code >= REFUSED else REFUSED
    text = f"{denied}: {message or reason}" if message or reason else f"{denied} without explanation"
    details = result.get("details")
    return StatusError(code, reason, text, details if isinstance(details, dict) else None)
