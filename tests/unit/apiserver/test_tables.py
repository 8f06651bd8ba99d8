# ruff: noqa: E501 – tables of cases are read across
"""Tables say what kube-apiserver's printers say: every recorded Table, and the turns of pods' and nodes' states."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import pytest

from beside import oracle
from kube46.apiserver import tables
from kube46.apiserver.kinds import BY_PLURAL, KINDS
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.tables_text import selector, span

ANSWERS = [json.loads(line) for line in (Path(__file__).parent / "go_answers.jsonl").read_text().splitlines()]
NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def recorded() -> list[tuple[str, Any, list[dict[str, Any]], dict[str, Any]]]:
    """Each recorded Table with the objects it was made of."""
    by_kind = {kind.kind: kind for kind in KINDS}
    found = []
    for line in oracle("kubernetes-1.37.jsonl").read_text().splitlines():
        scenario = json.loads(line)
        objects: dict[tuple[str, str], dict[str, Any]] = {}
        for step in scenario["steps"]:
            answer = step["answer"]
            if not isinstance(answer, dict):
                continue
            if step["method"] != "GET" and answer.get("kind") in by_kind and "dryRun" not in step["path"]:
                objects[answer["kind"], answer["metadata"].get("name", "")] = answer
            if answer.get("kind") == "Table":
                plural = next(part for part in reversed(step["path"].split("?")[0].split("/")) if part in BY_PLURAL)
                kind = BY_PLURAL[plural]
                names = [row["object"]["metadata"]["name"] for row in answer["rows"]]
                found.append((scenario["id"], kind, [objects[kind.kind, name] for name in names], answer))
    return found


def without_age(cells: list[Any]) -> list[Any]:
    """Cells with ages hidden as the recordings hide them."""
    return ["<age>" if isinstance(c, str) and re.fullmatch(r"<unknown>|\d+[smh]", c) else c for c in cells]


def test_recorded_tables() -> None:
    """Columns and cells of every Table that a live server printed come out the same."""
    cases = recorded()
    assert len(cases) > 100
    for name, kind, objects, answer in cases:
        made = tables.table(kind, objects, list_metadata={})
        assert [without_age(row["cells"]) for row in made["rows"]] == [row["cells"] for row in answer["rows"]], name
        for column, wanted in zip(made["columnDefinitions"], answer["columnDefinitions"], strict=True):
            assert {k: v for k, v in column.items() if k != "description"} == {
                k: v for k, v in wanted.items() if k != "description"
            }
            assert column["description"] and not column["description"].startswith("@")


def seconds(text: str) -> float:
    """A Go duration."""
    total = sum(float(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|h|m|s)", text))
    return -total if text.startswith("-") else total


def test_durations_as_go() -> None:
    """Human durations are apimachinery's."""
    cases = [case for case in ANSWERS if case["Op"] == "duration"]
    assert cases
    for case in cases:
        assert span(datetime.timedelta(seconds=seconds(case["In"]))) == case["Out"], case["In"]


def container(ready: bool = False, restarts: int = 0, last: str = "", **state: Any) -> dict[str, Any]:
    """A container's status."""
    made: dict[str, Any] = {"name": "c", "ready": ready, "restartCount": restarts, "state": state}
    return {**made, "lastState": {"terminated": {"finishedAt": last}}} if last else made


RUNNING = container(ready=True, running={})
COMPLETED = container(terminated={"reason": "Completed", "exitCode": 0})
FAILED = container(terminated={"reason": "Error", "exitCode": 1})
READY = {"type": "Ready", "status": "True"}


