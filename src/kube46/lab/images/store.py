"""The machine's images on disk: layers by chain ID, images by the digest of their configuration, and their names.

    layers/HEX/fs      a layer's files;  layers/HEX/size   their bytes
    images/HEX.json    an image
    names.json         name → image
    staging/ID/        what a command makes, moved to its place when it is whole; locked while the command lives

Whatever is moved or deleted is so under the lock of the whole store, for some milliseconds. Killed at any instant, a
command leaves at most a staging directory, which the next one sweeps.
"""

import ctypes
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from kube46.lab import locks
from kube46.lab.images import references
from kube46.lab.images.errors import InUse, Unknown
from kube46.lab.images.records import Image
from kube46.lab.images.references import Reference
from kube46.lab.paths import STATE_ROOT

STORE = STATE_ROOT / "images"
PINS = "pins"
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Names:
    """What is on the machine: images by ID, and which names they have."""

    images: Mapping[str, Image]
    names: Mapping[str, str]

    def of(self, id: str) -> list[str]:
        """The names of an image."""
        return sorted(name for name, image in self.names.items() if image == id)

    def find(self, wanted: Reference) -> Image | None:
        """The image of that name; a digest may be of its manifest or of its configuration."""
        if not wanted.digest:
            return self.images.get(self.names.get(str(wanted), ""))
        ids = {id for name, id in self.names.items() if references.parse(name).repository == wanted.repository}
        named = (self.images[id] for id in sorted(ids) if id in self.images)
        return next((image for image in named if wanted.digest in (image.id, *image.manifests)), None)


