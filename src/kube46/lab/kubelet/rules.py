"""What to do for a pod now: (object, what is seen, time) → actions and when to look again (pure).

Level-triggered: the same input gives the same answer, and doing the actions twice does no harm. Source: the pod
lifecycle as documented (kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle), KEP-753 for sidecars.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from kube46.lab.kubelet import resizing
from kube46.lab.kubelet.manifests import Container, PodSpec, ReadPod
from kube46.lab.kubelet.observed import Observed, Run

SIDECAR_GRACE = 2  # seconds that a sidecar has at least, even when the others used the pod's whole grace up
EVICTION_GRACE = 1.0  # seconds for a pod that harms its node to end


@dataclass(frozen=True, slots=True)
class MakeSandbox:
    """Make the pod's namespaces and have the CNI plugins attach them; `generation` counts from 0."""

    generation: int


@dataclass(frozen=True, slots=True)
class RemoveSandbox:
    """Detach and delete the pod's namespaces."""


@dataclass(frozen=True, slots=True)
class Start:
    """Run a container for the `attempt`-th time (from 0)."""

    container: str
    attempt: int
    delay: float


@dataclass(frozen=True, slots=True)
class Stop:
    """End a container: preStop hook, SIGTERM, and SIGKILL once `grace` seconds have passed."""

    container: str
    grace: float
    why: str
    resized: bool = False  # to begin anew with other amounts


@dataclass(frozen=True, slots=True)
class Resize:
    """Hold a running container to what it was given."""

    container: str


@dataclass(frozen=True, slots=True)
class Finish:
    """All is gone that belonged to the pod: delete its object."""


Action = MakeSandbox | RemoveSandbox | Start | Stop | Resize | Finish


@dataclass(slots=True)
class Decision:
    """What to do now, and when to decide again if nothing happens before (None: only when something happens)."""

    actions: list[Action] = field(default_factory=list)
    wake: float | None = None

    def at(self, time: float) -> None:
        """Decide again at `time`, or earlier."""
        self.wake = time if self.wake is None else min(self.wake, time)


def decide(pod: ReadPod, seen: Observed, now: float) -> Decision:
    """What to do for the pod now."""
    decision = Decision()
    if must_end(pod, seen, now):
        _end(pod, seen, now, decision)
    else:
        limit = pod.spec.active_deadline_seconds
        if limit is not None:
            decision.at(seen.start_time + limit)
        _run(pod, seen, now, decision)
    return decision


def must_end(pod: ReadPod, seen: Observed, now: float) -> bool:
    """Whether nothing of the pod may run any more."""
    return bool(
        pod.metadata.deletion_timestamp
        or seen.final_phase
        or seen.rejected
        or seen.evicted
        or deadline_exceeded(pod.spec, seen, now)
        or completed(pod.spec, seen)
    )


def deadline_exceeded(spec: PodSpec, seen: Observed, now: float) -> bool:
    """Whether activeDeadlineSeconds has passed."""
    return spec.active_deadline_seconds is not None and now >= seen.start_time + spec.active_deadline_seconds


def completed(spec: PodSpec, seen: Observed) -> bool:
    """Whether the pod has done its work or failed for good, by its restart policy."""
    if init_failed(spec, seen):
        return True
    runs = [seen.runs.get(c.name) for c in spec.containers]
    return all(
        run is not None and not run.live and not restarts(spec, c, run)
        for c, run in zip(spec.containers, runs, strict=True)
    )


def init_failed(spec: PodSpec, seen: Observed) -> bool:
    """Whether an init container has failed and isn't tried again."""
    return any(
        run is not None and not run.live and run.exit_code != 0 and not restarts(spec, c, run)
        for c, run in ((c, seen.runs.get(c.name)) for c in spec.init_containers)
    )


def restarts(spec: PodSpec, container: Container, run: Run) -> bool:
    """Whether a container that has ended is run again. Init containers run until they succeed, ephemeral ones once."""
    if container in spec.ephemeral_containers:
        return False
    if run.resized:
        return True
    policy = container.restart_policy or spec.restart_policy
    initial = container in spec.init_containers and not container.sidecar
    if policy == "Always" and not initial:
        return True
    return policy != "Never" and run.exit_code != 0


def initialized(spec: PodSpec, seen: Observed) -> bool:
    """Whether all init containers are through and all sidecars up; stays true once a main container has run."""
    if any(_current(seen, c) for c in spec.containers):
        return True
    return next(_pending_inits(spec, seen), None) is None


def _current(seen: Observed, container: Container) -> Run | None:
    """The container's newest run, if it belongs to the sandbox that stands now."""
    run = seen.runs.get(container.name)
    return run if run and seen.sandbox and run.sandbox == seen.sandbox.generation else None


def _pending_inits(spec: PodSpec, seen: Observed) -> Iterator[Container]:
    for container in spec.init_containers:
        run = _current(seen, container)
        through = run is not None and (run.serving if container.sidecar else not run.live and run.exit_code == 0)
        if not through:
            yield container


