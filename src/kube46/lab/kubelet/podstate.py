"""What is known of one pod on this node: its object, its sandbox, the runs of its containers and what is wrong."""

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from kube46.lab.kubelet import allocating, attaching, resizing, statuses
from kube46.lab.kubelet.logs import LogFile
from kube46.lab.kubelet.manifests import PAUSE, Container, Pod, PodSpec, ReadPod, read
from kube46.lab.kubelet.observed import Observed, Problem, Run
from kube46.lab.kubelet.resizing import Pending
from kube46.lab.kubelet.runs import Tended
from kube46.lab.kubelet.support import by_reason, unsupported
from kube46.lab.kubelet.workshop import Workshop

DEBUGGERS = "spec.ephemeralContainers"
RETRY_FIRST, RETRY_LAST = 1.0, 30.0  # seconds
IMAGE_RETRY_FIRST, IMAGE_RETRY_LAST = 10.0, 300.0

WAITING = "ContainerCreating"  # what a container says that waits for its volumes
# Of a pod that an earlier kubelet left: what the others have is known once all of them are found again.
UNJUDGED = Pending(resizing.DEFERRED, "")
IMAGE_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"})
IMAGE_EVENTS = {"ErrImageNeverPull": "ErrImageNeverPull", "InvalidImageName": "InspectFailed"}


