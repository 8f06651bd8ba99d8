"""The official Python client, by the cluster's kubeconfig."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from e2e.conftest import SETTINGS, Cluster

pytestmark = [pytest.mark.root, pytest.mark.timeout(90)]
kubernetes = pytest.importorskip("kubernetes")


@pytest.mark.parametrize("families", SETTINGS)
def test_list_watch_create_patch_delete(clusters: Callable[[str], Cluster], families: str) -> None:
    """What is created is watched, listed, patched and deleted, typed objects with both families' fields."""
    cluster = clusters(families)
    config = cluster.home / f"{cluster.name}.kubeconfig"
    config.write_text(cluster.run("kube46", "kubeconfig", "--name", cluster.name))
    with kubernetes.config.new_client_from_config(str(config)) as api:
        core = kubernetes.client.CoreV1Api(api)
        assert [node.metadata.name for node in core.list_node().items] == ["node1", "node2"]
        version = core.list_namespaced_service("default").metadata.resource_version
        seen: list[tuple[str, Any]] = []

        def watch() -> None:
            stream = kubernetes.watch.Watch().stream(
                core.list_namespaced_service, "default", resource_version=version, timeout_seconds=20
            )
            for event in stream:
                if event["object"].metadata.name == "official":
                    seen.append((event["type"], event["object"]))
                    if event["type"] == "DELETED":
                        return

        watcher = threading.Thread(target=watch)
        watcher.start()
        body = kubernetes.client.V1Service(
            metadata=kubernetes.client.V1ObjectMeta(name="official"),
            spec=kubernetes.client.V1ServiceSpec(
                ip_family_policy="PreferDualStack", ports=[kubernetes.client.V1ServicePort(port=80)]
            ),
        )
        made = core.create_namespaced_service("default", body)
        wanted = families.replace("ip", "IP").split(",")
        assert made.spec.ip_families == wanted
        assert [":" in address for address in made.spec.cluster_ips] == [name == "IPv6" for name in wanted]
        core.patch_namespaced_service("official", "default", {"metadata": {"labels": {"a": "b"}}})
        found = core.list_service_for_all_namespaces(label_selector="a=b").items
        assert [item.metadata.name for item in found] == ["official"]
        core.delete_namespaced_service("official", "default")
        with pytest.raises(kubernetes.client.ApiException) as gone:
            core.read_namespaced_service("official", "default")
        assert gone.value.status == 404
        watcher.join(20)
        assert [kind for kind, _ in seen] == ["ADDED", "MODIFIED", "DELETED"]
        assert seen[1][1].metadata.labels == {"a": "b"}


def test_a_pods_life(dual: Cluster) -> None:
    """Created, run to its end, its log read, executed in, deleted: all by the client."""
    config = dual.home / "official.kubeconfig"
    config.write_text(dual.run("kube46", "kubeconfig", "--name", dual.name))
    with kubernetes.config.new_client_from_config(str(config)) as api:
        core = kubernetes.client.CoreV1Api(api)
        container = {"name": "c", "image": "host", "command": ["sh", "-c", "echo said; exec sleep 100"]}
        spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
        core.create_namespaced_pod("default", {"metadata": {"name": "official-pod"}, "spec": spec})
        for event in kubernetes.watch.Watch().stream(
            core.list_namespaced_pod, "default", field_selector="metadata.name=official-pod", timeout_seconds=30
        ):
            if event["object"].status.phase == "Running":
                break
        pod = core.read_namespaced_pod("official-pod", "default")
        assert len(pod.status.pod_ips) == 2
        assert len(pod.status.host_ips) == 2
        assert core.read_namespaced_pod_log("official-pod", "default") == "said\n"
        said = kubernetes.stream.stream(
            core.connect_get_namespaced_pod_exec, "official-pod", "default", command=["echo", "hi"], stdout=True
        )
        assert said == "hi\n"
        core.delete_namespaced_pod("official-pod", "default")
