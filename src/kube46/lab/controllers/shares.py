"""Counts that may be given as shares of a total: `2` or `25%`.

Source: kubernetes/staging/src/k8s.io/apimachinery/pkg/util/intstr (`GetScaledValueFromIntOrPercent`).
"""


def resolve(value: int | str, total: int, *, up: bool) -> int:
    """How many of `total` that is; a share that is no whole number is rounded up or down."""
    text = str(value)
    if not text.endswith("%"):
        return int(text)
    part = int(text[:-1]) * total
    return -(-part // 100) if up else part // 100
