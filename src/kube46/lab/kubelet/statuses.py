"""A pod's status as the API shows it: phase, conditions, container states (pure).

Source: pkg/kubelet/kubelet_pods.go (getPhase), pkg/kubelet/status/generate.go, semantics 3.3.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from kube46.lab.kubelet import admission, resizing, rules
from kube46.lab.kubelet.manifests import Container, PodSpec, ReadPod
from kube46.lab.kubelet.observed import Observed, Run
from kube46.lab.kubelet.quantities import qos_class

RUNTIME = "crun"
DEADLINE = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


def rfc3339(seconds: float) -> str:
    """A time as the API writes it: whole seconds, UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def status(pod: ReadPod, seen: Observed, before: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The status to write; `before` is the one the API has, whose transition times are kept."""
    spec = pod.spec
    phase = phase_of(pod, seen, now)
    quality = qos_class([(c.resources.limits, c.resources.requests) for c in (*spec.init_containers, *spec.containers)])
    if seen.rejected:
        why = f"Pod was rejected: {seen.rejected}"
        begun = rfc3339(seen.start_time)
        return {"phase": phase, "reason": admission.PORTS, "message": why, "startTime": begun, "qosClass": quality}
    ips = seen.sandbox.ips if seen.sandbox else seen.last_ips
    found: dict[str, Any] = {
        "phase": phase,
        "observedGeneration": pod.metadata.generation,
        "hostIP": next(iter(seen.host_ips), ""),
        "hostIPs": [{"ip": address} for address in seen.host_ips],
        "podIP": next(iter(ips), ""),
        "podIPs": [{"ip": address} for address in ips],
        "startTime": rfc3339(seen.start_time),
        "qosClass": quality,
        "conditions": _conditions(pod, seen, phase, before, now),
        "containerStatuses": [_container(pod, c, seen, now) for c in spec.containers],
        "initContainerStatuses": [_container(pod, c, seen, now) for c in spec.init_containers],
        "ephemeralContainerStatuses": [_debugger(pod, c, seen, now) for c in spec.ephemeral_containers],
    }
    if phase == "Failed" and seen.evicted:
        found["reason"], found["message"] = "Evicted", seen.evicted
    elif phase == "Failed" and not completed_by_itself(pod, seen, now):
        found["reason"], found["message"] = DEADLINE
    return {name: value for name, value in found.items() if value not in ("", [], None)}


def completed_by_itself(pod: ReadPod, seen: Observed, now: float) -> bool:
    """Whether something else than activeDeadlineSeconds ended the pod."""
    return not rules.deadline_exceeded(pod.spec, seen, now) or rules.completed(pod.spec, seen)


def phase_of(pod: ReadPod, seen: Observed, now: float) -> str:
    """Pending, Running, Succeeded or Failed."""
    if seen.final_phase:
        return seen.final_phase
    spec = pod.spec
    runs = [seen.runs.get(c.name) for c in spec.containers]
    if seen.rejected or seen.evicted or rules.deadline_exceeded(spec, seen, now) or rules.init_failed(spec, seen):
        return "Failed"
    ended = all(run is not None and not run.live for run in runs)
    if ended and (rules.completed(spec, seen) or rules.must_end(pod, seen, now)):
        return "Succeeded" if all(run and run.exit_code == 0 for run in runs) else "Failed"
    if any(run is None or (run.started is None and run.previous is None and run.live) for run in runs):
        none_left = pod.metadata.deletion_timestamp and not any(r.live for r in seen.runs.values()) and not seen.sandbox
        return "Failed" if none_left else "Pending"
    return "Running"


def _container(pod: ReadPod, container: Container, seen: Observed, now: float) -> dict[str, Any]:
    run = seen.runs.get(container.name)
    state, last = _states(pod, container, seen, now)
    up = run is not None and run.serving
    found = {
        "name": container.name,
        "image": (run and run.image) or container.image,
        "imageID": (run and run.image_id) or container.image,
        "restartCount": run.attempt if run else 0,
        "ready": _ready(container, run, initial=container in pod.spec.init_containers),
        "started": up,
        "state": state,
        "lastState": last,
    }
    if run:
        found["containerID"] = f"{RUNTIME}://{run.id}"
        found["resources"] = resizing.plain(container.resources if run.given is None else run.given)
        if container.resources.requests:
            found["allocatedResources"] = dict(container.resources.requests)
    return found


def _debugger(pod: ReadPod, container: Container, seen: Observed, now: float) -> dict[str, Any]:
    """An ephemeral container's status: it serves nothing, so it is never ready or started."""
    return _container(pod, container, seen, now) | {"ready": False, "started": None}


def _ready(container: Container, run: Run | None, *, initial: bool = False) -> bool:
    """Ready: up and the readiness probe agrees; for an init container that is no sidecar: it has done its work."""
    if run is None:
        return False
    return (not run.live and run.exit_code == 0) if initial and not container.sidecar else run.serving and run.ready


def _states(pod: ReadPod, container: Container, seen: Observed, now: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """`state` and `lastState`."""
    run, problem = seen.runs.get(container.name), seen.problems.get(container.name)
    if run is None:
        return {"waiting": _waiting(pod, container, seen)}, {}
    past = {"terminated": _terminated(run.previous)} if run.previous else {}
    if run.running:
        return {"running": {"startedAt": rfc3339(run.started or run.created)}}, past
    if run.live:
        return {"waiting": {"reason": _unstarted(pod)}}, past
    ended = {"terminated": _terminated(run)}
    again = rules.restarts(pod.spec, container, run) and not rules.must_end(pod, seen, now)
    if again and problem:
        return {"waiting": {"reason": problem.reason, "message": problem.message}}, ended
    if again and run.due() > now:
        return {"waiting": {"reason": "CrashLoopBackOff", "message": back_off_message(pod, run)}}, ended
    return ended, past


def back_off_message(pod: ReadPod, run: Run) -> str:
    """What a container in back-off says, also in its BackOff Event."""
    minutes, seconds = divmod(int(run.delay), 60)
    delay = (f"{minutes}m" if minutes else "") + f"{seconds}s"
    meta = pod.metadata
    return f"back-off {delay} restarting failed container={run.container} pod={meta.name}_{meta.namespace}({meta.uid})"


def _waiting(pod: ReadPod, container: Container, seen: Observed) -> dict[str, str]:
    problem = seen.problems.get(container.name)
    if seen.unsupported:
        return {"reason": "UnsupportedField", "message": "; ".join(seen.unsupported)}
    if problem:
        return {"reason": problem.reason, "message": problem.message}
    return {"reason": _unstarted(pod)}


def _unstarted(pod: ReadPod) -> str:
    """Why a container that nothing is wrong with does not run: before its first, and between being made and started."""
    return "PodInitializing" if pod.spec.init_containers else "ContainerCreating"


def _terminated(run: Run) -> dict[str, Any]:
    found = {
        "exitCode": run.exit_code,
        "reason": run.reason or ("Completed" if run.exit_code == 0 else "Error"),
        "startedAt": rfc3339(run.started or run.created),
        "finishedAt": rfc3339(run.finished or run.created),
        "containerID": f"{RUNTIME}://{run.id}",
    }
    return found | ({"message": run.message} if run.message else {})


def _conditions(
    pod: ReadPod, seen: Observed, phase: str, before: Mapping[str, Any], now: float
) -> list[dict[str, Any]]:
    spec = pod.spec
    known = {c.get("type"): c for c in before.get("conditions") or ()}
    wanted = {
        "PodReadyToStartContainers": (seen.sandbox is not None, "", ""),
        "Initialized": _initialized(spec, seen, phase),
        "ContainersReady": _containers_ready(spec, seen, phase),
        "PodScheduled": (True, "", ""),
    }
    wanted["Ready"] = _gated(spec, known, wanted["ContainersReady"])
    wanted |= resizing.conditions(spec, seen)
    return [_condition(kind, values, known.get(kind), pod, now) for kind, values in wanted.items()]


Values = tuple[bool, str, str]  # status, reason, message


def _initialized(spec: PodSpec, seen: Observed, phase: str) -> Values:
    if phase == "Succeeded":
        return True, "PodCompleted", ""
    if rules.initialized(spec, seen) or not spec.init_containers or phase == "Running":
        return True, "", ""
    unfinished = [
        c.name
        for c in spec.init_containers
        if not ((run := seen.runs.get(c.name)) and (run.serving if c.sidecar else not run.live and run.exit_code == 0))
    ]
    return False, "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(unfinished)}]"


def _containers_ready(spec: PodSpec, seen: Observed, phase: str) -> Values:
    if phase in ("Succeeded", "Failed"):
        return False, "PodCompleted" if phase == "Succeeded" else "PodFailed", ""
    watched: Iterable[Container] = (*(c for c in spec.init_containers if c.sidecar), *spec.containers)
    unready = [c.name for c in watched if not _ready(c, seen.runs.get(c.name))]
    return (True, "", "") if not unready else (False, "ContainersNotReady", _unready(unready))


def _unready(names: list[str]) -> str:
    return f"containers with unready status: [{' '.join(names)}]"


def _gated(spec: PodSpec, known: Mapping[Any, Mapping[str, Any]], containers: Values) -> Values:
    missing = [
        g.condition_type for g in spec.readiness_gates if known.get(g.condition_type, {}).get("status") != "True"
    ]
    if not containers[0] or not missing:
        return containers
    texts = [
        f'corresponding condition of pod readiness gate "{name}" does not exist or is not "True"' for name in missing
    ]
    return False, "ReadinessGatesNotReady", ", ".join(texts)


def _condition(kind: str, values: Values, before: Mapping[str, Any] | None, pod: ReadPod, now: float) -> dict[str, Any]:
    text = "True" if values[0] else "False"
    same = before is not None and before.get("status") == text and before.get("lastTransitionTime")
    return {
        "type": kind,
        "status": text,
        "lastProbeTime": None,
        "lastTransitionTime": before["lastTransitionTime"] if same and before else rfc3339(now),
        "observedGeneration": pod.metadata.generation,
        # Null deletes what an earlier status said: the patch merges.
        "reason": values[1] or None,
        "message": values[2] or None,
    }
