"""Claims, volumes and pods against a real API server, with the real provisioner of each node."""

import asyncio
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kube46.kubernetes.caches import Caches
from kube46.kubernetes.client import Client
from kube46.lab.kubelet.provisioning import Provisioner
from server.controllers.cluster import ALL, Cluster, Json, Refused, eventually, for_a_while
from server.controllers.test_standalone import APPS, made, ready, template, workload

VOLUMES, CLASSES = "/api/v1/persistentvolumes", "/apis/storage.k8s.io/v1/storageclasses"
DELETE = {"gracePeriodSeconds": 0}
LATER = {
    "accessModes": ["ReadWriteOnce"],
    "resources": {"requests": {"storage": "1Gi"}},
    "storageClassName": "later",
}


@pytest.fixture(scope="module")
def disks(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory for each node, with its provisioner; and the classes `later`, `now`, `kept` and `manual`."""
    root = tmp_path_factory.mktemp("disks")
    kinds = {"later": {"volumeBindingMode": "WaitForFirstConsumer"}, "now": {}, "kept": {"reclaimPolicy": "Retain"}}
    for name, more in kinds.items():
        cluster.create(CLASSES, {"metadata": {"name": name}, "provisioner": "local-path.kube46", **more})
    manual = {"provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}
    cluster.create(CLASSES, {"metadata": {"name": "manual"}, **manual})
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with Client(cluster.config(), component="test") as client, asyncio.TaskGroup() as group:
            caches = Caches(client, group)
            tasks = [group.create_task(Provisioner(client, caches, n, root / n).run()) for n in ("node1", "node2")]
            await stop.wait()
            raise asyncio.CancelledError(tasks)

    def run() -> None:
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield root
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)


def claim(cluster: Cluster, namespace: str, name: str, kind: str, size: str = "1Gi", **spec: Any) -> str:
    """Makes a claim; returns its path."""
    body = {"storageClassName": kind, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    cluster.create(path, {"metadata": {"name": name}, "spec": {**body, **spec}})
    return f"{path}/{name}"


def volume(cluster: Cluster, name: str, kind: str = "", size: str = "1Gi", **spec: Any) -> str:
    """Makes a static volume; returns its path."""
    body = {"storageClassName": kind, "accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}}
    cluster.create(VOLUMES, {"metadata": {"name": name}, "spec": {"hostPath": {"path": "/srv"}, **body, **spec}})
    return f"{VOLUMES}/{name}"


def pod(cluster: Cluster, namespace: str, name: str, *volumes: Json, **spec: Any) -> str:
    """Makes a pod; returns its path."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    body = template(volumes=list(volumes), **spec)["spec"]
    cluster.create(path, {"metadata": {"name": name}, "spec": body})
    return f"{path}/{name}"


def mounts(name: str) -> Json:
    return {"name": name, "persistentVolumeClaim": {"claimName": name}}


def on(node: str) -> Json:
    """The affinity of a volume of that node."""
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}


def phase(cluster: Cluster, path: str) -> str:
    return str(cluster.get(path)["status"]["phase"])


def waiting(cluster: Cluster, path: str) -> str:
    """Why a pod has no node yet, as its condition says it."""
    return "".join(one.get("message", "") for one in cluster.get(path)["status"].get("conditions", ()))


def reasons(cluster: Cluster, namespace: str, name: str) -> set[str]:
    events = cluster.items(f"/api/v1/namespaces/{namespace}/events")
    return {event["reason"] for event in events if event["involvedObject"]["name"] == name}


