"""Pods resized in place: groups follow, containers begin anew where they ask for it, and what can't be waits."""

import json
import os

import pytest

from kernel.kubelet.conftest import container, wait
from kernel.kubelet.test_pods import main, phase

pytestmark = [pytest.mark.root, pytest.mark.timeout(90)]
MEBI = 1 << 20


def amounts(cpu, memory=None):
    """Resources that are limits and requests alike."""
    listed = {"cpu": cpu} | ({"memory": memory} if memory else {})
    return {"limits": listed, "requests": listed}


def resize(node, pod, *, check=True, **resources):
    """Patch /resize with other resources of the container main."""
    body = {"spec": {"containers": [{"name": "main", "resources": resources}]}}
    return node.kubectl("patch", "pod", pod, "--subresource=resize", "-p", json.dumps(body), check=check)


def settled(pod):
    """Whether the kubelet has seen the newest amounts, and nothing is left to be done."""
    kinds = {condition["type"] for condition in pod["status"].get("conditions", ())}
    seen = pod["status"].get("observedGeneration", 0) >= pod["metadata"]["generation"]
    return seen and not kinds & {"PodResizePending", "PodResizeInProgress"} and main(pod).get("ready")


def told(millis):
    """Thousandths of CPUs as the API server writes them."""
    return f"{millis}m" if millis % 1000 else str(millis // 1000)


@pytest.fixture(autouse=True)
def _alone(node):
    """What a test leaves would take room from the others."""
    yield
    node.kubectl("delete", "pods", "--all", "--wait=false", "--grace-period=1")


def condition(kind, **fields):
    """Whether a pod has a condition like this."""

    def there(pod):
        found = [one for one in pod["status"].get("conditions", ()) if one["type"] == kind]
        return found and all(found[0].get(name) == value for name, value in fields.items())

    return there


def held(node, pod):
    """(quota of CPU, limit of memory) as the container itself reads them in its control groups."""
    script = "cd /sys/fs/cgroup; cat cpu/cpu.cfs_quota_us cpu.max memory/memory.limit_in_bytes memory.max 2>/dev/null"
    words = node.kubectl("exec", pod, "--", "sh", "-c", f"{script}; true").stdout.split()
    return int(words[0]), int(words[-1])


def test_a_resize_reaches_a_running_container(node):
    """Its groups change both ways, it runs on, and the status tells what it has."""
    node.apply("r-live", containers=[container(resources=amounts("100m", "64Mi"))])
    node.until("r-live", settled)
    assert held(node, "r-live") == (10_000, 64 * MEBI)
    started = main(node.pod("r-live"))["state"]
    for cpu, memory in (("200m", "128Mi"), ("50m", "32Mi")):
        wanted = amounts(cpu, memory)
        resize(node, "r-live", **wanted)
        pod = node.until("r-live", lambda pod, wanted=wanted: settled(pod) and main(pod)["resources"] == wanted)
        assert held(node, "r-live") == (int(cpu[:-1]) * 100, int(memory[:-2]) * MEBI)
        assert (main(pod)["allocatedResources"], main(pod)["state"]) == (wanted["requests"], started)
        assert main(pod)["restartCount"] == 0
    reasons = [reason for reason, _ in node.events("r-live")]
    assert {"ResizeStarted", "ResizeCompleted"} <= set(reasons)
    refused = resize(node, "r-live", check=False, limits={"cpu": "1"})
    assert "Pod QOS Class may not change as a result of resizing" in refused.stderr


def test_a_container_begins_anew_where_it_asks_for_it(node):
    """With resizePolicy RestartContainer, also when its end is no failure; other amounts change in place."""
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    command = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")
    wish = container("main", *command, resources=amounts("100m", "64Mi"), resizePolicy=policy)
    node.apply("r-anew", restartPolicy="OnFailure", containers=[wish], terminationGracePeriodSeconds=5)
    node.until("r-anew", settled)
    resize(node, "r-anew", **amounts("150m", "64Mi"))
    node.until("r-anew", lambda pod: settled(pod) and main(pod)["resources"] == amounts("150m", "64Mi"))
    assert main(node.pod("r-anew"))["restartCount"] == 0
    resize(node, "r-anew", **amounts("150m", "96Mi"))
    node.until("r-anew", lambda pod: settled(pod) and main(pod)["restartCount"] == 1)
    assert held(node, "r-anew") == (15_000, 96 * MEBI)


def test_what_a_node_can_never_give_is_told(node):
    """Infeasible, with the numbers; back to what it had, nothing is left of it."""
    node.apply("r-much", containers=[container(resources={"requests": {"cpu": "100m"}})])
    node.until("r-much", settled)
    resize(node, "r-much", requests={"cpu": "1000"})
    pod = node.until("r-much", condition("PodResizePending", reason="Infeasible", status="True"))
    assert main(pod)["allocatedResources"] == {"cpu": "100m"}
    text = f"Node didn't have enough capacity: cpu, requested: 1000000, capacity: {os.cpu_count() * 1000}"
    assert condition("PodResizePending", message=text)(pod)
    resize(node, "r-much", requests={"cpu": "100m"})
    node.until("r-much", settled)


def test_a_resize_waits_for_room_also_over_a_restart(node):
    """Deferred until another pod goes; a kubelet that is killed meanwhile gives nothing away."""
    big, wish = os.cpu_count() * 600, os.cpu_count() * 500  # which don't fit together, whatever else is there
    node.apply("r-big", containers=[container(resources={"requests": {"cpu": f"{big}m"}})])
    node.apply("r-wait", containers=[container(resources={"requests": {"cpu": "10m"}})])
    for name in ("r-big", "r-wait"):
        node.until(name, settled)
    resize(node, "r-wait", requests={"cpu": f"{wish}m"})
    waiting = condition("PodResizePending", reason="Deferred", status="True")
    node.until("r-wait", waiting)
    os.kill(node.pid("kubelet"), 9)
    node.processes["kubelet"].wait(10)
    node.start_kubelet()
    resize(node, "r-wait", requests={"cpu": f"{wish + 1}m"})
    generation = node.pod("r-wait")["metadata"]["generation"]
    pod = node.until("r-wait", lambda pod: waiting(pod) and pod["status"]["observedGeneration"] == generation)
    assert main(pod)["allocatedResources"] == {"cpu": "10m"}
    node.kubectl("delete", "pod", "r-big", "--wait=false")
    node.until("r-wait", lambda pod: settled(pod) and main(pod)["resources"]["requests"] == {"cpu": told(wish + 1)}, 30)


def test_memory_in_use_is_not_taken_away(node):
    """The resize is in progress with an error as long as the container takes more than it may, and then done."""
    script = "head -c 50000000 /dev/zero >/run/much; sleep 1000"
    node.apply("r-used", containers=[container("main", "sh", "-c", script, resources=amounts("1", "96Mi"))])
    node.until("r-used", phase("Running"))
    size = ("exec", "r-used", "--", "stat", "-c", "%s", "/run/much")
    wait(lambda: node.kubectl(*size, check=False).stdout == "50000000\n" or None, "the file", 15)
    resize(node, "r-used", **amounts("1", "32Mi"))
    pod = node.until("r-used", condition("PodResizeInProgress", reason="Error"))
    assert "below current usage" in json.dumps(pod["status"]["conditions"])
    assert main(pod)["resources"] == amounts("1", "96Mi")
    node.kubectl("exec", "r-used", "--", "rm", "/run/much")
    node.until("r-used", lambda pod: settled(pod) and main(pod)["resources"] == amounts("1", "32Mi"), 60)
    assert held(node, "r-used")[1] == 32 * MEBI
