"""What an image name means without a registry: the machine's file system, and names mapped to programs of it.

The names are in TOML files: those beside this module (`images.d`), then those of --image-dir.
"""

import shutil
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

from kube46.lab.kubelet.environment import PATH

HOST = "host"
PACKAGED = Path(__file__).parent / "images.d"


class ImageError(LookupError):
    """An image that isn't to be had here; the text says what to do."""


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
    """The images of a directory's files; a change of them counts from the next look on."""

    def __init__(self, directory: Path | None) -> None:
        self._directories = (PACKAGED,) if directory is None else (PACKAGED, directory)
        self._seen: list[tuple[str, int]] | None = None
        self._images: dict[str, Image] = {}

    def resolve(self, name: str) -> Image:
        """The image called `name`. Raises ImageError, also for a file that can't be read."""
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


def resolve(images: Mapping[str, Image], name: str) -> Image:
    """The image called `name`: as written, else without registry, digest or tag. Raises ImageError."""
    for candidate in _spellings(name):
        if candidate in images:
            return images[candidate]
    raise ImageError(
        f'image "{name}" is not on this node: a stand-alone kube46 cluster pulls from no registry. Use `image: host` '
        f"with `command` to run a program of this machine, or map the name in images.d/*.toml "
        f"(known: {', '.join(sorted(images))})"
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
