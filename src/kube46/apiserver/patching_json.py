"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386), with the habits and texts of evanphx/json-patch v4.

Habits: `replace` of a member that is not there adds it; negative indices count from the end; a merge patch prunes nulls
inside objects it adds, and leaves them in lists it puts over an object.
"""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from kube46.apiserver.fieldvalidation_json import described

END = "-"  # the place after a list's last element
MISSING, BAD_INDEX = "missing value", "invalid index referenced"


COPIED = 3 << 20  # bytes that the copies of one patch may add, lest a few of them double a document out of bounds


class TooLarge(Exception):
    """A patch whose copies add more than COPIED bytes; the text is the Go library's."""


class PatchProblem(Exception):
    """A patch that does not apply; the text is the Go library's."""


def json_patch(document: Any, operations: list[Any]) -> Any:
    """The document after all operations; it may be changed in place. Raises PatchProblem at the first that
    fails, and TooLarge.
    """
    copied = 0
    for operation in operations:
        op = operation or {}
        kind = op.get("op")
        apply = OPERATIONS.get(kind) if isinstance(kind, str) else None
        if apply is None:
            raise PatchProblem(f"Unexpected kind: {kind if isinstance(kind, str) else 'unknown'}")
        if kind == "copy":
            copied += _copied_size(document, op)
            if copied > COPIED:
                text = f"the accumulated size increase of copy is {copied}, exceeding the limit {COPIED}"
                raise TooLarge(f"Unable to complete the copy, {text}")
        document = apply(document, op)
    return document


def as_written(document: Any, operations: list[Any]) -> Any:
    """The document as the Go library writes it: objects that an operation went through have their members by name."""
    opened: set[int] = set()
    for operation in operations:
        for name in ("path", "from"):
            pointer = (operation or {}).get(name)
            node = document
            for token in (pointer if isinstance(pointer, str) else "").split("/")[1:]:
                opened.add(id(node))
                try:
                    node = _get(node, token.replace("~1", "/").replace("~0", "~"))
                except (PatchProblem, TypeError, IndexError):
                    break
    return _ordered(document, opened)


def _ordered(value: Any, opened: set[int]) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(value[name], opened) for name in (sorted(value) if id(value) in opened else value)}
    return [_ordered(inner, opened) for inner in value] if isinstance(value, list) else value


def _copied_size(document: Any, op: dict[str, Any]) -> int:
    """Bytes of what a copy would add; 0 where it will fail."""
    try:
        container, token = _find(document, _pointer(op, "from", "copy"))
        return 0 if container is None else len(msgspec.json.encode(_get(container, token)))
    except PatchProblem:
        return 0


