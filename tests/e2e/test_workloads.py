"""Every kind of workload with real pods and the real kubectl: rollouts, ends, places, and what drives pods away."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from e2e.conftest import Cluster, echo_deployment, echo_pod, echo_service, eventually, program_of
from kube46.lab.paths import Paths

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]
HOSTNAME = "kubernetes.io/hostname"
Json = dict[str, Any]


class Place:
    """A namespace of a cluster."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name

    def kubectl(self, *words: str, **options: Any) -> str:
        """kubectl in the namespace."""
        return self.cluster.kubectl("-n", self.name, *words, **options)

    def get(self, *words: str) -> Any:
        """`kubectl get -o json` in the namespace."""
        return self.cluster.get("-n", self.name, *words)

    def apply(self, *objects: Json) -> None:
        """`kubectl apply` in the namespace."""
        self.cluster.apply(*objects, namespace=self.name)

    def pods(self, selector: str = "") -> list[Json]:
        """The living pods, by name."""
        items = self.get("pods", "-l", selector)["items"]
        return sorted(
            (one for one in items if "deletionTimestamp" not in one["metadata"]),
            key=lambda one: one["metadata"]["name"],
        )

    def nodes(self, selector: str = "") -> list[str]:
        """The nodes of the pods that have one, sorted."""
        return sorted(one["spec"]["nodeName"] for one in self.pods(selector) if one["spec"].get("nodeName"))

    def events(self, reason: str) -> list[str]:
        """Messages of Events."""
        found = self.get("events", "--field-selector", f"reason={reason}")["items"]
        return [one["message"] for one in found]


@pytest.fixture(params=["ipv4,ipv6", "ipv6"])
def each(request: pytest.FixtureRequest, clusters: Callable[[str], Cluster]) -> Iterator[Place]:
    """A namespace of the dual-stack cluster, and one of the IPv6 cluster."""
    with namespace(clusters(request.param), request.node.name) as place:
        yield place


@pytest.fixture
def here(request: pytest.FixtureRequest, dual: Cluster) -> Iterator[Place]:
    """A namespace of the dual-stack cluster."""
    with namespace(dual, request.node.name) as place:
        yield place


@contextmanager
def namespace(cluster: Cluster, test: str) -> Iterator[Place]:
    name = re.sub("[^a-z0-9]+", "-", test.removeprefix("test_"))[:50].strip("-")
    cluster.kubectl("create", "namespace", name)
    try:
        yield Place(cluster, name)
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


def sleeper(command: tuple[str, ...] = ("sleep", "1000"), **spec: Any) -> Json:
    """The spec of a pod that runs a command."""
    container = {"name": "c", "image": "host", "command": list(command), **spec.pop("container", {})}
    return {"containers": [container], "terminationGracePeriodSeconds": 0, **spec}


