"""YAML as sigs.k8s.io/yaml writes it: block style, keys in natural order, doubtful texts in double quotes."""

from __future__ import annotations

import re
from typing import Any

import yaml

PARTS = re.compile(r"[0-9]+|.", re.DOTALL)
BOOLEANS = ("y", "Y", "n", "N")  # of YAML 1.1, though PyYAML reads texts
BASE60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")


def dump(value: Any) -> bytes:
    """A JSON value as a YAML document."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text.encode()


class _Dumper(yaml.SafeDumper):
    """PyYAML's emitter with Go's choices; no anchors for what comes twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if "\n" in text:
        style = "|"
    elif text in BOOLEANS or _tag(dumper, text) != "tag:yaml.org,2002:str" or BASE60.fullmatch(text):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


def _tag(dumper: yaml.SafeDumper, text: str) -> str:
    """What the text would be read as without quotes."""
    found: str = dumper.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return found


def _object(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", sorted(value.items(), key=_natural))


def _natural(item: tuple[str, Any]) -> list[tuple[int, int, str]]:
    """Numbers within keys by value, and before letters."""
    order = []
    for part in PARTS.findall(item[0]):
        if part.isdecimal():
            order.append((1, int(part), ""))
        else:
            order.append((2 if part.isalpha() else 0, 0, part))
    return order


_Dumper.add_representer(str, _text)
_Dumper.add_representer(dict, _object)
