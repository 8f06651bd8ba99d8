"""How stored bytes become protobuf: objects, lists, metadata only, the frames of a watch.

A message is made once for all who ask and kept while it fits: a thousand watchers of a Service cost one encoding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.apiserver.negotiation import PROTOBUF
from kube46.apiserver.protobuf_encoding import encode, list_metadata, message, object_metadata
from kube46.apiserver.protobuf_wire import Envelope, delimited, frame, repeated
from kube46.apiserver.schemas import Schemas
from kube46.apiserver.transactions import decode
from kube46.apiserver.views import AT_ONCE, change_on_read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.negotiation import Form
    from kube46.apiserver.strategy import Object, Strategy

KEPT_BYTES = 32 << 20  # 20,000 Services
METADATA_ONLY = "metadata only"


class Messages:
    """Messages by what they were made from; the oldest go when there are more than KEPT_BYTES."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, bytes], bytes] = {}
        self._bytes = 0

    def get(self, form: str, value: bytes) -> bytes | None:
        """The message of a stored object, if it is kept."""
        return self._kept.get((form, value))

    def put(self, form: str, value: bytes, made: bytes) -> None:
        """Keep a message."""
        self._kept[form, value] = made
        self._bytes += len(value) + len(made)
        while self._bytes > KEPT_BYTES:
            oldest = next(iter(self._kept))
            self._bytes -= len(oldest[1]) + len(self._kept.pop(oldest))


class ProtobufView:
    """The stored objects of one kind as protobuf, whole or metadata only."""

    def check(self, *, several: bool) -> None:
        """Nothing is refused here: `negotiation` offers no more than this can write."""

    media_type = PROTOBUF
    stream_type = f"{PROTOBUF};stream=watch"

    def __init__(self, kind: Kind, strategy: Strategy, form: Form, messages: Messages) -> None:
        self._messages, self._on_read = messages, change_on_read(strategy)
        if form.shape:
            api_version, name, self._form = "meta.k8s.io/v1", "PartialObjectMetadata", METADATA_ONLY
        else:
            api_version, name = kind.api_version, kind.kind
            self._form = Schemas.load().definition(kind.group, kind.version, kind.kind)
        self.shared = api_version, self._form, PROTOBUF
        self._one, self._many = Envelope(api_version, name), Envelope(api_version, f"{name}List")

    def _message(self, value: bytes) -> bytes:
        made = self._messages.get(self._form, value)
        if made is None:
            obj = decode.decode(value)
            if self._on_read is not None:
                self._on_read(obj)
            made = self._encoded(obj)
            self._messages.put(self._form, value, made)
        return made

    def _encoded(self, obj: Object) -> bytes:
        if self._form == METADATA_ONLY:
            return delimited(1, object_metadata(obj["metadata"]))
        return message(self._form).encode(obj)

    def one(self, value: bytes) -> bytes:
        """A single object."""
        return self._one.wrap(self._message(value))

    def many(self, values: Sequence[bytes], metadata: dict[str, Any]) -> Iterator[bytes]:
        """A list, in pieces; the first ones are empty: the length of the whole stands before it."""
        parts = [delimited(1, list_metadata(metadata))]
        for start in range(0, len(values), AT_ONCE):
            yield b""
            parts.append(repeated(2, map(self._message, values[start : start + AT_ONCE])))
        before, after = self._many.around(sum(map(len, parts)))
        yield before
        yield from parts
        yield after

    def whole(self, obj: Object) -> bytes:
        """An object that says its kind itself: a Status, a list of what was deleted."""
        return encode(obj)

    def event(self, event: str, value: bytes) -> bytes:
        """A frame of a watch."""
        return frame(event, self.one(value))

    def bookmark(self, metadata: dict[str, Any]) -> bytes:
        """A bookmark event: an object of nothing but metadata."""
        return frame("BOOKMARK", self._one.wrap(self._encoded({"metadata": metadata})))

    def error(self, status: Object) -> bytes:
        """The event that ends a watch before its time."""
        return frame("ERROR", encode(status))
