"""What containers and the node take, as values: samples, rates, and the documents made of them (pure).

Source: pkg/kubelet/metrics/collectors/resource_metrics.go, k8s.io/kubelet/pkg/apis/stats/v1alpha1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kube46.lab.kubelet.cgrouprules import NANOSECONDS, Usage
from kube46.lab.kubelet.statuses import rfc3339

LEAST_WINDOW = 1.0  # seconds: shorter ones say more of the scheduler than of the program


@dataclass(frozen=True, slots=True)
class Sample:
    """What was taken until a time, seconds since 1970."""

    time: float
    used: Usage


@dataclass(frozen=True, slots=True)
class Measure:
    """The newest sample; since when the program runs; its CPUs in use over a window of seconds (None: too short)."""

    sample: Sample
    started: float
    rate: float | None = None
    window: float = 0.0


@dataclass(frozen=True, slots=True)
class PodMeasure:
    """A pod's containers that run, by name."""

    name: str
    namespace: str
    uid: str
    started: float
    containers: tuple[tuple[str, Measure], ...]

    @property
    def used(self) -> Usage:
        """All its containers' together."""
        return sum((measure.sample.used for _, measure in self.containers), Usage())


def measured(samples: Sequence[Sample], now: Sample, started: float) -> Measure:
    """A measure by the newest sample and the oldest of those kept, or the start, when nothing had been taken."""
    first = next(iter(samples), Sample(started, Usage()))
    window = now.time - first.time
    if window < LEAST_WINDOW:
        return Measure(now, started)
    return Measure(now, started, max(0.0, now.used.cpu - first.used.cpu) / window, window)


def summary(node: str, own: Measure, pods: Iterable[PodMeasure]) -> dict[str, Any]:
    """The body of /stats/summary, as far as CPU and memory go."""
    return {
        "node": {"nodeName": node, **_stats(own)},
        "pods": [
            {
                "podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
                "startTime": rfc3339(pod.started),
                "containers": [{"name": name, **_stats(measure)} for name, measure in pod.containers],
            }
            for pod in pods
        ],
    }


def _stats(measure: Measure) -> dict[str, Any]:
    when, used = rfc3339(measure.sample.time), measure.sample.used
    cpu: dict[str, Any] = {"time": when, "usageCoreNanoSeconds": int(used.cpu * NANOSECONDS)}
    if measure.rate is not None:
        cpu |= {"usageNanoCores": int(measure.rate * NANOSECONDS), "window": measure.window}
    memory = {"time": when, "workingSetBytes": used.memory}
    return {"startTime": rfc3339(measure.started), "cpu": cpu, "memory": memory}


def exposition(own: Measure, pods: Sequence[PodMeasure]) -> str:
    """The body of /metrics/resource, in Prometheus' text form."""
    rows: dict[str, list[str]] = {name: [] for name in HELP}

    def add(prefix: str, labels: str, sample: Sample) -> None:
        stamp = int(sample.time * 1000)
        rows[f"{prefix}_cpu_usage_seconds_total"].append(f"{labels} {sample.used.cpu:.9g} {stamp}")
        rows[f"{prefix}_memory_working_set_bytes"].append(f"{labels} {sample.used.memory} {stamp}")

    add("node", "", own.sample)
    for pod in pods:
        place = f'namespace="{pod.namespace}",pod="{pod.name}"'
        for name, measure in pod.containers:
            labels = f'{{container="{name}",{place}}}'
            add("container", labels, measure.sample)
            rows["container_start_time_seconds"].append(f"{labels} {measure.started:.3f}")
        add("pod", f"{{{place}}}", Sample(own.sample.time, pod.used))
    rows["resource_scrape_error"].append(" 0")
    lines = []
    for name, values in rows.items():
        if values:
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [f"# HELP {name} {HELP[name]}", f"# TYPE {name} {kind}", *(name + value for value in values)]
    return "\n".join([*lines, ""])


HELP = {
    "container_cpu_usage_seconds_total": "[STABLE] Cumulative cpu time consumed by the container in core-seconds",
    "container_memory_working_set_bytes": "[STABLE] Current working set of the container in bytes",
    "container_start_time_seconds": "[STABLE] Start time of the container since unix epoch in seconds",
    "node_cpu_usage_seconds_total": "[STABLE] Cumulative cpu time consumed by the node in core-seconds",
    "node_memory_working_set_bytes": "[STABLE] Current working set of the node in bytes",
    "pod_cpu_usage_seconds_total": "[STABLE] Cumulative cpu time consumed by the pod in core-seconds",
    "pod_memory_working_set_bytes": "[STABLE] Current working set of the pod in bytes",
    "resource_scrape_error": "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
}
