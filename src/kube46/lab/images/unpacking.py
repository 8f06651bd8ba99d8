"""A layer's entries become files in a directory that overlay can take for a lower layer.

Nothing is followed: each directory of a path is looked up as the image has it so far, links are read in the image's own
root, and files are made relative to the descriptor of a directory that was opened without links.
Source: OCI image-spec layer.md (whiteouts); kernel overlayfs.rst.
"""

import errno
import os
import stat
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from kube46.lab.images import tars
from kube46.lab.images.errors import BadArchive
from kube46.lab.images.streams import CHUNK, Tape
from kube46.lab.kubelet import beneath

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
OPAQUE_XATTR = "trusted.overlay.opaque"
LINKS = 40  # as the kernel counts them in one path
PLAIN = beneath.RESOLVE_BENEATH | beneath.RESOLVE_NO_SYMLINKS
LAST_ID = 2**32 - 2
TIMES = (-(2**31), 2**33)  # seconds that every file system takes
ITS_FAULT = frozenset({errno.ENAMETOOLONG, errno.ELOOP, errno.EXDEV, errno.EINVAL, errno.EPERM, errno.ENOENT})
Parts = tuple[str, ...]


@dataclass(slots=True)
class Budget:
    """What one image may take: bytes and entries. Raises BadArchive when it is spent."""

    bytes: int
    entries: int
    used: int = 0

    def entry(self) -> None:
        """One more entry."""
        self.entries -= 1
        if self.entries < 0:
            raise BadArchive("has more entries than an image may have")

    def take(self, size: int) -> None:
        """So many bytes more."""
        self.used += size
        if size < 0 or self.used > self.bytes:
            raise BadArchive(f"unpacks to more than {self.bytes} bytes, which is the limit")


def unpack(tape: Tape, root: Path, below: Sequence[Path], budget: Budget) -> int:
    """Write a layer into the empty directory `root`; `below` are the layers under it, topmost first.

    Returns how many device nodes were left out: a container's /dev is made by its runtime.
    Raises BadArchive that names the entry, OSError.
    """
    skipped = 0
    with Tree(root, below, budget) as tree:
        for archive, member in tars.entries(tape):
            budget.entry()
            if member.isdev() and not member.isfifo():
                skipped += 1
                continue
            try:
                tree.write(archive, member)
            except (FileExistsError, NotADirectoryError) as error:
                raise BadArchive(f"{member.name}: is in its layer twice") from error
            except tars.MALFORMED as error:
                raise BadArchive(f"{member.name}: {error}") from error
            except OSError as error:
                if error.errno in ITS_FAULT:
                    raise BadArchive(f"{member.name}: {error.strerror}") from error
                raise
        tree.finish()
    return skipped


