"""JSON as Go's encoding/json reads it: repeated keys and numbers' spelling kept, its texts for syntax errors."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

QUOTED = {7: r"\a", 8: r"\b", 9: r"\t", 10: r"\n", 11: r"\v", 12: r"\f", 13: r"\r", 39: r"\'", 92: r"\\"}
DEPTH = 10_000  # Go's limit of nesting
EXPLAINED = 1 << 18  # characters of a broken text that are read again, in Python, to word the complaint as Go does
WHITE = re.compile(r"[ \t\r\n]*")
STRING_START = re.compile(r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*')
STRING = re.compile(STRING_START.pattern + '"')
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class SyntaxProblem(ValueError):
    """A text that is no JSON; the message is Go's."""

    @property
    def told(self) -> str:
        """As the decoders of objects tell it, which look for a kind first."""
        return f"couldn't get version/kind; json parse error: {self}"


class FormProblem(SyntaxProblem):
    """A body that is not even what its media type says."""

    @property
    def told(self) -> str:
        return str(self)


class Converted(bytes):
    """JSON that was made of a body in another form: the `original`, and why it can't be read, or what keys repeat."""

    original: bytes
    problem: str
    repeated: str


def converted(original: bytes, json: bytes = b"null", *, problem: str = "", repeated: str = "") -> Converted:
    """The JSON of a body; null where it can't be read."""
    made = Converted(json)
    made.original, made.problem, made.repeated = original, problem, repeated
    return made


def as_sent(body: bytes) -> bytes:
    """The body in the form in which it came."""
    return body.original if isinstance(body, Converted) else body


def repeated(body: bytes) -> list[str]:
    """The complaint about keys that a YAML document repeats, which its JSON no longer shows."""
    return [body.repeated] if isinstance(body, Converted) and body.repeated else []


class Spelled(float):
    """A number with a fraction or exponent that remembers how it was written."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Spelled:
        """Parse the number."""
        made = super().__new__(cls, text)
        made.text = text
        return made


class Repeated(dict[str, Any]):
    """An object in which a key came twice; `pairs` holds all of it in the order written."""

    __slots__ = ("pairs",)
    pairs: list[tuple[str, Any]]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    repeated = Repeated(made)
    repeated.pairs = pairs
    return repeated


def _constant(text: str) -> NoReturn:
    raise ValueError(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Spelled, parse_constant=_constant, strict=True)


def parse(body: bytes) -> Any:
    """The value of a text; raises SyntaxProblem. Bytes that are no UTF-8 become U+FFFD, as in Go."""
    if isinstance(body, Converted) and body.problem:
        raise FormProblem(body.problem)
    text = body.decode("utf-8", errors="replace")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        if len(text) > EXPLAINED:
            raise SyntaxProblem(_unexpected(text, error.pos, "looking for beginning of value")) from None
        raise SyntaxProblem(problem(text)) from None
    except (ValueError, RecursionError):
        raise SyntaxProblem(problem(text)) from None
    return _whole(value) if SURROGATE.search(text) else value


def _whole(value: Any) -> Any:
    """A value whose texts hold no half of a surrogate pair, which is no character: U+FFFD stands for it, as in Go."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    if isinstance(value, Repeated):
        return _object([(_whole(key), _whole(inner)) for key, inner in value.pairs])
    if isinstance(value, dict):
        return _object([(_whole(key), _whole(inner)) for key, inner in value.items()])
    return value


def plain(value: Any) -> Any:
    """A value without the marks of this module."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return float(value) if isinstance(value, Spelled) else value


def described(value: object) -> str:
    """What Go calls a value that does not fit: `string`, `bool`, `number 1.5`, `array`, `object`."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "number"


def spelled(value: object) -> str:
    """A number as it was written."""
    return value.text if isinstance(value, Spelled) else str(value)


def problem(text: str) -> str:
    """Go's complaint about a text that is no JSON (encoding/json, scanner.go)."""
    try:
        end = _value(text, 0, 0)
        end = _skip(text, end)
        if end < len(text):
            raise SyntaxProblem(_unexpected(text, end, "after top-level value"))
    except SyntaxProblem as found:
        return str(found)
    return "unexpected end of JSON input"


