"""The cells of workloads' rows: what kubectl shows of Deployments, Jobs and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.apiserver.tables_text import NONE, age, dig, labels, name_of, selector, since, span, timestamp

if TYPE_CHECKING:
    import datetime

Object = dict[str, Any]


def _containers(found: Object) -> list[str]:
    containers = dig(found, "spec", "template", "spec", "containers") or ()
    return [",".join(c.get(name, "") for c in containers) for name in ("name", "image")]


def _replicas(found: Object) -> int:
    wanted = dig(found, "spec", "replicas")
    return 1 if wanted is None else int(wanted)


def replica_set(found: Object, now: datetime.datetime) -> list[Any]:
    """A ReplicaSet."""
    status = found.get("status") or {}
    counts = [_replicas(found), status.get("replicas") or 0, status.get("readyReplicas") or 0]
    return [name_of(found), *counts, age(found, now), *_containers(found), selector(dig(found, "spec", "selector"))]


def replication_controller(found: Object, now: datetime.datetime) -> list[Any]:
    """A ReplicationController, whose selector is a plain map."""
    status = found.get("status") or {}
    counts = [_replicas(found), status.get("replicas") or 0, status.get("readyReplicas") or 0]
    return [name_of(found), *counts, age(found, now), *_containers(found), labels(dig(found, "spec", "selector"))]


def pod_template(found: Object, now: datetime.datetime) -> list[Any]:
    """A PodTemplate: no age."""
    made = {"spec": {"template": found.get("template")}}
    return [name_of(found), *_containers(made), labels(dig(found, "template", "metadata", "labels"))]


def deployment(found: Object, now: datetime.datetime) -> list[Any]:
    """A Deployment."""
    status = found.get("status") or {}
    ready = f"{status.get('readyReplicas') or 0}/{_replicas(found)}"
    counts = [status.get("updatedReplicas") or 0, status.get("availableReplicas") or 0]
    return [
        name_of(found),
        ready,
        *counts,
        age(found, now),
        *_containers(found),
        selector(dig(found, "spec", "selector"), empty=""),
    ]


def daemon_set(found: Object, now: datetime.datetime) -> list[Any]:
    """A DaemonSet."""
    status = found.get("status") or {}
    names = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    wanted = labels(dig(found, "spec", "template", "spec", "nodeSelector"))
    counts = [status.get(name) or 0 for name in names]
    return [
        name_of(found),
        *counts,
        wanted,
        age(found, now),
        *_containers(found),
        selector(dig(found, "spec", "selector")),
    ]


def stateful_set(found: Object, now: datetime.datetime) -> list[Any]:
    """A StatefulSet."""
    ready = f"{dig(found, 'status', 'readyReplicas') or 0}/{_replicas(found)}"
    return [name_of(found), ready, age(found, now), *_containers(found)]


JOB_STATES = (("Complete", "Complete"), ("Failed", "Failed"), ("", "Terminating"), ("Suspended", "Suspended"),
              ("FailureTarget", "FailureTarget"), ("SuccessCriteriaMet", "SuccessCriteriaMet"))  # fmt: skip


def job(found: Object, now: datetime.datetime) -> list[Any]:
    """A Job: its state, completions, and how long it ran."""
    spec, status = found.get("spec") or {}, found.get("status") or {}
    succeeded, parallel = status.get("succeeded") or 0, spec.get("parallelism") or 0
    done = f"{succeeded}/1 of {parallel}" if parallel > 1 else f"{succeeded}/1"
    done = done if spec.get("completions") is None else f"{succeeded}/{spec['completions']}"
    started, ended = timestamp(status.get("startTime")), timestamp(status.get("completionTime"))
    took = span((ended or now) - started) if started else ""
    true = {c.get("type") for c in status.get("conditions") or () if c.get("status") == "True"}
    true |= {""} if dig(found, "metadata", "deletionTimestamp") else set()
    state = next((shown for name, shown in JOB_STATES if name in true), "Running")
    return [name_of(found), state, done, took, age(found, now), *_containers(found), selector(spec.get("selector"))]


def cron_job(found: Object, now: datetime.datetime) -> list[Any]:
    """A CronJob."""
    spec, status, last = found.get("spec") or {}, found.get("status") or {}, dig(found, "status", "lastScheduleTime")
    job = dig(spec, "jobTemplate", "spec") or {}
    zone, suspended = spec.get("timeZone"), spec.get("suspend")
    return [
        name_of(found),
        spec.get("schedule", ""),
        NONE if zone is None else zone,
        "<unset>" if suspended is None else str(suspended),
        len(status.get("active") or ()),
        since(last, now) if last else NONE,
        age(found, now),
        *_containers({"spec": job}),
        selector(job.get("selector")),
    ]


def revision(found: Object, now: datetime.datetime) -> list[Any]:
    """A ControllerRevision."""
    owners = dig(found, "metadata", "ownerReferences") or ()
    owner = next((o for o in owners if o.get("controller")), None)
    shown = NONE
    if owner:
        group = owner.get("apiVersion", "").rpartition("/")[0]
        shown = f"{owner.get('kind', '').lower()}{f'.{group}' if group else ''}/{owner.get('name', '')}"
    return [name_of(found), shown, found.get("revision") or 0, age(found, now)]


def scale(found: Object, now: datetime.datetime) -> list[Any]:
    """The scale subresource."""
    return [name_of(found), dig(found, "spec", "replicas") or 0, dig(found, "status", "replicas") or 0, age(found, now)]
