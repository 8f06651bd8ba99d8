"""One pod's loop: looks, decides by `rules`, acts, and looks again when something happens.

Everything it knows can be found again on disk and in the kernel (`_adopt`), so it may die at any moment.
"""

import asyncio
import hashlib
import json
import logging
import os
import random
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.kubernetes.errors import Conflict, KubernetesError, NotFound
from kube46.lab.kubelet import attaching, containers, making, metrics, rules, statuses, trees, volumes
from kube46.lab.kubelet.chain import CniError
from kube46.lab.kubelet.containers import Process
from kube46.lab.kubelet.directories import PodDirectory, RunDirectory, read_record, write
from kube46.lab.kubelet.environment import Context
from kube46.lab.kubelet.handlers import Target
from kube46.lab.kubelet.images import Image, ImageError
from kube46.lab.kubelet.logs import LogFile
from kube46.lab.kubelet.manifests import PODS, Container, Pod, PodSpec, ReadPod, read
from kube46.lab.kubelet.observed import Observed, Problem, Run
from kube46.lab.kubelet.runs import Tended
from kube46.lab.kubelet.security import ConfigError, identity
from kube46.lab.kubelet.sources import Objects
from kube46.lab.kubelet.support import unsupported
from kube46.lab.kubelet.workshop import Workshop

if TYPE_CHECKING:
    from kube46.lab.kubelet.attaching import Made

REFRESH = 60.0  # seconds between looks at the objects that volumes are made of
RETRY_FIRST, RETRY_LAST = 1.0, 30.0
IMAGE_RETRY_FIRST, IMAGE_RETRY_LAST = 10.0, 300.0
FRESH = 5.0  # seconds for which fetched objects are good enough to start a container from
SETTLE = 0.1  # seconds
KEPT_RUNS = 2
log = logging.getLogger(__name__)


