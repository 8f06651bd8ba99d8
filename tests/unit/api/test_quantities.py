# ruff: noqa: E501 – tables of cases are read across
"""Quantities as numbers that are added and printed as Go does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.quantities import Form, Quantity, read, written


@pytest.mark.parametrize(("text", "canonical", "whole", "thousandths"), [
    ("100m", "100m", 1, 100), ("1.5", "1500m", 2, 1500), ("1Gi", "1Gi", 1 << 30, 1000 << 30), ("1023", "1023", 1023, 1023000),
    ("1024", "1024", 1024, 1024000), ("0.5Gi", "512Mi", 1 << 29, 1000 << 29), ("1000Ki", "1000Ki", 1024000, 1024000000),
    ("1e3", "1e3", 1000, 1000000), ("1E3", "1e3", 1000, 1000000), ("2E", "2E", 2 * 10**18, 2 * 10**21), ("0.5Ki", "512", 512, 512000),
    ("-100m", "-100m", -1, -100), ("0", "0", 0, 0), ("1n", "1n", 1, 1), ("0.1n", "1n", 1, 1), ("+3", "3", 3, 3000), (2, "2", 2, 2000),
    ("1.5Ki", "1536", 1536, 1536000), ("1500m", "1500m", 2, 1500), ("1000000", "1M", 10**6, 10**9),
])  # fmt: skip
def test_reading_and_printing(text: str | int, canonical: str, whole: int, thousandths: int) -> None:
    """Each form, its canonical text and its values, which are rounded up."""
    quantity = read(text)
    assert (str(quantity), quantity.whole, quantity.thousandths) == (canonical, whole, thousandths)


@pytest.mark.parametrize(("one", "other", "total", "left"), [
    ("1Gi", "1Gi", "2Gi", "0"), ("500m", "1", "1500m", "-500m"), ("0", "1Gi", "1Gi", "-1Gi"), ("1Gi", "1G", "2073741824", "73741824"),
    ("1G", "1Gi", "2073741824", "-73741824"), ("1Gi", "100m", "1073741824100m", "1073741823900m"), ("512Mi", "512Mi", "1Gi", "0"),
])  # fmt: skip
def test_sums_keep_the_form(one: str, other: str, total: str, left: str) -> None:
    """A sum is written as its first part that is not zero, a fraction never with `Ki`."""
    assert (str(read(one) + read(other)), str(read(one) - read(other))) == (total, left)


def test_what_is_no_quantity() -> None:
    """Other text is told from a number."""
    with pytest.raises(ValueError, match="is no quantity"):
        read("12x")


@given(st.integers(-(10**30), 10**30), st.sampled_from(Form))
def test_printed_amounts_are_read_again(nano: int, form: Form) -> None:
    """No amount is lost on paper, and its canonical text is that of what is read of it."""
    text = written(nano, form)
    assert read(text).nano == nano
    assert str(read(text)) == text


@given(st.lists(st.integers(0, 10**24), min_size=1))
def test_sums_are_exact(parts: list[int]) -> None:
    """However many are added, nothing is rounded, and the first form stays."""
    total = sum((Quantity(part) for part in parts), start=Quantity())
    assert total.nano == sum(parts)