def test_bindings_survive_kills(server: Cluster, namespace: str) -> None:
    """However often the loops are killed while they bind, each claim ends with a volume of its own."""
    count = 20
    for number in range(count):
        volume(server, f"kill-{number}", "kill")
        claim(server, namespace, f"kill-{number}", "kill")
    for delay in (0.05, 0.1, 0.2):
        with server.controllers(ALL) as process:
            threading.Event().wait(delay)
            process.send_signal(signal.SIGKILL)
            process.wait(60)
    with server.controllers(ALL):
        paths = [f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/kill-{number}" for number in range(count)]
        eventually(lambda: {phase(server, path) for path in paths} == {"Bound"})
        names = {server.get(path)["metadata"]["uid"]: server.get(path)["spec"]["volumeName"] for path in paths}
        assert len(set(names.values())) == count
        made = [v for v in server.items(VOLUMES) if v["metadata"]["name"].startswith("kill-")]
        refs = {v["metadata"]["name"]: v["spec"]["claimRef"]["uid"] for v in made}
        assert refs == {volume: uid for uid, volume in names.items()}


def test_a_claim_is_provisioned_where_its_first_pod_goes(cluster: Cluster, namespace: str, disks: Path) -> None:
    """It waits for a pod, its volume lies on that pod's node, later pods follow, and data go with the claim alone."""
    path = claim(cluster, namespace, "data", "later")
    eventually(lambda: "WaitForFirstConsumer" in reasons(cluster, namespace, "data"))
    first = pod(cluster, namespace, "first", mounts("data"))
    eventually(lambda: ready(cluster, namespace) == ["first"])
    node, found = cluster.get(first)["spec"]["nodeName"], cluster.get(path)
    assert (found["status"]["phase"], found["status"]["capacity"]) == ("Bound", {"storage": "1Gi"})
    name = found["spec"]["volumeName"]
    assert cluster.get(f"{VOLUMES}/{name}")["spec"]["nodeAffinity"] == on(node)
    (disks / node / name / "kept").write_text("data")
    assert {"ExternalProvisioning", "ProvisioningSucceeded"} <= reasons(cluster, namespace, "data")
    cluster.delete(first, **DELETE)
    other = {"node1": "node2", "node2": "node1"}[node]
    busy = [pod(cluster, namespace, f"busy-{n}", nodeSelector={"kubernetes.io/hostname": node}) for n in range(3)]
    second = pod(cluster, namespace, "second", mounts("data"))
    eventually(lambda: "second" in ready(cluster, namespace))
    assert cluster.get(second)["spec"]["nodeName"] == node != other
    third = pod(cluster, namespace, "third", mounts("data"), nodeSelector={"kubernetes.io/hostname": other})
    eventually(lambda: "FailedScheduling" in reasons(cluster, namespace, "third"))
    eventually(lambda: "1 node(s) didn't match PersistentVolume's node affinity" in waiting(cluster, third))
    cluster.delete(path)
    for_a_while(lambda: cluster.get(path)["metadata"]["deletionTimestamp"] != "", 0.3)
    assert (disks / node / name / "kept").read_text() == "data"
    for one in (second, third, *busy):
        cluster.delete(one, **DELETE)
    eventually(lambda: cluster.missing(path) and cluster.missing(f"{VOLUMES}/{name}"))
    assert list((disks / node).iterdir()) == []


def test_static_volumes_are_bound_and_kept(cluster: Cluster, namespace: str) -> None:
    """Each of more claims than volumes gets its own or none; what was let go keeps its data until somebody frees it."""
    volumes = [volume(cluster, f"{namespace}-{n}"[-50:], size=f"{n}Gi") for n in (1, 2, 3)]
    eventually(lambda: {phase(cluster, path) for path in volumes} == {"Available"})
    claims = [claim(cluster, namespace, f"c{n}", "", "1Gi") for n in range(5)]
    eventually(lambda: {phase(cluster, path) for path in volumes} == {"Bound"})
    bound = [path for path in claims if phase(cluster, path) == "Bound"]
    taken = [cluster.get(path)["spec"]["volumeName"] for path in bound]
    assert len(bound) == len(set(taken)) == 3
    waiting = next(path for path in claims if path not in bound)
    eventually(lambda: "FailedBinding" in reasons(cluster, namespace, waiting.rpartition("/")[2]))
    cluster.delete(bound[0])
    freed = f"{VOLUMES}/{taken[0]}"
    eventually(lambda: phase(cluster, freed) == "Released")
    cluster.patch(freed, {"spec": {"claimRef": None}})
    eventually(lambda: phase(cluster, waiting) == "Bound" or phase(cluster, claims[-1]) == "Bound")
    cluster.delete(f"{VOLUMES}/{taken[1]}")
    for_a_while(lambda: phase(cluster, bound[1]) == "Bound", 0.3)  # protected while it is bound


def test_a_class_may_bind_at_once_and_keep(cluster: Cluster, namespace: str, disks: Path) -> None:
    """Without a pod, a node is chosen; with Retain the data and the volume outlive the claim."""
    path = claim(cluster, namespace, "now", "kept")
    eventually(lambda: phase(cluster, path) == "Bound")
    name = cluster.get(path)["spec"]["volumeName"]
    (directory,) = disks.glob(f"*/{name}")
    cluster.delete(path)
    eventually(lambda: phase(cluster, f"{VOLUMES}/{name}") == "Released")
    for_a_while(lambda: directory.is_dir(), 0.3)
    cluster.delete(f"{VOLUMES}/{name}")
    eventually(lambda: cluster.missing(f"{VOLUMES}/{name}"))
    assert directory.is_dir()
    refused = claim(cluster, namespace, "no", "now", selector={"matchLabels": {"a": "b"}})
    eventually(lambda: "ProvisioningFailed" in reasons(cluster, namespace, "no"))
    assert phase(cluster, refused) == "Pending"


def test_a_claim_may_grow_where_its_class_lets_it(cluster: Cluster, namespace: str, disks: Path) -> None:
    """The volume and both capacities follow the request; a class that says nothing refuses, and nothing shrinks."""
    elastic = {"provisioner": "local-path.kube46", "allowVolumeExpansion": True}
    cluster.create(CLASSES, {"metadata": {"name": "elastic"}, **elastic})
    larger = {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}
    paths = {kind: claim(cluster, namespace, kind, kind) for kind in ("elastic", "now")}
    with pytest.raises(Refused, match="Only bound persistent volume claims can be expanded"):
        cluster.patch(claim(cluster, namespace, "waits", "later"), larger)
    eventually(lambda: {phase(cluster, path) for path in paths.values()} == {"Bound"})
    with pytest.raises(Refused, match="the storageclass that provisions the pvc must support resize"):
        cluster.patch(paths["now"], larger)
    cluster.patch(paths["elastic"], larger)
    eventually(lambda: cluster.get(paths["elastic"])["status"]["capacity"] == {"storage": "3Gi"})
    name = cluster.get(paths["elastic"])["spec"]["volumeName"]
    assert cluster.get(f"{VOLUMES}/{name}")["spec"]["capacity"] == {"storage": "3Gi"}
    eventually(lambda: "VolumeResizeSuccessful" in reasons(cluster, namespace, "elastic"))
    with pytest.raises(Refused, match="field can not be less than status"):
        cluster.patch(paths["elastic"], {"spec": {"resources": {"requests": {"storage": "1Gi"}}}})


def test_a_pod_goes_to_the_volume_that_is_there(cluster: Cluster, namespace: str, disks: Path) -> None:
    """A class without a provisioner binds a waiting claim to a static volume, on the node where that lies."""
    volume(cluster, "static-disk", "manual", nodeAffinity=on("node2"))
    path = claim(cluster, namespace, "static", "manual")
    one = pod(cluster, namespace, "one", mounts("static"))
    eventually(lambda: ready(cluster, namespace) == ["one"])
    assert cluster.get(one)["spec"]["nodeName"] == "node2"
    assert cluster.get(path)["spec"]["volumeName"] == "static-disk"
    missing = pod(cluster, namespace, "two", mounts("nothing"))
    eventually(lambda: "FailedScheduling" in reasons(cluster, namespace, "two"))
    text = '0/2 nodes are available: persistentvolumeclaim "nothing" not found.'
    eventually(lambda: text in waiting(cluster, missing))
    claim(cluster, namespace, "nothing", "later")
    eventually(lambda: ready(cluster, namespace) == ["one", "two"])


def test_stateful_pods_come_back_to_their_claims(cluster: Cluster, namespace: str, disks: Path) -> None:
    """Claims outlive pods that are scaled away; with the retention policy they go by scaling, or with the set."""
    templates = [{"metadata": {"name": "data"}, "spec": LATER}]
    path = f"{APPS}/{namespace}/statefulsets"

    def claims() -> dict[str, str]:
        items = cluster.items(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims")
        return {item["metadata"]["name"]: item["metadata"]["uid"] for item in items}

    cluster.create(path, workload(2, volumeClaimTemplates=templates))
    eventually(lambda: len(ready(cluster, namespace)) == 2)
    before = claims()
    assert set(before) == {"data-web-0", "data-web-1"}
    cluster.patch(f"{path}/web", {"spec": {"replicas": 0}})
    eventually(lambda: cluster.items(f"/api/v1/namespaces/{namespace}/pods") == [])
    assert claims() == before
    cluster.patch(f"{path}/web", {"spec": {"replicas": 2}})
    eventually(lambda: len(ready(cluster, namespace)) == 2)
    assert claims() == before
    policy = {"whenScaled": "Delete", "whenDeleted": "Delete"}
    cluster.patch(f"{path}/web", {"spec": {"persistentVolumeClaimRetentionPolicy": policy}})
    kept = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/data-web-0"
    eventually(lambda: [o["kind"] for o in cluster.get(kept)["metadata"].get("ownerReferences", [])] == ["StatefulSet"])
    cluster.patch(f"{path}/web", {"spec": {"replicas": 1}})
    eventually(lambda: set(claims()) == {"data-web-0"})
    cluster.delete(f"{path}/web")
    eventually(lambda: claims() == {})


def test_an_ephemeral_volume_goes_with_its_pod(cluster: Cluster, namespace: str, disks: Path) -> None:
    """Its claim is made, bound, owned by the pod, and gone after it."""
    made_of = {"metadata": {"labels": {"a": "b"}}, "spec": LATER}
    scratch = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": made_of}}
    one = pod(cluster, namespace, "one", scratch)
    eventually(lambda: ready(cluster, namespace) == ["one"])
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/one-scratch"
    found = cluster.get(path)
    assert (found["status"]["phase"], found["metadata"]["labels"]) == ("Bound", {"a": "b"})
    cluster.delete(one, **DELETE)
    eventually(lambda: cluster.missing(path) and cluster.missing(f"{VOLUMES}/{found['spec']['volumeName']}"))


def test_kubectl_shows_volumes(cluster: Cluster, disks: Path) -> None:
    """`get` has upstream's columns, `describe` the Events and the pods that use a claim."""
    namespace = made(cluster, "volumes-shown")
    claim(cluster, namespace, "data", "later")
    pod(cluster, namespace, "user", mounts("data"))
    eventually(lambda: ready(cluster, namespace) == ["user"])
    head, line = cluster.kubectl("-n", namespace, "get", "pvc").splitlines()
    wanted = "NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE"
    assert head.split() == wanted.split()
    assert (line.split()[:2], line.split()[3:7]) == (["data", "Bound"], ["1Gi", "RWO", "later", "<unset>"])
    line = next(one for one in cluster.kubectl("get", "pv").splitlines() if f"{namespace}/data" in one)
    assert line.split()[1:5] == ["1Gi", "RWO", "Delete", "Bound"]
    assert "local-path.kube46" in cluster.kubectl("get", "sc", "later")
    told = cluster.kubectl("-n", namespace, "describe", "pvc", "data")
    assert "Used By:       user" in told
    assert "ProvisioningSucceeded" in told
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "bad"}, "spec": {}}
    with pytest.raises(AssertionError, match="at least 1 access mode is required"):
        cluster.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(body))
