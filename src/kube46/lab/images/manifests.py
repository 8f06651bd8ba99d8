"""Which images an archive holds: `manifest.json` of `docker save`, or the index of an OCI layout.

Source: moby image/spec v1.2 (tar); OCI image-spec 1.1: image-layout.md, image-index.md, manifest.md.
"""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from kube46.lab.images import records
from kube46.lab.images.errors import BadArchive
from kube46.lab.images.records import Config
from kube46.lab.images.references import DIGEST
from kube46.lab.images.sources import Source, document

MOST_LAYERS = 127  # as docker's overlay2 takes
INDEXES = frozenset(
    {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}
)
MANIFESTS = frozenset(
    {"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"}
)
CONFIGS = frozenset({"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"})
DEPTH = 4  # an index in an index in an index
FULL_NAME, NAME = "io.containerd.image.name", "org.opencontainers.image.ref.name"
T = TypeVar("T")


class Platform(msgspec.Struct, frozen=True):
    """What a manifest is for."""

    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """What a digest stands for."""

    digest: str
    size: int = -1
    media_type: str = ""
    platform: Platform | None = None
    annotations: dict[str, str] | None = None


class Index(msgspec.Struct, frozen=True, rename="camel"):
    """index.json, and manifest lists."""

    manifests: tuple[Descriptor, ...] = ()


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """An image's manifest."""

    config: Descriptor
    layers: tuple[Descriptor, ...] = ()


class Saved(msgspec.Struct, frozen=True, rename="pascal"):
    """An entry of `docker save`'s manifest.json."""

    config: str
    layers: tuple[str, ...] = ()
    repo_tags: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Blob:
    """A layer in the archive; `digest` is of its compressed form, "" when none was told."""

    path: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """An image of an archive. `tag` is told where the archive has no whole name."""

    id: str
    config: Config
    layers: tuple[Blob, ...]
    names: tuple[str, ...] = ()
    tag: str = ""
    manifests: tuple[str, ...] = ()


def architecture() -> str:
    """This machine's architecture as Go, OCI and Kubernetes call it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def read(source: Source, machine: str) -> list[Found]:
    """The images for that architecture. Raises BadArchive."""
    if source.has("manifest.json"):
        found = list(_saved(source))
    elif source.has("oci-layout") and source.has("index.json"):
        found = list(_layout(source, machine))
    else:
        raise BadArchive("is neither what `docker save` writes (manifest.json) nor an OCI layout (index.json)")
    for image in found:
        config = image.config
        if config.architecture != machine or config.os != "linux":
            text = f"{config.os}/{config.architecture}"
            raise BadArchive(f"{_called(image)} is for {text}, this machine is linux/{machine}")
        if len(image.layers) != len(config.rootfs.diff_ids):
            counts = f"{len(image.layers)} layers, its configuration names {len(config.rootfs.diff_ids)}"
            raise BadArchive(f"{_called(image)} has {counts}")
        if not 0 < len(image.layers) <= MOST_LAYERS:
            raise BadArchive(f"{_called(image)} has {len(image.layers)} layers, from 1 to {MOST_LAYERS} can be run")
    return found


def _saved(source: Source) -> Iterator[Found]:
    for entry in _decoded(document(source, "manifest.json"), tuple[Saved, ...], "manifest.json"):
        content = document(source, entry.config)
        digest = records.digest_of(content)
        name = entry.config.rpartition("/")[2].removesuffix(".json")
        if DIGEST.fullmatch(f"sha256:{name}") and digest != f"sha256:{name}":
            raise BadArchive(f"{entry.config}: its content has the digest {digest}")
        layers = tuple(Blob(path) for path in entry.layers)
        yield Found(digest, records.decode_config(content), layers, entry.repo_tags or ())


def _layout(source: Source, machine: str) -> Iterator[Found]:
    index = _decoded(document(source, "index.json"), Index, "index.json")
    others: list[str] = []
    any_found = False
    for top in index.manifests:
        names, tag = _names(top)
        for manifest in _manifests(source, top, machine, others, 0):
            any_found = True
            yield _image(source, manifest, names, tag, top)
    if not any_found:
        text = f"only for {', '.join(dict.fromkeys(others))}" if others else "none"
        raise BadArchive(f"holds no image for linux/{machine}: {text}")


def _image(source: Source, found: Descriptor, names: tuple[str, ...], tag: str, top: Descriptor) -> Found:
    manifest = _decoded(_blob(source, found), Manifest, found.digest)
    if manifest.config.media_type not in CONFIGS:
        raise BadArchive(f"{found.digest}: is no container image but {manifest.config.media_type or 'something else'}")
    content = _blob(source, manifest.config)
    layers = tuple(Blob(_path(layer), layer.digest) for layer in manifest.layers)
    digests = tuple(dict.fromkeys((top.digest, found.digest)))
    return Found(manifest.config.digest, records.decode_config(content), layers, names, tag, digests)


def _manifests(source: Source, at: Descriptor, machine: str, others: list[str], depth: int) -> Iterator[Descriptor]:
    """The manifest for the machine that a descriptor leads to; `others` learns of the other platforms."""
    about = at.annotations or {}
    if "vnd.docker.reference.type" in about:
        return  # an attestation
    if at.media_type in INDEXES:
        if depth >= DEPTH:
            raise BadArchive(f"{at.digest}: too many indexes in one another")
        inner = _decoded(_blob(source, at), Index, at.digest).manifests
        found = [m for d in inner for m in _manifests(source, d, machine, others, depth + 1)]
        yield from found[:1]
    elif at.media_type in MANIFESTS or not at.media_type:
        if at.platform is None or (at.platform.architecture, at.platform.os) == (machine, "linux"):
            yield at
        else:
            others.append(str(at.platform))


def _names(at: Descriptor) -> tuple[tuple[str, ...], str]:
    """The whole name that the annotations tell, or only a tag."""
    about = at.annotations or {}
    name = about.get(FULL_NAME) or about.get(NAME) or ""
    whole = "/" in name or ":" in name
    return ((name,), "") if whole else ((), name)


def _blob(source: Source, at: Descriptor) -> bytes:
    content = document(source, _path(at))
    if records.digest_of(content) != at.digest:
        raise BadArchive(f"{at.digest}: its content has the digest {records.digest_of(content)}")
    return content


def _path(at: Descriptor) -> str:
    if not DIGEST.fullmatch(at.digest):
        raise BadArchive(f"{at.digest!r} is no sha256 digest")
    return f"blobs/sha256/{at.digest.removeprefix('sha256:')}"


def _decoded(content: bytes, kind: type[T], name: str) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        raise BadArchive(f"{name}: {error}") from error


def _called(image: Found) -> str:
    return f"image {image.names[0]}" if image.names else f"image {image.id}"
