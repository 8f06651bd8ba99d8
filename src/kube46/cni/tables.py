"""The plugins' nftables tables in the kernel, through one handle, with refusals as CNI errors."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kube46.cni.errors import CniError, Code
from kube46.netlink import batches

if TYPE_CHECKING:
    from kube46.nftables import Nft


class Absent(CniError):
    """The table, or a part of it, is not in the kernel."""


class Tables:
    """nftables of the network namespace of whoever uses it first. Threads may share one.

    libnftables is imported at the first use: a process that serves one request without rules does not need it.
    """

    def __init__(self) -> None:
        self._nft: Nft | None = None
        self._opening = threading.Lock()
        self._netlink: socket.socket | None = None
        self._using = threading.Lock()

    def close(self) -> None:
        """Close the handles; tables stay."""
        if self._nft is not None:
            self._nft.close()
            self._nft = None
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    @contextmanager
    def kernel(self) -> Iterator[socket.socket]:
        """The kernel's nftables without the library, for one thread at a time. OSError inside becomes CniError 101."""
        with self._using:
            netlink, self._netlink = self._netlink or batches.opened(), None
            try:
                yield netlink
            except BaseException as error:  # answers to what was asked last may come yet
                netlink.close()
                if isinstance(error, OSError):
                    raise CniError(Code.KERNEL_REFUSED, "nftables refused a change", f"{error}.") from error
                raise
            self._netlink = netlink

    def run(self, text: str) -> None:
        """Carry out commands as one transaction. Raises CniError 101, which is Absent when something is missing."""
        with _translated():
            self._handle().run(text)

    def listed(self, command: str) -> list[dict[str, Any]]:
        """What a `list` command finds; nothing when the table is missing. Raises CniError 101."""
        try:
            with _translated():
                return self._handle().list_json(command)
        except Absent:
            return []

    def _handle(self) -> "Nft":
        from kube46.nftables import Nft

        with self._opening:
            if self._nft is None:
                self._nft = Nft()
            return self._nft


@contextmanager
def _translated() -> Iterator[None]:
    """nftables' refusals as CNI errors."""
    from kube46.nftables import NftError
    from kube46.nftables.library import LibraryMissing

    try:
        yield
    except NftError as error:
        kind = Absent if "No such file" in error.message else CniError
        raise kind(Code.KERNEL_REFUSED, "nftables refused a change", f"{error.message}.") from error
    except LibraryMissing as error:
        raise CniError(Code.KERNEL_REFUSED, "nftables cannot be used", f"{error}.") from error
