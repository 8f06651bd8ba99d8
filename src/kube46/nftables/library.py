"""libnftables.so.1 through ctypes: the handful of calls we use, and nothing of nftables' meaning.

A context belongs to the thread and network namespace in which it was made, because it opens its netlink socket then.
Source: libnftables(3), include/nftables/libnftables.h.
"""

import ctypes
import ctypes.util
import functools
from typing import Any

OUTPUT_JSON = 1 << 4
"""NFT_CTX_OUTPUT_JSON."""


class LibraryMissing(RuntimeError):
    """libnftables.so.1 can't be loaded."""


@functools.cache
def load() -> Any:
    """The shared library with its functions declared. Raises LibraryMissing with the package that has it."""
    try:
        library = ctypes.CDLL("libnftables.so.1")
    except OSError as error:
        raise LibraryMissing(f"libnftables.so.1 can't be loaded ({error}): install the package libnftables1") from error
    for name, result, arguments in (
        ("nft_ctx_new", ctypes.c_void_p, [ctypes.c_uint32]),
        ("nft_ctx_free", None, [ctypes.c_void_p]),
        ("nft_ctx_buffer_output", ctypes.c_int, [ctypes.c_void_p]),
        ("nft_ctx_buffer_error", ctypes.c_int, [ctypes.c_void_p]),
        ("nft_ctx_get_output_buffer", ctypes.c_char_p, [ctypes.c_void_p]),
        ("nft_ctx_get_error_buffer", ctypes.c_char_p, [ctypes.c_void_p]),
        ("nft_ctx_output_set_flags", None, [ctypes.c_void_p, ctypes.c_uint]),
        ("nft_run_cmd_from_buffer", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def give_back_memory() -> None:
    """Return freed memory to the system: libnftables needs over 1 KB an element while it reads a long text."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; musl has none
    if trim is not None:
        trim(0)


class Context:
    """One nft_ctx, with output and errors kept in buffers."""

    def __init__(self) -> None:
        self._library = load()
        self._pointer = self._library.nft_ctx_new(0)
        if not self._pointer:
            raise MemoryError("libnftables made no context")
        self._library.nft_ctx_buffer_output(self._pointer)
        self._library.nft_ctx_buffer_error(self._pointer)

    def run(self, text: str, flags: int = 0) -> tuple[int, str, str]:
        """Run commands as one transaction: (0 or not, what was written, the error text)."""
        self._library.nft_ctx_output_set_flags(self._pointer, flags)
        status = self._library.nft_run_cmd_from_buffer(self._pointer, text.encode())
        output = self._library.nft_ctx_get_output_buffer(self._pointer) or b""
        error = self._library.nft_ctx_get_error_buffer(self._pointer) or b""
        return status, output.decode(), error.decode(errors="replace")

    def free(self) -> None:
        """Close the netlink socket and give the memory back; a second call does nothing."""
        if self._pointer:
            self._library.nft_ctx_free(self._pointer)
            self._pointer = None
