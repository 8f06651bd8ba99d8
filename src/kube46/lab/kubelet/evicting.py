"""Ends a pod that takes more disk than it may, as kubelet's eviction does: an emptyDir beyond its sizeLimit, containers
beyond their limits of ephemeral-storage (logs and what they write to an image's root), or the pod beyond all of these.

Source: pkg/kubelet/eviction/eviction_manager.go (`localStorageEviction`).
"""

import asyncio
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from kube46.api.quantities import parse
from kube46.lab.kubelet.manifests import Container
from kube46.lab.kubelet.podstate import PodState

INTERVAL = 10.0  # seconds between looks, as kubelet's
SHARE = 0.05  # of the time at most is spent looking: a volume of a million files takes seconds
BLOCK = 512
STORAGE = "ephemeral-storage"
BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


class Evictor:
    """Watches one pod's disk."""

    def __init__(self, state: PodState) -> None:
        self._state = state

    async def run(self) -> None:
        """Looks until the pod is told to end, or has nothing to look at."""
        state, pause = self._state, min(INTERVAL, self._state.shop.settings.sync_frequency)
        spec = state.pod.spec
        while pod_limit(spec.containers, spec.init_containers) is not None or any(
            v.empty_dir and v.empty_dir.size_limit and not v.empty_dir.medium for v in spec.volumes
        ):
            began = time.monotonic()
            if message := await asyncio.to_thread(self._look):
                state.evicted = message
                state.tell("Evicted", message, "Warning")
                state.changed()
                return
            await asyncio.sleep(max(pause, (time.monotonic() - began) / SHARE))

    def _look(self) -> str:
        """What is too large, in kubelet's words; "" when nothing is."""
        spec, directory = self._state.pod.spec, self._state.directory
        volumes = 0
        for volume in spec.volumes:
            if volume.empty_dir and not volume.empty_dir.medium:
                taken = used(directory.volume(volume.name))
                volumes += taken
                limit = volume.empty_dir.size_limit
                if limit and taken > parse(limit):
                    return f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{limit}". '
        most = pod_limit(spec.containers, spec.init_containers)
        if most is None:
            return ""
        each = {name: self._written(name) for name in directory.containers()}
        if volumes + sum(each.values()) > most:
            return f"Pod ephemeral local storage usage exceeds the total limit of containers {binary(most)}. "
        for container in (*spec.containers, *(one for one in spec.init_containers if one.sidecar)):
            own = container.resources.limits.get(STORAGE)
            if own and each.get(container.name, 0) > parse(own):
                return f'Container {container.name} exceeded its local ephemeral storage limit "{own}". '
        return ""

    def _written(self, container: str) -> int:
        """Bytes of a container's logs, and of what its runs wrote to their root."""
        directory = self._state.directory
        roots = (directory.run(container, attempt).upper for attempt in directory.runs(container))
        return sum(map(used, (directory.log(container, 0).parent, *roots)))


def pod_limit(containers: Iterable[Container], init: Iterable[Container]) -> Decimal | None:
    """The most of ephemeral-storage that a pod's containers have together; None when none has a limit.

    Sidecars run beside all others, other init containers one by one (component-helpers resource `PodLimits`).
    """
    found: list[Decimal] = []
    beside, steps = Decimal(0), Decimal(0)
    for container in init:
        if (limit := container.resources.limits.get(STORAGE)) is not None:
            found.append(parse(limit))
            beside += found[-1] if container.sidecar else 0
            steps = max(steps, beside if container.sidecar else beside + found[-1])
    own = [parse(c.resources.limits[STORAGE]) for c in containers if STORAGE in c.resources.limits]
    return max(steps, beside + sum(own, Decimal(0))) if found or own else None


def binary(amount: Decimal) -> str:
    """An amount as Go writes a quantity of binary units: `5Mi`."""
    power = 0
    while amount and power < len(BINARY) - 1 and amount % 1024 == 0:
        amount, power = amount / 1024, power + 1
    return f"{amount:f}{BINARY[power]}"


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
