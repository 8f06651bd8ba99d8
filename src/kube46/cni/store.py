"""host-local's directory: one file an assigned address, the same on disk as the reference plugin's.

    DATADIR/NETWORK/10.244.1.7              "CONTAINERID\\r\\nIFNAME"
    DATADIR/NETWORK/last_reserved_ip.0      "10.244.1.7", one a range set
    DATADIR/NETWORK/lock                    flock, held for each change

Kill-safe: an address file is created exclusively and written at once; a process that dies between the two leaves an
empty file, which the next one, holding the lock, takes for free. There is no fsync: a machine that loses power loses
its pods too, and a file whose text was lost is empty, so free.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from kube46.addresses.families import Address
from kube46.cni.requests import Attachment

DEFAULT_DIRECTORY = "/var/lib/cni/networks"
LOCK = "lock"
LAST_PREFIX = "last_reserved_ip."


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file as last read: what identifies its state, and its owner's text (empty: not an address file)."""

    state: tuple[int, int, int]
    owner: str


class Store:
    """One network's directory. Every method but `locked` is to be called inside `with store.locked()`.

    Threads and processes may use the same directory at once. An object that lives on keeps what it read: whenever it
    lists or changes the directory it sets the directory's time to one of its own, so any other time means that another
    process changed something. Then it lists again, and reads the files that are new.
    """

    def __init__(self, network: str, data_directory: str = "") -> None:
        self.directory = Path(data_directory or DEFAULT_DIRECTORY) / network
        self._entries: dict[str, _Entry] = {}
        self._marked = -1

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Inside, no other thread or process, the reference plugin's neither, changes anything."""
        self.directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        fd = os.open(self.directory / LOCK, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            self._refresh()
            yield
        finally:
            os.close(fd)

    def refusal(self) -> str:
        """Why nothing can be written here, as far as one can tell without writing; empty when something can."""
        found = os.statvfs(self.directory)
        if found.f_flag & os.ST_RDONLY:
            return "the file system is read-only"
        if (found.f_blocks and not found.f_bfree) or (found.f_files and not found.f_ffree):
            return "the file system is full"
        return ""

    def owners(self) -> dict[str, Attachment]:
        """Every assigned address and its attachment; the interface's name is empty in files of old plugin versions."""
        return {name: _attachment(entry.owner) for name, entry in self._entries.items() if entry.owner}

    def taken(self) -> Set[str]:
        """The names that are in use: the assigned addresses, and whatever else lies in the directory."""
        return self._entries.keys()

    def addresses_of(self, attachment: Attachment) -> list[str]:
        """The addresses that an attachment has."""
        texts = (_text(attachment), attachment.container_id)  # the second: plugin versions before 0.8 wrote only the id
        return [name for name, entry in self._entries.items() if entry.owner in texts]

    def last(self, index: int) -> Address | None:
        """The address that was assigned last from the range set of that index."""
        try:
            return ip_address((self.directory / f"{LAST_PREFIX}{index}").read_text())
        except (FileNotFoundError, ValueError):  # never written, or its writer was killed
            return None

    def reserve(self, address: Address, attachment: Attachment, index: int) -> None:
        """Assign an address. Raises FileExistsError when it is taken."""
        name = str(address)
        path = self.directory / name
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            try:
                os.write(fd, _text(attachment).encode())
                self._entries[name] = _Entry(_state(os.fstat(fd)), _text(attachment))
            finally:
                os.close(fd)
            _overwrite(self.directory / f"{LAST_PREFIX}{index}", name)
        except OSError:  # no space left: the file must not stay
            self.release(name)
            raise
        self._mark()

    def release(self, address: str) -> None:
        """Give an address back; one that is free already stays free."""
        (self.directory / address).unlink(missing_ok=True)
        self._entries.pop(address, None)
        self._mark()

    def _refresh(self) -> None:
        """Read what changed since the last time: nothing, when the directory still has the time that we gave it."""
        if self.directory.stat().st_mtime_ns == self._marked:
            return
        self._mark()  # before the listing, so that a change during it is seen the next time
        found = {}
        with os.scandir(self.directory) as listing:
            for file in listing:
                if file.name == LOCK or file.name.startswith(LAST_PREFIX):
                    continue
                entry = self._read(file)
                if entry is not None:
                    found[file.name] = entry
        self._entries = found

    def _read(self, file: "os.DirEntry[str]") -> _Entry | None:
        state = _state(file.stat(follow_symlinks=False))
        known = self._entries.get(file.name)
        if known is not None and known.state == state:
            return known
        if not _is_address(file.name) or not file.is_file(follow_symlinks=False):
            return _Entry(state, "")
        owner = Path(file.path).read_bytes().decode(errors="replace").strip()
        if not owner:  # its writer was killed before it wrote
            Path(file.path).unlink()
            return None
        return _Entry(state, owner)

    def _mark(self) -> None:
        # An odd number of nanoseconds: the kernel's own times are multiples of its clock's step, or at least later.
        self._marked = time.time_ns() | 1
        os.utime(self.directory, ns=(self._marked, self._marked))


def _overwrite(path: Path, text: str) -> None:
    """Give a file this text without emptying it first: ext4 writes one that was emptied to the disk when it is closed.

    Whoever is killed on the way leaves the text of another address, or none: the next round begins elsewhere.
    """
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644)
    try:
        if os.write(fd, text.encode()) < os.fstat(fd).st_size:
            os.ftruncate(fd, len(text))
    finally:
        os.close(fd)


def _text(attachment: Attachment) -> str:
    return f"{attachment.container_id}\r\n{attachment.ifname}"


def _attachment(text: str) -> Attachment:
    container_id, _, ifname = text.partition("\r\n")
    return Attachment(container_id, ifname)


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
