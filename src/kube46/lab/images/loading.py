"""`kube46 image load`: from an archive to images in the store, each layer unpacked once and its digests checked."""

import io
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kube46.lab.images import manifests, references, unpacking
from kube46.lab.images.errors import BadArchive, BadName, Unfit
from kube46.lab.images.manifests import Blob, Found
from kube46.lab.images.records import Image, chain_ids
from kube46.lab.images.sources import Source, open_source, spooled
from kube46.lab.images.store import Staging, Store
from kube46.lab.images.streams import Meter, Pipe, Tape, decompressed
from kube46.lab.images.unpacking import OPAQUE_XATTR, Budget

MOST_BYTES, MOST_ENTRIES = 64 << 30, 4_000_000  # of one image, unpacked
RESERVED = "docker.io/library/host"  # `image: host` is the machine itself


@dataclass(frozen=True, slots=True)
class Loaded:
    """An image that is in the store now."""

    image: Image
    names: tuple[str, ...]
    new_layers: int
    devices: int  # device nodes that were left out


def load(
    archive: str,
    names: Sequence[str],
    store: Store,
    step: Callable[[str], None] = lambda _: None,
    limit: int = MOST_BYTES,
) -> list[Loaded]:
    """Load the images of an archive (`-`: standard input), under `names` in place of their own when there are any.

    Raises ImageTrouble and OSError; nothing is in the store then that was not before.
    """
    given = [_name(name) for name in names]
    with store.staging() as staging:
        _check_disk(staging.path)
        source = _source(archive, staging, limit)
        try:
            found = _named(manifests.read(source, manifests.architecture()), given)
            loader = _Loader(store, staging, source, step, limit)
            images = [loader.image(image) for image in found]
        except BadArchive as error:
            raise BadArchive(f"{archive}: {error}") from error
        finally:
            source.close()
        store.commit(staging, [(loaded.image, loaded.names) for loaded in images])
        return images


def _source(archive: str, staging: Staging, limit: int) -> Source:
    spool = staging.path / "archive"
    path = Path(archive)
    try:
        if archive == "-":
            path = staging.path / "input"
            spooled(decompressed(io.BufferedReader(Pipe(sys.stdin.buffer))), path, limit)
        return open_source(path, spool, limit)
    except FileNotFoundError as error:
        raise BadArchive(f"{archive}: there is no such file") from error
    except BadArchive as error:
        raise BadArchive(f"{archive}: {error}") from error


def _name(text: str) -> str:
    """A name to load under, written out. Raises BadName."""
    found = references.parse(text)
    if found.digest:
        raise BadName(f"image name {text!r}: a digest is told by the content, give a name and a tag")
    if found.repository == RESERVED:
        raise BadName(f"image name {text!r}: is the machine's own file system, give another name")
    return str(found)


def _named(found: Iterable[Found], given: Sequence[str]) -> list[tuple[Found, tuple[str, ...]]]:
    """Each image with its names. Raises BadArchive when one has none, BadName."""
    images = list({(image.id, image.names): image for image in found}.values())
    if given and len({image.id for image in images}) > 1:
        raise BadArchive(f"holds {len(images)} images with names of their own: leave --as out")
    result = []
    for image in images:
        names = tuple(given) or tuple(map(_name, image.names))
        if not names:
            said = f" but the tag {image.tag}" if image.tag else ""
            raise BadArchive(f"its image has no name{said}: give it one with --as NAME[:TAG]")
        result.append((image, names))
    return result


class _Loader:
    """Unpacks the layers that lack, in the staging directory."""

    def __init__(self, store: Store, staging: Staging, source: Source, step: Callable[[str], None], limit: int) -> None:
        self._store, self._staging, self._source, self._step, self._limit = store, staging, source, step, limit
        self._pins: set[str] = set()

    def image(self, wanted: tuple[Found, tuple[str, ...]]) -> Loaded:
        """The image, with all of its layers either in the store or made."""
        found, names = wanted
        chains = chain_ids(found.config.rootfs.diff_ids)
        with self._store.locked():
            self._pins |= set(chains)
            self._staging.pin(self._pins)
            there = {chain for chain in chains if self._store.has(chain)}
        budget = Budget(self._limit, MOST_ENTRIES)
        below: list[Path] = []
        new = devices = size = 0
        for number, (blob, diff_id, chain) in enumerate(
            zip(found.layers, found.config.rootfs.diff_ids, chains, strict=True)
        ):
            self._step(f"{names[0]}: layer {number + 1} of {len(chains)}")
            place = self._staging.layer(chain)
            if chain in there:
                place = self._store.layer(chain).parent
            elif not place.exists():
                devices += self._layer(blob, diff_id, place, below[::-1], budget)
                new += 1
            size += int((place / "size").read_text())
            below.append(place / "fs")
        image = Image(
            id=found.id,
            config=found.config,
            layers=chains,
            size=size,
            loaded=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            manifests=found.manifests,
        )
        return Loaded(image, names, new, devices)

    def _layer(self, blob: Blob, diff_id: str, place: Path, below: Sequence[Path], budget: Budget) -> int:
        """Unpack one layer, and check what it was made of."""
        new = place.with_name(f"{place.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        (new / "fs").mkdir(parents=True)
        os.chmod(new / "fs", 0o755)  # noqa: S103, PTH101 - an image's root, behind the store's own 0700
        used = budget.used
        with self._source.open(blob.path) as file:
            packed = Meter(file, self._limit)
            plain = Meter(decompressed(io.BufferedReader(Pipe(packed))), self._limit)
            try:
                devices = unpacking.unpack(Tape(plain), new / "fs", below, budget)
                plain.drain()
                packed.drain()
            except BadArchive as error:
                raise BadArchive(f"{blob.path}: {error}") from error
        if blob.digest and packed.digest != blob.digest:
            raise BadArchive(f"{blob.path}: its content has the digest {packed.digest}")
        if plain.digest != diff_id:
            text = f"{blob.path}: unpacked it has the digest {plain.digest}, the image's configuration says {diff_id}"
            raise BadArchive(text)
        (new / "size").write_text(str(budget.used - used))
        new.rename(place)
        return devices


def _check_disk(staging: Path) -> None:
    """Overlay's marks must be possible where the store lies. Raises Unfit."""
    probe = staging / "probe"
    probe.mkdir()
    try:
        os.mknod(probe / "whiteout", 0o020000, 0)
        os.setxattr(probe, OPAQUE_XATTR, b"y")
    except OSError as error:
        raise Unfit(
            f"{staging.parent.parent}: its file system can't hold images' layers ({error.strerror}), as an overlay or "
            "NFS can't: mount a disk (ext4, xfs, btrfs, tmpfs) or a volume on /var/lib/kube46"
        ) from error
    finally:
        shutil.rmtree(probe, ignore_errors=True)
