"""What is known of an image: its configuration as OCI has it, and what the store keeps of it (pure).

Source: OCI image-spec 1.1, config.md, layer.md (ChainID).
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kube46.lab.images.errors import BadArchive
from kube46.lab.images.references import DIGEST


class Behaviour(msgspec.Struct, frozen=True, rename="pascal"):
    """`config` of an image's configuration: how its containers run."""

    user: str | None = None
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    working_dir: str | None = None
    stop_signal: str | None = None
    volumes: dict[str, Any] | None = None
    exposed_ports: dict[str, Any] | None = None
    labels: dict[str, str] | None = None


class RootFs(msgspec.Struct, frozen=True):
    """`rootfs`: the digests of the unpacked layers, lowest first."""

    type: str = "layers"
    diff_ids: tuple[str, ...] = ()


class Config(msgspec.Struct, frozen=True):
    """An image's configuration."""

    architecture: str = ""
    os: str = ""
    variant: str = ""
    created: str | None = None
    config: Behaviour | None = None
    rootfs: RootFs = RootFs()


class Image(msgspec.Struct, frozen=True):
    """An image as the store keeps it. `layers` are chain IDs, lowest first; `size` is of the unpacked layers."""

    id: str
    config: Config
    layers: tuple[str, ...]
    size: int
    loaded: str
    manifests: tuple[str, ...] = ()  # digests of the manifests it was loaded from

    @property
    def behaviour(self) -> Behaviour:
        """How its containers run."""
        return self.config.config or Behaviour()


def decode_config(content: bytes) -> Config:
    """An image's configuration. Raises BadArchive that names the field."""
    try:
        config = msgspec.json.decode(content, type=Config)
    except msgspec.MsgspecError as error:
        raise BadArchive(f"the image's configuration is damaged: {error}") from error
    for diff_id in config.rootfs.diff_ids:
        if not DIGEST.fullmatch(diff_id):
            raise BadArchive(f"the image's configuration names a layer {diff_id!r}, which is no sha256 digest")
    return config


def chain_ids(diff_ids: Iterable[str]) -> tuple[str, ...]:
    """The digests of each layer together with all below it."""
    found: list[str] = []
    for diff_id in diff_ids:
        found.append(digest_of(f"{found[-1]} {diff_id}".encode()) if found else diff_id)
    return tuple(found)


def digest_of(content: bytes) -> str:
    """The sha256 digest as OCI writes it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def environment(entries: Iterable[str]) -> Mapping[str, str]:
    """`Env`: NAME=value entries, the last of a name wins."""
    pairs = (entry.partition("=") for entry in entries)
    return {name: value for name, sign, value in pairs if name and sign}
