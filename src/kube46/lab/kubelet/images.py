"""What an image name means without a registry: a loaded image, the machine's file system, or a program of it.

Names of programs are in TOML files: those beside this module (`images.d`), then those of --image-dir.
"""

import difflib
import shutil
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

from kube46.lab.images import references
from kube46.lab.images.errors import BadName
from kube46.lab.images.records import Image as Record
from kube46.lab.images.records import environment
from kube46.lab.images.store import Names, Store
from kube46.lab.kubelet.environment import PATH

HOST = "host"
PACKAGED = Path(__file__).parent / "images.d"


class ImageError(LookupError):
    """An image that isn't to be had here; the text says what to do, `reason` is the waiting state's."""

    def __init__(self, message: str, reason: str = "ErrImagePull") -> None:
        super().__init__(message)
        self.reason = reason


class Needs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The program that an image runs, and the Debian package that has it."""

    program: str
    package: str


@dataclass(frozen=True, slots=True)
class Image:
    """What a container runs when its pod doesn't say: as an OCI image's configuration."""

    name: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    files: Mapping[str, str] = field(default_factory=dict)  # path in the container → file of the machine
    volumes: tuple[str, ...] = ()  # directories that are empty and writable unless the pod mounts something there
    needs: Needs | None = None
    # Of a loaded image:
    id: str = ""
    layers: tuple[Path, ...] = ()  # lowest first
    user: str = ""
    stop_signal: str = ""

    def arguments(self, command: tuple[str, ...], args: tuple[str, ...]) -> tuple[str, ...]:
        """The command line: `command` replaces the entrypoint and the image's arguments, `args` only these."""
        if command:
            return (*command, *args)
        return (*self.entrypoint, *(args or self.command))


class ImageEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One `[[image]]` of an images.d file; `names` are matched without tag or digest, unless they have one.

    The sources of `files` are relative to the images.d file.
    """

    names: Annotated[list[str], msgspec.Meta(min_length=1)]
    entrypoint: list[str] = []
    command: list[str] = []
    environment: dict[str, str] = {}
    working_dir: str = ""
    files: dict[str, str] = {}
    volumes: list[str] = []
    needs: Needs | None = None


class ImageFile(msgspec.Struct, forbid_unknown_fields=True):
    """An images.d file."""

    image: list[ImageEntry] = []


class Catalogue:
    """The loaded images, then those of a directory's files; a change of them counts from the next look on."""

    def __init__(self, directory: Path | None, store: Store | None = None) -> None:
        self.store = store
        self._loaded = Names({}, {})
        self._state: tuple[int, int] | None = None
        self._directories = (PACKAGED,) if directory is None else (PACKAGED, directory)
        self._seen: list[tuple[str, int]] | None = None
        self._images: dict[str, Image] = {}

    def resolve(self, name: str, policy: str = "") -> Image:
        """The image called `name`; `policy` is imagePullPolicy. Raises ImageError, also for a file that can't be
        read."""
        loaded = self.loaded(name)
        if loaded:
            return loaded
        try:
            return self._mapped(name)
        except ImageError as error:
            if policy != "Never":
                raise
            text = f'Container image "{name}" is not present with pull policy of Never: {error}'
            raise ImageError(text, "ErrImageNeverPull") from error

    def loaded(self, name: str) -> Image | None:
        """The image of that name that was loaded, if one was. Raises ImageError for what can't be a name."""
        if name == HOST or self.store is None:
            return None
        try:
            wanted = references.parse(name)
        except BadName as error:
            text = f'Failed to apply default image tag "{name}": couldn\'t parse image name: {error}'
            raise ImageError(text, "InvalidImageName") from error
        found = self.names().find(wanted)
        return _of_record(str(wanted), found, self.store) if found else None

    def names(self) -> Names:
        """All loaded images."""
        if self.store and (state := self.store.state()) != self._state:
            self._loaded = self.store.read()
            self._state = state
        return self._loaded

    def _mapped(self, name: str) -> Image:
        files = [file for directory in self._directories for file in sorted(directory.glob("*.toml"))]
        seen = [(str(file), file.stat().st_mtime_ns) for file in files]
        if seen != self._seen:
            self._images = load(files)
            self._seen = seen
        image = resolve(self._images, name)
        if image.needs and not shutil.which(image.needs.program, path=PATH):
            raise ImageError(
                f'image "{name}" runs {image.needs.program} of this machine, which is not installed: '
                f"apt-get install {image.needs.package}"
            )
        return image


def load(files: Iterable[Path]) -> dict[str, Image]:
    """All images by name. Raises ImageError that names file and field."""
    found = {HOST: Image(HOST)}
    for file in files:
        try:
            entries = msgspec.convert(tomllib.loads(file.read_text()), ImageFile).image
        except (OSError, ValueError) as error:
            raise ImageError(f"{file}: {error}") from error
        for entry in entries:
            image = Image(
                name=entry.names[0],
                entrypoint=tuple(entry.entrypoint),
                command=tuple(entry.command),
                environment=entry.environment,
                working_dir=entry.working_dir,
                files={path: str(file.parent / source) for path, source in entry.files.items()},
                volumes=tuple(entry.volumes),
                needs=entry.needs,
            )
            found |= dict.fromkeys(entry.names, image)
    return found


def _of_record(name: str, found: Record, store: Store) -> Image:
    about = found.behaviour
    return Image(
        name=name,
        entrypoint=about.entrypoint or (),
        command=about.cmd or (),
        environment=environment(about.env or ()),
        working_dir=about.working_dir or "",
        volumes=tuple(about.volumes or ()),
        id=found.id,
        layers=tuple(map(store.layer, found.layers)),
        user=about.user or "",
        stop_signal=about.stop_signal or "",
    )


def resolve(images: Mapping[str, Image], name: str) -> Image:
    """The image called `name`: as written, else without registry, digest or tag. Raises ImageError."""
    for candidate in _spellings(name):
        if candidate in images:
            return images[candidate]
    close = ", ".join(difflib.get_close_matches(_spellings(name)[-1], images, 3))
    raise ImageError(
        f'image "{name}" is not on this node: a stand-alone kube46 cluster pulls from no registry. Load it with '
        f"`docker save {name} | kube46 image load -`, use `image: host` with `command` to run a program of this "
        f"machine, or map the name in images.d/*.toml" + (f" (did you mean {close}?)" if close else "")
    )


def _spellings(name: str) -> list[str]:
    """`docker.io/library/nginx:1.27@sha256:…` → that, without digest, without tag, and each without its registry."""
    plain = name.partition("@")[0]
    head, slash, last = plain.rpartition("/")
    untagged = head + slash + last.partition(":")[0]
    found = [name, plain, untagged]
    for prefix in ("docker.io/library/", "docker.io/", "library/"):
        found += [text.removeprefix(prefix) for text in (plain, untagged) if text.startswith(prefix)]
    return list(dict.fromkeys(found))
