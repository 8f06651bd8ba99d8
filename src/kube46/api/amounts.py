"""Amounts of several resources at once (Go's ResourceList): added, compared and printed.

Source: k8s.io/apiserver pkg/quota/v1/resources.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kube46.api.quantities import Quantity, read

Amounts = dict[str, Quantity]
Written = Mapping[str, str | int | float]
ZERO, ONE = Quantity(), Quantity(10**9)


def of(written: Written | None) -> Amounts:
    """Amounts as an object has them."""
    return {name: read(amount) for name, amount in (written or {}).items()}


def texts(amounts: Mapping[str, Quantity]) -> dict[str, str]:
    """Amounts as an object is to have them."""
    return {name: str(amount) for name, amount in amounts.items()}


def plus(one: Mapping[str, Quantity], other: Mapping[str, Quantity]) -> Amounts:
    """The sum."""
    return {**one, **{name: one[name] + amount if name in one else amount for name, amount in other.items()}}


def grown(new: Mapping[str, Quantity], old: Mapping[str, Quantity]) -> Amounts:
    """How much more the new ones are; nothing of what is less."""
    more = {name: amount - old[name] if name in old else amount for name, amount in new.items()}
    return {name: amount if amount.nano > 0 else ZERO for name, amount in more.items()}


def most(one: Mapping[str, Quantity], *others: Mapping[str, Quantity]) -> Amounts:
    """The greater of each."""
    found = dict(one)
    for other in others:
        for name, amount in other.items():
            if name not in found or amount.nano > found[name].nano:
                found[name] = amount
    return found


def only(amounts: Mapping[str, Quantity], names: Iterable[str]) -> Amounts:
    """Those of these names."""
    wanted = set(names)
    return {name: amount for name, amount in amounts.items() if name in wanted}


def some(amounts: Mapping[str, Quantity]) -> Amounts:
    """Those that are not zero."""
    return {name: amount for name, amount in amounts.items() if amount.nano}


def exceeding(amounts: Mapping[str, Quantity], limits: Mapping[str, Quantity]) -> list[str]:
    """The names of those that are above their limit."""
    return [name for name, amount in amounts.items() if name in limits and amount.nano > limits[name].nano]


def equal(one: Mapping[str, Quantity], other: Mapping[str, Quantity]) -> bool:
    """Whether they are the same, however written."""
    return {name: amount.nano for name, amount in one.items()} == {n: amount.nano for n, amount in other.items()}


def told(amounts: Mapping[str, Quantity]) -> str:
    """`cpu=1,memory=2Gi`, by name."""
    return ",".join(f"{name}={amounts[name]}" for name in sorted(amounts))
