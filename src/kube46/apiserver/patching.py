"""PATCH: the three patch formats applied to a stored object, and kube-apiserver's refusals.

Source: apiserver pkg/endpoints/handlers/patch.go. The algorithms are in `patching_json` and `patching_strategic`.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from kube46.apiserver import fieldvalidation_json as gojson
from kube46.apiserver.fieldvalidation import SCHEME, Decoded, Identified, Validation, patched, prune, strict_text
from kube46.apiserver.fieldvalidation_types import Mismatch
from kube46.apiserver.patching_json import PatchProblem, TooLarge, as_written, json_patch, merge_patch
from kube46.apiserver.patching_strategic import BadPatch, go_value, strategic_merge_patch
from kube46.apiserver.schemas import Schemas
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.transactions import copied

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube46.apiserver.schemas import Type

    Settle = Callable[[dict[str, Any]], tuple[dict[str, Any], list[str]]]

__all__ = [
    "JSON",
    "MEDIA_TYPES",
    "MERGE",
    "STRATEGIC",
    "apply_patch",
    "json_patch",
    "merge_patch",
    "strategic_merge_patch",
]

JSON, MERGE, STRATEGIC = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
MEDIA_TYPES = (JSON, MERGE, STRATEGIC)
_log = logging.getLogger(__name__)

APPLY = "application/apply-patch+yaml"
OPERATION = ("op", "path", "from", "value")
OPERATIONS = 10_000  # in one JSON patch
ANY_MAP = "Go value of type map[string]interface {}"


def check_media(content_type: str, *, custom: bool = False) -> None:
    """Refuse with 415 a patch of no known type; `content_type` is the header, whose case counts here.

    Paths of built-in kinds are refused by upstream's router, in its words.
    """
    media = content_type.partition(";")[0].strip()
    if custom and media not in (JSON, MERGE, APPLY):
        known = ", ".join((JSON, MERGE, APPLY))
        text = f"the body of the request was in an unknown format - accepted media types include: {known}"
        raise StatusError(415, "UnsupportedMediaType", text)
    if media not in (JSON, MERGE, STRATEGIC, APPLY):
        raise StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def check_syntax(patch: bytes) -> None:
    """Refuse with 400 what is no JSON."""
    try:
        gojson.parse(patch)
    except gojson.SyntaxProblem:
        raise _bad_request("invalid JSON patch") from None


def apply_patch(
    media_type: str, patch: bytes, current: dict[str, Any], kind: Identified, validation: str = Validation.WARN
) -> Decoded:
    """The patched object in stored form; `current` is left as it was. The patch is JSON and of a known type.

    Raises StatusError 400, 413 or 422.
    """
    schema = Schemas.load().kind(kind.group, kind.version, kind.kind)
    if media_type != STRATEGIC:

        def settle(made: Any, shown: Callable[[], str]) -> tuple[dict[str, Any], list[str]]:
            return patched(made, kind, shown, by_name=media_type == MERGE)

        return _untyped(media_type, patch, current, settle, validation)
    made, problems, shown = _strategic(patch, copied(current), schema, validation)
    return _settled(current, problems, shown, validation, lambda: prune(made, schema, unstructured=True))


def apply_untyped(
    media_type: str, patch: bytes, current: dict[str, Any], settle: Settle, validation: str = Validation.WARN
) -> Decoded:
    """A JSON or merge patch, which need no types; `settle` brings the result into stored form, or raises Mismatch."""

    def same(made: Any, shown: Callable[[], str]) -> tuple[dict[str, Any], list[str]]:
        _same_kind(made, current, shown)
        return settle(made)

    return _untyped(media_type, patch, current, same, validation)


def _untyped(
    media_type: str, patch: bytes, current: dict[str, Any],
    settle: Callable[[Any, Callable[[], str]], tuple[dict[str, Any], list[str]]], validation: str,
) -> Decoded:  # fmt: skip
    apply = {JSON: _json, MERGE: _merge}[media_type]
    made, problems, shown = apply(patch, copied(current), validation)
    return _settled(current, problems, shown, validation, lambda: settle(made, shown))


def _settled(
    current: dict[str, Any], problems: list[str], shown: Callable[[], str], validation: str,
    settle: Callable[[], tuple[dict[str, Any], list[str]]],
) -> Decoded:  # fmt: skip
    try:
        decoded, more = settle()
    except Mismatch as problem:
        raise _invalid(shown(), str(problem)) from None
    problems = problems + more
    if problems and validation == Validation.STRICT:
        raise _invalid(shown(), strict_text(problems))
    identity: dict[str, Any] = {name: current[name] for name in ("kind", "apiVersion") if name in current}
    return Decoded({**identity, **decoded, **identity}, problems if validation == Validation.WARN else [])


def _json(patch: bytes, document: dict[str, Any], validation: str) -> tuple[Any, list[str], Callable[[], str]]:
    strict = validation != Validation.IGNORE
    operations = gojson.parse(patch)
    if strict and (misfit := _operations_misfit(operations)):
        raise _bad_request(f"error decoding patch: json: cannot unmarshal {misfit}")
    if operations is not None and not isinstance(operations, list):
        go = f"{gojson.described(operations)} into Go value of type jsonpatch.Patch"
        raise _bad_request(f"json: cannot unmarshal {go}")
    problems = [f"json patch {problem}" for problem in _operations_strict(operations)] if strict else []
    operations = gojson.plain(operations or [])
    for operation in operations:
        if operation is not None and not isinstance(operation, dict):
            raise _bad_request(
                f"json: cannot unmarshal {gojson.described(operation)} into Go value of type jsonpatch.Operation"
            )
    if len(operations) > OPERATIONS:
        text = f"The allowed maximum operations in a JSON patch is {OPERATIONS}, got {len(operations)}"
        raise StatusError(413, "RequestEntityTooLarge", f"Request entity is too large: {text}")
    try:
        patched = json_patch(document, operations)
    except PatchProblem as problem:
        raise _unprocessable(str(problem)) from None
    except TooLarge as problem:
        raise StatusError(413, "RequestEntityTooLarge", f"Request entity is too large: {problem}") from None
    written = as_written(patched, operations)
    return written, problems, lambda: _compact(patched)


def _operations_misfit(operations: Any) -> str:
    """The first thing that does not fit Go's type of a JSON patch, or ""."""
    if operations is None:
        return ""
    if not isinstance(operations, list):
        return f"{gojson.described(operations)} into Go value of type []handlers.jsonPatchOp"
    for operation in operations:
        if operation is not None and not isinstance(operation, dict):
            return f"{gojson.described(operation)} into Go value of type handlers.jsonPatchOp"
        for name, value in (operation or {}).items():
            if name in ("op", "path", "from") and value is not None and not isinstance(value, str):
                return f"{gojson.described(value)} into Go struct field jsonPatchOp.{name} of type string"
    return ""