@pytest.mark.parametrize(
    ("spec", "status", "metadata", "cells"),
    [
        ({}, {"phase": "Pending"}, {}, ["0/1", "Pending", "0"]),
        ({}, {"phase": "Running", "containerStatuses": [RUNNING]}, {}, ["1/1", "Running", "0"]),
        ({}, {"phase": "Pending", "containerStatuses": [container(waiting={"reason": "ContainerCreating"})]}, {}, ["0/1", "ContainerCreating", "0"]),
        ({}, {"phase": "Running", "containerStatuses": [container(restarts=3, last="2026-01-01T11:55:00Z", waiting={"reason": "CrashLoopBackOff"})]}, {}, ["0/1", "CrashLoopBackOff", "3 (5m ago)"]),
        ({}, {"phase": "Succeeded", "containerStatuses": [COMPLETED]}, {}, ["0/1", "Completed", "0"]),
        ({}, {"phase": "Failed", "containerStatuses": [FAILED]}, {}, ["0/1", "Error", "0"]),
        ({}, {"phase": "Failed", "containerStatuses": [container(terminated={"exitCode": 2})]}, {}, ["0/1", "ExitCode:2", "0"]),
        ({}, {"phase": "Failed", "containerStatuses": [container(terminated={"exitCode": 137, "signal": 9})]}, {}, ["0/1", "Signal:9", "0"]),
        ({}, {"phase": "Failed", "reason": "Evicted"}, {}, ["0/1", "Evicted", "0"]),
        ({"containers": [{}, {}]}, {"phase": "Running", "conditions": [READY], "containerStatuses": [COMPLETED, RUNNING]}, {}, ["1/2", "Running", "0"]),
        ({"containers": [{}, {}]}, {"phase": "Running", "containerStatuses": [COMPLETED, RUNNING]}, {}, ["1/2", "NotReady", "0"]),
        ({"containers": [{}, {}]}, {"phase": "Failed", "containerStatuses": [COMPLETED, FAILED]}, {}, ["0/2", "Error", "0"]),
        ({}, {"phase": "Running", "containerStatuses": [RUNNING]}, {"deletionTimestamp": "x"}, ["1/1", "Terminating", "0"]),
        ({}, {"phase": "Succeeded", "containerStatuses": [COMPLETED]}, {"deletionTimestamp": "x"}, ["0/1", "Completed", "0"]),
        ({}, {"phase": "Running", "reason": "NodeLost"}, {"deletionTimestamp": "x"}, ["0/1", "Unknown", "0"]),
        ({}, {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}, {}, ["0/1", "SchedulingGated", "0"]),
        ({"initContainers": [{"name": "c"}, {"name": "d"}]}, {"phase": "Pending", "initContainerStatuses": [container(running={})]}, {}, ["0/1", "Init:0/2", "0"]),
        ({"initContainers": [{"name": "c"}, {"name": "d"}]}, {"phase": "Pending", "initContainerStatuses": [COMPLETED, container(waiting={"reason": "PodInitializing"})]}, {}, ["0/1", "Init:1/2", "0"]),
        ({"initContainers": [{"name": "c"}]}, {"phase": "Pending", "initContainerStatuses": [container(restarts=2, waiting={"reason": "CrashLoopBackOff"})]}, {}, ["0/1", "Init:CrashLoopBackOff", "2"]),
        ({"initContainers": [{"name": "c"}]}, {"phase": "Pending", "initContainerStatuses": [FAILED]}, {}, ["0/1", "Init:Error", "0"]),
        ({"initContainers": [{"name": "c", "restartPolicy": "Always"}]}, {"phase": "Running", "initContainerStatuses": [{**RUNNING, "started": True}], "containerStatuses": [RUNNING]}, {}, ["2/2", "Running", "0"]),
    ],
)  # fmt: skip
def test_pod_states(spec: dict[str, Any], status: dict[str, Any], metadata: dict[str, Any], cells: list[str]) -> None:
    """READY, STATUS and RESTARTS of a pod follow printPod."""
    pod = {"metadata": {"name": "p", **metadata}, "spec": {"containers": [{}], **spec}, "status": status}
    assert tables.table(BY_PLURAL["pods"], [pod], now=NOW)["rows"][0]["cells"][1:4] == cells