class Worker:
    """The pod's loop. `update` and `vanish` tell it of its object; `done` is set once nothing of the pod is left."""

    def __init__(self, workshop: Workshop, pod: Pod) -> None:
        self._shop, self._events = workshop, workshop.events
        self._directory = workshop.root.pod(pod.metadata.uid)
        self.done = False
        self.pod = ReadPod(pod.metadata, PodSpec())
        self._wake = asyncio.Event()
        self._unwritten = asyncio.Event()
        self._written: dict[str, Any] = {}
        self._gone = False
        self._made: Made | None = None
        self._tended: dict[str, Tended] = {}
        self._past: dict[str, Run] = {}  # the newest run of each container, once it has ended
        self._problems: dict[str, Problem] = {}
        self._objects = Objects({}, {}, {})
        self._ending_since: float | None = None
        self._final_phase = ""
        self._unsupported: tuple[str, ...] = ()
        self._complaints: tuple[str, ...] | None = None
        self._start_time = _seconds(pod.status.get("startTime")) or time.time()
        self._set(pod)

    # What the controller and the server call

    def update(self, pod: Pod) -> None:
        """The object changed."""
        self._set(pod)
        if pod.metadata.deletion_timestamp:
            left = rules.grace_left(self.pod, self.observe(), time.time())
            for tended in self._tended.values():
                tended.hurry(left)
        self._changed()

    def vanish(self) -> None:
        """The object is gone from the API without us (force deletion): end the pod now."""
        if self.done:
            return
        self._gone = True
        meta = msgspec.structs.replace(
            self.pod.metadata, deletion_timestamp=statuses.rfc3339(time.time()), deletion_grace_period_seconds=1
        )
        self.pod = ReadPod(meta, self.pod.spec)
        for tended in self._tended.values():
            tended.hurry(1.0)
        self._changed()

    def observe(self) -> Observed:
        """What is seen of the pod now."""
        runs = self._past | {name: tended.run for name, tended in self._tended.items()}
        return Observed(
            start_time=self._start_time,
            sandbox=self._made.sandbox if self._made else None,
            runs=runs,
            problems=self._problems,
            unsupported=self._unsupported,
            ending_since=self._ending_since,
            host_ips=self._shop.settings.host_ips,
            last_ips=attaching.last_ips(self._directory) if self._made is None else (),
            final_phase=self._final_phase,
        )

    def run_of(self, container: str, *, previous: bool = False) -> tuple[Run, LogFile | None] | None:
        """A container's newest run, or the one before it, and the log's writer while it has one."""
        tended = self._tended.get(container)
        run = tended.run if tended else self._past.get(container)
        if previous:
            return (run.previous, None) if run and run.previous else None
        return (run, tended.process.log if tended else None) if run else None

    def running(self, container: str) -> Tended | None:
        """The run of a container, if it runs now."""
        tended = self._tended.get(container)
        return tended if tended and tended.run.running else None

    def waiting(self, container: str) -> str:
        """Why a container doesn't run yet."""
        found = statuses.status(self.pod, self.observe(), self._status, time.time())
        entries = (*found.get("containerStatuses", ()), *found.get("initContainerStatuses", ()))
        state: dict[str, Any] = next((e["state"] for e in entries if e["name"] == container), {})
        return str(state.get("waiting", {}).get("reason", "ContainerCreating"))

    @property
    def directory(self) -> PodDirectory:
        """Where the pod's files are."""
        return self._directory

    # The loop

    async def run(self) -> None:
        """Works for the pod until nothing is left of it."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._adopt()
                helpers = [group.create_task(self._write_statuses()), group.create_task(self._refresh())]
                await self._work()
                for task in helpers:
                    task.cancel()
        finally:
            for tended in self._tended.values():
                tended.process.close()

    async def _work(self) -> None:
        while not self.done:
            self._wake.clear()
            now = time.time()
            if self._ending_since is None and rules.must_end(self.pod, self.observe(), now):
                self._ending_since = now
            decision = rules.decide(self.pod, self.observe(), now)
            self._unwritten.set()
            for action in decision.actions:
                await self._do(action)
            if not decision.actions:
                await self._sleep(decision.wake)

    async def _sleep(self, until: float | None) -> None:
        """Until something happens, or `until`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None if until is None else max(0.0, until - time.time()) + 0.001):
                await self._wake.wait()

    async def _do(self, action: rules.Action) -> None:
        match action:
            case rules.MakeSandbox(generation):
                await self._make_sandbox(generation)
            case rules.RemoveSandbox():
                await self._remove_sandbox()
            case rules.Start(name, attempt, delay):
                await self._start(name, attempt, delay)
            case rules.Stop(name, grace, why):
                self._tended[name].stop(grace, why)
            case rules.Finish():
                await self._finish()

    async def _make_sandbox(self, generation: int) -> None:
        try:
            # What containers need of the API is fetched while the plugins work.
            fetching = self._group.create_task(self._fetch_ahead())
            await attaching.remove(self._shop, self._directory)
            self._made = await attaching.make(self._shop, self._directory, self.pod, generation)
            self._problems.pop("", None)
            self._tell_of_limits()
            await fetching
        except (CniError, OSError) as error:
            self._trouble("", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")

    def _tell_of_limits(self) -> None:
        """Without cgroups nothing holds a container to its limits; that is said once a pod."""
        spec = self.pod.spec
        limited = [c.name for c in (*spec.init_containers, *spec.containers) if c.resources.limits]
        if limited:
            text = f"resources.limits of {', '.join(limited)} are stored and seen by the downward API, but not enforced"
            self._events.pod(self.pod.metadata, "LimitsNotEnforced", text)

    async def _fetch_ahead(self) -> None:
        """A failure is found again, and told, when a container is started."""
        with suppress(KubernetesError):
            self._objects = await self._shop.sources.objects(self.pod, self._objects.tokens)

    async def _remove_sandbox(self) -> None:
        try:
            await attaching.remove(self._shop, self._directory)
        except (CniError, OSError) as error:
            self._events.pod(self.pod.metadata, "FailedKillPod", f"error killing pod: {error}", "Warning")
            await asyncio.sleep(RETRY_FIRST)
            return
        self._made = None

    async def _finish(self) -> None:
        """Deletes the object, then what is kept of the pod."""
        meta = self.pod.metadata
        try:
            await attaching.remove(self._shop, self._directory)
        except (CniError, OSError) as error:
            log.warning("Half a sandbox was not removed pod=%s/%s error=%s", meta.namespace, meta.name, error)
        for volume in self.pod.spec.volumes:
            if not volume.host_path:
                await asyncio.to_thread(trees.remove, self._directory.volume(volume.name))
        if not self._gone:
            try:
                await self._write_status()
                await self._shop.client.delete(PODS, meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=0)
            except (NotFound, Conflict):
                pass
            except KubernetesError as error:
                log.warning(
                    "Pod was not deleted and is tried again pod=%s/%s error=%s", meta.namespace, meta.name, error
                )
                await asyncio.sleep(RETRY_FIRST)
                return
        attaching.forget(self._directory)
        self.done = True

    # Containers

    async def _start(self, name: str, attempt: int, delay: float) -> None:
        container = self.pod.spec.container(name)
        assert container is not None
        problem = self._problems.get(name)
        try:
            image = self._shop.images.resolve(container.image)
        except ImageError as error:
            self._image_trouble(container, str(error), problem)
            return
        try:
            await self._spawn(container, image, attempt, delay)
            self._problems.pop(name, None)
        except ConfigError as error:
            self._trouble(name, error.reason, str(error), "Failed")
        except KubernetesError as error:
            self._trouble(
                name, "CreateContainerConfigError", f"the objects it refers to can't be read: {error}", "FailedMount"
            )
        except OSError as error:
            self._trouble(name, "CreateContainerError", str(error), "Failed")

    async def _spawn(self, container: Container, image: Image, attempt: int, delay: float) -> None:
        """Start the container. What a failed attempt left is removed. Raises ConfigError, KubernetesError, OSError."""
        try:
            await self._launch(container, image, attempt, delay)
        except BaseException:
            meta, place = self.pod.metadata, self._directory.run(container.name, attempt)
            if container.name not in self._tended:
                containers.clean(self._shop.root, _id(meta.uid, container.name, attempt), place)
            raise

    async def _launch(self, container: Container, image: Image, attempt: int, delay: float) -> None:
        assert self._made is not None
        shop, pod, meta = self._shop, self.pod, self.pod.metadata
        who = identity(pod.spec, container, shop.settings.default_uid)
        if time.time() - self._objects.fetched > FRESH:
            self._objects = await shop.sources.objects(pod, self._objects.tokens)
        context = self._context()
        self._fill_volumes(context)
        place = self._directory.run(container.name, attempt)
        place.path.mkdir(parents=True, exist_ok=True)
        place.termination.touch()
        _give(place, who.uid)
        made = making.make(
            root=shop.root,
            directory=self._directory,
            run=place,
            container=container,
            context=context,
            image=image,
            identity=who,
            namespaces=self._made.namespaces,
        )
        previous = self._past.get(container.name)
        run = Run(
            container=container.name,
            attempt=attempt,
            id=_id(meta.uid, container.name, attempt),
            created=time.time(),
            sandbox=self._made.sandbox.generation,
            delay=delay,
            previous=previous.brief() if previous else None,
        )
        root = containers.make_root(shop.root, run.id, place, made.missing)
        self._events.pod(meta, "Pulled", f'Container image "{container.image}" already present on machine')
        tended = self._tend(run, container, place)
        write(place.record, msgspec.json.encode(run))
        tended.process.spawn(shop.root.crun, making.config(made, root), stdin=container.stdin)
        self._tended[container.name] = tended
        self._past.pop(container.name, None)
        metrics.STARTED_CONTAINERS.inc()
        self._events.pod(meta, "Created", f"Created container {container.name}")

    def _tend(self, run: Run, container: Container, place: RunDirectory) -> Tended:
        assert self._made is not None
        name = container.name

        def over(code: int, now: float) -> None:
            tended.over(code, now)
            self._ended(name)

        process = Process(
            place, run.id, LogFile(self._directory.log(name, run.attempt)), lambda now: tended.started(now), over
        )
        target = Target(self._shop.root.crun, run.id, place, next(iter(self._made.sandbox.ips), ""), container.ports)
        tended = Tended(run, process, container, target, self.pod.metadata, self._events, self._group, self._changed)
        return tended

    def _ended(self, name: str) -> None:
        """Keeps the run as the past, on disk too, and clears its place."""
        tended = self._tended.pop(name)
        self._past[name] = tended.run
        place = tended.process.directory
        record = read_record(place.record) or {}
        write(place.record, json.dumps(record | msgspec.to_builtins(tended.run)))
        containers.clean(self._shop.root, tended.run.id, place)
        for attempt in self._directory.runs(name)[:-KEPT_RUNS]:
            self._directory.forget_run(name, attempt)
        container, run = self.pod.spec.container(name), tended.run
        if container and rules.restarts(self.pod.spec, container, run) and run.due() > time.time():
            meta = self.pod.metadata
            text = f"Back-off restarting failed container {name} in pod {meta.name}_{meta.namespace}({meta.uid})"
            self._events.pod(meta, "BackOff", text, "Warning")
        self._changed()

    # Files

    def _context(self) -> Context:
        assert self._made is not None
        return Context(
            pod=self.pod,
            pod_ips=self._made.sandbox.ips,
            host_ips=self._shop.settings.host_ips,
            config_maps=self._objects.config_maps,
            secrets=self._objects.secrets,
            services=self._shop.sources.services(self.pod.metadata.namespace),
            allocatable=self._shop.allocatable,
        )

    def _fill_volumes(self, context: Context) -> None:
        """Make what volumes hold current. Raises ConfigError, OSError."""
        spec = self.pod.spec
        group = spec.security_context.fs_group
        user = volumes.single_user(_users(spec, self._shop.settings.default_uid))
        tokens = {key: token.text for key, token in self._objects.tokens.items()}
        for volume in spec.volumes:
            if volume.empty_dir is not None:
                trees.empty_dir(self._directory.volume(volume.name), volume.empty_dir, group)
            elif (files := volumes.payload(volume, context, tokens)) is not None:
                trees.update(self._directory.volume(volume.name), files, user=user, group=group)

    async def _refresh(self) -> None:
        """Keeps mounted ConfigMaps, Secrets and tokens up to date."""
        while True:
            await asyncio.sleep(REFRESH * random.uniform(0.8, 1.2))  # noqa: S311 – spreads load, keeps no secret
            if self._made is None or not volumes.refreshes(self.pod.spec) or self._ending_since is not None:
                continue
            try:
                self._objects = await self._shop.sources.objects(self.pod, self._objects.tokens)
                self._fill_volumes(self._context())
            except (KubernetesError, ConfigError, OSError) as error:
                self._events.pod(self.pod.metadata, "FailedMount", f"MountVolume.SetUp failed: {error}", "Warning")

    # Finding what an earlier kubelet left

    def _adopt(self) -> None:
        """Takes over the sandbox, the containers and the past that are on disk."""
        self._tended.clear()
        self._past.clear()
        self._made = attaching.find(self._directory)
        for name in self._directory.containers():
            container = self.pod.spec.container(name)
            attempts = self._directory.runs(name)
            runs = [run for a in attempts if (run := self._recorded(name, a)) is not None]
            if not runs or container is None:
                continue
            run = replace(runs[-1], previous=runs[-2].brief() if len(runs) > 1 else None)
            self._adopt_run(run, container)

    def _adopt_run(self, run: Run, container: Container) -> None:
        place = self._directory.run(run.container, run.attempt)
        if run.finished is not None:
            self._past[run.container] = run
            return
        if self._made is None:
            # Its sandbox is gone, so are its processes.
            code = int(place.exit.read_text() or 137) if place.exit.exists() else containers.LOST
            self._past[run.container] = replace(
                run, finished=time.time(), exit_code=code, reason="ContainerStatusUnknown"
            )
            containers.clean(self._shop.root, run.id, place)
            return
        known = self._known_status(run)
        found = replace(run, ending=False, failing="", hooked=True, ready=known["ready"], passed=known["passed"])
        tended = self._tend(found, container, place)
        self._tended[run.container] = tended
        if not tended.process.adopt():
            containers.kill(self._shop.root.crun, run.id)
            tended.over(tended.process.end(), time.time())
            self._ended(run.container)
        elif tended.run.started is not None:
            tended.tend()

    def _known_status(self, run: Run) -> dict[str, bool]:
        """`ready` and `started` as the API has them for this run, so that a restart of ours flips no endpoint."""
        entries = (*self._status.get("containerStatuses", ()), *self._status.get("initContainerStatuses", ()))
        found: dict[str, Any] = next((e for e in entries if str(e.get("containerID", "")).endswith(run.id)), {})
        container = self.pod.spec.container(run.container)
        return {
            "ready": bool(found.get("ready")) or bool(container and not container.readiness_probe),
            "passed": bool(found.get("started")) or bool(container and not container.startup_probe),
        }

    def _recorded(self, name: str, attempt: int) -> Run | None:
        record = read_record(self._directory.run(name, attempt).record)
        try:
            return msgspec.convert(record, Run) if record else None
        except msgspec.ValidationError:
            return None

    # Telling

    def _set(self, pod: Pod) -> None:
        self.object, self._status = pod, pod.status
        try:
            self.pod = read(pod)
            complaints = tuple(unsupported(pod.spec, host_roots=self._shop.settings.host_path_roots))
        except msgspec.ValidationError as error:
            self.pod = ReadPod(pod.metadata, PodSpec())
            complaints = (f"spec can't be read: {error}",)
        if complaints != (self._complaints or ()):
            self._events.pod(pod.metadata, "UnsupportedField", "; ".join(complaints), "Warning")
            # A pod that runs is not ended by a field that was added to it.
            self._unsupported = complaints if self._complaints is None else self._unsupported
        self._complaints = complaints
        if pod.status.get("phase") in ("Succeeded", "Failed"):
            self._final_phase = pod.status["phase"]

    def _changed(self) -> None:
        self._wake.set()

    def _trouble(self, name: str, reason: str, message: str, event: str = "") -> None:
        """Remembers why something couldn't be made, and when to try again."""
        before = self._problems.get(name)
        delay = min(before.delay * 2, RETRY_LAST) if before else RETRY_FIRST
        self._problems[name] = Problem(reason, message, time.time() + delay, delay)
        self._objects = replace(self._objects, fetched=0.0)
        self._events.pod(self.pod.metadata, event or reason, message, "Warning")

    def _image_trouble(self, container: Container, message: str, before: Problem | None) -> None:
        delay = min(before.delay * 2, IMAGE_RETRY_LAST) if before else IMAGE_RETRY_FIRST
        reason = "ImagePullBackOff" if before else "ErrImagePull"
        text = f'Back-off pulling image "{container.image}": {message}' if before else message
        self._problems[container.name] = Problem(reason, text, time.time() + delay, delay)
        meta = self.pod.metadata
        self._events.pod(meta, "BackOff" if before else "Failed", text, "Normal" if before else "Warning")

    async def _write_statuses(self) -> None:
        """Writes the status whenever it differs from what was written."""
        failures = 0
        while True:
            await self._unwritten.wait()
            self._unwritten.clear()
            await self._settle()
            try:
                await self._write_status()
                failures = 0
            except NotFound:
                pass
            except KubernetesError as error:
                failures += 1
                meta = self.pod.metadata
                log.warning("Status was not written pod=%s/%s error=%s", meta.namespace, meta.name, error)
                await asyncio.sleep(min(RETRY_FIRST * failures, RETRY_LAST))
                self._unwritten.set()

    async def _settle(self) -> None:
        """Waits a moment while the pod is merely on its way up: most are up before the moment is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE):
                while self._on_its_way():
                    await self._unwritten.wait()
                    self._unwritten.clear()

    def _on_its_way(self) -> bool:
        seen = self.observe()
        quiet = not (seen.problems or seen.unsupported or self._ending_since or self._past)
        return quiet and not any(run.started for run in seen.runs.values())

    async def _write_status(self) -> None:
        meta = self.pod.metadata
        seen = self.observe()
        status = statuses.status(self.pod, seen, self._status | self._written, time.time())
        if status == self._written or self._gone:
            return
        if status["phase"] in ("Succeeded", "Failed") and not any(run.live for run in seen.runs.values()):
            self._final_phase = status["phase"]
        before = self._written.get("phase") or self._status.get("phase") or "Pending"
        # These lists merge by address; an old sandbox's addresses must not stay.
        whole = {name: [{"$patch": "replace"}, *status[name]] for name in ("podIPs", "hostIPs") if name in status}
        body = {"metadata": {"uid": meta.uid}, "status": status | whole}
        await self._shop.client.patch(PODS, meta.name, body, meta.namespace, subresource="status", kind="strategic")
        if status["phase"] == "Running" and before == "Pending":
            metrics.POD_START_SECONDS.observe(time.time() - self._start_time)
        self._written = status


def _seconds(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None


def _id(uid: str, container: str, attempt: int) -> str:
    """The run's ID, as runtimes make them: 64 hexadecimal digits, the same for the same run."""
    return hashlib.sha256(f"{uid}/{container}/{attempt}".encode()).hexdigest()


def _give(place: RunDirectory, uid: int) -> None:
    """The termination message is the container's to write."""
    os.chown(place.termination, uid, -1)


def _users(spec: PodSpec, default: int) -> list[int]:
    return [identity(spec, c, default).uid for c in (*spec.init_containers, *spec.containers)]
