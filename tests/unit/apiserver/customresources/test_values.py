"""Formats of strings, patterns, and the JSON paths of columns."""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube46.apiserver.customresources import fieldpaths, jsonpaths, patterns
from kube46.apiserver.customresources.formats import CHECKS, fits, known, unknown_formats
from kube46.apiserver.customresources.validation import validate
from patience import patient

if TYPE_CHECKING:
    import uuid

# format, strings that have it, strings that have not
FORMATS: list[tuple[str, list[str], list[str]]] = [
    ("ipv4", ["1.2.3.4"], ["::1", "1.2.3", "010.1.1.1", "1.2.3.٤"]),
    ("ipv6", ["::1", "::ffff:1.2.3.4"], ["1.2.3.4", "fe80::1%eth0", ":::"]),
    ("cidr", ["10.0.0.0/8", "fd00::/64"], ["10.0.0.0", "10.0.0.0/08", "10.0.0.0/33", "10.0.0.0/２", "::/129"]),
    ("mac", ["01:02:03:04:05:06", "01-02-03-04-05-0A", "0102.0304.0506"], ["01:02-03:04:05:06", "01:02"]),
    ("uuid", ["6ba7b810-9dad-11d1-80b4-00c04fd430c8"], ["6ba7b810"]),
    ("uuid4", ["0f0e8c5a-4d5f-4c63-9a6c-2d7b0c1f8e3a"], ["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]),
    ("uri", ["http://x", "/x", "urn:x"], ["x", "", "http://[::1", "http://a b"]),
    ("email", ["a@b"], ["a", "a@", "@b"]),
    ("hostname", ["a", "a.bc"], ["", "a.b", "-a", "a..bc"]),
    ("date", ["2024-02-29"], ["2023-02-29", "2024-2-9", "２０２４-01-01"]),
    ("date-time", ["2020-01-01T00:00:00Z", "2020-01-01t01:02:03.5+01:00"], ["2020-01-01", "2020-13-01T00:00:00Z"]),
    ("duration", ["1h5m", "3 weeks", "0"], ["", "h", "1 fortnight"]),
    ("byte", ["", "YQ=="], ["YQ", "*"]),
    ("creditcard", ["4111111111111111", "4111-1111-1111-1111"], ["4111111111111112", "٤١١١١١١١١١١١١١١١"]),
    ("isbn10", ["0-306-40615-2"], ["0-306-40615-3", "٠٣٠٦٤٠٦١٥٢"]),
    ("isbn13", ["978-0-306-40615-7"], ["978-0-306-40615-8"]),
    ("isbn", ["0306406152", "9780306406157"], ["12"]),
    ("ssn", ["123-45-6789"], ["123-45-678"]),
    ("hexcolor", ["#fff", "ABCDEF"], ["#ffff"]),
    ("rgbcolor", ["rgb(1, 2,255)"], ["rgb(1,2,256)", "rgb(1,2,３)"]),
    ("bsonobjectid", ["0123456789abcdef01234567"], ["0"]),
    ("k8s-short-name", ["a-b"], ["A", "a.b"]),
    ("k8s-long-name", ["a.b"], ["a..b"]),
    ("password", [""], []),
    ("of-my-own", ["anything"], []),
]


@pytest.mark.parametrize(("name", "good", "bad"), FORMATS, ids=lambda one: one if isinstance(one, str) else "")
def test_formats(name: str, good: list[str], bad: list[str]) -> None:
    """Strings have a format or have it not; digits are ASCII's."""
    assert [text for text in good if not fits(name, text)] == []
    assert [text for text in bad if fits(name, text)] == []


@given(st.sampled_from(sorted(CHECKS)), st.text(max_size=12))
@settings(max_examples=80)
def test_any_string_has_a_format_or_not(name: str, text: str) -> None:
    """No string, however odd, makes a check fail otherwise than by its answer."""
    assert fits(name, text) in (True, False)


@given(st.ip_addresses(), st.uuids(), st.dates(), st.binary(max_size=9))
@settings(max_examples=50)
def test_what_python_prints(address: Any, some: uuid.UUID, day: Any, data: bytes) -> None:
    """Addresses, UUIDs, and dates as their types print them have their formats."""
    assert fits(f"ipv{address.version}", str(address))
    assert fits("cidr", str(ipaddress.ip_network(address)))
    assert fits("uuid", str(some))
    assert fits("date", str(day))


def test_known_formats() -> None:
    """A format belongs to a type; what nobody checks is found at any depth."""
    assert known("date-time", "string")
    assert known("int32", "integer")
    assert known("double", "number")
    assert not known("int32", "string")
    assert not known("ipv4", "integer")
    inner = {"type": "array", "items": {"type": "string", "format": "odd"}}
    assert unknown_formats({"type": "object", "properties": {"a": inner, "b": {"format": "uuid"}}}) == ["odd"]


def test_format_errors_name_the_value() -> None:
    """A string without its format is refused with the format and the string."""
    found = validate({"a": "x"}, {"type": "object", "properties": {"a": {"type": "string", "format": "ipv4"}}})
    assert [error.text for error in found] == ['a: Invalid value: "x": a in body must be of type ipv4: "x"']


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("^a+$", ""), ("(", "missing closing ): `(`"), ("[", "missing closing ]: `[`"),
        ("a**", "invalid nested repetition operator: `**`"), (r"(a)\1", r"invalid escape sequence: `\1`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"), ("a{2000}", "invalid repeat count: `{2000}`"),
        ("*", "missing argument to repetition operator: `*`"), ("[z-a]", "invalid character class range: `z-a`"),
    ],
)  # fmt: skip
def test_pattern_problems(pattern: str, wanted: str) -> None:
    """An expression that Go can't compile is refused in Go's words."""
    assert patterns.problem(pattern) == (f"error parsing regexp: {wanted}" if wanted else "")