class Staging:
    """A command's own directory in the store; its layers and pins are safe from sweeps while it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def layer(self, chain: str) -> Path:
        """Where a layer is made."""
        return self.path / "layers" / _hex(chain)

    def pin(self, chains: Collection[str]) -> None:
        """Layers of the store that the command counts on."""
        (self.path / PINS).write_text("\n".join(chains))


class Store:
    """A store directory, made when it lacks (0700). Raises OSError."""

    def __init__(self, path: Path = STORE) -> None:
        self.path = path

    # Looking

    def read(self) -> Names:
        """All images. What is damaged is left out."""
        images = {}
        for file in self._images.glob("*.json"):
            with suppress(msgspec.MsgspecError, FileNotFoundError):
                image = msgspec.json.decode(file.read_bytes(), type=Image)
                images[image.id] = image
        return Names(images, {name: id for name, id in self._read_names().items() if id in images})

    def state(self) -> tuple[int, int]:
        """Another value after each change of names or images."""
        try:
            return self._names.stat().st_mtime_ns, self._images.stat().st_mtime_ns
        except FileNotFoundError:
            return 0, 0

    def layer(self, chain: str) -> Path:
        """The files of a layer."""
        return self.path / "layers" / _hex(chain) / "fs"

    def has(self, chain: str) -> bool:
        """Whether a layer is there."""
        return self.layer(chain).is_dir()

    def size(self, chain: str) -> int:
        """The bytes of a layer's files."""
        return int((self.layer(chain).parent / "size").read_text())

    # Changing

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes the store meanwhile."""
        with locks.held(self.path):
            for directory in ("layers", "images", "staging"):
                (self.path / directory).mkdir(mode=0o700, exist_ok=True)
            try:
                yield
            finally:
                self._vanish()

    @contextmanager
    def reading(self) -> Iterator[bool]:
        """Nothing is deleted meanwhile, when it says True; False while another changes the store."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield True
            return
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            free = True
        except BlockingIOError:
            free = False
        try:
            yield free
        finally:
            os.close(fd)

    @contextmanager
    def staging(self) -> Iterator[Staging]:
        """A directory to make layers in; gone with the block, or swept after a kill."""
        with self.locked():
            path = self.path / "staging" / secrets.token_hex(8)
            path.mkdir(mode=0o700)
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            yield Staging(path)
        finally:
            shutil.rmtree(path, ignore_errors=True)
            os.close(fd)
            with self.locked():
                pass  # and the store is gone, if it is empty now

    def commit(self, staging: Staging, images: Collection[tuple[Image, Collection[str]]]) -> None:
        """Take over the staging directory's layers, the images and their names, all on disk before they count."""
        _sync(staging.path)
        with self.locked():
            made = staging.path / "layers"
            for layer in made.iterdir() if made.is_dir() else ():
                if not (self.path / "layers" / layer.name).exists():  # another command may have been faster
                    layer.rename(self.path / "layers" / layer.name)
            names = self._read_names()
            for image, given in images:
                _replace(self._images / f"{_hex(image.id)}.json", msgspec.json.encode(image))
                names |= dict.fromkeys(given, image.id)
            _replace(self._names, msgspec.json.format(msgspec.json.encode(names)))

    def remove(self, wanted: Collection[str], used: Callable[[], Mapping[str, str]]) -> list[str]:
        """Take names away (an ID stands for all of its image's); what has no name left goes. Returns the names.

        `used` says which images run, and where. Raises BadName, Unknown and InUse; nothing is removed then.
        """
        with self.locked():
            found = self.read()
            gone = {name for text in wanted for name in _matching(found, text)}
            busy = used()
            for id in {found.names[name] for name in gone}:
                if id in busy and set(found.of(id)) <= gone:
                    raise InUse(f"image {found.of(id)[0]} is in use by {busy[id]}: delete the pod first")
            left = {name: id for name, id in found.names.items() if name not in gone}
            _replace(self._names, msgspec.json.format(msgspec.json.encode(left)))
        self.sweep(used)
        return sorted(gone)

    def sweep(self, used: Callable[[], Mapping[str, str]]) -> None:
        """Delete images without a name that nobody runs, layers of no image, and what killed commands left."""
        with self.staging() as bin, self.locked():
            found = self.read()
            kept = set(found.names.values()) | set(used())
            for id in found.images.keys() - kept:
                (self._images / f"{_hex(id)}.json").unlink()
            chains = {chain for id in kept if id in found.images for chain in found.images[id].layers}
            abandoned = self._abandoned(bin.path)
            wanted = {_hex(chain) for chain in chains} | self._pinned(abandoned)
            for number, path in enumerate([*abandoned, *(self.path / "layers").iterdir()]):
                if path.name not in wanted:
                    with suppress(FileNotFoundError):  # its command has deleted it meanwhile
                        path.rename(bin.path / str(number))

    def _vanish(self) -> None:
        """A store that holds nothing isn't there."""
        parts = [self.path / name for name in ("layers", "images", "staging")]
        if not any(any(part.iterdir()) for part in parts):
            self._names.unlink(missing_ok=True)
            for path in (*parts, self.path):
                path.rmdir()

    def _abandoned(self, own: Path) -> list[Path]:
        """Staging directories whose command is gone."""
        return [path for path in (self.path / "staging").iterdir() if path != own and not _locked(path)]

    def _pinned(self, abandoned: Collection[Path]) -> set[str]:
        """Layers that commands at work count on."""
        found: set[str] = set()
        for path in set((self.path / "staging").iterdir()) - set(abandoned):
            with suppress(FileNotFoundError):
                found |= {_hex(chain) for chain in (path / PINS).read_text().split()}
        return found

    def _read_names(self) -> dict[str, str]:
        try:
            return msgspec.json.decode(self._names.read_bytes(), type=dict[str, str])
        except (FileNotFoundError, msgspec.MsgspecError):
            return {}

    @property
    def _images(self) -> Path:
        return self.path / "images"

    @property
    def _names(self) -> Path:
        return self.path / "names.json"


def _matching(found: Names, text: str) -> list[str]:
    """The names that `text` stands for: itself, or, for an ID or its beginning, all of that image."""
    plain = text.removeprefix("sha256:")
    ids = [id for id in found.images if len(plain) >= 8 and id.removeprefix("sha256:").startswith(plain)]
    if len(ids) == 1:
        return found.of(ids[0])
    name = str(references.parse(text))
    if name not in found.names:
        raise Unknown(f"image {name} is not here, `kube46 image list` shows what is")
    return [name]


def _locked(path: Path) -> bool:
    """Whether a command still has it, be it that it deletes it just now."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _replace(path: Path, content: bytes) -> None:
    """Replace a file: readers see the old or the new content, also after a power cut."""
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _sync(directory: Path) -> None:
    """syncfs(2): a layer that a power cut left empty would never be looked at again."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(fd) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(directory))
    finally:
        os.close(fd)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