def _skip(text: str, at: int) -> int:
    match = WHITE.match(text, at)
    assert match is not None
    return match.end()


def _unexpected(text: str, at: int, context: str) -> str:
    """Go scans bytes, and ends a text with a space to see whether it is complete."""
    if at >= len(text):
        inside = context.startswith("in ") and context != "in string literal"
        if not inside and context != "after decimal point in numeric literal":
            return "unexpected end of JSON input"
        return f"invalid character ' ' {context}"
    byte = text[at].encode()[0]
    shown = QUOTED.get(byte) or (f"\\x{byte:02x}" if byte < 0x20 or 0x7F <= byte < 0xA0 else chr(byte))
    return f"invalid character '{shown}' {context}"


def _value(text: str, at: int, depth: int) -> int:
    """The end of the value that begins at or after a place; raises SyntaxProblem."""
    at = _skip(text, at)
    if depth > DEPTH:
        raise SyntaxProblem("exceeded max depth")
    char = text[at : at + 1]
    if char == "{":
        return _members(text, at + 1, depth)
    if char == "[":
        return _elements(text, at + 1, depth)
    if char == '"':
        return _string(text, at)
    for literal in ("true", "false", "null"):
        if char == literal[0]:
            return _literal(text, at, literal)
    if char and char in "-0123456789":
        return _number(text, at)
    raise SyntaxProblem(_unexpected(text, at, "looking for beginning of value"))


def _members(text: str, at: int, depth: int) -> int:
    at = _skip(text, at)
    if text[at : at + 1] == "}":
        return at + 1
    while True:
        at = _skip(text, at)
        if text[at : at + 1] != '"':
            raise SyntaxProblem(_unexpected(text, at, "looking for beginning of object key string"))
        at = _skip(text, _string(text, at))
        if text[at : at + 1] != ":":
            raise SyntaxProblem(_unexpected(text, at, "after object key"))
        at = _skip(text, _value(text, at + 1, depth + 1))
        if text[at : at + 1] == "}":
            return at + 1
        if text[at : at + 1] != ",":
            raise SyntaxProblem(_unexpected(text, at, "after object key:value pair"))
        at += 1


def _elements(text: str, at: int, depth: int) -> int:
    at = _skip(text, at)
    if text[at : at + 1] == "]":
        return at + 1
    while True:
        at = _skip(text, _value(text, at, depth + 1))
        if text[at : at + 1] == "]":
            return at + 1
        if text[at : at + 1] != ",":
            raise SyntaxProblem(_unexpected(text, at, "after array element"))
        at += 1


def _string(text: str, at: int) -> int:
    match = STRING.match(text, at)
    if match is not None:
        return match.end()
    start = STRING_START.match(text, at)
    assert start is not None
    at = start.end()
    if text[at : at + 1] == "\\":
        escape = text[at + 1 : at + 2]
        if escape == "u":
            digits = re.compile(r"[0-9a-fA-F]*").match(text, at + 2)
            assert digits is not None
            raise SyntaxProblem(_unexpected(text, digits.end(), "in \\u hexadecimal character escape"))
        raise SyntaxProblem(_unexpected(text, at + 1, "in string escape code"))
    raise SyntaxProblem(_unexpected(text, at, "in string literal"))


def _literal(text: str, at: int, literal: str) -> int:
    for offset, expected in enumerate(literal):
        if text[at + offset : at + offset + 1] != expected:
            raise SyntaxProblem(_unexpected(text, at + offset, f"in literal {literal} (expecting '{expected}')"))
    return at + len(literal)


def _number(text: str, at: int) -> int:
    match = NUMBER.match(text, at)
    if match is None:
        raise SyntaxProblem(_unexpected(text, at + 1, "in numeric literal"))
    end = match.end()
    if text[end : end + 1] == "." and "." not in match[0] and "e" not in match[0].lower():
        raise SyntaxProblem(_unexpected(text, end + 1, "after decimal point in numeric literal"))
    if text[end : end + 1] in ("e", "E") and "e" not in match[0].lower():
        sign = text[end + 1 : end + 2] in ("+", "-")
        raise SyntaxProblem(_unexpected(text, end + 1 + sign, "in exponent of numeric literal"))
    return end
