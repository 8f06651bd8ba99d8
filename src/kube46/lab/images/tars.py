"""The entries of a tar stream, read by the standard library's tarfile with nothing believed.

Source: OCI image-spec layer.md; tar(5); pax as POSIX.1-2001 has it, with SCHILY.xattr.
"""

import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath

from kube46.lab.images.errors import BadArchive
from kube46.lab.images.streams import Tape

LONGEST_PATH = 4096
MALFORMED = (tarfile.TarError, ValueError, IndexError, OverflowError, RecursionError)
XATTR = "SCHILY.xattr."
KNOWN = frozenset(
    {
        tarfile.REGTYPE,
        tarfile.AREGTYPE,
        tarfile.CONTTYPE,
        tarfile.GNUTYPE_SPARSE,
        tarfile.LNKTYPE,
        tarfile.SYMTYPE,
        tarfile.DIRTYPE,
        tarfile.FIFOTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
    }
)


def entries(tape: Tape) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Each entry, with the archive whose `extractfile` reads it before the next is asked for. Raises BadArchive."""
    try:
        archive = tarfile.TarFile(fileobj=tape, encoding="utf-8", errors="surrogateescape")  # type: ignore[arg-type]
        while (member := archive.next()) is not None:
            if member.type not in KNOWN:
                raise BadArchive(f"{member.name}: is of a kind that is not known, {member.type!r}")
            yield archive, member
            archive.members.clear()  # type: ignore[attr-defined] # it would keep them all
    except MALFORMED as error:
        raise BadArchive(f"the archive is damaged: {error}") from error
    # tarfile takes a header that it can't read for the end.
    if any(tape.last):
        raise BadArchive("the archive is damaged: a header can't be read")


def parts(name: str) -> tuple[str, ...]:
    """The path of an entry below the root, () for the root itself. Raises BadArchive for one that leads out."""
    if name.startswith("/"):
        raise BadArchive(f"{name}: is an absolute path")
    if not name or len(name) > LONGEST_PATH or "\0" in name:
        raise BadArchive(f"{name[:80]!r}: is no path")
    found = PurePosixPath(name).parts
    if ".." in found:
        raise BadArchive(f"{name}: leads out of its layer")
    return found


def xattrs(member: tarfile.TarInfo) -> dict[str, bytes]:
    """The extended attributes that are kept: file capabilities and `user.`; overlay's own come from nobody."""
    found = {
        key.removeprefix(XATTR): value.encode(errors="surrogateescape")
        for key, value in member.pax_headers.items()
        if key.startswith(XATTR)
    }
    return {name: value for name, value in found.items() if name == "security.capability" or name.startswith("user.")}
