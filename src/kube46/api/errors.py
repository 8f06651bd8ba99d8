"""Field errors of API objects, printed byte for byte as Kubernetes' Go code prints them.

Sources: k8s.io/apimachinery/pkg/util/validation/field, k8s.io/apimachinery/pkg/api/errors (NewInvalid); semantics 0.3.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GO_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
GO_ESCAPES |= {"\\": "\\\\", '"': '\\"'}
JSON_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def go_quote(text: str) -> str:
    """A string as Go's `%q` prints it."""
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(char: str) -> str:
    if char in GO_ESCAPES:
        return GO_ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def go_json(value: Any) -> str:
    """A value as Go's encoding/json prints it: compact, `<`, `>` and `&` escaped."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).translate(JSON_ESCAPES)


def go_value(value: Any) -> str:
    """A value inside an error text (semantics E-4): strings quoted, numbers and booleans plain, the rest JSON."""
    return go_quote(value) if isinstance(value, str) else go_json(value)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field: `reason` as in `causes`, `body` the text without the field's path."""

    reason: str
    field: str
    body: str

    @property
    def text(self) -> str:
        """`field: body`, as messages show it."""
        return f"{self.field}: {self.body}"


def required(field: str, detail: str = "") -> FieldError:
    """The field is missing or empty."""
    return FieldError("FieldValueRequired", field, _detailed("Required value", detail))


def forbidden(field: str, detail: str = "") -> FieldError:
    """The field may not be there."""
    return FieldError("FieldValueForbidden", field, _detailed("Forbidden", detail))


def invalid(field: str, value: Any, detail: str = "") -> FieldError:
    """The value is malformed or clashes with another one."""
    return FieldError("FieldValueInvalid", field, _detailed(f"Invalid value: {go_value(value)}", detail))


def invalid_unshown(field: str, detail: str) -> FieldError:
    """The same of a value that is long or says nothing to a reader (Go's OmitValueType)."""
    return FieldError("FieldValueInvalid", field, _detailed("Invalid value", detail))


def not_supported(field: str, value: Any, supported: Iterable[str], *, in_order: bool = False) -> FieldError:
    """The value is none of the known ones, which are listed alphabetically or as given (E-5)."""
    names = ", ".join(go_quote(name) for name in (supported if in_order else sorted(supported)))
    return FieldError(
        "FieldValueNotSupported", field, f"Unsupported value: {go_value(value)}: supported values: {names}"
    )


def duplicate(field: str, value: Any) -> FieldError:
    """The value appeared before in the same list."""
    return FieldError("FieldValueDuplicate", field, f"Duplicate value: {go_value(value)}")


def too_many(field: str, count: int, most: int) -> FieldError:
    """The list is longer than `most`."""
    return FieldError("FieldValueTooMany", field, f"Too many: {count}: must have at most {most} items")


def too_long(field: str, most: int) -> FieldError:
    """The value is longer than `most` bytes."""
    return FieldError("FieldValueTooLong", field, f"Too long: may not be more than {most} bytes")


def internal(field: str, detail: str) -> FieldError:
    """The check itself failed."""
    return FieldError("InternalError", field, f"Internal error: {detail}")


def not_found(field: str, value: Any) -> FieldError:
    """The value refers to something that does not exist."""
    return FieldError("FieldValueNotFound", field, f"Not found: {go_value(value)}")


def _detailed(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text


def each_invalid(field: str, value: Any, details: Iterable[str]) -> list[FieldError]:
    """One `Invalid value` for each detail, as Go's loops over a list of messages make them."""
    return [invalid(field, value, detail) for detail in details]


def body(errors: Sequence[FieldError]) -> str:
    """The errors in one text: duplicates once, several in brackets (E-2)."""
    texts = list(dict.fromkeys(error.text for error in errors))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def summary(kind: str, group: str, name: str, errors: Sequence[FieldError]) -> tuple[str, list[dict[str, str]]]:
    """Message and causes of the 422 answer (E-1, E-2); both name what is wrong once."""
    qualified = f"{kind}.{group}" if group else kind
    distinct: dict[str, FieldError] = {}
    for error in errors:
        distinct.setdefault(error.text, error)
    causes = [{"reason": error.reason, "message": error.body, "field": error.field} for error in distinct.values()]
    return f"{qualified} {go_quote(name)} is invalid: {body(errors)}", causes