class Tree:
    """The directory of a layer while it is written."""

    def __init__(self, root: Path, below: Sequence[Path], budget: Budget) -> None:
        self._budget = budget
        self._layers = [os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in (root, *below)]
        self._times: dict[Parts, int] = {}  # directories' times are set last: what is made in them changes them
        self._whited: set[Parts] = set()
        self._parent: tuple[Parts, int] | None = None  # the directory that was written to last, kept open

    def __enter__(self) -> "Tree":
        return self

    def __exit__(self, *_: object) -> None:
        self._forget_parent()
        for fd in self._layers:
            os.close(fd)

    def write(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Make one entry."""
        path = tars.parts(member.name)
        if not (0 <= member.uid <= LAST_ID and 0 <= member.gid <= LAST_ID):
            raise BadArchive(f"{member.name}: its owner {member.uid}:{member.gid} is no user")
        if not path:
            if member.isdir():
                self._own((), member)
            return
        directory, name = self._resolve(path[:-1], member.name), path[-1]
        if name.startswith(WHITEOUT):
            self._white_out(directory, name, member.name)
            return
        self._uncover((*directory, name), directory=member.isdir())
        at = self._open(directory)
        if member.isdir():
            self._directory((*directory, name), member)
        elif member.issym():
            os.symlink(os.fsencode(member.linkname), os.fsencode(name), dir_fd=at)
            os.chown(name, member.uid, member.gid, dir_fd=at, follow_symlinks=False)
            os.utime(name, ns=_times(member), dir_fd=at, follow_symlinks=False)
        elif member.islnk():
            self._link(member, at, name)
        elif member.isfifo():
            os.mkfifo(name, 0o600, dir_fd=at)
            os.chown(name, member.uid, member.gid, dir_fd=at, follow_symlinks=False)
            os.chmod(name, stat.S_IMODE(member.mode), dir_fd=at)
            os.utime(name, ns=_times(member), dir_fd=at, follow_symlinks=False)
        else:
            self._file(archive, member, at, name)

    def finish(self) -> None:
        """Set the directories' times."""
        for path, when in self._times.items():
            fd = beneath.openat2(self._layers[0], "/".join(path) or ".", os.O_RDONLY | os.O_DIRECTORY, PLAIN)
            try:
                os.utime(fd, ns=(when, when))
            finally:
                os.close(fd)

    # Directories

    def _resolve(self, path: Parts, entry: str) -> Parts:
        """Where that directory lies in the image so far, made in this layer when it lacks. Links are read as in a
        root of the image's own."""
        done: list[str] = []
        todo, links = list(path), 0
        while todo:
            part = todo.pop(0)
            if part == "..":
                if not done:
                    raise BadArchive(f"{entry}: a link of its path leads out of the image")
                done.pop()
                continue
            found = self._stat(self._layers[0], (*done, part)) or self._look((*done, part))
            if found and stat.S_ISLNK(found[0].st_mode):
                links += 1
                if links > LINKS:
                    raise BadArchive(f"{entry}: its path has too many links")
                target = PurePosixPath(found[1])
                if target.is_absolute():
                    done.clear()
                todo[:0] = [piece for piece in target.parts if piece != "/"]
                continue
            self._make((*done, part), found[0] if found else None)
            done.append(part)
        return tuple(done)

    def _make(self, path: Parts, like: os.stat_result | None) -> None:
        """The directory in this layer, looking like the one of the layers below that it will hide."""
        at = self._open(path[:-1])
        own = self._stat(self._layers[0], path)
        if own and stat.S_ISDIR(own[0].st_mode):
            return
        if own and path not in self._whited:
            raise FileExistsError(errno.EEXIST, "is no directory", "/".join(path))
        if own:
            self._uncover(path, directory=True)
            return
        if like and not stat.S_ISDIR(like.st_mode):
            like = None
        os.mkdir(path[-1], 0o755, dir_fd=at)
        fd = self._open(path)
        os.fchown(fd, like.st_uid if like else 0, like.st_gid if like else 0)
        os.fchmod(fd, stat.S_IMODE(like.st_mode) if like else 0o755)
        if like:
            self._times.setdefault(path, like.st_mtime_ns)

    def _directory(self, path: Parts, member: tarfile.TarInfo) -> None:
        with suppress(FileExistsError):
            os.mkdir(path[-1], 0o700, dir_fd=self._open(path[:-1]))
        self._own(path, member)

    def _own(self, path: Parts, member: tarfile.TarInfo) -> None:
        """Give a directory of this layer its owner, mode and attributes."""
        fd = self._open(path)
        os.fchown(fd, member.uid, member.gid)
        os.fchmod(fd, stat.S_IMODE(member.mode))
        _set_xattrs(fd, member)
        self._times[path] = _times(member)[0]

    def _open(self, path: Parts) -> int:
        """A descriptor of a directory of this layer, ours until another is asked for."""
        if self._parent is None or self._parent[0] != path:
            self._forget_parent()
            fd = beneath.openat2(self._layers[0], "/".join(path) or ".", os.O_RDONLY | os.O_DIRECTORY, PLAIN)
            self._parent = (path, fd)
        return self._parent[1]

    def _forget_parent(self) -> None:
        if self._parent:
            os.close(self._parent[1])
            self._parent = None

    # What is there already

    def _look(self, path: Parts) -> tuple[os.stat_result, str] | None:
        """The path as overlay shows it."""
        for layer in self._layers:
            for length in range(1, len(path) + 1):
                found = self._stat(layer, path[:length])
                if found is None:
                    break
                if length == len(path):
                    return None if _is_whiteout(found[0]) else found
                if not stat.S_ISDIR(found[0].st_mode) or _is_opaque(layer, path[:length]):
                    # What is below is hidden, but for what this layer has inside.
                    inside = self._stat(layer, path)
                    return inside if inside and not _is_whiteout(inside[0]) else None
        return None

    def _stat(self, layer: int, path: Parts) -> tuple[os.stat_result, str] | None:
        """lstat and, of a link, its target; None when it isn't there."""
        try:
            fd = beneath.openat2(layer, "/".join(path), os.O_PATH | os.O_NOFOLLOW, PLAIN)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno in (errno.EXDEV, errno.ELOOP):  # a link on the way: whatever it leads to is not at this path
                return None
            raise
        try:
            found = os.fstat(fd)
            return found, os.readlink("", dir_fd=fd) if stat.S_ISLNK(found.st_mode) else ""
        finally:
            os.close(fd)

    # Whiteouts

    def _white_out(self, directory: Parts, name: str, entry: str) -> None:
        """Hide what the layers below have of that name, or all that they have in the directory."""
        at = self._open(directory)
        if name == OPAQUE:
            os.setxattr(at, OPAQUE_XATTR, b"y")
            return
        if name.startswith(WHITEOUT * 2):
            return  # aufs's own housekeeping
        hidden = name.removeprefix(WHITEOUT)
        if hidden in ("", ".", ".."):
            raise BadArchive(f"{entry}: hides nothing that has a name")
        path = (*directory, hidden)
        own = self._stat(self._layers[0], path)
        if own is None:
            os.mknod(hidden, stat.S_IFCHR, 0, dir_fd=at)
            self._whited.add(path)
        elif stat.S_ISDIR(own[0].st_mode):  # this layer's own directory takes the place of those below
            os.setxattr(self._open(path), OPAQUE_XATTR, b"y")

    def _uncover(self, path: Parts, *, directory: bool) -> None:
        """The layer hides something and puts something else in its place."""
        if path not in self._whited:
            return
        self._whited.discard(path)
        at = self._open(path[:-1])
        os.unlink(path[-1], dir_fd=at)
        if directory:
            os.mkdir(path[-1], 0o755, dir_fd=at)
            os.setxattr(self._open(path), OPAQUE_XATTR, b"y")

    # Files

    def _file(self, archive: tarfile.TarFile, member: tarfile.TarInfo, at: int, name: str) -> None:
        self._budget.take(member.size)
        content = archive.extractfile(member)
        assert content is not None  # regular files have one
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=at)
        try:
            _copy(content, fd, member)
            os.fchown(fd, member.uid, member.gid)
            os.fchmod(fd, stat.S_IMODE(member.mode))
            _set_xattrs(fd, member)  # last: a change of owner takes capabilities away
            os.utime(fd, ns=_times(member))
        finally:
            os.close(fd)

    def _link(self, member: tarfile.TarInfo, at: int, name: str) -> None:
        """A hard link, to a file of the same layer."""
        target = tars.parts(member.linkname)
        found = self._stat(self._layers[0], target)
        if not found or stat.S_ISDIR(found[0].st_mode) or _is_whiteout(found[0]):
            raise BadArchive(f"{member.name}: is a hard link to {member.linkname}, which is no file of the same layer")
        source = beneath.openat2(self._layers[0], "/".join(target[:-1]) or ".", os.O_PATH | os.O_DIRECTORY, PLAIN)
        try:
            os.link(target[-1], name, src_dir_fd=source, dst_dir_fd=at, follow_symlinks=False)
        finally:
            os.close(source)


