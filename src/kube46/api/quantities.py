"""Kubernetes resource quantities: `100m`, `1Gi`, `1e3` as exact numbers, and as sums that are printed as Go does.

Source: k8s.io/apimachinery/pkg/api/resource/quantity.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from functools import lru_cache

SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
FORM = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([eE][+-]?\d+)|([KMGTPE]i)|([numkMGTPE]?))")


def parse(quantity: str | float) -> Decimal:
    """The quantity in its base unit (CPUs, bytes, pieces). Raises ValueError on text that is no quantity."""
    match = FORM.fullmatch(str(quantity).strip())
    if not match:
        raise ValueError(f"{quantity!r} is no quantity; write it as 500m, 2 or 1Gi")
    number, exponent, binary, suffix = match.groups()
    if exponent:
        return Decimal(number + exponent)
    return Decimal(number) * (Decimal(2) ** BINARY[binary] if binary else Decimal(10) ** SUFFIXES[suffix or ""])


NANO = 10**9
POWERS = {exponent: suffix for suffix, exponent in SUFFIXES.items()}
BINARY_POWERS = ("", *BINARY)


class Form(Enum):
    """How a quantity is written: `1k`, `1Ki` or `1e3`."""

    DECIMAL = auto()
    BINARY = auto()
    EXPONENT = auto()


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount in billionths, which no quantity is finer than, and the form in which it is printed."""

    nano: int = 0
    form: Form = Form.DECIMAL

    def __add__(self, other: Quantity) -> Quantity:
        """The sum, in the form of the first that is not zero."""
        return Quantity(self.nano + other.nano, self.form if self.nano else other.form)

    def __sub__(self, other: Quantity) -> Quantity:
        """The difference, in the form of the first that is not zero."""
        return Quantity(self.nano - other.nano, self.form if self.nano else other.form)

    def __str__(self) -> str:
        """The canonical text."""
        return written(self.nano, self.form)

    @property
    def whole(self) -> int:
        """Rounded away from zero, as `Value()` is."""
        return _rounded(self.nano, NANO)

    @property
    def thousandths(self) -> int:
        """The same of thousandths, as `MilliValue()`."""
        return _rounded(self.nano, NANO // 1000)


def _rounded(nano: int, unit: int) -> int:
    up = -(-abs(nano) // unit)
    return up if nano >= 0 else -up


@lru_cache(4096)
def read(quantity: str | float) -> Quantity:
    """The quantity as one that can be added; raises ValueError on text that is none."""
    text = str(quantity).strip()
    match = FORM.fullmatch(text)
    if not match:
        raise ValueError(f"{quantity!r} is no quantity; write it as 500m, 2 or 1Gi")
    number, exponent, binary, suffix = match.groups()
    digits, _, part = number.lstrip("+-").partition(".")
    power = (int(exponent[1:]) if exponent else 0 if binary else SUFFIXES[suffix or ""]) + 9 - len(part)
    nano = int(digits + part) * 2 ** BINARY.get(binary or "", 0)
    nano = nano * 10**power if power >= 0 else -(-nano // 10**-power)
    form = Form.EXPONENT if exponent else Form.BINARY if binary else Form.DECIMAL
    return Quantity(-nano if number.startswith("-") else nano, form)


def written(nano: int, form: Form = Form.DECIMAL) -> str:
    """The canonical text of so many billionths: what is no whole number, or small, is not written with `Ki`."""
    sign, left = ("-" if nano < 0 else ""), abs(nano)
    if not left:
        return "0"
    if form is Form.BINARY and left >= 1024 * NANO and left % NANO == 0:
        number, power = left // NANO, 0
        while number % 1024 == 0 and power < len(BINARY_POWERS) - 1:
            number, power = number // 1024, power + 1
        return f"{sign}{number}{BINARY_POWERS[power]}"
    number, power = left, -9
    while number % 1000 == 0 and (form is Form.EXPONENT or power < max(POWERS)):
        number, power = number // 1000, power + 3
    if form is Form.EXPONENT:
        return f"{sign}{number}e{power}" if power else f"{sign}{number}"
    return f"{sign}{number}{POWERS[power]}"
