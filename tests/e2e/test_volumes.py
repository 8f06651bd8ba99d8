"""Data of pods on a real cluster: written, found again, deleted; and paths of the machine."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from e2e.conftest import Cluster, eventually
from kube46.lab.paths import Paths

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


def pod(name: str, script: str, volumes: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    """A pod that runs a script once, with each volume mounted at /NAME; a volume's `ro` mounts it read-only."""
    mounts = [{"name": v["name"], "mountPath": f"/{v['name']}", "readOnly": v.pop("ro", False)} for v in volumes]
    container = {"name": "c", "image": "host", "command": ["sh", "-c", script], "volumeMounts": mounts}
    whole = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": volumes,
        **spec,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": whole}


def claim(name: str) -> dict[str, Any]:
    """A claim of the default class."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def mounted(claim: str, **more: Any) -> dict[str, Any]:
    return {"name": "data", "persistentVolumeClaim": {"claimName": claim}, **more}


def said(cluster: Cluster, namespace: str, name: str) -> str:
    """The output of a pod that has succeeded."""
    cluster.kubectl("-n", namespace, "wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}", "--timeout=30s")
    return cluster.kubectl("-n", namespace, "logs", name)


@pytest.fixture
def namespace(dual: Cluster, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name = request.node.name.replace("_", "-")[:40].strip("-")
    dual.kubectl("create", "namespace", name)
    return name


def test_data_outlive_their_pod_and_the_kubelet(dual: Cluster, namespace: str) -> None:
    """What a pod writes to a claim another one reads, after the kubelet was killed too; it goes with the claim."""
    write = "echo hello >/data/file; ln -s /etc/passwd /data/link; mkdir /data/deep; stat -c %g-%a /data /data/deep"
    dual.apply(
        claim("notes"), pod("one", write, [mounted("notes")], securityContext={"fsGroup": 4711}), namespace=namespace
    )
    assert said(dual, namespace, "one") == "4711-2777\n4711-2755\n"
    found = dual.get("-n", namespace, "pod", "one")["spec"]["nodeName"]
    volume = dual.get("-n", namespace, "pvc", "notes")["spec"]["volumeName"]
    dual.kubectl("-n", namespace, "delete", "pod", "one")
    os.kill(dual.parts()[f"kubelet-{found}"], 9)
    read = "cat /data/file; echo more 2>/dev/null >/data/file || echo read-only"
    dual.apply(pod("two", read, [mounted("notes", ro=True)]), namespace=namespace)
    assert said(dual, namespace, "two") == "hello\nread-only\n"
    assert dual.get("-n", namespace, "pod", "two")["spec"]["nodeName"] == found
    place = Paths(dual.name).node_state(found) / "kubelet/local-volumes" / volume
    assert (place / "file").read_text() == "hello\n"
    dual.kubectl("-n", namespace, "delete", "pod", "two")
    dual.kubectl("-n", namespace, "delete", "pvc", "notes", "--timeout=20s")
    eventually(lambda: volume not in dual.kubectl("get", "pv", check=False))
    assert not place.exists()
    assert Path("/etc/passwd").stat().st_size
    told = dual.kubectl("-n", namespace, "get", "events")
    assert "Successfully provisioned volume" in told


def test_stateful_pods_keep_their_data(dual: Cluster, namespace: str) -> None:
    """A StatefulSet scaled to nothing and back finds in each pod what that pod wrote."""
    script = "test -f /data/me && echo again >>/data/me || hostname >/data/me; cat /data/me; exec sleep 1000"
    container = {
        "name": "c",
        "image": "host",
        "command": ["sh", "-c", script],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    template = {
        "metadata": {"labels": {"app": "db"}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    spec = {
        "replicas": 2, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}}, "template": template,
        "podManagementPolicy": "Parallel",
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim("data")["spec"]}],
    }  # fmt: skip
    dual.apply(
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec}, namespace=namespace
    )

    def scale(count: int) -> None:
        dual.kubectl("-n", namespace, "scale", "sts/db", f"--replicas={count}")
        dual.kubectl("-n", namespace, "rollout", "status", "sts/db", "--timeout=40s")
        eventually(lambda: len(dual.get("-n", namespace, "pods")["items"]) == count)

    scale(2)
    scale(0)
    scale(2)
    for number in (0, 1):
        said = eventually(lambda number=number: dual.kubectl("-n", namespace, "logs", f"db-{number}"))
        assert said == f"db-{number}\nagain\n"
    assert len(dual.get("-n", namespace, "pvc")["items"]) == 2
    dual.kubectl("delete", "namespace", namespace, "--timeout=60s")
    eventually(lambda: namespace not in dual.kubectl("get", "pv", check=False))


def test_paths_of_the_machine_are_the_administrators_to_allow(dual: Cluster, namespace: str, tmp_path: Path) -> None:
    """A hostPath is refused with the flag that allows it; allowed, the waiting pod runs; forbidden, the next waits."""
    tmp_path.chmod(0o755)
    (tmp_path / "file").write_text("machine\n")
    volume = [{"name": "m", "hostPath": {"path": str(tmp_path)}}]
    dual.apply(
        pod("waits", "cat /m/file; { echo >/m/new; } 2>/dev/null || echo read-only", volume), namespace=namespace
    )
    eventually(
        lambda: (
            f"kube46 up --name {dual.name} --allow-host-path {tmp_path}"
            in dual.kubectl("-n", namespace, "describe", "pod", "waits")
        )
    )
    assert str(tmp_path) in dual.up("--allow-host-path", f"{tmp_path}:ro")
    assert said(dual, namespace, "waits") == "machine\nread-only\n"
    assert f"{tmp_path}:ro" in dual.run("kube46", "status", "--name", dual.name)
    assert not (tmp_path / "new").exists()
    dual.up("--forbid-host-path", str(tmp_path))
    dual.apply(pod("again", "cat /m/file", volume), namespace=namespace)
    eventually(lambda: "is outside of what pods may mount" in dual.kubectl("-n", namespace, "describe", "pod", "again"))
    own = [
        {"name": "h", "hostPath": {"path": f"{Paths(dual.name).host_path}/{namespace}", "type": "DirectoryOrCreate"}}
    ]
    dual.apply(pod("own", "echo mine >/h/x", own), namespace=namespace)
    said(dual, namespace, "own")
    assert (Paths(dual.name).host_path / namespace / "x").read_text() == "mine\n"
    shutil.rmtree(Paths(dual.name).host_path / namespace)
    status = json.loads(dual.run("kube46", "status", "--name", dual.name, "-o", "json"))[0]
    assert status["hostPaths"] == [str(Paths(dual.name).host_path)]
    dual.kubectl("delete", "namespace", namespace, "--wait=false")
