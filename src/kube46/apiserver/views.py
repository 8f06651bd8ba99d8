"""How stored bytes become answers: typed objects, lists joined from bytes, Tables, metadata only, YAML.

Stored objects carry no apiVersion and kind (items of a list don't either), so a list is a join and an object a prefix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kube46.apiserver.strategy import Object, Strategy
from kube46.apiserver.transactions import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.negotiation import Form

encode = msgspec.json.encode


class View:
    """The stored objects of one kind in the form a client asked for; `include` is the query's includeObject."""

    def __init__(self, kind: Kind, strategy: Strategy, form: Form, include: str = "") -> None:
        self._kind, self._form, self._include = kind, form, include or "Metadata"
        self._prefix = encode({"kind": kind.kind, "apiVersion": kind.api_version})[:-1] + b","
        changes_view = type(strategy).on_read is not Strategy.on_read
        self._on_read = strategy.on_read if changes_view else None
        self._first = True  # the first object of a watch's Tables brings the column definitions

    def _plain(self, value: bytes) -> bytes:
        if self._on_read is None:
            return value
        obj = decode.decode(value)
        self._on_read(obj)
        return encode(obj)

    def _typed(self, value: bytes) -> bytes:
        return self._prefix + self._plain(value)[1:]

    def _objects(self, values: Iterable[bytes]) -> list[Object]:
        return [decode.decode(self._typed(value)) for value in values]

    def one(self, value: bytes) -> bytes:
        """A single object."""
        shape = self._form.shape
        if not shape:
            return self.finish(self._typed(value))
        return self.finish(encode(self._shaped(self._objects((value,)), None)))

    def event(self, value: bytes) -> bytes:
        """An object within a watch event: always JSON; only the first Table brings its columns."""
        if not self._form.shape:
            return self._typed(value)
        columns, self._first = self._first, False
        return encode(self._shaped(self._objects((value,)), None, columns=columns))

    def bookmark(self, metadata: dict[str, Any]) -> bytes:
        """The object of a bookmark event: nothing but metadata; an empty Table where Tables are watched."""
        if self._form.shape == "Table":
            return encode(self._shaped([], metadata, columns=False))
        return self._prefix + encode({"metadata": metadata})[1:]

    def many(self, values: Sequence[bytes], metadata: dict[str, Any]) -> bytes:
        """A list."""
        if self._form.shape:
            return self.finish(encode(self._shaped(self._objects(values), metadata)))
        head = encode({"kind": f"{self._kind.kind}List", "apiVersion": self._kind.api_version, "metadata": metadata})
        if self._on_read is not None:
            values = [self._plain(value) for value in values]
        return self.finish(b"".join((head[:-1], b',"items":[', b",".join(values), b"]}")))

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

    def finish(self, body: bytes) -> bytes:
        """The body in the negotiated media type."""
        return to_yaml(body) if self._form.media_type == "application/yaml" else body


def to_yaml(body: bytes) -> bytes:
    """JSON as YAML."""
    import yaml

    return yaml.safe_dump(msgspec.json.decode(body), sort_keys=True, allow_unicode=True).encode()
