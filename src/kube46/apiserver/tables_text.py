"""Words and figures of Tables: human durations, labels and selectors as Kubernetes writes them.

Sources: apimachinery pkg/util/duration/duration.go, pkg/labels, pkg/apis/meta/v1/helpers.go.
"""

from __future__ import annotations

import datetime
from typing import Any

NONE, UNKNOWN = "<none>", "<unknown>"
MINUTE, HOUR, DAY, YEAR = 60, 3600, 24, 365  # seconds, seconds, hours, days


def dig(found: Any, *names: str) -> Any:
    """A nested value; None as soon as a step is absent."""
    for name in names:
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found


def timestamp(text: str | None) -> datetime.datetime | None:
    """A time of an object."""
    return datetime.datetime.fromisoformat(text) if text else None


def since(text: str | None, now: datetime.datetime) -> str:
    """How long ago a time was, `<unknown>` for none."""
    moment = timestamp(text)
    return UNKNOWN if moment is None else span(now - moment)


def age(found: dict[str, Any], now: datetime.datetime) -> str:
    """How long ago an object was created."""
    return since(dig(found, "metadata", "creationTimestamp"), now)


def span(duration: datetime.timedelta) -> str:
    """A duration in the two greatest units that say something: `47h`, `5m3s`, `2y17d`."""
    seconds = int(duration.total_seconds())  # towards zero, as Go
    if seconds < -1:
        return "<invalid>"
    if seconds < 2 * MINUTE:
        return f"{max(seconds, 0)}s"
    minutes, hours = seconds // MINUTE, seconds // HOUR
    if minutes < 10:
        return _two(minutes, "m", seconds % MINUTE, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // DAY
    if days < 8:
        return _two(days, "d", hours % DAY, "h")
    if days < 2 * YEAR:
        return f"{days}d"
    return _two(days // YEAR, "y", days % YEAR if days < 8 * YEAR else 0, "d")


def _two(first: int, unit: str, second: int, smaller: str) -> str:
    return f"{first}{unit}{second}{smaller}" if second else f"{first}{unit}"


def joined(host: str, port: int) -> str:
    """`host:port`, brackets about a host with colons."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def labels(found: dict[str, str] | None) -> str:
    """`a=b,c=d` in order of names."""
    return ",".join(f"{name}={value}" for name, value in sorted((found or {}).items())) or NONE


def selector(found: dict[str, Any] | None, empty: str = NONE) -> str:
    """A label selector as text; a missing one selects nothing and an empty one everything, both print `empty`."""
    if not found:
        return empty
    parts = [(name, f"{name}={value}") for name, value in (found.get("matchLabels") or {}).items()]
    for expression in found.get("matchExpressions") or ():
        key, operator, values = (
            expression.get("key", ""),
            expression.get("operator", ""),
            sorted(expression.get("values") or ()),
        )
        listed = f"({','.join(values)})"
        texts = {"In": f"{key} in {listed}", "NotIn": f"{key} notin {listed}", "Exists": key, "DoesNotExist": f"!{key}"}
        if operator not in texts:
            return "<error>"
        parts.append((key, texts[operator]))
    return ",".join(text for _, text in sorted(parts, key=lambda part: part[0])) or empty


def name_of(found: dict[str, Any]) -> str:
    """The object's name."""
    return dig(found, "metadata", "name") or ""
