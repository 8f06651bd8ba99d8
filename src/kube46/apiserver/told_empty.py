"""Empty lists and maps that a writer has written where none may be stored: told from none until the object is stored.

Go compares with reflect.DeepEqual in two places, to which an empty slice is another thing than none: items of lists
that are owned as a whole (structured-merge-diff's listReflect.EqualsUsing), so a write of such an item takes the list
from its owner; and the specs of a few kinds, whose metadata.generation counts the difference. Nobody stores any: they
are left out as an object is encoded.
"""

from __future__ import annotations

from typing import Any

EXACT = ("NetworkPolicy", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")


class EmptyList(list[Any]):
    """A list without items that was written."""


class EmptyMap(dict[str, Any]):
    """The same for a map."""


MARKS = (EmptyList, EmptyMap)


def marked(value: Any) -> Any:
    """An empty list or map as one that was written; anything else as it is."""
    if value == []:
        return EmptyList()
    return EmptyMap() if value == {} else value


def drop(value: Any) -> bool:
    """Take them out, in place; whether there were any."""
    if type(value) is list:  # marks are subclasses: exact types pass the many other values by at little cost
        return sum([drop(inner) for inner in value if type(inner) is dict or type(inner) is list]) > 0
    empty, found = [], False
    for name, inner in value.items():
        kind = type(inner)
        if kind in MARKS:
            empty.append(name)
        elif (kind is dict or kind is list) and inner and drop(inner):
            found = True
    for name in empty:
        del value[name]
    return found or bool(empty)
