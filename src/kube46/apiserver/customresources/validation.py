"""The values of custom objects against their schema, with the texts of Kubernetes' OpenAPI validation.

Source: kube-openapi pkg/validation/{validate,errors}; apiextensions-apiserver pkg/apiserver/validation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from kube46.api.errors import FieldError, go_quote, go_value, invalid, not_supported, required, too_long, too_many
from kube46.apiserver.customresources import patterns
from kube46.apiserver.customresources.formats import fits, known
from kube46.apiserver.customresources.lists import correlated

Object = dict[str, Any]
MISSING: Any = object()
INT_OR_STRING = "x-kubernetes-int-or-string"
BITS = {"int32": 31, "int64": 63}


@dataclass(slots=True)
class Result:
    """What is wrong with a value; `matches` counts what is right: of several branches the best is told of."""

    errors: list[FieldError] = field(default_factory=list)
    matches: int = 0

    def merge(self, other: Result) -> None:
        """Take in the result of a part."""
        self.errors += [error for error in other.errors if error not in self.errors]
        self.matches += other.matches


def validate(value: Any, schema: Object, *, old: Any = MISSING, prefix: str = "") -> list[FieldError]:
    """The errors of a value. What is as it was in `old` is not looked at; `prefix` is where the value itself stands."""
    return _Checks(prefix).check(value, schema, "", old).errors


class _Checks:
    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def check(self, value: Any, schema: Object, path: str, old: Any = MISSING) -> Result:
        result = Result()
        if old is not MISSING and old == value and type(old) is type(value):
            return result
        kinds = ("integer", "string") if schema.get(INT_OR_STRING) else (schema["type"],) if schema.get("type") else ()
        if kinds:
            result.merge(self._type(value, schema, kinds, path))
        if value is not None:
            self._branches(value, schema, path, old, result)
            if isinstance(value, str):
                self._string(value, schema, kinds, path, result)
            elif isinstance(value, list):
                self._list(value, schema, path, old, result)
            elif isinstance(value, dict):
                self._object(value, schema, path, old, result)
            elif not isinstance(value, bool):
                self._number(value, schema, kinds, path, result)
        if schema.get("enum") and not any(_same(value, one) for one in schema["enum"]):
            listed = [one if isinstance(one, str) else json.dumps(one) for one in schema["enum"]]
            result.errors.append(not_supported(self._field(path), value, listed, in_order=True))
        result.matches += 1
        return result

    def _field(self, path: str) -> str:
        return ".".join(part for part in (self._prefix, path.removeprefix(".")) if part) or "<nil>"

    def _wrong(self, path: str, value: Any, text: str) -> FieldError:
        return invalid(self._field(path), value, f"{path} in body {text}")

    def _mistyped(self, path: str, wanted: str, value: str) -> Result:
        text = f"{path} in body must be of type {wanted}: {go_quote(value)}"
        return Result(
            [FieldError("FieldValueTypeInvalid", self._field(path), f"Invalid value: {go_value(value)}: {text}")]
        )

    def _type(self, value: Any, schema: Object, kinds: tuple[str, ...], path: str) -> Result:
        kind = _kind(value)
        if value is None:
            return Result() if schema.get("nullable") else self._mistyped(path, ",".join(kinds), "null")
        whole = kind == "number" and float(value).is_integer() and "integer" in kinds
        if kind in kinds or whole or (kind == "integer" and "number" in kinds):
            return Result(matches=2)
        return self._mistyped(path, ",".join(kinds), kind)

    def _branches(self, value: Any, schema: Object, path: str, old: Any, result: Result) -> None:
        for junctor in ("anyOf", "oneOf", "allOf"):
            if schema.get(junctor):
                getattr(self, f"_{junctor}")(
                    [self.check(value, one, path, old) for one in schema[junctor]], path, result
                )
        if "not" in schema and not self.check(value, schema["not"], path, old).errors:
            self._composite(f"{go_quote(path)} must not validate the schema (not)", result)

    def _composite(self, text: str, result: Result) -> None:
        result.errors.append(invalid(self._prefix or "<nil>", "", text))

    def _anyOf(self, found: list[Result], path: str, result: Result) -> None:  # noqa: N802  the keyword's name
        if all(one.errors for one in found):
            self._composite(f"{go_quote(path)} must validate at least one schema (anyOf)", result)
            result.merge(_best(found))

    def _oneOf(self, found: list[Result], path: str, result: Result) -> None:  # noqa: N802
        valid = sum(not one.errors for one in found)
        if valid != 1:
            how = f"Found {valid} valid alternatives" if valid else "Found none valid"
            self._composite(f"{go_quote(path)} must validate one and only one schema (oneOf). {how}", result)
            if not valid:
                result.merge(_best(found))

    def _allOf(self, found: list[Result], path: str, result: Result) -> None:  # noqa: N802
        for one in found:
            result.merge(one)
        if any(one.errors for one in found):
            how = ". None validated" if all(one.errors for one in found) else ""
            self._composite(f"{go_quote(path)} must validate all the schemas (allOf){how}", result)

    def _string(self, value: str, schema: Object, kinds: tuple[str, ...], path: str, result: Result) -> None:
        count, before = len(value), len(result.errors)
        if (most := schema.get("maxLength")) is not None and count > most:
            result.errors.append(too_long(self._field(path), most))
        elif (least := schema.get("minLength")) is not None and count < least:
            result.errors.append(self._wrong(path, value, f"should be at least {least} chars long"))
        elif (pattern := schema.get("pattern")) and not patterns.matches(pattern, value):
            result.errors.append(self._wrong(path, value, f"should match '{pattern}'"))
        name, kind = schema.get("format") or "", kinds[0] if len(kinds) == 1 else ""
        if name and known(name, kind) and kind in ("", "string") and not fits(name, value):
            result.merge(self._mistyped(path, name, value))
        result.matches += len(result.errors) == before

    def _number(self, value: float, schema: Object, kinds: tuple[str, ...], path: str, result: Result) -> None:
        before, name = len(result.errors), schema.get("format") or ""
        limit = 1 << BITS.get(name, 63)
        if kinds == ("integer",) and not -limit <= value < limit:
            how = f"with format {name}" if name in BITS else "(default format)"
            self._composite(f"Checked value must be of type integer {how} in {path}", result)
        if (factor := schema.get("multipleOf")) and not _multiple(value, factor):
            result.errors.append(self._wrong(path, value, f"should be a multiple of {_go_number(factor)}"))
        if (most := schema.get("maximum")) is not None:
            exclusive = schema.get("exclusiveMaximum")
            if value > most or (exclusive and value == most):
                text = "less than" if exclusive else "less than or equal to"
                result.errors.append(self._wrong(path, value, f"should be {text} {_go_number(most)}"))
        if (least := schema.get("minimum")) is not None:
            exclusive = schema.get("exclusiveMinimum")
            if value < least or (exclusive and value == least):
                text = "greater than" if exclusive else "greater than or equal to"
                result.errors.append(self._wrong(path, value, f"should be {text} {_go_number(least)}"))
        result.matches += len(result.errors) == before

    def _list(self, value: list[Any], schema: Object, path: str, old: Any, result: Result) -> None:
        items: Object = schema.get("items") or {}
        for index, inner in enumerate(value):
            before = correlated(inner, schema, old, MISSING)
            result.merge(self.check(inner, items, f"{path}[{index}]", before))
        if (least := schema.get("minItems")) is not None and len(value) < least:
            result.errors.append(self._wrong(path, len(value), f"should have at least {least} items"))
        if (most := schema.get("maxItems")) is not None and len(value) > most:
            result.errors.append(too_many(self._field(path), len(value), most))

    def _object(self, value: Object, schema: Object, path: str, old: Any, result: Result) -> None:
        least, most = schema.get("minProperties"), schema.get("maxProperties")
        if least is not None and len(value) < least:
            result.errors.append(self._wrong(path, len(value), f"should have at least {least} properties"))
            return
        if most is not None and len(value) > most:
            result.errors.append(too_many(self._field(path), len(value), most))
            return
        properties, more = schema.get("properties") or {}, schema.get("additionalProperties", True)
        before = old if isinstance(old, dict) else {}
        for name in sorted(value):
            where = f"{path}.{name}" if path else name
            inner = properties.get(name, more)
            if inner is False:
                text = f"{path}.{name} in body is a forbidden property"
                result.errors.append(invalid(self._field(path), "", text))
            elif isinstance(inner, dict):
                result.merge(self.check(value[name], inner, where, before.get(name, MISSING)))
        result.errors += [
            required(self._field(f"{path}.{name}")) for name in schema.get("required") or () if name not in value
        ]


def _best(found: list[Result]) -> Result:
    """The first of the branches with most matches."""
    return max(found, key=lambda one: one.matches)


def _kind(value: Any) -> str:
    for python, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array")):
        if isinstance(value, python):
            return name
    return "object"


def _same(value: Any, one: Any) -> bool:
    """Go's comparison with a member of an enum: numbers by value, all else by type as well; null never is a member."""
    if value is None:
        return False
    return value == one and isinstance(value, bool) == isinstance(one, bool)


def _multiple(value: float, factor: float) -> bool:
    if isinstance(value, int) and isinstance(factor, int):
        return value % factor == 0
    quotient = value / factor
    return quotient == round(quotient)


def _go_number(value: float) -> str:
    """A number as Go's %v prints it."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e21 else repr(value)