def workload(kind: str, name: str, pod: Json | None = None, **spec: Any) -> Json:
    """A Deployment, DaemonSet or StatefulSet of pods labelled `app: NAME`."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod or sleeper()}
    whole = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": whole}


def job(name: str, *command: str, **spec: Any) -> Json:
    """A Job."""
    more = spec.pop("metadata", {})
    template = {"spec": sleeper(command, restartPolicy="Never")}
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, **more},
        "spec": {"template": template, **spec},
    }  # fmt: skip


@contextmanager
def asked(place: Place, service: str) -> Iterator[list[Json]]:
    """Asks a Service from node1 without a pause, over each family; the list has the results afterwards."""
    addresses = place.get("service", service)["spec"]["clusterIPs"]
    command = ("ip", "netns", "exec", Paths(place.cluster.name).namespace("node1"), *program_of("ask_on", *addresses))
    results: list[Json] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "asking\n"
        try:
            yield results
        finally:
            output, _ = process.communicate(timeout=60)
            results += json.loads(output)


def test_no_request_fails_while_a_deployment_rolls(each: Place) -> None:
    """rollout restart, pause, resume, history, undo and scale; each family answers all the while."""
    deployment = echo_deployment("web", 3)
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["lifecycle"] = {"preStop": {"sleep": {"seconds": 1}}}
    each.apply(deployment, echo_service("web", "web"))
    status = ("rollout", "status", "deployment/web", "--timeout=40s")
    each.kubectl(*status)
    first = {pod["metadata"]["name"] for pod in each.pods()}
    with asked(each, "web") as results:
        each.kubectl("rollout", "restart", "deployment/web")
        assert "successfully rolled out" in each.kubectl(*status)
        assert not first & {pod["metadata"]["name"] for pod in each.pods()}
        each.kubectl("rollout", "pause", "deployment/web")
        each.kubectl("set", "env", "deployment/web", "STEP=2")
        each.kubectl("scale", "deployment/web", "--replicas=2")
        each.kubectl("wait", "--for=jsonpath={.status.replicas}=2", "deployment/web", "--timeout=20s")
        assert len(each.get("rs")["items"]) == 2  # paused: no template is rolled out, yet numbers are
        each.kubectl("rollout", "resume", "deployment/web")
        each.kubectl(*status)
        history = each.kubectl("rollout", "history", "deployment/web")
        assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["1", "2", "3"]
        each.kubectl("rollout", "undo", "deployment/web", "--to-revision=2")
        each.kubectl(*status)
        assert "STEP" not in json.dumps(each.get("deployment", "web"))
    assert len(results) == len(each.cluster.families)
    assert [(one["errors"], one["answers"] > 100) for one in results] == [([], True)] * len(results)
    assert all(len(one["names"]) >= 6 for one in results)


def test_a_stateful_set_is_known_by_its_names(each: Place) -> None:
    """Pods are made in order, named by number, found by name in each family, and rolled out from the last."""
    service = echo_service("web", "web", clusterIP="None", publishNotReadyAddresses=True)
    stateful = workload("StatefulSet", "web", echo_pod({})["spec"], replicas=2, serviceName="web")
    each.apply(service, stateful)
    each.kubectl("rollout", "status", "statefulset/web", "--timeout=30s")
    born = [pod["metadata"]["creationTimestamp"] for pod in each.pods()]
    ready = [c["lastTransitionTime"] for c in each.pods()[0]["status"]["conditions"] if c["type"] == "Ready"]
    assert ready[0] <= born[1]
    for pod in each.pods():
        name = f"{pod['metadata']['name']}.web.{each.name}.svc"
        for ip in (entry["ip"] for entry in pod["status"]["podIPs"]):
            database = "ahostsv6" if ":" in ip else "ahostsv4"
            ask = ("exec", "web-0", "--", "getent", database, name)
            found = eventually(lambda ask=ask: each.kubectl(*ask))
            assert {line.split()[0] for line in found.splitlines()} == {ip}
    each.kubectl("rollout", "restart", "statefulset/web")
    each.kubectl("rollout", "status", "statefulset/web", "--timeout=30s")
    ages = {pod["metadata"]["name"]: pod["metadata"]["creationTimestamp"] for pod in each.pods()}
    assert ages["web-1"] <= ages["web-0"]
    each.kubectl("scale", "statefulset/web", "--replicas=1")
    eventually(lambda: [pod["metadata"]["name"] for pod in each.pods()] == ["web-0"])


def test_a_daemon_set_is_everywhere(here: Place) -> None:
    """One pod on each node; a rollout replaces all, `undo` brings the template back; a taint keeps it off."""
    here.apply(workload("DaemonSet", "each"))
    here.kubectl("rollout", "status", "daemonset/each", "--timeout=20s")
    assert here.nodes() == ["node1", "node2"]
    here.kubectl("set", "env", "daemonset/each", "STEP=2")
    here.kubectl("rollout", "status", "daemonset/each", "--timeout=20s")
    here.kubectl("rollout", "undo", "daemonset/each")
    here.kubectl("rollout", "status", "daemonset/each", "--timeout=20s")
    assert "STEP" not in json.dumps(here.pods())
    assert len(here.kubectl("rollout", "history", "daemonset/each").strip().splitlines()) == 4


def test_jobs_end(here: Place) -> None:
    """Parallel, indexed, failing, and with each policy: kubectl waits for the condition that each deserves."""
    index = 'test "$JOB_COMPLETION_INDEX" != 1 || exit 7'
    spread = {"completionMode": "Indexed", "completions": 3, "parallelism": 3}
    on_seven = {"onExitCodes": {"operator": "In", "values": [7]}}
    here.apply(
        job("parallel", "true", completions=4, parallelism=2),
        job("indexed", "sh", "-c", "echo $JOB_COMPLETION_INDEX", **spread),
        job("failing", "false", backoffLimit=0),
        job("strict", "sh", "-c", "exit 7", podFailurePolicy={"rules": [{"action": "FailJob", **on_seven}]}),
        job("partly", "sh", "-c", index, backoffLimitPerIndex=0, **spread),
        job("enough", "sh", "-c", f"{index}; test $JOB_COMPLETION_INDEX = 0 || sleep 100",
            successPolicy={"rules": [{"succeededIndexes": "0"}]}, **spread),
        job("late", "sleep", "100", activeDeadlineSeconds=1),
        job("gone", "true", ttlSecondsAfterFinished=0),
        job("held", "true", suspend=True),
    )  # fmt: skip
    here.kubectl("wait", "--for=condition=Complete", "job/parallel", "job/indexed", "job/enough", "--timeout=40s")
    here.kubectl(
        "wait", "--for=condition=Failed", "job/failing", "job/strict", "job/partly", "job/late", "--timeout=40s"
    )
    jobs = {one["metadata"]["name"]: one for one in here.get("jobs")["items"]}
    ends = {name: one["status"].get("conditions", [{}])[-1].get("reason") for name, one in jobs.items()}
    assert ends == {
        "parallel": "CompletionsReached",
        "indexed": "CompletionsReached",
        "failing": "BackoffLimitExceeded",
        "strict": "PodFailurePolicy",
        "partly": "FailedIndexes",
        "enough": "SuccessPolicy",
        "late": "DeadlineExceeded",
        "held": "JobSuspended",
    }
    assert (jobs["partly"]["status"]["completedIndexes"], jobs["partly"]["status"]["failedIndexes"]) == ("0,2", "1")
    assert jobs["parallel"]["status"]["succeeded"] == 4
    logs = here.kubectl("logs", "-l", "batch.kubernetes.io/job-name=indexed")
    assert sorted(logs.split()) == ["0", "1", "2"]
    here.kubectl("patch", "job/held", "-p", '{"spec":{"suspend":false}}')
    here.kubectl("wait", "--for=condition=Complete", "job/held", "--timeout=20s")
    assert "gone" not in here.kubectl("get", "jobs", "-o", "name")


def test_a_cron_job_makes_jobs(here: Place) -> None:
    """By the clock and by hand; suspended it makes none; the number of those that are kept is limited."""
    template = {"spec": job("x", "true")["spec"]}
    spec = {"schedule": "@every 1s", "jobTemplate": template, "successfulJobsHistoryLimit": 2, "timeZone": "Asia/Tokyo"}
    here.apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"}, "spec": spec})
    eventually(lambda: here.get("cronjob", "tick")["status"].get("lastSuccessfulTime"))
    here.kubectl("patch", "cronjob/tick", "-p", '{"spec":{"suspend":true}}')
    here.kubectl("create", "job", "by-hand", "--from=cronjob/tick")
    here.kubectl("wait", "--for=condition=Complete", "job/by-hand", "--timeout=20s")
    eventually(lambda: not here.get("cronjob", "tick")["status"].get("active"))
    eventually(lambda: len(here.get("jobs")["items"]) <= 2)
    assert "SawCompletedJob" in here.kubectl("describe", "cronjob", "tick")


def test_drain_waits_for_a_budget(here: Place) -> None:
    """cordon keeps pods off, drain is refused while a budget says so, and passes when it allows; uncordon."""
    here.apply(
        workload("Deployment", "web", echo_pod({})["spec"], replicas=2),
        workload("DaemonSet", "each"),
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
         "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}},
    )  # fmt: skip
    here.kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    here.kubectl("rollout", "status", "daemonset/each", "--timeout=20s")
    assert here.nodes("app=web") == ["node1", "node2"]
    eventually(lambda: here.get("pdb", "web")["status"]["currentHealthy"] == 2)
    drain = ("drain", "node2", "--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector=app in (web,each)")
    try:
        refused = here.kubectl(*drain, "--timeout=2s", check=False)
        assert "Cannot evict pod as it would violate the pod's disruption budget." in refused
        assert "SchedulingDisabled" in here.kubectl("get", "node", "node2")
        here.kubectl("scale", "deployment/web", "--replicas=3")
        here.kubectl("rollout", "status", "deployment/web", "--timeout=20s")
        assert "drained" in here.kubectl(*drain, "--timeout=30s")
        here.kubectl("rollout", "status", "deployment/web", "--timeout=20s")
        assert here.nodes("app=web") == ["node1"] * 3
        assert here.nodes("app=each") == ["node1", "node2"]
    finally:
        here.kubectl("uncordon", "node2")


@pytest.mark.parametrize(("mode", "left"), [("background", ""), ("foreground", ""), ("orphan", "rs pods")])
def test_cascades(here: Place, mode: str, left: str) -> None:
    """Foreground waits for what is below, background does not keep it, orphan leaves it alone."""
    here.apply(workload("Deployment", "web", replicas=2))
    here.kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    here.kubectl("delete", "deployment/web", f"--cascade={mode}", "--timeout=30s")
    if mode == "foreground":
        assert here.kubectl("get", "rs,pods", "-o", "name") == ""
    if left:
        (orphan,) = here.get("rs")["items"]
        assert "ownerReferences" not in orphan["metadata"]
        assert len(here.pods()) == 2
        here.kubectl("delete", "rs", "--all", "--cascade=orphan")
        eventually(lambda: not any("ownerReferences" in pod["metadata"] for pod in here.pods()))
        assert len(here.pods()) == 2
    else:
        eventually(lambda: here.kubectl("get", "rs,pods", "-o", "name") == "")


def test_pods_keep_apart_and_say_why_they_wait(here: Place) -> None:
    """Anti-affinity, topology spread, taints and selectors; the Event has kube-scheduler's words."""
    selector = {"matchLabels": {"app": "apart"}}
    apart = {"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": selector, "topologyKey": HOSTNAME}]}
    even = {"maxSkew": 1, "topologyKey": HOSTNAME, "whenUnsatisfiable": "DoNotSchedule"}
    spread = {"topologySpreadConstraints": [{**even, "labelSelector": {"matchLabels": {"app": "even"}}}]}
    near = {"requiredDuringSchedulingIgnoredDuringExecution":
            [{"labelSelector": {"matchLabels": {"app": "near"}}, "topologyKey": HOSTNAME}]}  # fmt: skip
    here.kubectl("taint", "node", "node2", f"{here.name}=x:NoSchedule")
    try:
        here.apply(workload("Deployment", "tainted", sleeper(nodeSelector={HOSTNAME: "node2"})))
        waits = eventually(lambda: here.events("FailedScheduling"))
        assert waits == [
            "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
            "1 node(s) had untolerated taint(s). preemption: 0/2 nodes are available: "
            "2 Preemption is not helpful for scheduling."
        ]
    finally:
        here.kubectl("taint", "node", "node2", f"{here.name}-")
    here.kubectl("rollout", "status", "deployment/tainted", "--timeout=20s")
    here.apply(
        workload("Deployment", "apart", sleeper(affinity={"podAntiAffinity": apart}), replicas=3),
        workload("Deployment", "even", sleeper(**spread), replicas=4),
        workload("Deployment", "near", sleeper(affinity={"podAffinity": near}), replicas=3),
    )
    here.kubectl("wait", "--for=condition=Available", "deployment/even", "deployment/near", "--timeout=20s")
    eventually(lambda: here.nodes("app=apart") == ["node1", "node2"])
    assert here.nodes("app=even") == ["node1", "node1", "node2", "node2"]
    assert len(set(here.nodes("app=near"))) == 1
    text = (
        "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules. preemption: 0/2 nodes are available: "
        "2 No preemption victims found for incoming pod."
    )
    eventually(lambda: text in here.events("FailedScheduling"))
    here.kubectl("scale", "deployment/apart", "--replicas=2")
    here.kubectl("rollout", "status", "deployment/apart", "--timeout=20s")


