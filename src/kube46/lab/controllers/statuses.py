"""Whether a status needs to be written."""

from typing import Any


def same(held: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether the fields of `wanted` are stored already; what the API server leaves out equals zero and empty."""
    return all(_told(held.get(name)) == _told(value) for name, value in wanted.items())


def _told(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: told for key, item in value.items() if (told := _told(item))} or None
    if isinstance(value, list):
        return [_told(item) for item in value] or None
    return value or None
