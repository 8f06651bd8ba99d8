"""YAML in bodies is read as Go's sigs.k8s.io/yaml reads it; all answers here are the real kube-apiserver's or Go's."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.apiserver.bodies_yaml import Problem, load

SCALARS = {
    "y": True, "Off": False, "~": None, "'y'": "y", "2020-01-01": "2020-01-01", "010": 8, "0o7": 7, "1_000": 1000,
    "1e3": 1000.0, ".5": 0.5, "0x1F": 31, "-0b11": -3, "1:30": "1:30", "18446744073709551615": 2**64 - 1,
    "18446744073709551616": 1.8446744073709552e19, "!!str 7": "7", "!!float 1": 1.0, "!!binary aGk=": "hi",
    "!other 7": "7", "0x": "0x", "08": 8.0, "--1": "--1", "yes please": "yes please",
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS.items())
def test_scalars(text: str, value: object) -> None:
    """Plain scalars are YAML 1.1's, but for dates and base 60, which stay texts."""
    assert load(f"- {text}\n".encode()) == ([value], "")


@pytest.mark.parametrize(("text", "value"), [
    (b"", None), (b"a: 1\n---\nb: 2\n", {"a": 1}),
    (b"data: {on: 'yes', 1: x, 1.5: z}", {"data": {"1": "x", "1.5": "z", "true": "yes"}}),
    (b"a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}\ne: *x\n",
     {"a": {"b": 1, "c": 2}, "d": {"b": 3, "c": 2}, "e": {"b": 1, "c": 2}}),
    (b"a: [{<<: [{b: 1}, {b: 2, c: 3}]}]", {"a": [{"b": 1, "c": 3}]}),
])  # fmt: skip
def test_documents(text: bytes, value: object) -> None:
    """The first document counts, keys become texts, merges add what is not there."""
    assert load(text)[0] == value


def test_repeated_keys() -> None:
    """The last of them counts, and each is told with its line."""
    told = 'yaml: unmarshal errors:\n  line 5: key "a" already set in map'
    assert load(b"metadata:\n  name: y3\ndata:\n  a: b\n  a: c\n") == (
        {"data": {"a": "c"}, "metadata": {"name": "y3"}},
        told,
    )
    assert load(b"{a: 1, a: 2}")[1] == 'yaml: unmarshal errors:\n  line 1: key "a" already set in map'


@pytest.mark.parametrize(("text", "problem"), [
    (b"a: b: c", "yaml: mapping values are not allowed in this context"),
    (b"metadata:\n\tname: x\n", "yaml: line 2: found character that cannot start any token"),
    (b"{", "yaml: line 1: did not find expected node content"), (b"\x00", "yaml: control characters are not allowed"),
    (b"a: *q", "yaml: unknown anchor 'q' referenced"), (b"a: &x [*x]", "yaml: anchor 'x' value contains itself"),
    (b"a: !!int x", "yaml: cannot decode !!str `x` as a !!int"), (b"a: .inf", "json: unsupported value: +Inf"),
    (b"a: !!binary '*'", "yaml: !!binary value contains invalid base64 data"),
    (b"<<: 7", "yaml: map merge requires map or sequence of maps as the value"),
    (b"~: 7", "unsupported map key of type: %!s(<nil>), key: <nil>, value: 7"),
])  # fmt: skip
def test_problems(text: bytes, problem: str) -> None:
    """What can't be read is told in the words of Go's parser."""
    with pytest.raises(Problem) as raised:
        load(text)
    assert str(raised.value) == problem


def test_bombs() -> None:
    """Aliases that unfold without end are refused; so is what is nested without end."""
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefg", "bcdefgh", strict=True)
    )
    with pytest.raises(Problem, match="excessive aliasing"):
        load(bomb.encode())
    with pytest.raises(Problem, match="exceeded max depth"):
        load(b"[" * 5000 + b"]" * 5000)


TEXTS = st.text(st.characters(max_codepoint=0xD7FF))  # JSON's pairs of escapes are nothing to YAML
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXTS | st.floats().filter(math.isfinite),
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=8,
)


@given(VALUES)
def test_json_is_yaml(value: object) -> None:
    """Every JSON text that Python writes is read as what it was."""
    assert load(json.dumps(value).encode()) == (value, "")