def test_a_pod_of_higher_priority_makes_room(here: Place) -> None:
    """The least important pods go for it, with a condition and an Event; without room to make, it waits."""
    for name, value, policy in (("k46-low", 1, "PreemptLowerPriority"), ("k46-high", 9, "PreemptLowerPriority"),
                                ("k46-meek", 9, "Never")):  # fmt: skip
        here.apply({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
                    "value": value, "preemptionPolicy": policy})  # fmt: skip
    _slots(here, "1")
    asks = {"container": {"resources": {"limits": {"k46.test/slot": "1"}}}}
    here.apply(workload("StatefulSet", "low", sleeper(priorityClassName="k46-low", **asks), replicas=2,
                        podManagementPolicy="Parallel"))  # fmt: skip
    here.kubectl("rollout", "status", "statefulset/low", "--timeout=20s")
    here.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "meek"},
         "spec": sleeper(priorityClassName="k46-meek", **asks)},
    )  # fmt: skip
    eventually(lambda: [text for text in here.events("FailedScheduling") if "preemptionPolicy=Never" in text])
    here.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "vip"},
         "spec": sleeper(priorityClassName="k46-high", **asks)},
    )  # fmt: skip
    here.kubectl("wait", "--for=condition=Ready", "pod/vip", "--timeout=20s")
    uid = here.get("pod", "vip")["metadata"]["uid"]
    (told,) = here.events("Preempted")
    assert told.startswith(f"Preempted by pod {uid} on node node")
    assert "nominatedNodeName" not in here.get("pod", "vip")["status"]
    waiting = "0/2 nodes are available: 2 Insufficient k46.test/slot. preemption: 0/2 nodes are available: "
    eventually(lambda: any(text.startswith(waiting) for text in here.events("FailedScheduling")))
    here.kubectl("delete", "priorityclass", "k46-low", "k46-high", "k46-meek")
    _slots(here, None)


