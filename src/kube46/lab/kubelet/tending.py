"""What becomes of a pod's containers once they are started: watched, found again after a restart, their ends kept."""

import asyncio
import json
import time
from dataclasses import replace
from functools import partial

import msgspec

from kube46.lab.kubelet import attaching, containers, roots, rules
from kube46.lab.kubelet.attaching import Made
from kube46.lab.kubelet.containers import Process
from kube46.lab.kubelet.directories import RunDirectory, read_record, write
from kube46.lab.kubelet.logs import LogFile
from kube46.lab.kubelet.manifests import Container
from kube46.lab.kubelet.observed import Run
from kube46.lab.kubelet.podstate import PodState
from kube46.lab.kubelet.runs import Tended
from kube46.lab.kubelet.targets import Target

KEPT_RUNS = 2


class Tender:
    """Joins runs of containers with their processes; what goes on in a run is its `Tended`'s."""

    def __init__(self, state: PodState, group: asyncio.TaskGroup) -> None:
        self._state, self._group = state, group

    def adopt(self) -> None:
        """Take over the sandbox, the containers and the past that an earlier kubelet left on disk."""
        state = self._state
        state.tended.clear()
        state.past.clear()
        state.made = attaching.find(state.directory)
        for name in state.directory.containers():
            container = state.pod.spec.container(name)
            runs = [run for a in state.directory.runs(name) if (run := self._recorded(name, a)) is not None]
            if runs and container is not None:
                self._adopt(replace(runs[-1], previous=runs[-2].brief() if len(runs) > 1 else None), container)

    def _recorded(self, name: str, attempt: int) -> Run | None:
        record = read_record(self._state.directory.run(name, attempt).record)
        try:
            return msgspec.convert(record, Run) if record else None
        except msgspec.ValidationError:
            return None

    def _adopt(self, run: Run, container: Container) -> None:
        state, crun = self._state, self._state.shop.root.crun
        place = state.directory.run(run.container, run.attempt)
        if run.finished is not None:
            state.past[run.container] = run
        elif state.made is None:
            # Its sandbox is gone, so are its processes.
            code = int(place.exit.read_text() or containers.LOST) if place.exit.exists() else containers.LOST
            lost = replace(run, finished=time.time(), exit_code=code, reason="ContainerStatusUnknown")
            state.past[run.container] = lost
            roots.clean(state.shop.root, run.id, place)
            state.shop.cgroups.remove(state.object.metadata.uid, run.id)
        else:
            found = state.known(replace(run, ending=False, failing="", hooked=True))
            tended = self.tend(state.made, found, container, place)
            state.tended[run.container] = tended
            if not tended.process.adopt(crun):
                containers.kill(crun, run.id)
                tended.over(tended.process.end(), time.time())
                self._ended(run.container)
            elif found.started is not None:
                tended.tend()

    def tend(self, made: Made, run: Run, container: Container, place: RunDirectory) -> Tended:
        """What watches over a run, whether its process is to be started or was found."""
        state = self._state

        def over(code: int, now: float) -> None:
            tended.over(code, now)
            self._ended(container.name)

        log = LogFile(state.directory.log(container.name, run.attempt))
        process = Process(place, run.id, log, lambda now: tended.started(now), over)
        uid, groups = state.object.metadata.uid, state.shop.cgroups
        address = next(iter(made.sandbox.ips), "")
        entrances = groups.entrances(uid, run.id)
        target = Target(state.shop.root.crun, run.id, place, address, container.ports, entrances)
        tended = Tended(
            run,
            process,
            container,
            target,
            partial(state.tell, container=container.name),
            self._group,
            state.changed,
            lambda: groups.killed_for_memory(uid, run.id),
        )
        return tended

    def _ended(self, name: str) -> None:
        """Keeps the run as the past, on disk too, and clears its place."""
        state = self._state
        tended = state.tended.pop(name)
        run = state.past[name] = tended.run
        place = tended.process.directory
        record = read_record(place.record) or {}
        write(place.record, json.dumps(record | msgspec.to_builtins(run)))
        containers.kill(state.shop.root.crun, run.id)  # crun may have died without it
        roots.clean(state.shop.root, run.id, place)
        state.shop.cgroups.kill(state.object.metadata.uid, run.id)
        state.shop.cgroups.remove(state.object.metadata.uid, run.id)
        for attempt in state.directory.runs(name)[:-KEPT_RUNS]:
            state.directory.forget_run(name, attempt)
        container, meta = state.pod.spec.container(name), state.pod.metadata
        if container and rules.restarts(state.pod.spec, container, run) and run.due() > time.time():
            text = f"Back-off restarting failed container {name} in pod {meta.name}_{meta.namespace}({meta.uid})"
            state.tell("BackOff", text, "Warning", name)
        state.changed()
