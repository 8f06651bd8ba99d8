"""Lets running containers have the amounts that their pod was given."""

import asyncio
import json
import time
from dataclasses import replace

import msgspec

from kube46.lab.kubelet import resizing
from kube46.lab.kubelet.cgrouprules import limits, pod_limits
from kube46.lab.kubelet.directories import read_record, write
from kube46.lab.kubelet.observed import Problem
from kube46.lab.kubelet.podstate import PodState

RETRY_FIRST, RETRY_LAST = 1.0, 30.0  # seconds


class Resizer:
    """Carries out what `rules` decide."""

    def __init__(self, state: PodState) -> None:
        self._state = state

    async def resize(self, name: str) -> None:
        """Hold a running container to its new amounts; what goes wrong is told and tried again."""
        state = self._state
        tended, container = state.running(name), state.pod.spec.container(name)
        if tended is None or container is None:
            return
        spec, id = state.pod.spec, tended.run.id
        try:
            whole = pod_limits((*spec.init_containers, *spec.containers), state.shop.settings.pod_max_pids)
            own = limits(container)
            await asyncio.to_thread(state.shop.cgroups.change, state.object.metadata.uid, whole, id, own)
        except (OSError, ValueError) as error:
            before = state.stuck.get(name)
            delay = min(before.delay * 2, RETRY_LAST) if before else RETRY_FIRST
            text = f'failed to resize container "{name}": {error}'
            if before is None or before.message != text:
                state.tell("ResizeError", f"Pod resize error: {resizing.summary(state.pod, text)}", "Warning")
            state.stuck[name] = Problem("Error", text, time.time() + delay, delay)
            return
        state.stuck.pop(name, None)
        tended.container, tended.run = container, replace(tended.run, given=container.resources)
        record = read_record(tended.process.directory.record) or {}
        write(tended.process.directory.record, json.dumps(record | {"given": msgspec.to_builtins(container.resources)}))
        self.finished()

    def finished(self) -> None:
        """Tell of a resize that is carried out."""
        state = self._state
        if not resizing.unlike(state.pod.spec, state.observe().runs):
            state.tell("ResizeCompleted", f"Pod resize completed: {resizing.summary(state.pod)}")