def test_evil_pattern_ends() -> None:
    """An expression on which Python's engine would hang takes time linear to the text."""
    start = time.process_time()
    assert not patterns.matches("^(a+)+$", "a" * 50_000 + "b")
    assert patterns.matches("(x+x+)+y", "x" * 50_000 + "y")
    assert time.process_time() - start < patient(1)


DOCUMENT = {
    "a": [{"type": "x", "b": 1}, {"type": "y", "b": 2, "c": {"d": 3}}], "a.b": 9, "o": {"p": 1, "q": 2}, "n": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (".a[0].b", [1]), (".a[-1].b", [2]), (".a[5]", []), (".a[0:1].b", [1]), (".a[-1:].b", [2]),
        (".a[*].b", [1, 2]), (".a[*].c.d", [3]), (".o.*", [1, 2]), (".o[*]", [1, 2]),
        ("['a.b']", [9]), ('["a.b"]', [9]), (r".a\.b", [9]), (".n", [None]), (".nope", []),
        ('.a[?(@.type=="y")].b', [2]), (".a[?(@.type == 'x')].b", [1]), (".a[?(@.b>1)].b", [2]),
        (".a[?(@.b>='x')].b", []), (".a[?(@.c)].b", [2]), (".a[?(@.type!=\"y\")].b", [1]),
        ("", [DOCUMENT]), ("a", []), ("..a", []), (".a[", []), (".a[?(@.b==)]", []), (".a[x]", []),
    ],
)  # fmt: skip
def test_json_paths(path: str, wanted: list[Any]) -> None:
    """A path finds its values in order; what is none finds nothing."""
    assert jsonpaths.find(DOCUMENT, path) == wanted


@given(st.text(".[]'\"*?@()=<>:-\\ab01 ", max_size=14))
@settings(max_examples=200)
def test_any_text_is_a_path_or_not(text: str) -> None:
    """No text makes the search fail."""
    found = jsonpaths.find(DOCUMENT, text)
    assert isinstance(found, list)
    if jsonpaths.parse(text) is None:
        assert found == []


@given(st.text(min_size=1, max_size=8))
@settings(max_examples=60)
def test_quoted_names(name: str) -> None:
    """Any name can be quoted, in both kinds of paths."""
    quoted = "['" + name.replace("\\", "\\\\").replace("'", "\\'") + "']"
    if "\n" not in name:
        assert jsonpaths.find({name: 1}, quoted) == [1]
        assert fieldpaths.steps(quoted) == [name]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (".a", {"type": "string"}), (".m.any", {"type": "integer"}), (".m['x.y']", {"type": "integer"}),
        (".b", "does not refer to a valid field"), ("a", "expected [ or . but got: a"),
        ("", "expected [ or . but got: "), (".a[0]", "expected [ or . but got: .a[0]"),
    ],
)  # fmt: skip
def test_field_paths(path: str, wanted: Any) -> None:
    """A rule's fieldPath leads to a schema, or it is told what is wrong with it."""
    schema = {"properties": {"a": {"type": "string"}, "m": {"additionalProperties": {"type": "integer"}}}}
    assert fieldpaths.schema_at(path, schema) == wanted
