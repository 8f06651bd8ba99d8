"""Indexes, expectations, selectors and quantities that the loops stand on."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import ConfigMap, LabelSelectorRequirement, Meta
from kube46.api.quantities import parse
from kube46.controllers.expectations import Expectations
from kube46.controllers.indexes import Index
from kube46.controllers.selectors import holds

OPS = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.one_of(st.none(), st.dictionaries(st.sampled_from("xy"), st.sampled_from("12")))
    )
)


class Listened:
    """What an index needs of a cache, fed by hand: objects and listeners."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], ConfigMap] = {}
        self.listeners: list = []

    def __getitem__(self, key: tuple[str, str]) -> ConfigMap:
        return self.objects[key]

    def __contains__(self, key: object) -> bool:
        return key in self.objects

    def get(self, key: tuple[str, str]) -> ConfigMap | None:
        return self.objects.get(key)

    def listen(self, listener) -> None:
        self.listeners.append(listener)

    def set(self, name: str, new: ConfigMap | None) -> None:
        old = self.objects.pop(("", name), None)
        if new:
            self.objects["", name] = new
        if old or new:
            for listener in self.listeners:
                listener(old, new)


def made(name: str, version: int = 1, uid: str = "u", **labels: str) -> ConfigMap:
    return ConfigMap(metadata=Meta(name=name, uid=uid, resource_version=str(version), labels=labels))


@given(OPS)
def test_index_is_what_a_scan_finds(changes: list[tuple[str, dict[str, str] | None]]) -> None:
    """After any changes the index holds exactly what a look at all objects would find."""
    cache = Listened()
    index: Index[tuple[str, str], ConfigMap] = Index(cache, lambda one: one.metadata.labels.items())
    for name, labels in changes:
        cache.set(name, None if labels is None else made(name, **labels))
    for pair in [(k, v) for k in "xy" for v in "12"]:
        scan = {key for key, one in cache.objects.items() if pair in one.metadata.labels.items()}
        assert index.keys(pair) == scan


def story() -> tuple[Listened, Expectations[str, ConfigMap], list[str], list[float]]:
    cache, woken, now = Listened(), [], [0.0]
    found = Expectations(cache, woken.append, lambda: now[0])
    found.follow()
    return cache, found, woken, now


def test_write_is_awaited_until_the_cache_shows_it() -> None:
    """An owner is pending from its write until the cache shows that version or a later one."""
    cache, expectations, woken, _ = story()
    expectations.wrote("o", made("a", 5))
    assert expectations.pending("o")
    assert not expectations.pending("other")
    cache.set("a", made("a", 4))
    assert expectations.pending("o")
    cache.set("a", made("a", 7))
    assert not expectations.pending("o")
    assert woken == ["o"]


def test_write_shown_before_the_answer_is_not_awaited() -> None:
    """The watch may be faster than the answer."""
    cache, expectations, woken, _ = story()
    cache.set("a", made("a", 5))
    expectations.wrote("o", made("a", 5))
    expectations.deleted("o", made("b"))
    assert not expectations.pending("o")
    assert woken == []


def test_deletion_is_awaited() -> None:
    """A deleted object is awaited until it is gone, dying, or another of its name is there."""
    cache, expectations, _, _ = story()
    for end in (None, made("a", 2, uid="other")):
        cache.set("a", made("a"))
        expectations.deleted("o", made("a"))
        assert expectations.pending("o")
        cache.set("a", end)
        assert not expectations.pending("o")


def test_object_that_came_and_went_is_not_awaited() -> None:
    """A write whose object was deleted by others ends with its deletion, or after a while when nobody tells."""
    cache, expectations, _, now = story()
    cache.set("a", made("a", 1))
    expectations.wrote("o", made("a", 5))
    cache.set("a", None)
    assert not expectations.pending("o")
    expectations.wrote("o", made("b", 9))
    now[0] = 31.0
    assert not expectations.pending("o")


@pytest.mark.parametrize(
    ("operator", "values", "labels", "expected"),
    [
        ("In", ["a"], {"k": "a"}, True),
        ("In", ["a"], {}, False),
        ("NotIn", ["a"], {}, True),
        ("NotIn", ["a"], {"k": "a"}, False),
        ("Exists", [], {"k": ""}, True),
        ("DoesNotExist", [], {"k": ""}, False),
        ("Gt", ["4"], {"k": "5"}, True),
        ("Lt", ["4"], {"k": "5"}, False),
        ("Gt", ["4"], {"k": "many"}, False),
        ("Near", ["4"], {"k": "4"}, False),
    ],
)
def test_requirements(operator: str, values: list[str], labels: dict[str, str], expected: bool) -> None:
    """Requirements hold as in the API."""
    assert holds(LabelSelectorRequirement("k", operator, tuple(values)), labels) is expected


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("500m", "0.5"),
        ("2", "2"),
        (2, "2"),
        ("1Gi", "1073741824"),
        ("1k", "1000"),
        ("1.5Ki", "1536"),
        ("1e3", "1000"),
        ("3u", "0.000003"),
    ],
)
def test_quantities(text: str, number: str) -> None:
    """Quantities are exact."""
    assert parse(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "Gi", "one", "1Xi"])
def test_bad_quantities(text: str) -> None:
    """What is no quantity is refused by name."""
    with pytest.raises(ValueError, match="is no quantity"):
        parse(text)
