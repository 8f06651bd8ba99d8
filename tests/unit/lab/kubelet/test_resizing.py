"""Resizes: what differs, what a node can give, what is to be done about it, and what is told."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import Meta
from kube46.lab.kubelet import allocating, resizing, rules
from kube46.lab.kubelet.directories import PodDirectory, write
from kube46.lab.kubelet.manifests import Container, PodSpec, ReadPod, Resources
from kube46.lab.kubelet.observed import Observed, Problem, Run, Sandbox
from kube46.lab.kubelet.rules import Resize, Start, Stop

NOW = 1000.0
NODE = {"cpu": "4", "memory": "8Gi"}
RESTART = ({"resourceName": "memory", "restartPolicy": "RestartContainer"},)


def asks(cpu=None, memory=None):
    """Requests."""
    listed = {"cpu": cpu, "memory": memory}
    return Resources(requests={name: amount for name, amount in listed.items() if amount is not None})


def spec(*given, inits=(), **fields):
    """A pod's containers c0, c1 … with these resources."""
    made = tuple(Container(name=f"c{n}", resources=one) for n, one in enumerate(given))
    return PodSpec(containers=made, init_containers=tuple(inits), **fields)


def has(given, **fields):
    """The run of c0, which is held to `given`."""
    return Run(container="c0", attempt=0, id="x", created=900.0, started=901.0, hooked=True, passed=True, ready=True,
               given=given, **fields)  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b", "names"),
    [
        (asks("1"), asks("1000m"), set()),
        (asks("2m", "1Gi"), asks(0.002, "1024Mi"), set()),
        (asks("1"), asks("1", "1"), {"memory"}),
        (asks("1"), asks("2"), {"cpu"}),
        (Resources(limits={"cpu": "1"}), asks("1"), {"cpu"}),
        (Resources(), Resources(), set()),
    ],
)
def test_what_differs(a, b, names):
    """Amounts are compared, not texts."""
    assert resizing.changed(a, b) == resizing.changed(b, a) == names
    assert resizing.same(a, b) is (not names)


@pytest.mark.parametrize(
    ("wanted", "others", "reason", "text"),
    [
        (asks("4"), [], "", ""),
        (asks("5"), [], "Infeasible", "Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000"),
        (
            asks("1", "9Gi"),
            [],
            "Infeasible",
            "Node didn't have enough capacity: memory, requested: 9663676416, capacity: 8589934592",
        ),
        (
            asks("3"),
            [asks("1500m")],
            "Deferred",
            "Node didn't have enough resource: cpu, requested: 3000, used: 1500, capacity: 4000",
        ),
        (asks("3"), [asks("500m"), asks("500m")], "", ""),
    ],
)
def test_what_a_node_can_give(wanted, others, reason, text):
    """In upstream's words: never, or not beside the others."""
    found = resizing.verdict(spec(wanted), [resizing.demand(spec(one)) for one in others], NODE)
    assert (found.reason, found.message) == (reason, text) if reason else found is None


def test_a_pod_asks_for_its_hungriest_moment():
    """Sidecars stay beside the others; an init container is alone with those before it."""
    side = Container(name="s", restart_policy="Always", resources=asks("100m"))
    init = Container(name="i", resources=asks("900m", "1"))
    found = resizing.demand(spec(asks("200m"), asks("300m"), inits=(side, init)))
    assert found == {"cpu": Decimal("1.0"), "memory": Decimal(1)}


MANY = st.lists(st.integers(0, 9000), max_size=5)


@given(st.integers(0, 9000), MANY, MANY)
def test_more_beside_it_is_never_better(wanted, some, more):
    """Who fits beside many fits beside few; what is infeasible is so in an empty node."""
    few, many = ([{"cpu": Decimal(m) / 1000, "memory": Decimal(0)} for m in listed] for listed in (some, some + more))
    verdicts = [resizing.verdict(spec(asks(f"{wanted}m")), others, NODE) for others in (few, many)]
    if verdicts[1] is None:
        assert verdicts[0] is None
    assert (wanted > 4000) == (resizing.verdict(spec(asks(f"{wanted}m")), [], NODE) is not None)