def _copy(content: IO[bytes], fd: int, member: tarfile.TarInfo) -> None:
    """The content, its holes left holes."""
    holed = cast("list[tuple[int, int]] | None", member.sparse)
    pieces = [(0, member.size)] if holed is None else holed
    for offset, size in pieces:
        content.seek(offset)
        os.lseek(fd, offset, os.SEEK_SET)
        while size > 0:
            data = content.read(min(CHUNK, size))
            if not data:
                raise BadArchive(f"{member.name}: ends too soon")
            size -= len(data)
            while data:
                data = data[os.write(fd, data) :]
    os.ftruncate(fd, member.size)


def _set_xattrs(fd: int, member: tarfile.TarInfo) -> None:
    for name, value in tars.xattrs(member).items():
        os.setxattr(fd, os.fsencode(name), value)


def _times(member: tarfile.TarInfo) -> tuple[int, int]:
    when = int(min(max(member.mtime, TIMES[0]), TIMES[1]) * 1_000_000_000)
    return when, when


def _is_whiteout(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def _is_opaque(layer: int, path: Parts) -> bool:
    fd = beneath.openat2(layer, "/".join(path), os.O_RDONLY | os.O_DIRECTORY, PLAIN)
    try:
        return os.getxattr(fd, OPAQUE_XATTR) == b"y"
    except OSError:
        return False
    finally:
        os.close(fd)
