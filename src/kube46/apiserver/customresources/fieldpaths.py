"""Simple JSON paths of CRDs: `.spec.replicas`, `.spec['a-b']`, and the schema they lead to.

Source: apiextensions-apiserver pkg/apiserver/schema/cel/validation.go (ValidFieldPath).
"""

from __future__ import annotations

import re
from typing import Any

Object = dict[str, Any]
STEP = re.compile(r"\.([^.\[\]']+)|\['((?:[^'\\]|\\.)*)'\]")


def steps(path: str) -> list[str] | None:
    """The names in a path; None when it is none."""
    found, at = [], 0
    while at < len(path):
        step = STEP.match(path, at)
        if step is None:
            return None
        found.append(step[1] if step[1] is not None else re.sub(r"\\(.)", r"\1", step[2]))
        at = step.end()
    return found or None


def schema_at(path: str, schema: Object, *, brackets: bool = True) -> Object | str:
    """The schema that a path leads to, or what is wrong with the path."""
    if "[" in path and not brackets:
        return "array notation is not allowed"
    named = steps(path)
    if named is None:
        return f"expected [ or . but got: {path}"
    here: Object = schema
    for name in named:
        inner = (here.get("properties") or {}).get(name)
        if inner is None and not here.get("properties") and isinstance(here.get("additionalProperties"), dict):
            inner = here["additionalProperties"]
        if inner is None:
            return "does not refer to a valid field"
        here = inner
    return here
