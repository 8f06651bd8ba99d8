"""What is left of pods that were deleted while no kubelet ran: ended, detached, removed."""

import asyncio
import logging
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from kube46.lab.kubelet import attaching, containers, roots, trees
from kube46.lab.kubelet.chain import CniError
from kube46.lab.kubelet.directories import PodDirectory
from kube46.lab.kubelet.workshop import Workshop

PATIENCE = 5.0  # seconds for killed containers to be gone
log = logging.getLogger(__name__)


async def clear(workshop: Workshop, uid: str) -> None:
    """Remove everything of that pod. A failure is logged; the directory then stays for the next start."""
    directory = workshop.root.pod(uid)
    try:
        await asyncio.to_thread(_kill, workshop, directory)
        await attaching.remove(workshop, directory)
    except (CniError, OSError) as error:
        log.warning("Pod's remains were not removed uid=%s error=%s", uid, error)
        return
    await asyncio.to_thread(trees.remove_all, directory)
    await asyncio.to_thread(workshop.cgroups.remove, uid)
    attaching.forget(directory)
    log.info("Pod's remains were removed uid=%s", uid)


def _kill(workshop: Workshop, directory: PodDirectory) -> None:
    """End all containers of the pod and wait until they are gone."""
    for name in directory.containers():
        for attempt in directory.runs(name):
            place = directory.run(name, attempt)
            id = directory.run_id(name, attempt)
            containers.kill(workshop.root.crun, id)
            shim = containers.shim_of(place, id)
            if shim:
                _wait(shim, place.pipe("events"))
            roots.clean(workshop.root, id, place)


def _wait(shim: int, events: Path) -> None:
    """Until the shim is gone; opening its FIFO lets it go. One that stays is killed."""
    end = time.monotonic() + PATIENCE
    with suppress(FileNotFoundError):
        fd = os.open(events, os.O_RDWR | os.O_NONBLOCK)
        try:
            while Path(f"/proc/{shim}").exists() and not _zombie(shim) and time.monotonic() < end:
                time.sleep(0.02)
        finally:
            os.close(fd)
    with suppress(ProcessLookupError):
        os.kill(shim, signal.SIGKILL)


def _zombie(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True
