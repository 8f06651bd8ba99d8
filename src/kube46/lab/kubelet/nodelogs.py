"""`/logs/` of a node: what kubelet serves of /var/log, of which a node here has its pods' logs.

Names are CRI's: `pods/NAMESPACE_POD_UID/CONTAINER/0.log`. Source: pkg/kubelet/kubelet.go (`logServer`), net/http/fs.go.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from kube46.lab.kubelet.podstate import PodState

PIECE = 1 << 18  # bytes


def listed(parts: Sequence[str], states: Iterable[PodState]) -> list[str] | Path | None:
    """The names in a directory, those of directories with a slash at their end; or a file; or None for neither.

    Only names that a listing shows lead on: no path is made of what a client wrote. Raises OSError.
    """
    if not parts:
        return ["pods/"]
    if parts[0] != "pods":
        return None
    pods = {_name(state): state.directory.path / "logs" for state in states}
    if len(parts) == 1:
        return [f"{name}/" for name in sorted(pods)]
    place = pods.get(parts[1])
    for part in parts[2:]:
        place = next((found for found in _below(place) if found.name == part), None)
    if place is None or not place.is_dir():
        return place
    return [f"{found.name}/" if found.is_dir() else found.name for found in _below(place)]


def page(names: Iterable[str]) -> str:
    """A directory as Go's file server shows it."""
    links = (f'<a href="{quote(name)}">{escape(name)}</a>\n' for name in names)
    return f'<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n{"".join(links)}</pre>\n'


async def content(file: BinaryIO) -> AsyncIterator[bytes]:
    """What a file holds now, in pieces."""
    while part := await asyncio.to_thread(file.read, PIECE):
        yield part


def _name(state: PodState) -> str:
    metadata = state.object.metadata
    return f"{metadata.namespace}_{metadata.name}_{metadata.uid}"


def _below(place: Path | None) -> list[Path]:
    """What a directory holds; links are left out. Nothing before the pod has any."""
    if place is None or not place.is_dir():
        return []
    return sorted(found for found in place.iterdir() if not found.is_symlink())
