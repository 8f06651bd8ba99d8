"""Layers become directories for overlay; what an archive must not do, it can't."""

import io
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archives
from archives import entry, link, tar
from kube46.lab.images.errors import BadArchive
from kube46.lab.images.streams import Tape
from kube46.lab.images.unpacking import OPAQUE_XATTR, Budget, unpack

pytestmark = pytest.mark.root


def layer(disk: Path, name: str, *entries, below=(), budget: Budget | None = None) -> Path:
    """The directory of a layer of those entries."""
    root = disk / name
    root.mkdir()
    unpack(Tape(io.BytesIO(tar(entries))), root, below, budget or Budget(1 << 24, 1000))
    return root


def refused(disk: Path, *entries, match: str, below=(), budget: Budget | None = None) -> None:
    """The layer is refused for that reason, and nothing beside it was touched."""
    beside = set(disk.rglob("*"))
    with pytest.raises(BadArchive, match=match):
        layer(disk, "refused", *entries, below=below, budget=budget)
    assert {path for path in disk.rglob("*") if not path.is_relative_to(disk / "refused")} == beside


def test_as_packed(disk):
    """Owners, modes, times, links, FIFOs, attributes and long names are as they were packed."""
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    long = "/".join(["d" * 90] * 20)
    root = layer(
        disk, "one",
        entry("a", mode=0o2751, uid=7, gid=8, mtime=1000),
        entry("a/file", b"content", mode=0o4755, uid=123456, gid=9, mtime=2000.5),
        entry("a/capable", b"x", pax_headers={"SCHILY.xattr.security.capability": capability.decode("latin-1")
              if not capability.isascii() else capability.decode(), "SCHILY.xattr.user.k": "v",
              "SCHILY.xattr.trusted.overlay.opaque": "y"}),
        link("a/hard", "a/file", tarfile.LNKTYPE), link("a/soft", "/etc/passwd"), link("a/up", "../../../x"),
        entry("a/fifo", type=tarfile.FIFOTYPE, mode=0o620), entry(f"{long}/deep", b"deep"),
        entry("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3), entry(".", mode=0o711),
    )  # fmt: skip
    about = (root / "a/file").stat()

    assert (stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid) == (0o4755, 123456, 9)
    assert about.st_mtime == 2000.5 and about.st_nlink == 2 and (root / "a").stat().st_mtime == 1000
    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o2751 and stat.S_IMODE(root.stat().st_mode) == 0o711
    assert (root / "a/soft").readlink() == Path("/etc/passwd") and (root / "a/up").readlink() == Path("../../../x")
    assert stat.S_ISFIFO((root / "a/fifo").stat().st_mode)
    assert os.getxattr(root / "a/capable", "security.capability") == capability
    assert set(os.listxattr(root / "a/capable")) == {"security.capability", "user.k"}
    assert (root / long / "deep").read_text() == "deep"
    assert not (root / "null").exists()


def test_holes(disk):
    """A sparse file keeps its holes, and its content."""
    source = disk / "source"
    with source.open("wb") as file:
        file.seek(8 << 20)
        file.write(b"end" * 1000)
        file.truncate(16 << 20)
    packed = disk / "sparse.tar"
    subprocess.run(["tar", "-C", disk, "--sparse", "-cf", packed, "source"], check=True)
    root = disk / "root"
    root.mkdir()
    with packed.open("rb") as file:
        unpack(Tape(file), root, (), Budget(1 << 26, 10))

    assert (root / "source").read_bytes() == source.read_bytes()
    assert (root / "source").stat().st_blocks * 512 < 1 << 20


def test_whiteouts(disk):
    """What a layer hides is hidden in overlay's own way, whatever the order; its own files stay."""
    one = layer(disk, "one", entry("d"), entry("d/x", b"x"), entry("f", b"f"), entry("e"), entry("e/y", b"y"))
    two = layer(
        disk, "two",
        entry(".wh.f", b""), entry("d"), entry("d/.wh..wh..opq", b""), entry("d/new", b"n"),
        entry("e/.wh.y", b""), entry("e/y"), entry("e/y/inside", b"i"),
        entry("own", b"o"), entry(".wh.own", b""), entry("both"), entry(".wh.both", b""), entry(".wh..wh.plnk", b""),
        below=[one],
    )  # fmt: skip

    assert stat.S_ISCHR((two / "f").lstat().st_mode) and (two / "f").lstat().st_rdev == 0
    assert os.getxattr(two / "d", OPAQUE_XATTR) == os.getxattr(two / "e/y", OPAQUE_XATTR) == b"y"
    assert os.getxattr(two / "both", OPAQUE_XATTR) == b"y"
    assert (two / "own").read_text() == "o" and (two / "e/y/inside").read_text() == "i"
    assert sorted(path.name for path in two.iterdir()) == ["both", "d", "e", "f", "own"]
    for number, name in enumerate((".wh.", "d/.wh...", "d/.wh..")):
        with pytest.raises(BadArchive, match="hides nothing"):
            layer(disk, f"none{number}", entry(name, b""))


def test_parents_of_layers_below(disk):
    """A directory that a layer doesn't name looks like the one below, and a link there is followed in the image."""
    one = layer(
        disk, "one",
        entry("usr", mode=0o700, uid=5), entry("usr/bin", mode=0o750, gid=6), link("bin", "usr/bin"),
        link("run", "/var/run"),
        entry("var"), entry("var/run", mode=0o775), link("loop", "loop"), link("out", "../../.."), entry("plain", b""),
    )  # fmt: skip
    two = layer(disk, "two", entry("bin/tool", b"t"), entry("run/pid", b"p"), entry("new/dir/f", b"n"), below=[one])

    assert (two / "usr/bin/tool").read_text() == "t" and not (two / "bin").exists()
    assert ((two / "usr").stat().st_uid, stat.S_IMODE((two / "usr").stat().st_mode)) == (5, 0o700)
    assert stat.S_IMODE((two / "usr/bin").stat().st_mode) == 0o750 and (two / "usr/bin").stat().st_gid == 6
    assert (two / "var/run/pid").exists() and (two / "new/dir").stat().st_uid == 0
    refused(disk, entry("out/etc/passwd", b""), below=[one], match="leads out of the image")
    shutil.rmtree(disk / "refused")
    refused(disk, entry("loop/x", b""), below=[one], match="too many links")


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        ([entry("../x", b"")], "leads out"),
        ([entry("a/../../x", b"")], "leads out"),
        ([entry("/etc/x", b"")], "absolute"),
        ([link("out", "../../.."), entry("out/etc/x", b"")], "leads out of the image"),
        ([link("a", "b"), link("b", "a"), entry("a/x", b"")], "too many links"),
        ([entry("x", b""), entry("x", b"")], "twice"),
        ([link("x", "y"), entry("x", b"")], "twice"),
        ([entry("x", b""), entry("x")], "twice"),
        ([entry("x"), entry("x", b"")], "twice"),
        ([entry("x", b""), entry("x/y", b"")], "twice"),
        ([link("h", "/etc/passwd", tarfile.LNKTYPE)], "absolute"),
        ([link("h", "../x", tarfile.LNKTYPE)], "leads out"),
        ([link("h", "none", tarfile.LNKTYPE)], "no file of the same layer"),
        ([entry("d"), link("h", "d", tarfile.LNKTYPE)], "no file of the same layer"),
        ([link("s", "/etc"), link("h", "s/passwd", tarfile.LNKTYPE)], "no file of the same layer"),
        ([entry(".wh.gone", b""), link("h", "gone", tarfile.LNKTYPE)], "no file of the same layer"),
        ([entry("x" * 300, b"")], "name too long|File name"),
        ([entry("x", b"", uid=2**32 - 1)], "is no user"),
        ([entry("x", b"", pax_headers={"path": "a\0/../../b"})], "no path|damaged"),
        ([entry("x", b"", pax_headers={"SCHILY.xattr.user.x": "v" * (2 << 20)})], "wants"),
        ([entry("x", b"", pax_headers={"mtime": "nan"})], "x"),
        ([entry("x", type=b"M")], "not known"),
    ],
)  # fmt: skip
def test_hostile(disk, entries, match):
    """What leads out, is there twice or is no file system's is refused, and nothing outside is touched."""
    refused(disk, *entries, match=match)


