"""Resource quantities: `500m`, `1Gi`, `2` as exact numbers.

Source: kubernetes/staging/src/k8s.io/apimachinery/pkg/api/resource/quantity.go.
"""

from decimal import Decimal, InvalidOperation

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse(quantity: str | float) -> Decimal:
    """The quantity in its base unit (CPUs, bytes, pieces). Raises ValueError on text that is no quantity."""
    text = str(quantity).strip()
    try:
        if text[-2:] in _BINARY:
            return Decimal(text[:-2]) * (1 << _BINARY[text[-2:]])
        if text[-1:] in _DECIMAL:
            return Decimal(text[:-1]).scaleb(_DECIMAL[text[-1]])
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{quantity!r} is no quantity; write it as 500m, 2 or 1Gi") from None
