"""A proxied page's body with its links replaced, compressed as it came."""

from __future__ import annotations

import codecs
import zlib
from typing import TYPE_CHECKING

from kube46.apiserver.proxying.markup import Rewriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIECE = 1 << 16  # bytes of a compressed body that are unpacked at a time
WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": -zlib.MAX_WBITS, "": 0}  # Go's deflate has no header


class Page:
    """`feed` gives the bytes to send for those that came; `close` the last ones."""

    def __init__(self, encoding: str, link: Callable[[str], str]) -> None:
        window = WINDOWS[encoding]
        self._unpacking = zlib.decompressobj(window) if window else None
        self._packing = zlib.compressobj(6, zlib.DEFLATED, window) if window else None
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._rewriter = Rewriter(link)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises zlib.error for what is not compressed as announced."""
        for piece in self._plain(data):
            text = self._rewriter.feed(self._decoder.decode(piece))
            yield self._packed(text.encode("utf-8", "surrogateescape"))

    def close(self) -> bytes:
        """The end of the page."""
        text = self._rewriter.feed(self._decoder.decode(b"", final=True)) + self._rewriter.close()
        last = self._packed(text.encode("utf-8", "surrogateescape"))
        return last if self._packing is None else last + self._packing.flush()

    def _plain(self, data: bytes) -> Iterator[bytes]:
        if self._unpacking is None:
            yield data
            return
        while data and not self._unpacking.eof:  # a little that unpacks to very much comes out in pieces, too
            yield self._unpacking.decompress(data, PIECE)
            data = self._unpacking.unconsumed_tail

    def _packed(self, data: bytes) -> bytes:
        return data if self._packing is None else self._packing.compress(data)


def understood(encoding: str) -> bool:
    """Whether a page in this Content-Encoding can be read."""
    return encoding in WINDOWS
