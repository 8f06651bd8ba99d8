"""What failures and successes of single pods mean for a Job: podFailurePolicy, backoffLimitPerIndex, successPolicy."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import Pod
from kube46.api.workload_objects import Job
from kube46.api.workloads import job_policies
from kube46.lab.controllers.jobs import failures, indexes, rules, status
from kube46.lab.controllers.jobs.pods import TRACKING, pod_of

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
Json = dict[str, Any]


def job(held: Json | None = None, **spec: Any) -> Job:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c"}]}}
    body = {"completions": 3, "parallelism": 3, "completionMode": "Indexed", "template": template, **spec}
    meta = {"name": "j", "uid": "u", "namespace": "n"}
    return msgspec.convert({"metadata": meta, "spec": body, "status": held or {}}, Job)


def pod(uid: str, code: int | None = None, index: int = 0, **more: Any) -> Pod:
    """A pod of an index: at work, or ended with a code; `seconds` is how long ago."""
    notes = {indexes.INDEX: str(index), **more.get("notes", {})}
    meta = {"name": uid, "namespace": "n", "uid": uid, "finalizers": [TRACKING], "annotations": notes}
    if code is None:
        return msgspec.convert({"metadata": meta, "status": {"phase": "Running"}}, Pod)
    end = (NOW - timedelta(seconds=more.get("seconds", 0))).isoformat()
    ended = {"name": "c", "state": {"terminated": {"exitCode": code, "finishedAt": end}}}
    held = {"phase": "Failed" if code else "Succeeded", "containerStatuses": [ended]}
    return msgspec.convert({"metadata": meta, "status": {**held, "conditions": more.get("conditions", [])}}, Pod)


def policy(*listed: Json) -> Json:
    return {"podFailurePolicy": {"rules": list(listed)}}


def codes(action: str, operator: str, *values: int, **more: Any) -> Json:
    return {"action": action, "onExitCodes": {"operator": operator, "values": list(values), **more}}


DISRUPTED = {"type": "DisruptionTarget", "status": "True"}
EVICTED = {"action": "Ignore", "onPodConditions": [DISRUPTED]}


@pytest.mark.parametrize(
    ("listed", "code", "action"),
    [
        ([codes("FailJob", "In", 42)], 42, "FailJob"),
        ([codes("FailJob", "In", 42)], 41, None),
        ([codes("FailJob", "NotIn", 42)], 41, "FailJob"),
        ([codes("FailJob", "NotIn", 42)], 42, None),
        ([codes("FailJob", "In", 42, containerName="other")], 42, None),
        ([codes("Count", "In", 42), codes("FailJob", "In", 42)], 42, "Count"),
        ([EVICTED, codes("FailJob", "In", 1)], 1, "Ignore"),
    ],
)
def test_the_first_matching_rule_decides(listed: list[Json], code: int, action: str | None) -> None:
    """Exit codes by container, and conditions; in the order of the rules."""
    found = failures.match(
        job(**policy(*listed)), pod("a", code, conditions=[{"type": "DisruptionTarget", "status": "True"}])
    )
    assert (found and found.action) == action


def test_a_pod_fails_its_job_at_once() -> None:
    """FailJob ends the Job below its limit, with the rule in the message; the pods still at work are to go."""
    one = job(**policy(codes("FailJob", "In", 42)), backoffLimit=6)
    count = rules.tally(one, [pod("a", 42), pod("b", index=1)])
    message = "Container c for pod n/a failed with exit code 42 matching FailJob rule at index 0"
    assert rules.verdict(one, count, NOW) == ("FailureTarget", "PodFailurePolicy", message)
    written = status.status(one, count, NOW)
    assert [(c["type"], c["reason"]) for c in written["conditions"]] == [("FailureTarget", "PodFailurePolicy")]


def test_ignored_failures_do_not_count() -> None:
    """A pod that a drain took is let go and replaced without counting."""
    one = job(**policy(EVICTED), backoffLimit=0)
    count = rules.tally(one, [pod("a", 1, conditions=[DISRUPTED])])
    assert (count.failed, len(count.ended), count.status["uncountedTerminatedPods"]["failed"]) == (0, 1, [])
    assert rules.verdict(one, count, NOW)[0] == ""
    assert rules.new_numbers(one, count, 1) == [0]


def test_an_index_counts_its_own_failures() -> None:
    """The failed pod is kept until its successor carries the count on, which waits longer each time."""
    one = job(backoffLimitPerIndex=2, backoffLimit=2**31 - 1)
    first = pod("a", 1, seconds=4)
    count = rules.tally(one, [first, pod("b", index=1)])
    assert (count.failed, count.ended, list(count.last)) == (1, [], [0])
    assert rules.new_numbers(one, count, 2) == [0, 2]
    assert (rules.delay_of(count, 0, NOW), rules.delay_of(count, 2, NOW)) == (6.0, 0.0)
    again = pod_of(one, 0, count.last[0])["metadata"]["annotations"]
    assert again[failures.FAILURES] == "1"
    assert pod_of(one, 2)["metadata"]["annotations"][failures.FAILURES] == "0"
    count = rules.tally(one, [first, pod("b", index=1), pod("a2", index=0, notes=again)])
    assert ([p.metadata.uid for p in count.ended], count.last) == (["a"], {})
    last = pod("a3", 1, notes={failures.FAILURES: "1"}, seconds=3)
    assert rules.delay_of(rules.tally(one, [last]), 0, NOW) == 17.0


@pytest.mark.parametrize(
    ("pods", "more", "verdict"),
    [
        ([pod("a", 1)], {}, ""),
        ([pod("a", 0), pod("b", 0, 1), pod("c", 1, 2)], {}, "FailedIndexes"),
        ([pod("a", 1)], {"maxFailedIndexes": 0}, "MaxFailedIndexesExceeded"),
        ([pod("a", 0), pod("b", 0, 1), pod("c", 0, 2)], {}, "CompletionsReached"),
        ([pod("a", 7)], {"backoffLimitPerIndex": 9, "maxFailedIndexes": 0, **policy(codes("FailIndex", "In", 7))},
         "MaxFailedIndexesExceeded"),
    ],
)  # fmt: skip
def test_failed_indexes(pods: list[Pod], more: Json, verdict: str) -> None:
    """The others run to their end; then, or above maxFailedIndexes, the Job has failed."""
    one = job(**{"backoffLimitPerIndex": 0, "backoffLimit": 2**31 - 1, **more})
    count = rules.tally(one, pods)
    assert rules.verdict(one, count, NOW)[1] == verdict
    held = rules.tally(one, pods, ends=True)
    assert len(held.ended) == len(pods)
    spoilt = [number for number, p in enumerate(pods) if p.status.phase == "Failed"]
    assert held.status["failedIndexes"] == indexes.written(spoilt)
    if not verdict:
        assert rules.new_numbers(one, count, 3) == [1, 2]
        assert rules.surplus(one, count) == -2


@pytest.mark.parametrize(
    ("listed", "done", "rule"),
    [
        ([{"succeededCount": 2}], {0, 1}, 0),
        ([{"succeededCount": 2}], {0}, None),
        ([{"succeededIndexes": "0,2"}], {0, 1}, None),
        ([{"succeededIndexes": "0,2"}], {0, 2}, 0),
        ([{"succeededIndexes": "1-2", "succeededCount": 1}], {0}, None),
        ([{"succeededIndexes": "0"}, {"succeededIndexes": "1-2", "succeededCount": 1}], {2}, 1),
    ],
)
def test_success_before_the_end(listed: list[Json], done: set[int], rule: int | None) -> None:
    """One rule that is met ends the Job well, and its message names the rule."""
    one = job(successPolicy={"rules": listed})
    count = rules.tally(one, [pod(f"p{i}", 0 if i in done else None, i) for i in range(3)])
    said = ("SuccessCriteriaMet", "SuccessPolicy", f"Matched rules at index {rule}")
    assert rules.verdict(one, count, NOW) == (said if rule is not None else ("", "", ""))


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([None, 0, 1, 7])), max_size=9), st.integers(0, 2))
def test_what_is_counted_adds_up(pods: list[tuple[int, int | None]], limit: int) -> None:
    """Each pod is at work, kept for its count, or let go; no index is both completed and spoilt; none runs twice."""
    one = job(backoffLimitPerIndex=limit, backoffLimit=2**31 - 1, **policy(codes("Ignore", "In", 7)))
    every = [pod(f"p{number}", code, index) for number, (index, code) in enumerate(pods)]
    count = rules.tally(one, every)
    assert not count.completed & count.spoilt
    assert len(count.active) + len(count.ended) + len(count.last) == len(every)
    busy = {indexes.index_of(p) for p in count.active}
    assert not (busy | count.completed | count.spoilt) & set(rules.new_numbers(one, count, 3))
    assert count.failed == sum(code == 1 for _, code in pods)
    assert len(rules.tally(one, every, ends=True).ended) == len(every) - len(count.active)


def errors(**spec: Any) -> list[str]:
    whole = {"completions": 3, "template": {"spec": {"containers": [{"name": "c"}]}}, **spec}
    return [error.text for error in job_policies.errors(whole, "spec")]


def test_mistakes_in_policies_are_told() -> None:
    """Each with its field, in Kubernetes' words."""
    place = "spec.podFailurePolicy.rules[0]"
    assert errors(**policy(codes("FailJob", "In", 1), EVICTED), successPolicy={"rules": [{"succeededCount": 3}]}) == []
    assert errors(**policy(codes("Fail", "Is", 2, 1, containerName="x"))) == [
        f'{place}.action: Unsupported value: "Fail": supported values: "Count", "FailIndex", "FailJob", "Ignore"',
        f'{place}.onExitCodes.operator: Unsupported value: "Is": supported values: "In", "NotIn"',
        f'{place}.onExitCodes.containerName: Invalid value: "x": '
        "must be one of the container or initContainer names in the pod template",
        f"{place}.onExitCodes.values: Invalid value: [2,1]: must be ordered",
    ]
    assert errors(**policy({"action": "FailIndex"})) == [
        f'{place}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set',
        f'{place}: Invalid value: "": specifying one of OnExitCodes and OnPodConditions is required',
    ]
    place = "spec.successPolicy.rules"
    assert errors(successPolicy={"rules": []}) == [
        f"{place}: Required value: at least one rules must be specified when the successPolicy is specified"
    ]
    assert errors(
        successPolicy={"rules": [{}, {"succeededCount": 4}, {"succeededIndexes": "0-1", "succeededCount": 3}]}
    ) == [
        f"{place}[0]: Required value: at least one of succeededCount or succeededIndexes must be specified",
        f"{place}[1].succeededCount: Invalid value: 4: must be less than or equal to 3 "
        "(the number of specified completions)",
        f"{place}[2].succeededCount: Invalid value: 3: must be less than or equal to 2 "
        "(the number of indexes in the specified succeededIndexes field)",
    ]
    assert errors(
        successPolicy={"rules": [{"succeededIndexes": "0,x"}, {"succeededIndexes": "3"}, {"succeededIndexes": "1,0"}]}
    ) == [
        f'{place}[0].succeededIndexes: Invalid value: "0,x": error parsing succeededIndexes: '
        'cannot convert string to integer for index: "x"',
        f'{place}[1].succeededIndexes: Invalid value: "3": error parsing succeededIndexes: too large index: "3"',
        f'{place}[2].succeededIndexes: Invalid value: "1,0": error parsing succeededIndexes: '
        "non-increasing order, previous: 1, current: 0",
    ]
