"""Ends a pod whose emptyDir on disk takes more than its sizeLimit, as kubelet's eviction does.

Source: pkg/kubelet/eviction/eviction_manager.go (`emptyDirLimitEviction`).
"""

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path

from kube46.api.quantities import parse
from kube46.lab.kubelet.podstate import PodState

INTERVAL = 10.0  # seconds between looks, as kubelet's
SHARE = 0.05  # of the time at most is spent looking: a volume of a million files takes seconds
BLOCK = 512


class Evictor:
    """Watches one pod's sized emptyDirs."""

    def __init__(self, state: PodState) -> None:
        self._state = state

    async def run(self) -> None:
        """Looks until the pod is told to end, or has nothing to look at."""
        state, pause = self._state, min(INTERVAL, self._state.shop.settings.sync_frequency)
        while any(v.empty_dir and v.empty_dir.size_limit and not v.empty_dir.medium for v in state.pod.spec.volumes):
            began = time.monotonic()
            if message := await asyncio.to_thread(self._look):
                state.evicted = message
                state.tell("Evicted", message, "Warning")
                state.changed()
                return
            await asyncio.sleep(max(pause, (time.monotonic() - began) / SHARE))

    def _look(self) -> str:
        """What is too large, in kubelet's words; "" when nothing is."""
        for volume in self._state.pod.spec.volumes:
            limit = volume.empty_dir and not volume.empty_dir.medium and volume.empty_dir.size_limit
            if limit and used(self._state.directory.volume(volume.name)) > parse(limit):
                return f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{limit}". '
        return ""


def used(directory: Path) -> int:
    """Bytes of disk below a directory, links counted as themselves, files with several names once."""
    total, seen = 0, set[int]()
    with suppress(FileNotFoundError):
        for _, directories, files, handle in os.fwalk(directory, follow_symlinks=False):
            for name in (*directories, *files):
                with suppress(OSError):  # gone meanwhile
                    found = os.stat(name, dir_fd=handle, follow_symlinks=False)
                    if found.st_nlink > 1 and found.st_ino in seen:
                        continue
                    seen.add(found.st_ino)
                    total += found.st_blocks * BLOCK
    return total
