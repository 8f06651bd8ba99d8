"""Kubernetes resource quantities: `100m`, `1Gi`, `1e3` as exact numbers.

Source: k8s.io/apimachinery/pkg/api/resource/quantity.go.
"""

import re
from decimal import Decimal

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