def _slots(here: Place, number: str | None) -> None:
    """What no test but one asks nodes for."""
    room = {"k46.test/slot": number}
    for node in ("node1", "node2"):
        patch = json.dumps({"status": {"capacity": room, "allocatable": room}})
        here.kubectl("patch", "node", node, "--subresource=status", "-p", patch)


def test_a_deleted_node_comes_back(here: Place) -> None:
    """Its kubelet registers it again with the ranges that it had; its pods run on, and new ones come."""
    here.apply(workload("DaemonSet", "each", echo_pod({})["spec"]), echo_service("each", "each"))
    here.kubectl("rollout", "status", "daemonset/each", "--timeout=20s")
    before, pods = here.get("node", "node2"), {pod["metadata"]["uid"] for pod in here.pods()}
    here.kubectl("delete", "node", "node2")
    here.kubectl("wait", "--for=create", "node/node2", "--timeout=20s")
    here.kubectl("wait", "--for=condition=Ready", "node/node2", "--timeout=20s")
    after = here.get("node", "node2")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["spec"]["podCIDRs"] == before["spec"]["podCIDRs"]
    assert {pod["metadata"]["uid"] for pod in here.pods()} == pods
    here.kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=20s")  # they were not while it was gone
    with asked(here, "each") as results:
        here.kubectl("rollout", "restart", "daemonset/each")
        here.kubectl("rollout", "status", "daemonset/each", "--timeout=20s")
    assert [len(one["names"]) >= 3 for one in results] == [True] * len(results), results


