"""Resource quantities as a kubelet needs them: in units of a divisor, and as classes of service (pure)."""

from collections.abc import Mapping
from decimal import ROUND_CEILING

from kube46.api.quantities import parse


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
