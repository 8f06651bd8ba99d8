"""Bodies of requests → objects exactly as kube-apiserver would store them: typed, pruned, canonical; or its 400.

The result is what Go would write after reading the body into the kind's struct: unknown fields are gone, empty optional
fields are left out, structs and required fields are there, quantities and times are canonical.
Sources: sigs.k8s.io/json, apimachinery pkg/runtime/serializer/json, apiserver pkg/endpoints/handlers/{create,rest}.go.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kube46.apiserver import fieldvalidation_json as gojson
from kube46.apiserver.fieldvalidation_types import Decoder, Mismatch
from kube46.apiserver.schemas import Schemas
from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube46.apiserver.schemas import Type


class Validation(StrEnum):
    """`?fieldValidation=`: what happens to unknown and repeated fields; they are dropped in every case."""

    STRICT = "Strict"  # the request is refused
    WARN = "Warn"  # a Warning header each; the default
    IGNORE = "Ignore"


class Identified(Protocol):
    """What decoding needs of a row of the table of kinds."""

    @property
    def group(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def api_version(self) -> str: ...


class Decoded(NamedTuple):
    """An object, and the texts for `Warning: 299 - "…"` headers in their order."""

    object: dict[str, Any]
    warnings: list[str]


# Go's name of a group's internal package where it is not the group's first label
INTERNAL = {"": "core", "rbac.authorization.k8s.io": "rbac", "flowcontrol.apiserver.k8s.io": "flowcontrol"}
TYPE_META = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
SCHEME = "pkg/api/legacyscheme/scheme.go:30"
CONVERTING = ("", "error converting YAML to JSON: ")
SUMMARY = 30  # bytes of an unreadable body that the error shows


def decode(body: bytes, kind: Identified, validation: str = Validation.WARN) -> Decoded:
    """A POST or PUT body as an object of the kind; raises StatusError 400 with kube-apiserver's text."""
    return decode_as(body, kind.group, kind.version, kind.kind, validation)


def decode_as(body: bytes, group: str, version: str, kind: str, validation: str = Validation.WARN) -> Decoded:
    """The same for kinds outside the table: DeleteOptions, TokenRequest, Binding, Scale …"""
    try:
        found = gojson.parse(body)
    except gojson.SyntaxProblem as problem:
        raise unrecognized(body, kind, problem.told) from None
    return _decoded(found, (group, version, kind), validation, body)


def _decoded(found: object, wanted: tuple[str, str, str], validation: str, body: bytes) -> Decoded:
    try:
        version, kind = _identity(found)
    except ValueError as problem:
        raise unrecognized(body, wanted[2], str(problem)) from None
    group_version = version or _joined(wanted[0], wanted[1])
    kind = kind or wanted[2]
    group, _, short = group_version.rpartition("/")
    prefix = f'{kind} in version "{short}" cannot be handled as a {wanted[2]}: '
    schemas = Schemas.load()
    if not short:
        raise _bad_request(f"{prefix}{_versionless(gojson.as_sent(body).decode(errors='replace'))}")
    if (group_version, kind) == ("v1", "List"):  # the one registered kind that has no schema
        raise _bad_request(prefix + _unconverted(wanted, short, kind))
    if not schemas.knows(group, short, kind):
        text = f'no kind "{kind}" is registered for version "{group_version}" in scheme "{SCHEME}"'
        raise _bad_request(prefix + text)
    decoder = Decoder(schemas)
    try:
        decoded = decoder.decode(found, schemas.kind(group, short, kind))
    except Mismatch as problem:
        raise _bad_request(f"{prefix}{problem}") from None
    if (group, kind) != (wanted[0], wanted[2]) and not _shared(wanted, schemas):
        raise _bad_request(prefix + _unconverted(wanted, short, kind))
    strict = [*gojson.repeated(body), *decoder.strict]
    if strict and validation == Validation.STRICT:
        raise _bad_request(f"{prefix}{strict_text(strict)}")
    if short != wanted[1]:
        expected = _joined(wanted[0], wanted[1])
        raise _bad_request(
            f"the API version in the data ({group_version}) does not match the expected API version ({expected})"
        )
    if not _shared(wanted, schemas):
        decoded = {"kind": wanted[2], "apiVersion": group_version, **decoded}
    return Decoded(decoded, as_warnings(strict) if validation == Validation.WARN else [])


def _unconverted(wanted: tuple[str, str, str], version: str, kind: str) -> str:
    return f"converting ({version}.{kind}) to ({_internal(wanted[0])}.{wanted[2]}): unknown conversion"


def _internal(group: str) -> str:
    return INTERNAL.get(group, group.partition(".")[0])


def prune(found: dict[str, Any], schema: Type, *, unstructured: bool = False) -> tuple[dict[str, Any], list[str]]:
    """The result of a patch in stored form, and its strict problems; raises Mismatch, whose text is Go's."""
    decoder = Decoder(Schemas.load(), unstructured=unstructured)
    decoded = decoder.decode(found, schema)
    return decoded, sorted(decoder.strict)  # a patched document has its keys in order


