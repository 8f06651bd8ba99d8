"""One run of a container with what goes on around it: hooks, probes, the graceful end."""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from kube46.lab.kubelet import handlers, logs
from kube46.lab.kubelet.containers import Process
from kube46.lab.kubelet.handlers import HandlerError
from kube46.lab.kubelet.manifests import Container, Probe
from kube46.lab.kubelet.observed import Run
from kube46.lab.kubelet.probes import Kind, Track, judged, probes
from kube46.lab.kubelet.targets import Target

if TYPE_CHECKING:
    from kube46.lab.kubelet.directories import RunDirectory

AFTER_HOOK = 2.0  # seconds that a container has between its preStop hook and SIGKILL, whatever the hook took
LONGEST_MESSAGE = 4096
FALLBACK_MESSAGE, FALLBACK_LINES = 2048, 80


class Tell(Protocol):
    """Announces an Event of the container."""

    def __call__(self, reason: str, message: str, type: str = "Normal") -> None: ...


class Tended:
    """A run that lives: its process, its probes, its end. `run` is what the rules see."""

    def __init__(
        self,
        run: Run,
        process: Process,
        container: Container,
        target: Target,
        tell: Tell,
        group: asyncio.TaskGroup,
        changed: Callable[[], None],
        killed_for_memory: Callable[[], bool],
    ) -> None:
        self._killed_for_memory = killed_for_memory
        self.run, self.process, self.container, self.target = run, process, container, target
        self._tell, self._group, self._changed = tell, group, changed
        self._deadline = 0.0
        self._hurry = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._begun = asyncio.Event()
        self._startup_passed = asyncio.Event()

    def started(self, now: float) -> None:
        """Its program runs."""
        self.run = replace(
            self.run,
            started=now,
            hooked=self.container.lifecycle.post_start is None,
            passed=self.container.startup_probe is None,
            ready=self.container.readiness_probe is None,
        )
        self._tell("Started", f"Started container {self.run.container}")
        self.tend()
        self._changed()

    def tend(self) -> None:
        """Begin its hook and probes: now that it runs, or that it was found running."""
        self._begun.set()
        if not self.run.hooked:
            self._spawn(self._post_start())
        for kind, wanted in probes(self.container).items():
            if kind is not Kind.STARTUP or not self.run.passed:
                self._spawn(self._probe(kind, wanted))

    def over(self, code: int, now: float) -> None:
        """It has ended."""
        for task in self._tasks:
            task.cancel()
        complaint = self.process.complaint()
        message = self._message(code)
        reason = ""
        if complaint:
            code, reason, message = 128, "StartError", f"failed to start container: {complaint}"
            self._tell("Failed", f"Error: {message}", "Warning")
        elif code and self._killed_for_memory():
            reason = "OOMKilled"
            most = self.container.resources.limits.get("memory", "its own")
            text = f"Container {self.run.container} was killed: its memory reached the limit of {most}"
            self._tell("OOMKilling", text, "Warning")
        elif not self.process.directory.exit.exists():
            reason, message = "ContainerStatusUnknown", "The container could not be located when its end was looked for"
        self.run = replace(self.run, finished=now, exit_code=code, reason=reason, message=message, ready=False)
        self._begun.set()
        self._hurry.set()
        self._changed()

    def stop(self, grace: float, why: str, *, resized: bool = False) -> None:
        """End it: preStop, SIGTERM, SIGKILL when `grace` seconds are over. `resized`: to begin anew."""
        if self.run.ending:
            return
        self.run = replace(self.run, ending=True, resized=resized)
        self._deadline = time.monotonic() + grace
        self._tell("Killing", why)
        self._group.create_task(self._end(grace))

    def hurry(self, grace: float) -> None:
        """The grace was shortened to `grace` seconds from now."""
        if self.run.ending and time.monotonic() + grace < self._deadline:
            self._deadline = time.monotonic() + grace
            self._hurry.set()

    async def _end(self, grace: float) -> None:
        # A container that is being created can't be signalled yet; crun needs milliseconds.
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                await self._begun.wait()
        hook = self.container.lifecycle.pre_stop
        if hook and self.run.running and grace > 0:
            try:
                async with asyncio.timeout(max(0.0, self._deadline - time.monotonic())):
                    await handlers.hook(self.target, hook, grace)
            except (HandlerError, TimeoutError) as error:
                self._tell("FailedPreStopHook", f"PreStopHook failed: {error}", "Warning")
            self._deadline = max(self._deadline, time.monotonic() + min(AFTER_HOOK, grace))
        self.process.signal(self.run.stop_signal)
        while (left := self._deadline - time.monotonic()) > 0 and not self.process.ended.is_set():
            self._hurry.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._hurry.wait()
        self.process.signal(signal.SIGKILL)

    async def _post_start(self) -> None:
        hook = self.container.lifecycle.post_start
        assert hook is not None
        try:
            await handlers.hook(self.target, hook, 600.0)
        except HandlerError as error:
            self._tell("FailedPostStartHook", f"PostStartHook failed: {error}", "Warning")
            self._fail("postStart hook", None)
        else:
            self.run = replace(self.run, hooked=True)
        self._changed()

    async def _probe(self, kind: Kind, wanted: Probe) -> None:
        track = Track()
        first = (self.run.started or time.time()) + wanted.initial_delay_seconds - time.time()
        await asyncio.sleep(max(0.0, first))
        while self.run.live and not (self.run.ending and kind is not Kind.READINESS):
            if kind is not Kind.STARTUP and not self.run.passed:
                await self._startup_passed.wait()
            track = judged(track, wanted, await self._once(kind, wanted))
            if self._conclude(kind, wanted, track):
                return
            await asyncio.sleep(wanted.period_seconds)

    async def _once(self, kind: Kind, wanted: Probe) -> bool:
        try:
            await handlers.probe(self.target, wanted)
        except HandlerError as error:
            self._tell("Unhealthy", f"{kind.capitalize()} probe failed: {error}", "Warning")
            return False
        return True

    def _conclude(self, kind: Kind, wanted: Probe, track: Track) -> bool:
        """Takes a verdict over; returns whether the probe's work is done."""
        before = self.run
        if kind is Kind.READINESS and track.verdict is not None:
            self.run = replace(self.run, ready=track.verdict)
        elif kind is Kind.STARTUP and track.verdict:
            self.run = replace(self.run, passed=True)
            self._startup_passed.set()
        elif track.verdict is False:
            self._fail(f"{kind} probe", wanted.termination_grace_period_seconds)
        if self.run != before:
            self._changed()
        return (
            kind is not Kind.READINESS
            and (kind is Kind.STARTUP or bool(self.run.failing))
            and track.verdict is not None
        )

    def _fail(self, what: str, grace: int | None) -> None:
        text = f"Container {self.run.container} failed {what}, will be restarted"
        self.run = replace(self.run, failing=text, failing_grace=grace)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(self._group.create_task(work))

    def _message(self, code: int) -> str:
        directory: RunDirectory = self.process.directory
        text = ""
        with suppress(OSError), directory.termination.open("rb") as file:
            text = file.read(LONGEST_MESSAGE).decode(errors="replace")
        if text or self.container.termination_message_policy != "FallbackToLogsOnError" or code == 0:
            return text
        lines = logs.last_texts(self.process.log.path, FALLBACK_LINES)
        return b"".join(lines)[-FALLBACK_MESSAGE:].decode(errors="replace")