def test_endpoints_are_mirrored(each: Place) -> None:
    """Addresses that a person writes for a Service without a selector are reached through it."""
    each.apply(workload("Deployment", "echo", echo_pod({})["spec"]))
    each.kubectl("rollout", "status", "deployment/echo", "--timeout=20s")
    ip = each.pods()[0]["status"]["podIP"]
    service = echo_service("by-hand", "none", ipFamilyPolicy="SingleStack")
    del service["spec"]["selector"]
    ports = [{"name": "tcp", "port": 8080}]
    each.apply(service, {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "by-hand"},
                         "subsets": [{"addresses": [{"ip": ip}], "ports": ports}]})  # fmt: skip
    with asked(each, "by-hand") as results:
        pass
    assert [one["errors"] for one in results] == [[]]
    assert results[0]["names"] == ["echo"] or results[0]["names"][0].startswith("echo-")


def test_kubectl_shows_every_kind(here: Place) -> None:
    """`describe` of each kind prints without an error, and `get -w` shows a pod from its birth to its end."""
    command = (
        "kubectl",
        "--context",
        f"kube46-{here.cluster.name}",
        "-n",
        here.name,
        "get",
        "pods",
        "-w",
        "--no-headers",
    )
    with subprocess.Popen(command, env=here.cluster.environment, stdout=subprocess.PIPE, text=True) as watch:
        try:
            here.apply(
                workload("Deployment", "web"), workload("DaemonSet", "each"), workload("StatefulSet", "db"),
                job("once", "true"), echo_service("web", "web"),
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alone"},
                 "spec": sleeper(("true",), restartPolicy="Never")},
            )  # fmt: skip
            here.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/alone", "--timeout=20s")
            here.kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=20s")
            here.kubectl("delete", "pod", "alone")
        finally:
            watch.terminate()
            shown = watch.communicate()[0]
    states = [line.split()[2] for line in shown.splitlines() if line.startswith("alone ")]
    assert states[0] == "Pending"
    assert "Completed" in states
    kinds = ("deployments,replicasets,daemonsets,statefulsets,jobs,pods,services,endpoints,endpointslices,configmaps,"
             "serviceaccounts,controllerrevisions,events,nodes,namespaces,priorityclasses,leases,ipaddresses,"
             "servicecidrs,clusterroles")  # fmt: skip
    text = here.kubectl("describe", kinds, timeout=90)
    for word in ("StrategyType:", "Desired Number of Nodes Scheduled: 2", "Pods Status:", "Allocated resources:"):
        assert word in text
    assert "<unset>" not in text.split("Name:")[0]
