"""What nft itself lists of a table, read back as the text that we write: what our own reading is compared with."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

LEARNT = ("affinity", "hits")


def read_elements(listed: Iterable[Mapping[str, Any]]) -> Iterator[tuple[tuple[str, str], str]]:
    """The elements of all sets and maps of a listing (libnftables-json(5)) but those that packets make."""
    for entry in listed:
        holder = entry.get("map") or entry.get("set") or {}
        if holder.get("name", "").startswith(LEARNT):
            continue
        for element in holder.get("elem", ()):
            key, value = element if isinstance(element, list) else (element, "")
            yield (holder["name"], _text(key)), _text(value)


def _text(value: Any) -> str:
    match value:
        case {"concat": [*parts]}:
            return " . ".join(map(_text, parts))
        case {"prefix": {"addr": address, "len": length}}:
            return f"{address}/{length}"
        case {"range": [first, last]}:
            return f"{first}-{last}"
        case {"goto": {"target": chain}}:
            return f"goto {chain}"
        case {"jump": {"target": chain}}:
            return f"jump {chain}"
        case {"drop": _}:
            return "drop"
        case {"accept": _}:
            return "1"
        case {"elem": {"val": inner}}:
            return _text(inner)
    return str(value)
