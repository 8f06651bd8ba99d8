"""lightkube, sync and async, and the official Python client's dynamic half."""

import asyncio
import threading
from collections.abc import Iterator

import kubernetes
import pytest
from lightkube import ApiError, AsyncClient, Client, KubeConfig
from lightkube.config.kubeconfig import SingleConfig
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.autoscaling_v1 import ScaleSpec
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec, ServicePort, ServiceSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Service
from lightkube.types import CascadeType, PatchType

from server.running import Server

TEMPLATE = PodTemplateSpec(
    metadata=ObjectMeta(labels={"a": "b"}), spec=PodSpec(containers=[Container(name="c", image="host")])
)
DEPLOYMENT = Deployment(
    metadata=ObjectMeta(name="web"),
    spec=DeploymentSpec(replicas=1, selector=LabelSelector(matchLabels={"a": "b"}), template=TEMPLATE),
)


def service(name: str) -> Service:
    spec = ServiceSpec(ports=[ServicePort(port=80)], ipFamilyPolicy="PreferDualStack")
    return Service(metadata=ObjectMeta(name=name), spec=spec)


@pytest.fixture
def config(server: Server) -> SingleConfig:
    return KubeConfig.from_file(str(server.kubeconfig())).get()


@pytest.fixture
def client(config: SingleConfig, namespace: str) -> Iterator[Client]:
    client = Client(config, namespace=namespace, trust_env=False)
    yield client
    client.close()


def test_lightkube(client: Client) -> None:
    """Create, read, list by label, replace, patch, scale, status, delete with typed objects."""
    made = client.create(service("a"))
    assert made.spec is not None
    assert made.spec.ipFamilies == ["IPv4", "IPv6"]
    assert len(made.spec.clusterIPs or ()) == 2
    found = client.get(Service, "a")
    assert found == made
    assert found.metadata is not None
    found.metadata.labels = {"x": "y"}
    client.replace(found)
    with pytest.raises(ApiError) as conflict:
        client.replace(made.from_dict({**made.to_dict(), "spec": {**made.to_dict()["spec"], "type": "NodePort"}}))
    assert conflict.value.status.reason == "Conflict"
    assert [item.metadata.name for item in client.list(Service, labels={"x": "y"}) if item.metadata] == ["a"]
    ports = {"spec": {"ports": [{"port": 81, "name": "more"}, {"port": 80, "name": "web"}]}}
    patched = client.patch(Service, "a", ports)
    assert patched.spec is not None
    assert [port.port for port in patched.spec.ports or ()] == [81, 80]
    client.patch(Service, "a", [{"op": "remove", "path": "/metadata/labels/x"}], patch_type=PatchType.JSON)
    client.create(DEPLOYMENT)
    scale = client.get(Deployment.Scale, "web")
    scale.spec = ScaleSpec(replicas=3)
    client.replace(scale, "web")
    deployment = client.get(Deployment, "web")
    assert deployment.spec is not None
    assert deployment.spec.replicas == 3
    client.patch(Deployment.Status, "web", {"status": {"replicas": 3}}, patch_type=PatchType.MERGE)
    client.delete(Deployment, "web", cascade=CascadeType.BACKGROUND)
    client.deletecollection(Service)
    with pytest.raises(ApiError) as missing:
        client.get(Service, "a")
    assert (missing.value.status.code, missing.value.status.reason) == (404, "NotFound")


def test_lightkube_pages_and_dry_runs(config: SingleConfig, client: Client) -> None:
    """A list longer than a page is followed by its continue tokens; a dry run leaves nothing."""
    for number in range(7):
        client.create(ConfigMap(metadata=ObjectMeta(name=f"c{number}"), data={"n": str(number)}))
    names = [item.metadata.name for item in client.list(ConfigMap, chunk_size=3) if item.metadata]
    assert names == [f"c{number}" for number in range(7)]
    dry = Client(config, namespace=client.namespace, trust_env=False, dry_run=True)
    assert dry.create(ConfigMap(metadata=ObjectMeta(name="dry"))).metadata
    dry.close()
    with pytest.raises(ApiError):
        client.get(ConfigMap, "dry")


def test_lightkube_watches_while_others_write(config: SingleConfig, client: Client, namespace: str) -> None:
    """An async watch is told of what a sync client does, object by object, and goes on from a list's version."""
    client.create(ConfigMap(metadata=ObjectMeta(name="before")))

    async def watch(listed_all: asyncio.Event) -> list[tuple[str, str]]:
        other, seen = AsyncClient(config, namespace=namespace, trust_env=False), []
        listed = other.list(ConfigMap)
        assert [item.metadata.name async for item in listed if item.metadata] == ["before"]
        listed_all.set()
        async for event, obj in other.watch(ConfigMap, resource_version=listed.resourceVersion, server_timeout=20):
            assert obj.metadata is not None
            seen.append((event, str(obj.metadata.name)))
            if event == "DELETED":
                break
        await other.close()
        return seen

    def write() -> None:
        client.create(ConfigMap(metadata=ObjectMeta(name="a"), data={"x": "1"}))
        client.patch(ConfigMap, "a", {"data": {"x": "2"}})
        client.delete(ConfigMap, "a")

    async def both() -> list[tuple[str, str]]:
        listed_all = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch(listed_all))
            await listed_all.wait()
            await asyncio.to_thread(write)
        return watching.result()

    assert asyncio.run(both()) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


@pytest.mark.filterwarnings("ignore")
def test_official_dynamic_client(server: Server, namespace: str) -> None:
    """The dynamic client finds kinds by discovery, reads, writes, patches and watches them without types."""
    configuration = kubernetes.client.Configuration(host=server.url)
    configuration.ssl_ca_cert = str(server.directory / "ca.crt")
    configuration.api_key = {"authorization": "Bearer admintoken"}
    with kubernetes.client.ApiClient(configuration) as api:
        dynamic = kubernetes.dynamic.DynamicClient(api)
        slices = dynamic.resources.get(api_version="discovery.k8s.io/v1", kind="EndpointSlice")
        maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
        body = {
            "metadata": {"name": "s"},
            "addressType": "IPv6",
            "endpoints": [{"addresses": ["fd00::1"]}],
            "ports": [],
        }
        slices.create(body=body, namespace=namespace)
        assert slices.get(name="s", namespace=namespace).endpoints[0].addresses == ["fd00::1"]
        seen: list[str] = []
        version = maps.get(namespace=namespace).metadata.resourceVersion

        def watch() -> None:
            for event in maps.watch(namespace=namespace, resource_version=version, timeout=20):
                seen.append(f"{event['type']} {event['object'].metadata.name}")
                if event["type"] == "DELETED":
                    return

        watcher = threading.Thread(target=watch)
        watcher.start()
        maps.create(body={"metadata": {"name": "m"}, "data": {"a": "b"}}, namespace=namespace)
        merge = "application/merge-patch+json"
        maps.patch(body={"metadata": {"name": "m"}, "data": {"a": None}}, namespace=namespace, content_type=merge)
        assert maps.get(name="m", namespace=namespace).data is None
        maps.delete(name="m", namespace=namespace)
        watcher.join(20)
        assert seen == ["ADDED m", "MODIFIED m", "DELETED m"]
        deployments = dynamic.resources.get(api_version="apps/v1", kind="Deployment")
        assert "scale" in deployments.subresources