class PodState:
    """Shared by all that work for the pod; `wake` is set when any of it changed."""

    def __init__(self, workshop: Workshop, pod: Pod) -> None:
        self.shop = workshop
        self.directory = workshop.root.pod(pod.metadata.uid)
        self.wake = asyncio.Event()
        self.made: attaching.Made | None = None
        self.tended: dict[str, Tended] = {}
        self.past: dict[str, Run] = {}  # the newest run of each container, once it has ended
        self.problems: dict[str, Problem] = {}  # by container; "" is the sandbox
        self.stuck: dict[str, Problem] = {}  # by container: what keeps a resize from being carried out
        self._pending: Pending | None = None  # why a resize is not taken on
        self.ending_since: float | None = None
        self.final_phase = ""
        self.rejected = ""
        self.evicted = ""
        self.gone = False  # the object was deleted without us
        self.start_time = _seconds(pod.status.get("startTime")) or time.time()
        self._unsupported: tuple[str, ...] = ()
        self._complaints: tuple[str, ...] | None = None
        self._allocated = allocating.recorded(self.directory)
        self._begun = False
        self.set(pod)
        self._begun = True

    def set(self, pod: Pod) -> None:
        """Take over the object; what of it can't be honoured is told once."""
        self.object = pod
        try:
            self.pod = read(pod)
            complaints = tuple(unsupported(pod.spec))
        except msgspec.ValidationError as error:
            self.pod = ReadPod(pod.metadata, PodSpec())
            complaints = (f"spec can't be read: {error}",)
        if complaints != (self._complaints or ()):
            for reason, texts in by_reason(complaints).items():
                self.tell(reason, "; ".join(texts), "Warning")
            self._refuse_debuggers(complaints)
            # A pod that runs is not ended by a field that was added to it.
            if self._complaints is None:
                self._unsupported = tuple(text for text in complaints if not text.startswith(DEBUGGERS))
        self._complaints = complaints
        self._allocate()
        if pod.status.get("phase") in ("Succeeded", "Failed"):
            self.final_phase = pod.status["phase"]

    def _allocate(self) -> None:
        """Give the pod what its object asks for now, if there is room; else it goes on with what it has."""
        self._desired = self.pod
        wanted = resizing.amounts(self.pod.spec)
        given = {name: self._allocated.get(name, own) for name, own in wanted.items()}
        pending: Pending | None = None
        if resizing.differ(wanted, given):
            pending = self.shop.room(self, self.pod.spec) if self._begun else UNJUDGED
            given = given if pending else wanted
            if self._pending is None or pending is None:  # not again while it waits
                allocating.remember(self.directory, given)
        before, self._pending, first = self._pending, pending, not self._allocated
        self._told_resize(before, begun=not first and resizing.differ(given, self._allocated))
        self._allocated = given
        self.pod = resizing.with_amounts(self.pod, given)

    def _told_resize(self, before: Pending | None, *, begun: bool) -> None:
        if self._pending is UNJUDGED:
            return
        if self._pending and self._pending != before:
            text = resizing.summary(self.pod, self._pending.message)
            reason = self._pending.reason
            self.tell(f"Resize{reason}", f"Pod resize {reason}: {text}", "Warning")
        elif begun:
            self.stuck.clear()
            self.tell("ResizeStarted", f"Pod resize started: {resizing.summary(self.pod)}")

    def reconsider(self) -> None:
        """There may be room now for a resize that had none."""
        if self._pending and self._pending.reason == resizing.DEFERRED and not self.gone:
            self.pod = self._desired
            self._allocate()

    def _refuse_debuggers(self, complaints: tuple[str, ...]) -> None:
        """What can't be honoured of an ephemeral container is its own problem: the pod runs on."""
        for index, container in enumerate(self.pod.spec.ephemeral_containers):
            own = [text for text in complaints if text.startswith(f"{DEBUGGERS}[{index}]")]
            if own:
                self.problems[container.name] = Problem("UnsupportedField", "; ".join(own), math.inf)

    def reject(self, reason: str, message: str) -> None:
        """The pod is not let in: it fails, and nothing of it is made."""
        self.rejected = message
        self.tell(reason, message, "Warning")

    @property
    def active(self) -> bool:
        """Whether the pod has, or will have, what it asks of the node."""
        return not (self.rejected or self.final_phase or self.gone)

    def set_gone(self) -> None:
        """The object is gone from the API: what is left of the pod has a second to end."""
        self.gone = True
        now = statuses.rfc3339(time.time())
        meta = msgspec.structs.replace(self.pod.metadata, deletion_timestamp=now, deletion_grace_period_seconds=1)
        self.pod = ReadPod(meta, self.pod.spec)

    def former_ips(self) -> tuple[str, ...]:
        """The addresses that the pod has by our record, or by the API when that is lost: to be given to it again."""
        told = tuple(entry["ip"] for entry in self.object.status.get("podIPs") or ())
        return attaching.last_ips(self.directory) or told

    def changed(self) -> None:
        """Something happened: decide anew."""
        self.wake.set()

    def tell(self, reason: str, message: str, type: str = "Normal", container: str = "") -> None:
        """An Event of the pod, or of one of its containers; what keeps its namespaces is nobody's concern."""
        if container == PAUSE.name:
            return
        self.shop.events.pod(self.object.metadata, reason, message, type, self.pod.spec.path_of(container))

    def trouble(self, name: str, reason: str, message: str, event: str = "", prefix: str = "") -> None:
        """Something couldn't be made: why, and when to try again. `event` and `prefix` are the Event's reason and how
        its message begins."""
        before = self.problems.get(name)
        delay = min(before.delay * 2, RETRY_LAST) if before else RETRY_FIRST
        self.problems[name] = Problem(reason, message, time.time() + delay, delay)
        # A volume is the pod's, whichever container waits for it.
        self.tell(event or reason, prefix + message, "Warning", "" if event == "FailedMount" else name)

    def image_trouble(self, container: Container, message: str, first: str) -> None:
        """A container's image is not to be had; looked for again ever more rarely."""
        before = self.problems.get(container.name)
        delay = min(before.delay * 2, IMAGE_RETRY_LAST) if before else IMAGE_RETRY_FIRST
        again = before is not None and first == "ErrImagePull"
        reason = "ImagePullBackOff" if again else first
        text = f'Back-off pulling image "{container.image}": {message}' if again else message
        self.problems[container.name] = Problem(reason, text, time.time() + delay, delay)
        if again:
            self.tell("BackOff", f'Back-off pulling image "{container.image}"', "Normal", container.name)
        elif first == "ErrImagePull":
            self.tell("Failed", f'Failed to pull image "{container.image}": {message}', "Warning", container.name)
        else:
            self.tell(IMAGE_EVENTS.get(first, "Failed"), message, "Warning", container.name)
        self.tell("Failed", f"Error: {reason}", "Warning", container.name)

    def retry_images(self) -> None:
        """Images were loaded: what waits for one is tried now."""
        waiting = {name: p for name, p in self.problems.items() if p.reason in IMAGE_REASONS}
        self.problems |= {name: replace(problem, retry=time.time()) for name, problem in waiting.items()}
        if waiting:
            self.changed()

    def retry_mounts(self) -> None:
        """Something came that a volume waited for: what waits for volumes is tried now."""
        waiting = {name: p for name, p in self.problems.items() if p.reason == WAITING}
        self.problems |= {name: replace(problem, retry=time.time()) for name, problem in waiting.items()}
        if waiting:
            self.changed()

    # What the rules and the server ask

    def observe(self) -> Observed:
        """What is seen of the pod now."""
        return Observed(
            start_time=self.start_time,
            sandbox=self.made.sandbox if self.made else None,
            runs=self.past | {name: tended.run for name, tended in self.tended.items()},
            problems=self.problems,
            unsupported=self._unsupported,
            ending_since=self.ending_since,
            host_ips=self.shop.settings.host_ips,
            last_ips=attaching.last_ips(self.directory) if self.made is None else (),
            rejected=self.rejected,
            evicted=self.evicted,
            pending=(self._pending.reason, self._pending.message) if self._pending else None,
            stuck=self.stuck,
            final_phase=self.final_phase,
        )

    def run_of(self, container: str, *, previous: bool = False) -> tuple[Run, LogFile | None] | None:
        """A container's newest run, or the one before it, and the log's writer while it has one."""
        tended = self.tended.get(container)
        run = tended.run if tended else self.past.get(container)
        if previous:
            return (run.previous, None) if run and run.previous else None
        return (run, tended.process.log if tended else None) if run else None

    def running(self, container: str) -> Tended | None:
        """The run of a container, if it runs now."""
        tended = self.tended.get(container)
        return tended if tended and tended.run.running else None

    def waiting(self, container: str) -> str:
        """Why a container doesn't run yet."""
        entry = _entry(statuses.status(self.pod, self.observe(), self.object.status, time.time()), "name", container)
        return str(entry.get("state", {}).get("waiting", {}).get("reason", "ContainerCreating"))

    def known(self, run: Run) -> Run:
        """The run with `ready` and `passed` as the API has them, so that our restart flips no endpoint."""
        entry = _entry(self.object.status, "containerID", f"{statuses.RUNTIME}://{run.id}")
        container = self.pod.spec.container(run.container)
        return replace(
            run,
            ready=bool(entry.get("ready") or (container and not container.readiness_probe)),
            passed=bool(entry.get("started") or (container and not container.startup_probe)),
        )


def _entry(status: Mapping[str, Any], field: str, value: str) -> dict[str, Any]:
    """The container's entry of a pod's status; {} when there is none."""
    kinds = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    entries = [entry for kind in kinds for entry in status.get(kind, ())]
    return next((e for e in entries if e.get(field) == value), {})


def _seconds(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None
