"""What the kubelet sees of one pod on this machine, as values: the rules' input (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kube46.lab.kubelet.manifests import Resources

FIRST_DELAY, LONGEST_DELAY, GOOD_RUN = 10.0, 300.0, 600.0


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The pod's namespaces: `generation` counts them, `ips` are in the node's family order."""

    generation: int
    ips: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a container, from its creation to its end. Times are seconds since 1970."""

    container: str
    attempt: int
    id: str
    created: float
    sandbox: int = 0
    delay: float = 0.0  # what must pass between its end and the next run
    started: float | None = None
    finished: float | None = None
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    hooked: bool = False  # postStart has returned, or there is none
    passed: bool = False  # the startup probe has succeeded, or there is none
    ready: bool = False  # the readiness probe's verdict; true without one
    failing: str = ""  # why it must be restarted
    failing_grace: int | None = None
    ending: bool = False  # it is being stopped
    image: str = ""  # the whole name of a loaded image
    image_id: str = ""
    stop_signal: int = 15
    given: Resources | None = None  # what it is held to; None in the records of older kubelets
    resized: bool = False  # it ends to begin anew with other amounts
    previous: "Run | None" = None

    @property
    def live(self) -> bool:
        """Whether its processes may exist."""
        return self.finished is None

    @property
    def running(self) -> bool:
        """Whether it has started and not ended."""
        return self.started is not None and self.finished is None

    @property
    def serving(self) -> bool:
        """Whether it is up in the sense of `started`: running, hook done, startup probe passed."""
        return self.running and self.hooked and self.passed

    def next_delay(self) -> float:
        """The delay after the next run: 10 s doubling to 5 min, from nothing again after ten good minutes."""
        if self.finished is not None and self.finished - (self.started or self.created) >= GOOD_RUN:
            return FIRST_DELAY
        return min(self.delay * 2, LONGEST_DELAY) if self.delay else FIRST_DELAY

    def due(self) -> float:
        """When the next run may begin."""
        finished = self.finished or 0.0
        good = finished - (self.started or self.created) >= GOOD_RUN
        return finished if good else finished + self.delay

    def brief(self) -> "Run":
        """The run without its own past, to be kept as another's past."""
        return replace(self, previous=None)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a container or the sandbox couldn't be made; `retry` is when to try again."""

    reason: str
    message: str
    retry: float
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that the rules need to know of a pod beside its object."""

    start_time: float
    sandbox: Sandbox | None = None
    runs: Mapping[str, Run] = field(default_factory=dict)  # the newest of each container
    problems: Mapping[str, Problem] = field(default_factory=dict)  # by container; "" is the sandbox
    unsupported: tuple[str, ...] = ()
    ending_since: float | None = None
    host_ips: tuple[str, ...] = ()
    last_ips: tuple[str, ...] = ()  # the addresses it had before its sandbox was removed
    rejected: str = ""  # why it was not let in
    evicted: str = ""  # why the pod was told to end by the kubelet itself
    pending: tuple[str, str] | None = None  # why its resize was not taken on: reason, message
    stuck: Mapping[str, Problem] = field(default_factory=dict)  # by container: what keeps a resize from being done
    final_phase: str = ""  # Succeeded or Failed, once written: such a pod never runs again