def test_absolute_links_stay_inside(disk):
    """An absolute link of the image is read in the image's own root: the machine's /etc is not written to."""
    root = layer(disk, "one", link("x", "/k46t-etc"), entry("x/made", b"inside"))

    assert (root / "k46t-etc/made").read_text() == "inside" and not Path("/k46t-etc").exists()


@pytest.mark.parametrize(
    ("entries", "budget", "match"),
    [
        ([entry("x", b"0" * 5000)], Budget(4096, 10), "more than 4096 bytes"),
        ([entry(f"f{n}", b"") for n in range(5)], Budget(4096, 4), "more entries"),
    ],
)
def test_bombs(disk, entries, budget, match):
    """An image takes no more bytes and entries than it may."""
    refused(disk, *entries, budget=budget, match=match)


def test_damaged(disk):
    """Archives that end too soon, or whose headers are broken in the middle, are refused."""
    whole = tar([entry("a", b"x" * 3000), entry("b", b"y")])
    for number, content in enumerate((whole[:2000], whole[:512], b"", whole[:3584] + b"\xff" * 512 + whole[4096:])):
        root = disk / str(number)
        root.mkdir()
        with pytest.raises(BadArchive):
            unpack(Tape(io.BytesIO(content)), root, (), Budget(1 << 20, 100))


