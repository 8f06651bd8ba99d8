"""Bodies of requests for custom objects: identity checked, unknown and repeated fields found, the rest pruned.

Source: apiextensions-apiserver customresource_handler.go (unstructuredSchemaCoercer).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.apiserver import fieldvalidation_json as gojson
from kube46.apiserver import patching
from kube46.apiserver.customresources.pruning import coerce_embedded, metadata, prune, prune_nulls
from kube46.apiserver.fieldvalidation import Decoded, Validation, as_warnings, strict_text, unrecognized
from kube46.apiserver.fieldvalidation_types import Mismatch
from kube46.apiserver.statuses import bad_request, invalid

if TYPE_CHECKING:
    from kube46.apiserver.customresources.kinds import CustomKind

Object = dict[str, Any]


def decode(body: bytes, kind: CustomKind, validation: str = Validation.WARN) -> Decoded:
    """A POST or PUT body as an object of the kind; raises StatusError 400 with upstream's text."""
    try:
        found = gojson.parse(body)
    except gojson.SyntaxProblem as problem:
        raise unrecognized(body, kind.kind, problem.told) from None
    if not isinstance(found, dict) or not isinstance(found.get("kind"), str) or not found["kind"]:
        sent = gojson.as_sent(body).decode(errors="replace")
        raise unrecognized(body, kind.kind, f"Object 'Kind' is missing in '{sent}'")
    version = found.get("apiVersion")
    problems = [*gojson.repeated(body), *patching.repeated(found)] if validation != Validation.IGNORE else []
    prefix = (
        f'{found["kind"]} in version "{str(version or "").rpartition("/")[2]}" cannot be handled as a {kind.kind}: '
    )
    if version != kind.api_version:
        text = f"the API version in the data ({version or ''}) does not match the expected API version"
        raise bad_request(f"{text} ({kind.api_version})")
    if found["kind"] != kind.kind:
        from kube46.api import errors

        wrong = errors.invalid("kind", found["kind"], f"must be {kind.kind}")
        raise invalid(kind, str((found.get("metadata") or {}).get("name", "")), [wrong])
    try:
        obj, unknown = coerce(gojson.plain(found), kind.version_of.schema)
    except Mismatch as problem:
        raise bad_request(f"{prefix}{problem}") from None
    problems += unknown
    if problems and validation == Validation.STRICT:
        raise bad_request(prefix + strict_text(problems))
    return Decoded(obj, as_warnings(problems) if validation == Validation.WARN else [])


def patch(media: str, body: bytes, current: Object, kind: CustomKind, validation: str = Validation.WARN) -> Decoded:
    """The object after a JSON or merge patch (strategic ones need Go's types); raises StatusError 400, 413 or 422."""

    def settle(patched: Object) -> tuple[Object, list[str]]:
        return coerce(patched, kind.version_of.schema)

    return patching.apply_untyped(media, body, current, settle, validation)


def coerce(obj: Object, schema: Object) -> tuple[Object, list[str]]:
    """An object without what its schema does not know, and `unknown field "…"` for each; raises Mismatch."""
    meta, strict = metadata(obj.get("metadata"))
    problems = [_below_metadata(problem) for problem in strict]
    problems += [f'unknown field "{path}"' for path in prune(obj, schema)]
    prune_nulls({name: inner for name, inner in obj.items() if name != "metadata"}, schema)
    for name in [name for name, inner in obj.items() if inner is None and _unwanted(name, schema)]:
        del obj[name]
    embedded = {name: inner for name, inner in obj.items() if name not in ("apiVersion", "kind", "metadata")}
    problems += [
        f'unknown field "{path}"'
        for path in coerce_embedded(embedded, {**schema, "x-kubernetes-embedded-resource": False})
    ]
    return {**obj, "metadata": meta}, problems


def _unwanted(name: str, schema: Object) -> bool:
    inner = (schema.get("properties") or {}).get(name)
    return inner is not None and not inner.get("nullable") and "default" not in inner


def _below_metadata(problem: str) -> str:
    what, _, path = problem.partition(' field "')
    return f'{what} field "metadata.{path}'
