"""What is done for a pod in each state of it: a table, and properties that hold in all states."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import Meta
from kube46.lab.kubelet import rules
from kube46.lab.kubelet.manifests import Container, EphemeralContainer, PodSpec, ReadPod
from kube46.lab.kubelet.observed import Observed, Problem, Run, Sandbox
from kube46.lab.kubelet.rules import Finish, MakeSandbox, RemoveSandbox, Start, Stop

NOW = 1000.0
UP = Sandbox(0, ("10.0.0.2",))


def run(name="main", **fields):
    """A run that was created at 900."""
    return Run(container=name, attempt=0, id=name, created=900.0, **fields)


def running(name="main", **fields):
    """A run that is up and ready."""
    return run(name, started=901.0, hooked=True, passed=True, ready=True, **fields)


def ended(name="main", code=0, finished=990.0, **fields):
    """A run that has ended."""
    return replace(running(name, **fields), finished=finished, exit_code=code, ready=False)


def pod(*containers, inits=(), deleted=False, grace=None, **spec):
    """A pod with those containers."""
    meta = Meta(
        name="p",
        uid="u",
        deletion_timestamp="2026-01-01T00:00:00Z" if deleted else None,
        deletion_grace_period_seconds=grace,
    )
    made = tuple(Container(name=name) for name in containers or ("main",))
    return ReadPod(meta, PodSpec(containers=made, init_containers=tuple(inits), **spec))


def seen(*runs, sandbox=UP, **fields):
    """What is seen of it."""
    return Observed(start_time=899.0, sandbox=sandbox, runs={r.container: r for r in runs}, **fields)


FIRST = Container(name="first")
SIDE = Container(name="side", restart_policy="Always")
DEBUG = {"ephemeral_containers": (EphemeralContainer(name="debug"),)}
SHARED = {"share_process_namespace": True}
CASES = {
    "ephemeral, beside the others": (pod(**DEBUG), seen(running()), [Start("debug", 0, 0.0)]),
    "ephemeral, before the pod is initialized": (
        pod(inits=(FIRST,), **DEBUG),
        seen(running("first")),
        [Start("debug", 0, 0.0)],
    ),
    "ephemeral, is not run again": (pod(**DEBUG), seen(running(), ended("debug", code=1)), []),
    "ephemeral, not even in a new sandbox": (
        pod(**DEBUG),
        seen(replace(running(), sandbox=1), ended("debug", code=137), sandbox=Sandbox(1, ())),
        [],
    ),
    "ephemeral, ends with the pod": (
        pod(deleted=True, grace=5, **DEBUG),
        seen(ended(code=1), running("debug")),
        [Stop("debug", 5.0, "Stopping container debug")],
    ),
    "shared processes, first what keeps them": (pod(**SHARED), seen(), [Start("POD", 0, 0.0)]),
    "shared processes, it is only made yet": (pod(**SHARED), seen(run("POD")), []),
    "shared processes, then the others": (pod(**SHARED), seen(running("POD")), [Start("main", 0, 0.0)]),
    "shared processes, it ends last": (
        pod(deleted=True, grace=5, **SHARED),
        seen(ended(code=1), running("POD")),
        [Stop("POD", 0, "")],
    ),
    "shared processes, then the sandbox": (
        pod(deleted=True, grace=5, **SHARED),
        seen(ended(code=1), ended("POD", code=137)),
        [RemoveSandbox()],
    ),
    "nothing there": (pod(), seen(sandbox=None), [MakeSandbox(0)]),
    "sandbox failed, waits": (pod(), seen(sandbox=None, problems={"": Problem("x", "", 1001.0)}), []),
    "sandbox lost": (pod(), seen(ended(code=137), sandbox=None), [MakeSandbox(1)]),
    "back-off waits": (pod(), seen(replace(ended(code=1), delay=20.0)), []),
    "ended with its sandbox, no back-off": (
        pod(),
        seen(replace(ended(code=137), delay=20.0), sandbox=Sandbox(1, ())),
        [Start("main", 1, 20.0)],
    ),
    "sandbox stands": (pod(), seen(), [Start("main", 0, 0.0)]),
    "unsupported": (pod(), seen(sandbox=None, unsupported=("spec.x is not supported",)), []),
    "all run": (pod(), seen(running()), []),
    "two containers": (pod("a", "b"), seen(running("a")), [Start("b", 0, 0.0)]),
    "created, not started": (pod(), seen(run()), []),
    "image trouble waits": (pod(), seen(problems={"main": Problem("ErrImagePull", "", 1001.0)}), []),
    "image trouble again": (
        pod(),
        seen(problems={"main": Problem("ErrImagePull", "", 999.0)}),
        [Start("main", 0, 0.0)],
    ),
    "first crash": (pod(), seen(ended(code=1, finished=999.0)), [Start("main", 1, 10.0)]),
    "second crash waits": (pod(), seen(ended(code=1, finished=999.0, delay=10.0)), []),
    "second crash, waited": (pod(), seen(ended(code=1, finished=989.0, delay=10.0)), [Start("main", 1, 20.0)]),
    "always restarts success": (pod(), seen(ended()), [Start("main", 1, 10.0)]),
    "OnFailure done": (pod(restart_policy="OnFailure"), seen(ended()), [RemoveSandbox()]),
    "OnFailure failed": (pod(restart_policy="OnFailure"), seen(ended(code=1)), [Start("main", 1, 10.0)]),
    "Never failed": (pod(restart_policy="Never"), seen(ended(code=1)), [RemoveSandbox()]),
    "done, cleared": (pod(restart_policy="Never"), seen(ended(), sandbox=None), []),
    "init first": (pod(inits=[FIRST]), seen(), [Start("first", 0, 0.0)]),
    "init runs": (pod(inits=[FIRST]), seen(running("first")), []),
    "init done": (pod(inits=[FIRST]), seen(ended("first")), [Start("main", 0, 0.0)]),
    "init failed, Always": (pod(inits=[FIRST]), seen(ended("first", code=1)), [Start("first", 1, 10.0)]),
    "init failed, Never": (pod(inits=[FIRST], restart_policy="Never"), seen(ended("first", code=1)), [RemoveSandbox()]),
    "init again in a new sandbox": (
        pod(inits=[FIRST]),
        seen(ended("first"), sandbox=Sandbox(1, ())),
        [Start("first", 1, 0.0)],
    ),
    "sidecar not up": (pod(inits=[SIDE]), seen(run("side", started=901.0)), []),
    "sidecar up": (pod(inits=[SIDE]), seen(running("side")), [Start("main", 0, 0.0)]),
    "sidecar ended": (pod(inits=[SIDE]), seen(ended("side"), running()), [Start("side", 1, 10.0)]),
    "liveness failed": (pod(), seen(running(failing="Container main failed liveness probe, will be restarted")), [
        Stop("main", 30, "Container main failed liveness probe, will be restarted")
    ]),
    "being stopped": (pod(), seen(running(failing="x", ending=True)), []),
    "deleted": (pod("a", "b", deleted=True, grace=7), seen(running("a"), running("b")), [
        Stop("a", 7.0, "Stopping container a"), Stop("b", 7.0, "Stopping container b")
    ]),
    "deleted, sidecar last": (pod(inits=[SIDE], deleted=True), seen(running("side"), running(ending=True)), []),
    "deleted, sidecar now": (
        pod(inits=[SIDE], deleted=True, grace=1),
        seen(running("side"), ended()),
        [Stop("side", 1.0, "Stopping container side")],
    ),
    "deleted, all ended": (pod(deleted=True), seen(ended()), [RemoveSandbox()]),
    "deleted, cleared": (pod(deleted=True), seen(ended(), sandbox=None), [Finish()]),
    "deleted before it began": (pod(deleted=True), seen(sandbox=None), [Finish()]),
    "deadline": (pod(active_deadline_seconds=100), seen(running()), [Stop("main", 30.0, "Stopping container main")]),
    "Failed for good": (pod(), seen(ended(), sandbox=None, final_phase="Failed"), []),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_decisions(case):
    """Each state leads to exactly these actions."""
    given_pod, given_seen, expected = case

    assert rules.decide(given_pod, given_seen, NOW).actions == expected


@pytest.mark.parametrize(
    ("what", "wake"),
    [
        ((pod(), seen(ended(code=1, finished=999.0, delay=10.0))), 1009.0),
        ((pod(active_deadline_seconds=200), seen(running())), 1099.0),
        ((pod(), seen(sandbox=None, problems={"": Problem("x", "", 1001.0)})), 1001.0),
        ((pod(), seen(running())), None),
    ],
    ids=["back-off", "deadline", "sandbox", "nothing"],
)
def test_when_to_look_again(what, wake):
    """A decision that waits for time says until when."""
    assert rules.decide(*what, NOW).wake == wake


def test_back_off_doubles_to_five_minutes_and_is_forgiven():
    """10 s, doubling to 300 s; a run of ten minutes starts it anew, at once."""
    delays = [0.0]
    for _ in range(7):
        delays.append(ended(delay=delays[-1]).next_delay())
    good = ended(finished=1600.0, delay=300.0)

    assert delays == [0, 10, 20, 40, 80, 160, 300, 300]
    assert (good.due(), good.next_delay()) == (1600.0, 10.0)


@pytest.mark.parametrize(("since", "left"), [(None, 30.0), (990.0, 20.0), (900.0, 0.0)], ids=["begins", "amid", "over"])
def test_grace_left(since, left):
    """The grace runs from when ending began, also over a restart of the kubelet."""
    assert rules.grace_left(pod(deleted=True), seen(ending_since=since), NOW) == left


RUNS = st.sampled_from([None, run(), running(), running(failing="x"), running(ending=True), ended(), ended(code=1)])
PODS = st.builds(
    lambda policy, deleted, side: pod(restart_policy=policy, deleted=deleted, inits=[FIRST, *([SIDE] if side else [])]),
    st.sampled_from(["Always", "OnFailure", "Never"]),
    st.booleans(),
    st.booleans(),
)
SEEN = st.builds(
    lambda first, side, last, sandbox: seen(
        *(replace(r, container=n) for n, r in (("first", first), ("side", side), ("main", last)) if r), sandbox=sandbox
    ),
    RUNS,
    RUNS,
    RUNS,
    st.sampled_from([None, UP, Sandbox(1, ())]),
)


@given(PODS, SEEN)
def test_what_always_holds(given_pod, given_seen):
    """Nothing is started twice or without a sandbox or in a deleted pod; the sandbox outlives its containers."""
    actions = rules.decide(given_pod, given_seen, NOW).actions
    live = {name for name, r in given_seen.runs.items() if r.live}

    for action in actions:
        match action:
            case Start(name, attempt, _):
                assert name not in live
                assert given_seen.sandbox is not None
                assert not given_pod.metadata.deletion_timestamp
                assert attempt == (given_seen.runs[name].attempt + 1 if name in given_seen.runs else 0)
            case RemoveSandbox() | Finish():
                declared = {"first", "main"} | ({"side"} if len(given_pod.spec.init_containers) > 1 else set())
                assert not live & declared
            case Stop(name, grace, _):
                assert name in live
                assert not given_seen.runs[name].ending
                assert grace >= 0