def _run(pod: ReadPod, seen: Observed, now: float, decision: Decision) -> None:
    spec = pod.spec
    if seen.unsupported:
        return
    if seen.sandbox is None:
        _make_sandbox(seen, now, decision)
        return
    _stop_failing(spec, seen, decision)
    _resize(spec, seen, now, decision)
    if spec.pause and not ((run := _current(seen, spec.pause)) and run.running):
        _keep_up(spec, spec.pause, seen, now, decision)
        return
    for debugger in spec.ephemeral_containers:
        if debugger.name not in seen.runs:
            _keep_up(spec, debugger, seen, now, decision)
    started = any(_current(seen, c) for c in spec.containers)
    if not started and (waiting := next(_pending_inits(spec, seen), None)):
        # Sidecars before the one that is waited for are kept up meanwhile.
        for container in spec.init_containers[: spec.init_containers.index(waiting) + 1]:
            if container.sidecar or container is waiting:
                _keep_up(spec, container, seen, now, decision)
        return
    for container in (*(c for c in spec.init_containers if c.sidecar), *spec.containers):
        _keep_up(spec, container, seen, now, decision)


def _make_sandbox(seen: Observed, now: float, decision: Decision) -> None:
    problem = seen.problems.get("")
    if problem and problem.retry > now:
        decision.at(problem.retry)
        return
    last = max((run.sandbox for run in seen.runs.values()), default=-1)
    decision.actions.append(MakeSandbox(last + 1))


def _keep_up(spec: PodSpec, container: Container, seen: Observed, now: float, decision: Decision) -> None:
    """Starts the container if it doesn't run and should."""
    run = seen.runs.get(container.name)
    problem = seen.problems.get(container.name)
    stale = run is not None and seen.sandbox is not None and run.sandbox != seen.sandbox.generation
    if run is not None:
        again = restarts(spec, container, run) or (stale and container in spec.init_containers)
        if run.live or not again:
            return
        # What ended with its sandbox, as at a reboot, did not crash.
        if run.due() > now and not stale and not run.resized:
            decision.at(run.due())
            return
    if problem and problem.retry > now:
        decision.at(problem.retry)
        return
    kept = run is not None and (stale or run.resized)
    attempt, delay = (run.attempt + 1, run.delay if kept else run.next_delay()) if run else (0, 0.0)
    decision.actions.append(Start(container.name, attempt, delay))


def _stop_failing(spec: PodSpec, seen: Observed, decision: Decision) -> None:
    for run in seen.runs.values():
        if run.running and run.failing and not run.ending:
            grace = spec.termination_grace_period_seconds if run.failing_grace is None else run.failing_grace
            decision.actions.append(Stop(run.container, grace, run.failing))


def _resize(spec: PodSpec, seen: Observed, now: float, decision: Decision) -> None:
    """Lets containers have what they were given."""
    if seen.pending and seen.pending[0] == resizing.DEFERRED:
        decision.at(now + resizing.RETRY)
    for container in resizing.unlike(spec, seen.runs):
        run, problem = seen.runs[container.name], seen.stuck.get(container.name)
        if run.ending:
            continue
        if problem and problem.retry > now:
            decision.at(problem.retry)
        elif resizing.restarts(container, run):
            why = f"Container {container.name} resize requires restart"
            decision.actions.append(Stop(container.name, spec.termination_grace_period_seconds, why, resized=True))
        else:
            decision.actions.append(Resize(container.name))


def _end(pod: ReadPod, seen: Observed, now: float, decision: Decision) -> None:
    """Stops what runs: main containers at once, then sidecars from the last to the first; then the sandbox goes."""
    left = grace_left(pod, seen, now)
    sidecars = [c for c in pod.spec.init_containers if c.sidecar]
    every = (*pod.spec.init_containers, *pod.spec.containers, *pod.spec.ephemeral_containers)
    others = [c for c in every if not c.sidecar]
    live = [c for c in others if (run := seen.runs.get(c.name)) and run.live]
    if not live:
        live = [c for c in sidecars if (run := seen.runs.get(c.name)) and run.live][-1:]
        left = max(left, min(SIDECAR_GRACE, _grace(pod)))
    for container in live:
        if not seen.runs[container.name].ending:
            decision.actions.append(Stop(container.name, left, f"Stopping container {container.name}"))
    if live:
        return
    if pause := pod.spec.pause:
        run = seen.runs.get(pause.name)
        if run and run.live:
            decision.actions += [] if run.ending else [Stop(pause.name, 0, "")]
            return
    if seen.sandbox is not None:
        decision.actions.append(RemoveSandbox())
    elif pod.metadata.deletion_timestamp:
        decision.actions.append(Finish())


def grace_left(pod: ReadPod, seen: Observed, now: float) -> float:
    """How much of the pod's grace is left, seconds."""
    since = now if seen.ending_since is None else seen.ending_since
    grace = min(EVICTION_GRACE, _grace(pod)) if seen.evicted else _grace(pod)
    return max(0.0, grace - (now - since))


def _grace(pod: ReadPod) -> float:
    given = pod.metadata.deletion_grace_period_seconds if pod.metadata.deletion_timestamp else None
    return float(pod.spec.termination_grace_period_seconds if given is None else given)
