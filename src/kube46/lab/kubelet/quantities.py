"""Kubernetes resource quantities: `100m`, `1Gi`, `1e3` (pure). Source: k8s.io/apimachinery/pkg/api/resource."""

import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
FORM = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([eE][+-]?\d+)|([KMGTPE]i)|([numkMGTPE]?))")


def parse(text: str | float) -> Decimal:
    """The number that a quantity stands for. Raises ValueError on anything else."""
    match = FORM.fullmatch(str(text).strip())
    if not match:
        raise ValueError(f"{text!r} is not a quantity such as 100m or 1Gi")
    number, exponent, binary, suffix = match.groups()
    if exponent:
        return Decimal(number + exponent)
    return Decimal(number) * (Decimal(2) ** BINARY[binary] if binary else Decimal(10) ** SUFFIXES[suffix or ""])


def divided(quantity: str | float, divisor: str | float) -> str:
    """`quantity` in units of `divisor` (0 means 1), rounded up, as the downward API prints it."""
    return str(int((parse(quantity) / (parse(divisor) or 1)).to_integral_value(ROUND_CEILING)))


def qos_class(containers: list[tuple[Mapping[str, str | int | float], Mapping[str, str | int | float]]]) -> str:
    """The pod's quality-of-service class, from each container's (limits, requests).

    Guaranteed: each has cpu and memory limits that equal its requests; BestEffort: none has any; else Burstable.
    Source: pkg/apis/core/v1/helper/qos.
    """
    kinds = ("cpu", "memory")
    amounts = [[(limits.get(k), requests.get(k, limits.get(k))) for k in kinds] for limits, requests in containers]
    pairs = [pair for container in amounts for pair in container]
    if all(not limit and not request for limit, request in pairs):
        return "BestEffort"
    if all(limit and request and parse(limit) == parse(request) for limit, request in pairs):
        return "Guaranteed"
    return "Burstable"