def patched(
    found: object, kind: Identified, shown: Callable[[], str], *, by_name: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """What a JSON or merge patch has made, in stored form, and its strict problems; raises Mismatch with Go's text.

    An object that says no apiVersion is read into Go's internal type, where no field has the name that JSON has for it.
    `by_name`: Go would have written the document with its members by name.
    """
    try:
        version, named = _identity(found)
    except ValueError as problem:
        raise Mismatch(str(problem)) from None
    named, schemas = named or kind.kind, Schemas.load()
    group, _, short = version.rpartition("/")
    wanted = (kind.group, kind.version, kind.kind)
    if version and not short and group == kind.group:
        version = ""
    elif version and not short:
        raise Mismatch(_versionless(shown()))
    if (version or kind.api_version, named) != ("v1", "List"):
        which = f'version "{version}"' if version else f'the internal version of group "{kind.group}"'
        if not schemas.knows(*((group, short) if version else wanted[:2]), named):
            raise Mismatch(f'no kind "{named}" is registered for {which} in scheme "{SCHEME}"')
    decoder = Decoder(schemas)
    if version and named != "List":
        schema = schemas.kind(group, short, named)
        try:
            decoded = decoder.decode(found, schema)
        except Mismatch:
            if not by_name:
                raise
            decoded = Decoder(schemas).decode(_by_name(found), schema)  # raises what Go comes to first
    else:
        assert isinstance(found, dict)
        decoded, decoder.strict = (
            {},
            [f'unknown field "{name}"' for name in found if name not in ("apiVersion", "kind")],
        )
    if named != kind.kind or (version and group != kind.group):
        raise Mismatch(_unconverted(wanted, short or _internal(kind.group), named))
    return decoded, sorted(decoder.strict) if by_name else decoder.strict


def _by_name(value: object) -> object:
    """A document with its members by name, as Go writes what a patch has changed: the first misfit is told of."""
    if isinstance(value, dict):
        return {name: _by_name(value[name]) for name in sorted(value)}
    return [_by_name(inner) for inner in value] if isinstance(value, list) else value


def strict_text(problems: list[str]) -> str:
    """The refusal's text for unknown and repeated fields."""
    return "strict decoding error: " + ", ".join(problems)


def as_warnings(problems: list[str]) -> list[str]:
    """A warning each; what YAML's decoder has found comes as lines of one text (handlers/rest.go parseYAMLWarnings)."""
    found: list[str] = []
    for problem in problems:
        head, told, lines = problem.partition("yaml: unmarshal errors:\n")
        found += [line.strip() for line in lines.split("\n")] if told and head in CONVERTING else [problem]
    return found


def _identity(found: object) -> tuple[str, str]:
    """`apiVersion` and `kind` as written, before anything else is looked at; raises ValueError."""
    if found is None:
        return "", ""
    if not isinstance(found, dict):
        text = f"json: cannot unmarshal {gojson.described(found)} into Go value of type {TYPE_META}"
        raise ValueError(f"couldn't get version/kind; json parse error: {text}")
    for name in ("apiVersion", "kind"):
        value = found.get(name)
        if value is not None and not isinstance(value, str):
            text = f"json: cannot unmarshal {gojson.described(value)} into Go struct field .{name} of type string"
            raise ValueError(f"couldn't get version/kind; json parse error: {text}")
    if (found.get("apiVersion") or "").count("/") > 1:
        raise ValueError(f"unexpected GroupVersion string: {found['apiVersion']}")
    return written_version(found.get("apiVersion") or ""), found.get("kind") or ""


def written_version(text: str) -> str:
    """An apiVersion as Go understands it: a slash with no group before it means nothing."""
    return text.removeprefix("/") if text.count("/") == 1 else text


def _versionless(shown: str) -> str:
    return f"Object 'apiVersion' is missing in '{shown}'"


def _shared(wanted: tuple[str, str, str], schemas: Schemas) -> bool:
    """DeleteOptions and its like belong to every group."""
    return schemas.definition(*wanted).startswith("io.k8s.apimachinery.")


def _joined(group: str, version: str) -> str:
    return f"{group}/{version}" if group else version


def _bad_request(text: str) -> StatusError:
    return StatusError(400, "BadRequest", text)


def unrecognized(body: bytes, kind: str, text: str) -> StatusError:
    """The refusal of a body whose kind could not even be read; it shows the body's beginning."""
    body = gojson.as_sent(body)
    if not body:
        shown = "<empty>"
    else:
        head = body[:SUMMARY]
        shown = head.decode(errors="replace") if body[:1] == b"{" else head.hex()
        shown += " ..." if len(body) > SUMMARY else ""
    return _bad_request(f"the object provided is unrecognized (must be of type {kind}): {text} ({shown})")