def _operations_strict(operations: list[Any] | None) -> list[str]:
    """Repeated and unknown fields of the operations."""
    found: list[str] = []
    for index, operation in enumerate(operations or ()):
        if operation is None:
            continue
        pairs = operation.pairs if isinstance(operation, gojson.Repeated) else operation.items()
        seen: set[str] = set()
        for name, value in pairs:
            what = "unknown" if name not in OPERATION else "duplicate" if name in seen else ""
            if what:
                found.append(f'{what} field "[{index}].{name}"')
            seen.add(name)
            found += repeated(value, f"[{index}].{name}")
    return list(dict.fromkeys(found))


def _merge(patch: bytes, document: dict[str, Any], validation: str) -> tuple[Any, list[str], Callable[[], str]]:
    strict = validation != Validation.IGNORE
    found = gojson.parse(patch)
    if strict and found is not None and not isinstance(found, dict):
        raise _bad_request(f"error decoding patch: json: cannot unmarshal {gojson.described(found)} into {ANY_MAP}")
    try:
        patched = merge_patch(document, gojson.plain(found))
    except PatchProblem as problem:
        raise _bad_request(str(problem)) from None
    return patched, repeated(found) if strict else [], lambda: _compact(patched)


def _strategic(
    patch: bytes, document: dict[str, Any], schema: Type, validation: str
) -> tuple[Any, list[str], Callable[[], str]]:
    found = gojson.parse(patch)
    if found is None:
        found = {}
    if not isinstance(found, dict):
        raise _bad_request(f"json: cannot unmarshal {gojson.described(found)} into {ANY_MAP}")
    problems = repeated(found) if validation != Validation.IGNORE else []
    plain = gojson.plain(found)
    try:
        patched = strategic_merge_patch(document, plain, schema)
    except BadPatch as problem:
        raise (_bad_request(str(problem)) if problem.malformed else StatusError(500, "", str(problem))) from None
    return patched, problems, lambda: go_value(plain)  # what merging has left of it


def repeated(value: Any, path: str = "") -> list[str]:
    """`duplicate field "…"` for each key that comes twice in an object of the patch."""
    found: list[str] = []
    if isinstance(value, gojson.Repeated):
        seen: set[str] = set()
        for name, _ in value.pairs:
            text = f'duplicate field "{path}.{name}"' if path else f'duplicate field "{name}"'
            if name in seen and text not in found:
                found.append(text)
            seen.add(name)
    if isinstance(value, dict):
        for name, inner in value.items():
            found += repeated(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += repeated(inner, f"{path}[{index}]")
    return found


def _same_kind(patched: Any, current: dict[str, Any], shown: Callable[[], str]) -> None:
    """A patch may not make another kind of the object; one that only leaves the kind out means the object's."""
    if not isinstance(patched, dict):
        go = f"json: cannot unmarshal {gojson.described(patched)} into {ANY_MAP}"
        raise _invalid(shown(), f"couldn't get version/kind; json parse error: {go}")
    for name, called in (("apiVersion", "apiVersion"), ("kind", "Kind")):
        if name not in current or patched.get(name) == current[name] or (name == "kind" and not patched.get(name)):
            continue
        if not patched.get(name):
            raise _invalid(shown(), f"Object '{called}' is missing in '{shown()}'")
        version, kind = patched.get("apiVersion"), patched.get("kind")
        raise _invalid(shown(), f'no kind "{kind}" is registered for version "{version}" in scheme "{SCHEME}"')


def _compact(value: Any) -> str:
    """As Go writes JSON: keys sorted, no spaces, HTML characters escaped."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _bad_request(text: str) -> StatusError:
    return StatusError(400, "BadRequest", text)


def _unprocessable(text: str) -> StatusError:
    """A patch that cannot be applied: upstream's generic answer does not carry the cause, so that goes to the log."""
    _log.info("patch does not apply reason=%s", text)
    return StatusError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def _invalid(shown: str, text: str) -> StatusError:
    """The patch's result is no object of the kind: the error names the whole of it."""
    message = f"Invalid value: {json.dumps(shown, ensure_ascii=False)}: {text}"
    causes = [{"reason": "FieldValueInvalid", "message": message, "field": "patch"}]
    return StatusError(422, "Invalid", f' "" is invalid: patch: {message}', {"causes": causes})