def same(left: Any, right: Any) -> bool:
    """JSON equality: 1 is neither true nor 1.0."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(v, right[k]) for k, v in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and bool(left == right)


def _pointer(op: dict[str, Any], name: str, context: str) -> str:
    value = op.get(name)
    if isinstance(value, str):
        return value
    if value is None:
        kind = "operation missing path field" if name == "path" else "operation, missing from field"
        raise PatchProblem(f"{context}: {MISSING}" if context.endswith("!") else f"{context}: {kind}: {MISSING}")
    raise PatchProblem(f"{context}: json: cannot unmarshal {described(value)} into Go value of type string")


def _path(op: dict[str, Any], verb: str) -> str:
    value = op.get("path")
    if verb in ("add", "remove", "copy") and not isinstance(value, str):
        raise PatchProblem(f"{verb} operation failed to decode path: {MISSING}")
    return _pointer(op, "path", f"{verb} operation failed to decode path")


def _find(document: Any, pointer: str) -> tuple[Any, str]:
    """The container a pointer's last token lies in, and that token; the container is None when there is none."""
    tokens = [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")]
    if len(tokens) < 2:
        return None, ""
    for token in tokens[1:-1]:
        try:
            document = _get(document, token)
        except PatchProblem:
            return None, ""
        if not isinstance(document, (dict, list)):
            return None, ""
    return document, tokens[-1]


def _index(token: str) -> int:
    digits = token[1:] if token[:1] in ("+", "-") else token
    if not (digits.isascii() and digits.isdigit()):
        raise PatchProblem(f'strconv.Atoi: parsing "{token}": invalid syntax')
    if len(digits) > 18:
        raise PatchProblem(f'strconv.Atoi: parsing "{token}": value out of range')
    return int(token)


def _within(token: str, size: int) -> int:
    index = _index(token)
    if not -size <= index < size:
        raise PatchProblem(f"Unable to access invalid index: {index}: {BAD_INDEX}")
    return index + size if index < 0 else index


def _get(container: Any, token: str) -> Any:
    if isinstance(container, dict):
        return container.get(token)
    return container[_within(token, len(container))]


def _put(container: Any, token: str, value: Any) -> None:
    if isinstance(container, dict):
        container[token] = value
        return
    if token == END:
        container.append(value)
        return
    try:
        _index(token)
    except PatchProblem as problem:
        raise PatchProblem(f"value was not a proper array index: '{token}': {problem}") from None
    container.insert(_within(token, len(container) + 1), value)


def _drop(container: Any, token: str) -> None:
    if isinstance(container, dict):
        if token not in container:
            raise PatchProblem(f"Unable to remove nonexistent key: {token}: {MISSING}")
        del container[token]
    else:
        del container[_within(token, len(container))]


def _add(document: Any, op: dict[str, Any]) -> Any:
    path = _path(op, "add")
    container, token = _find(document, path)
    if container is None:
        raise PatchProblem(f'add operation does not apply: doc is missing path: "{path}": {MISSING}')
    with _Context(f"error in add for path: '{path}'"):
        _put(container, token, copy.deepcopy(op.get("value")))
    return document


def _remove(document: Any, op: dict[str, Any]) -> Any:
    path = _path(op, "remove")
    container, token = _find(document, path)
    if container is None:
        raise PatchProblem(f'remove operation does not apply: doc is missing path: "{path}": {MISSING}')
    with _Context(f"error in remove for path: '{path}'"):
        _drop(container, token)
    return document


def _replace(document: Any, op: dict[str, Any]) -> Any:
    path = _path(op, "replace")
    value = copy.deepcopy(op.get("value"))
    if not path:
        if not isinstance(value, (dict, list)):
            raise PatchProblem("replace operation value must be object or array: %!w(<nil>)")
        return value
    container, token = _find(document, path)
    if container is None:
        raise PatchProblem(f"replace operation does not apply: doc is missing path: {path}: {MISSING}")
    if isinstance(container, dict):
        container[token] = value
        return document
    try:
        container[_within(token, len(container))] = value
    except PatchProblem:
        raise PatchProblem(f"replace operation does not apply: doc is missing key: {path}: {MISSING}") from None
    return document


def _move(document: Any, op: dict[str, Any]) -> Any:
    source = _pointer(op, "from", "move operation failed to decode from")
    container, token = _find(document, source)
    if container is None:
        raise PatchProblem(f"move operation does not apply: doc is missing from path: {source}: {MISSING}")
    with _Context(f"error in move for path: '{token}'"):
        value = _get(container, token)
        _drop(container, token)
    path = _path(op, "move")
    container, token = _find(document, path)
    if container is None:
        raise PatchProblem(f"move operation does not apply: doc is missing destination path: {path}: {MISSING}")
    with _Context(f"error in move for path: '{path}'"):
        _put(container, token, value)
    return document


def _test(document: Any, op: dict[str, Any]) -> Any:
    path = _path(op, "test")
    value = document
    if path:
        container, token = _find(document, path)
        if container is None:
            raise PatchProblem(f"test operation does not apply: is missing path: {path}: {MISSING}")
        with _Context(f"error in test for path: '{path}'"):
            value = _get(container, token)
    if not same(value, op.get("value")):
        raise PatchProblem(f"testing value {path} failed: test failed")
    return document


def _copy(document: Any, op: dict[str, Any]) -> Any:
    source = _pointer(op, "from", "copy operation failed to decode from")
    container, token = _find(document, source)
    if container is None:
        raise PatchProblem(f"copy operation does not apply: doc is missing from path: {source}: {MISSING}")
    with _Context(f"error in copy for from: '{source}'"):
        value = copy.deepcopy(_get(container, token))
    path = _path(op, "copy")
    container, token = _find(document, path)
    if container is None:
        raise PatchProblem(f"copy operation does not apply: doc is missing destination path: {path}: {MISSING}")
    with _Context("error while adding value during copy"):
        _put(container, token, value)
    return document


class _Context:
    """Names the operation in front of a container's complaint, as Go's error wrapping does."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: object) -> None:
        if isinstance(problem, PatchProblem):
            raise PatchProblem(f"{self.text}: {problem}") from None


OPERATIONS = {"add": _add, "remove": _remove, "replace": _replace, "move": _move, "test": _test, "copy": _copy}


def merge_patch(document: Any, patch: Any) -> Any:
    """RFC 7386: the document with the patch laid over it; the document may be changed in place. Raises PatchProblem."""
    if isinstance(patch, list):
        return _pruned(patch)
    if not isinstance(patch, dict):
        raise PatchProblem("Invalid JSON Patch")
    if not isinstance(document, dict):
        return _pruned(patch)
    for name, value in patch.items():
        if value is None:
            document.pop(name, None)
        elif document.get(name) is None:
            document[name] = _pruned(value)
        elif isinstance(document[name], dict):
            document[name] = merge_patch(document[name], value) if isinstance(value, dict) else copy.deepcopy(value)
        else:
            document[name] = _pruned(value)
    return document


def _pruned(value: Any) -> Any:
    """Without null members of objects; null elements of lists stay."""
    if isinstance(value, dict):
        return {name: _pruned(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_pruned(inner) for inner in value]
    return value
