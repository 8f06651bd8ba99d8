"""A pod's row: readiness, the one word for its state, restarts. Source: printPod in printers.go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kube46.apiserver.tables_text import NONE, age, dig, since

if TYPE_CHECKING:
    import datetime

Object = dict[str, Any]
FINISHED = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}
GATED = "SchedulingGated"
LOST = "NodeLost"


class _State(NamedTuple):
    """What the containers say."""

    reason: str
    ready: int
    restarts: int
    last_restart: str  # RFC 3339, "" for never: such texts compare as the times do


def pod(found: Object, now: datetime.datetime) -> list[Any]:
    """The cells of a pod."""
    spec, status = found.get("spec") or {}, found.get("status") or {}
    state = _state(spec, status)
    total = len(spec.get("containers") or ()) + len(_sidecars(spec))
    restarts = str(state.restarts)
    if state.restarts and state.last_restart:
        restarts = f"{state.restarts} ({since(state.last_restart, now)} ago)"
    addresses = status.get("podIPs") or [{}]
    return [
        dig(found, "metadata", "name") or "", f"{state.ready}/{total}", _shown(found, state.reason), restarts,
        age(found, now), addresses[0].get("ip") or NONE, spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE, _gates(spec, status),
    ]  # fmt: skip


def conditions(found: Object) -> list[dict[str, str]]:
    """The row's conditions: a pod that has ended is marked, so that clients can hide it."""
    phase = dig(found, "status", "phase")
    if phase not in FINISHED:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": FINISHED[phase]}]


def _shown(found: Object, reason: str) -> str:
    status = found.get("status") or {}
    if not dig(found, "metadata", "deletionTimestamp"):
        return reason
    if status.get("reason") == LOST:
        return "Unknown"
    return reason if status.get("phase") in FINISHED else "Terminating"


def _sidecars(spec: Object) -> set[str]:
    return {c.get("name", "") for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}


def _state(spec: Object, status: Object) -> _State:
    reason = status.get("reason") or status.get("phase") or ""
    if any(c.get("type") == "PodScheduled" and c.get("reason") == GATED for c in status.get("conditions") or ()):
        reason = GATED
    initial, sidecars, initializing = _initial(spec, status, reason)
    if initializing and not _true(status, "Initialized"):
        return initial
    return _main(status, sidecars._replace(reason=initial.reason, ready=initial.ready))


def _initial(spec: Object, status: Object, reason: str) -> tuple[_State, _State, bool]:
    """The init containers up to the first undone one: all of them, the restartable alone, whether one is undone."""
    always = _sidecars(spec)
    ready, every, mine = 0, _State(reason, 0, 0, ""), _State(reason, 0, 0, "")
    for index, container in enumerate(status.get("initContainerStatuses") or ()):
        every = _restarted(every, container)
        restartable = container.get("name") in always
        if restartable:
            mine = _restarted(mine, container)
        state = container.get("state") or {}
        ended = state.get("terminated")
        if ended is not None and not ended.get("exitCode"):
            continue
        if restartable and container.get("started"):
            ready += bool(container.get("ready"))
            continue
        waiting = dig(state, "waiting", "reason")
        if ended is not None:
            reason = f"Init:{_ended(ended)}"
        elif waiting and waiting != "PodInitializing":
            reason = f"Init:{waiting}"
        else:
            reason = f"Init:{index}/{len(spec.get('initContainers') or ())}"
        return every._replace(reason=reason, ready=ready), mine, True
    return every._replace(ready=ready), mine, False


def _main(status: Object, state: _State) -> _State:
    """The containers, last first, so that the first of them has the last word."""
    reason, error, running, ready = state.reason, "", False, state.ready
    for container in reversed(status.get("containerStatuses") or ()):
        state = _restarted(state, container)
        now = container.get("state") or {}
        waiting, ended = dig(now, "waiting", "reason"), now.get("terminated")
        if waiting:
            reason = waiting
        elif ended is not None:
            reason = _ended(ended)
            error = reason if ended.get("exitCode") else error
        elif container.get("ready") and now.get("running") is not None:
            running = True
            ready += 1
    if reason == "Completed":
        if running and _true(status, "Ready"):
            reason = "Running"
        elif error or running:
            reason = error or "NotReady"
    return state._replace(reason=reason, ready=ready)


def _ended(ended: Object) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _restarted(state: _State, container: Object) -> _State:
    last = dig(container, "lastState", "terminated", "finishedAt") or ""
    return state._replace(
        restarts=state.restarts + (container.get("restartCount") or 0), last_restart=max(state.last_restart, last)
    )


def _true(status: Object, kind: str) -> bool:
    return any(c.get("type") == kind and c.get("status") == "True" for c in status.get("conditions") or ())


def _gates(spec: Object, status: Object) -> str:
    gates = spec.get("readinessGates") or ()
    if not gates:
        return NONE
    first: dict[str, str] = {}
    for condition in status.get("conditions") or ():
        first.setdefault(condition.get("type", ""), condition.get("status", ""))
    open_ = sum(first.get(gate.get("conditionType", "")) == "True" for gate in gates)
    return f"{open_}/{len(gates)}"
