"""Regular expressions as Go's regexp (RE2) means them, in time linear to the text: Google's RE2, as in its CEL library.

Python's `re` would take other expressions, and hang on some: who may write a schema could stop the server.
"""

from __future__ import annotations

import functools
import re
from typing import Any

# RE2's words for what Go's regexp/syntax says otherwise
GO_WORDS = {
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "trailing \\": "trailing backslash at end of expression",
    "no argument for repetition operator": "missing argument to repetition operator",
}
PROBLEM = re.compile(
    r"(?:INVALID_ARGUMENT: )?(?:invalid regular expression: )?([^:\[]+?)(?:: (.*?))?(?: \[\w+\])?", re.DOTALL
)


@functools.cache
def _matcher() -> Any:
    from cel_expr_python import cel  # 6 MB: only servers that meet a pattern or a rule pay for it

    return cel.NewEnv(variables={"text": cel.Type.STRING, "pattern": cel.Type.STRING}).compile("text.matches(pattern)")


def matches(pattern: str, text: str) -> bool:
    """Whether the expression matches anywhere in a text; an expression that is none never does."""
    return _evaluated(pattern, text) is True


def problem(pattern: str) -> str:
    """What Go says of an expression that it can't compile; "" when it can."""
    found = _evaluated(pattern, "")
    if isinstance(found, bool):
        return ""
    read = PROBLEM.fullmatch(found)
    if read is None:
        return f"error parsing regexp: {found}"
    what, argument = read[1].strip(), read[2] or ""
    return f"error parsing regexp: {GO_WORDS.get(what, what)}: `{argument}`"


@functools.lru_cache(maxsize=4096)
def _evaluated(pattern: str, text: str) -> bool | str:
    try:
        value = _matcher().eval(data={"text": text, "pattern": pattern})
    except RuntimeError as error:
        return str(error)
    found = value.value()
    return found if isinstance(found, bool) else str(found)