CASES = {
    "as it should be": (spec(asks("1")), has(asks("1000m")), {}, []),
    "an old record": (spec(asks("1")), has(None), {}, []),
    "in place": (spec(asks("2")), has(asks("1")), {}, [Resize("c0")]),
    "on its way out": (spec(asks("2")), has(asks("1"), ending=True), {}, []),
    "failed, later": (spec(asks("2")), has(asks("1")), {"stuck": {"c0": Problem("Error", "no", NOW + 5)}}, []),
    "failed, again": (spec(asks("2")), has(asks("1")), {"stuck": {"c0": Problem("Error", "no", NOW)}}, [Resize("c0")]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_done(case):
    """A running container that is held to something else is changed; a failure waits."""
    pod, run, more, actions = CASES[case]
    seen = Observed(start_time=899.0, sandbox=Sandbox(0, ("10.0.0.2",)), runs={"c0": run}, **more)
    assert rules.decide(ReadPod(Meta(), pod), seen, NOW).actions == actions


def test_a_container_that_wants_to_begins_anew_at_once():
    """Stopped for its memory, not for its CPU; then started whatever its policy says, without back-off."""
    wish = Container(name="c0", resources=asks("2", "2"), resize_policy=RESTART)
    pod = ReadPod(Meta(), PodSpec(containers=(wish,), restart_policy="OnFailure", termination_grace_period_seconds=7))
    up = Sandbox(0, ("10.0.0.2",))

    def decided(run):
        return rules.decide(pod, Observed(start_time=899.0, sandbox=up, runs={"c0": run}), NOW).actions

    assert decided(has(asks("1", "2"))) == [Resize("c0")]
    assert decided(has(asks("1", "1"))) == [Stop("c0", 7, "Container c0 resize requires restart", resized=True)]
    over = has(asks("1", "1"), finished=NOW, exit_code=0, delay=40.0, resized=True)
    assert decided(over) == [Start("c0", 1, 40.0)]


def test_a_deferred_resize_is_looked_at_again():
    """It may be that nothing happens here when room is made."""
    seen = Observed(
        start_time=899.0,
        sandbox=Sandbox(0, ("10.0.0.2",)),
        runs={"c0": has(asks("1"))},
        pending=("Deferred", "no room"),
    )
    assert rules.decide(ReadPod(Meta(), spec(asks("1"))), seen, NOW).wake == NOW + resizing.RETRY


def test_what_is_told():
    """Conditions as long as something is to be done, and Events with the amounts."""
    pod = ReadPod(Meta(generation=3), spec(asks("2")))
    seen = Observed(
        start_time=0.0,
        runs={"c0": has(asks("1"))},
        pending=("Infeasible", "never"),
        stuck={"c0": Problem("Error", "in use", 0.0)},
    )
    wanted = {"PodResizePending": (True, "Infeasible", "never"), "PodResizeInProgress": (True, "Error", "in use")}
    assert resizing.conditions(pod.spec, seen) == wanted
    assert resizing.conditions(pod.spec, Observed(start_time=0.0, runs={"c0": has(asks("2000m"))})) == {}
    told = json.loads(resizing.summary(pod, "x"))
    listed = [{"name": "c0", "resources": {"requests": {"cpu": "2"}}}]
    assert told == {"containers": listed, "generation": 3, "error": "x"}


def test_what_was_given_is_found_again(tmp_path):
    """By the record of allocations, else by what the newest runs are held to, else not at all."""
    directory = PodDirectory(tmp_path)
    assert allocating.recorded(directory) == {}
    for attempt, cpu in enumerate(("1", "2")):
        write(directory.run("c0", attempt).record, json.dumps({"given": {"requests": {"cpu": cpu}}}))
    write(directory.run("old", 0).record, json.dumps({"container": "old"}))
    assert allocating.recorded(directory) == {"c0": asks("2")}
    allocating.remember(directory, {"c0": asks("3"), "c1": Resources()})
    assert allocating.recorded(directory) == {"c0": asks("3"), "c1": Resources()}
    write(directory.allocated, '{"c0": 7}')
    assert allocating.recorded(directory) == {}


def test_a_pod_is_read_with_what_it_was_given():
    """Nothing else of it changes."""
    pod = ReadPod(Meta(name="p"), spec(asks("1"), asks("2"), inits=(Container(name="i", resources=asks("3")),)))
    made = resizing.with_amounts(pod, {"c0": asks("9"), "i": asks("8")})
    assert resizing.amounts(made.spec) == {"c0": asks("9"), "c1": asks("2"), "i": asks("8")}
    assert resizing.with_amounts(made, resizing.amounts(pod.spec)) == pod
    assert resizing.differ(resizing.amounts(made.spec), resizing.amounts(pod.spec))
