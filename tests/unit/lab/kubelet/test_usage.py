"""Rates from samples, and the documents that scrapers read."""

import os

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kube46.lab.kubelet.cgrouprules import Usage
from kube46.lab.kubelet.metering import Processes
from kube46.lab.kubelet.usage import Measure, PodMeasure, Sample, exposition, measured, summary


def sample(time: float, cpu: float, memory: int = 0) -> Sample:
    """What was taken until a time."""
    return Sample(time, Usage(cpu, memory))


@pytest.mark.parametrize(
    ("kept", "now", "rate", "window"),
    [
        ([], sample(110, 5), 0.5, 10),  # since its start it took 5 seconds
        ([], sample(100.5, 0.4), None, 0),  # half a second says nothing
        ([sample(110, 5), sample(125, 6)], sample(130, 9), 0.2, 20),  # over the oldest kept, not the newest
        ([sample(110, 5)], sample(120, 4), 0, 10),  # a counter that fell, as processes of /proc that ended
    ],
)
def test_rate(kept: list[Sample], now: Sample, rate: float | None, window: float) -> None:
    """CPUs in use are what was taken over what passed."""
    found = measured(kept, now, started=100)
    assert (found.rate, found.window) == (rate, window)


POD = PodMeasure(
    "web",
    "shop",
    "u1",
    90.0,
    (("a", Measure(sample(110, 5, 1024), 100.0, 0.5, 10.0)), ("b", Measure(sample(110, 1, 1), 109.5))),
)
NODE = Measure(sample(110, 60, 4096), 50.0, 0.25, 15.0)


def test_summary() -> None:
    """What metrics are made of: a container that is too young has no rate yet."""
    found = summary("node1", NODE, [POD])
    assert found["node"]["cpu"] == {
        "time": "1970-01-01T00:01:50Z",
        "usageCoreNanoSeconds": 60_000_000_000,
        "usageNanoCores": 250_000_000,
        "window": 15.0,
    }
    a, b = found["pods"][0]["containers"]
    assert (a["name"], a["cpu"]["usageNanoCores"], a["memory"]["workingSetBytes"]) == ("a", 500_000_000, 1024)
    assert "usageNanoCores" not in b["cpu"]


def test_exposition() -> None:
    """Prometheus reads it; a pod is the sum of its containers."""
    found = {
        (family.name, *one.labels.values()): (one.value, one.timestamp)
        for family in text_string_to_metric_families(exposition(NODE, [POD]))
        for one in family.samples
    }
    assert found["container_cpu_usage_seconds", "a", "shop", "web"] == (5, 110)
    assert found["pod_cpu_usage_seconds", "shop", "web"][0] == 6
    assert found["pod_memory_working_set_bytes", "shop", "web"][0] == 1025
    assert found["node_memory_working_set_bytes",][0] == 4096
    assert found["resource_scrape_error",][0] == 0


def test_processes_without_control_groups() -> None:
    """Where no control group counts, /proc does: our own mount namespace takes at least what we do."""
    used = Processes().beside_us()
    assert used.cpu >= sum(os.times()[:2]) * 0.9
    assert used.memory >= 10 << 20