PARTS = st.sampled_from(["a", "b", "..", ".", ".wh.a", ".wh..wh..opq", ".wh.", "", "c"])
NAMES = st.lists(PARTS, min_size=1, max_size=4)
KINDS = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
TARGETS = st.sampled_from(["a", "../..", "/", "/a", "b/c", ".", "..", "a/../b", "/proc/self/root"])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(NAMES.map("/".join), KINDS, TARGETS), max_size=8), st.integers(0, 8))
def test_any_layers(disk, made, cut):
    """Whatever two layers hold, all that is made lies in their directories, and what is refused is a BadArchive."""
    files = [
        entry(name, b"" if kind == tarfile.REGTYPE else None, type=kind, linkname=target) for name, kind, target in made
    ]
    with tempfile.TemporaryDirectory(dir=disk) as place:
        inner = Path(place) / "x/y"
        inner.mkdir(parents=True)
        below: list[Path] = []
        for number, part in enumerate((files[:cut], files[cut:])):
            root = inner / str(number)
            root.mkdir()
            try:
                unpack(Tape(io.BytesIO(tar(part))), root, below, Budget(1 << 20, 100))
            except BadArchive:
                return
            finally:
                assert {path.name for path in Path(place).iterdir()} == {"x"}
                assert {path.name for path in inner.iterdir()} <= {"0", "1"}
                assert {path.name for path in (Path(place) / "x").iterdir()} == {"y"}
            below.insert(0, root)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage(disk, data):
    """An archive with any bytes changed is unpacked or refused, never anything else."""
    whole = bytearray(tar([entry("a"), entry("a/b", b"content"), link("c", "a"), entry("d", b"x", mtime=1.5)]))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory(dir=disk) as place, suppress(BadArchive):
        unpack(Tape(io.BytesIO(bytes(whole))), Path(place), (), Budget(1 << 20, 100))


def test_busybox_is_whole(disk):
    """The tests' own image unpacks to what it was made of."""
    root = disk / "b"
    root.mkdir()
    assert unpack(Tape(io.BytesIO(archives.busybox())), root, (), Budget(1 << 28, 1000)) == 0
    assert (root / "bin/busybox").read_bytes() == Path("/bin/busybox").read_bytes()
