"""How stored bytes become JSON and YAML: typed objects, lists joined from bytes, Tables, metadata only; events.

Stored objects carry no apiVersion and kind (items of a list don't either, but for custom kinds), so a list is a join,
and an object a prefix.
`views_protobuf` has the same methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kube46.apiserver.fieldvalidation import INTERNAL
from kube46.apiserver.negotiation import JSON, METADATA, YAML
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.strategy import Object, Strategy
from kube46.apiserver.transactions import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.negotiation import Form

encode = msgspec.json.encode
AT_ONCE = 50  # objects of a list or a watch's beginning that are shown before others get their turn: 1 ms of a Table


def change_on_read(strategy: Strategy) -> Callable[[Object], None] | None:
    """What a kind's rules do to an object before it is shown; None for most."""
    return None if type(strategy).on_read is Strategy.on_read else strategy.on_read


class View:
    """The stored objects of one kind in the form a client asked for; `include` is the query's includeObject."""

    stream_type = JSON

    def __init__(self, kind: Kind, strategy: Strategy, form: Form, include: str = "") -> None:
        self._kind, self._form, self._include = kind, form, include or "Metadata"
        self._prefix = encode({"kind": kind.kind, "apiVersion": kind.api_version})[:-1] + b","
        self._on_read, self._as_stored = change_on_read(strategy), strategy.shown_as_stored
        self._first = True  # the first object of a watch's Tables brings the column definitions

    @property
    def shared(self) -> object:
        """What two views of a kind have in common that show its events alike; None where each event is its own."""
        return None if self._form.shape == "Table" else (self._kind.api_version, self._form, self._include)

    @property
    def media_type(self) -> str:
        """Of everything but a watch."""
        return self._form.media_type

    def _plain(self, value: bytes) -> bytes:
        if self._on_read is None or self._as_stored(value):
            return value
        obj = decode.decode(value)
        self._on_read(obj)
        return encode(obj)

    def _typed(self, value: bytes) -> bytes:
        return self._prefix + self._plain(value)[1:]

    def _objects(self, values: Iterable[bytes]) -> list[Object]:
        return [decode.decode(self._typed(value)) for value in values]

    def check(self, *, several: bool) -> None:
        """Refuse with 406 an object where a list is there, and the other way round; 400 for no known includeObject."""
        shape, what = self._form.shape, self._kind.list_kind if several else self._kind.kind
        if shape in METADATA and several != (shape == METADATA[1]):
            is_ = "is a list" if several else "is not a list"
            go = f"*{go_package(self._kind)}.{what}"
            raise StatusError(406, "NotAcceptable", f"you requested {shape}, but the requested object {is_} ({go})")
        if shape == "Table" and self._include not in ("None", "Metadata", "Object"):
            from kube46.apiserver import tables

            raise tables.bad_include(self._include)

    def one(self, value: bytes) -> bytes:
        """A single object."""
        if not self._form.shape:
            return self._finish(self._typed(value))
        return self._finish(encode(self._shaped(self._objects((value,)), None)))

    def many(self, values: Sequence[bytes], metadata: dict[str, Any]) -> Iterator[bytes]:
        """A list, in pieces of AT_ONCE objects; raises StatusError at the first."""
        pieces = self._pieces(values, metadata)
        return iter((to_yaml(b"".join(pieces)),)) if self._form.media_type == YAML else pieces

    def _pieces(self, values: Sequence[bytes], metadata: dict[str, Any]) -> Iterator[bytes]:
        if self._form.shape:
            empty = encode(self._shaped([], metadata))  # rows and items come last
        else:
            whole = {"kind": self._kind.list_kind, "apiVersion": self._kind.api_version, "metadata": metadata}
            empty = encode({**whole, "items": []})
        before = empty[:-5] + b"[" if empty.endswith(b"null}") else empty[:-2]  # Go has no list where nothing is
        for start in range(0, len(values), AT_ONCE):
            yield before + b",".join(self._items(values[start : start + AT_ONCE]))
            before = b","
        yield b"]}" if values else empty

    def _items(self, values: Sequence[bytes]) -> Sequence[bytes]:
        if self._form.shape:
            shaped = self._shaped(self._objects(values), {})
            return [encode(item) for item in shaped["rows" if self._form.shape == "Table" else "items"]]
        if self._kind.custom:  # Go's unstructured items say what they are, typed ones don't
            return [self._typed(value) for value in values]
        return values if self._on_read is None else [self._plain(value) for value in values]

    def whole(self, obj: Object) -> bytes:
        """An object that says its kind itself: a Status, a list of what was deleted."""
        return self._finish(encode(obj))

    def event(self, event: str, value: bytes) -> bytes:
        """A line of a watch: always JSON; only the first Table brings its columns."""
        if not self._form.shape:
            return _line(event, self._typed(value))
        columns, self._first = self._first, False
        return _line(event, encode(self._shaped(self._objects((value,)), None, columns=columns)))

    def bookmark(self, metadata: dict[str, Any]) -> bytes:
        """A bookmark event: an object of nothing but metadata; an empty Table where Tables are watched."""
        if self._form.shape == "Table":
            return _line("BOOKMARK", encode(self._shaped([], metadata, columns=False)))
        if self._form.shape:
            return _line("BOOKMARK", encode(self._shaped([{"metadata": metadata}], None)))
        return _line("BOOKMARK", self._prefix + encode({"metadata": metadata})[1:])

    def error(self, status: Object) -> bytes:
        """The event that ends a watch before its time."""
        return _line("ERROR", encode(status))

    def _shaped(self, objects: list[Object], metadata: dict[str, Any] | None, *, columns: bool = True) -> Any:
        from kube46.apiserver import tables

        version = self._form.version
        if self._form.shape == "Table":
            include = self._include
            shaped: Any = tables.table(
                self._kind, objects, include=include, list_metadata=metadata, columns=columns, version=version
            )
        elif metadata is None:
            shaped = tables.partial_metadata(objects[0], version)
        else:
            shaped = tables.partial_metadata_list(objects, metadata, version)
        return shaped

    def _finish(self, body: bytes) -> bytes:
        return to_yaml(body) if self._form.media_type == YAML else body


def go_package(kind: Kind) -> str:
    """Go's name of the package that has a kind's type."""
    return "unstructured" if kind.custom else INTERNAL.get(kind.group, kind.group.partition(".")[0])


def _line(event: str, obj: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (event.encode(), obj)


def to_yaml(body: bytes) -> bytes:
    """JSON as YAML."""
    from kube46.apiserver import views_yaml

    return views_yaml.dump(msgspec.json.decode(body))