def test_finished_pods_are_marked() -> None:
    """A pod that has ended carries the row condition by which clients hide it."""
    rows = tables.table(
        BY_PLURAL["pods"], [{"metadata": {}, "status": {"phase": phase}} for phase in ("Succeeded", "Running")]
    )["rows"]
    assert [row.get("conditions", [{}])[0].get("reason") for row in rows] == ["Succeeded", None]


def test_node_row() -> None:
    """A node's row: states, roles sorted, addresses, kernel with its architecture."""
    node = {
        "metadata": {"name": "n", "creationTimestamp": "2026-01-01T11:00:00Z", "labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge"}},
        "spec": {"unschedulable": True},
        "status": {"conditions": [{"type": "Ready", "status": "Unknown"}], "addresses": [{"type": "InternalIP", "address": "fd00::1"}],
                   "nodeInfo": {"kubeletVersion": "v1", "kernelVersion": "6.18", "architecture": "amd64"}},
    }  # fmt: skip
    cells = tables.table(BY_PLURAL["nodes"], [node], now=NOW)["rows"][0]["cells"]
    assert cells == [
        "n",
        "NotReady,SchedulingDisabled",
        "edge,worker",
        "60m",
        "v1",
        "fd00::1",
        "<none>",
        "<unknown>",
        "6.18 (amd64)",
        "<unknown>",
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_every_kind_prints_an_empty_object(kind: Any) -> None:
    """A bare object has a cell for each column (IPAddress one more, as upstream), and no kind raises."""
    made = tables.table(kind, [{"metadata": {"name": "x"}}])
    extra = 1 if kind.plural == "ipaddresses" else 0
    assert len(made["rows"][0]["cells"]) == len(made["columnDefinitions"]) + extra
    assert all(cell is not None for cell in made["rows"][0]["cells"])


def test_include_object() -> None:
    """`includeObject` None, Metadata and Object say what a row carries; anything else is refused."""
    service = {"metadata": {"name": "a", "resourceVersion": "7"}, "spec": {}}
    made = {
        include: tables.table(BY_PLURAL["services"], [service], include=include)
        for include in ("None", "Metadata", "Object")
    }
    assert made["None"]["rows"][0]["object"] is None
    assert made["Metadata"]["rows"][0]["object"] == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": service["metadata"],
    }
    assert made["Object"]["rows"][0]["object"] == {"kind": "Service", "apiVersion": "v1", **service}
    assert made["None"]["metadata"] == {"resourceVersion": "7"}
    with pytest.raises(StatusError, match="includeObject: Invalid value: \"x\": must be 'Metadata'"):
        tables.table(BY_PLURAL["services"], [], include="x")


def test_later_watch_events_have_no_columns() -> None:
    """Only the first event of a watch names the columns."""
    assert tables.table(BY_PLURAL["services"], [], columns=False)["columnDefinitions"] is None


def test_partial_metadata_list() -> None:
    """A metadata-only list carries the list's own metadata."""
    made = tables.partial_metadata_list([{"metadata": {"name": "a"}, "spec": {}}], {"resourceVersion": "5"})
    assert (made["kind"], made["metadata"], made["items"][0]["metadata"]) == (
        "PartialObjectMetadataList",
        {"resourceVersion": "5"},
        {"name": "a"},
    )
    assert "spec" not in made["items"][0]


def test_selector_texts() -> None:
    """Label selectors are written as Kubernetes writes them, in order of keys."""
    found = {
        "matchLabels": {"b": "1"},
        "matchExpressions": [
            {"key": "a", "operator": "In", "values": ["y", "x"]},
            {"key": "c", "operator": "DoesNotExist"},
        ],
    }
    assert selector(found) == "a in (x,y),b=1,!c"
    assert selector({}) == selector(None) == "<none>"
    assert selector({"matchExpressions": [{"key": "a", "operator": "?"}]}) == "<error>"
