"""Waiting until a started cluster can be used: API server, DNS Service, nodes, names."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path

from kube46.addresses.families import Family, family_of
from kube46.api.objects import Endpoint, EndpointSlice, Node
from kube46.api.resources import ENDPOINT_SLICES, NODES, SERVICES, STORAGE_CLASSES, Resource
from kube46.api.storage.classes import DEFAULT
from kube46.api.storage_objects import LOCAL_PROVISIONER
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.kubernetes.errors import ApiError, KubernetesError, NotFound
from kube46.lab import granting, rules, summary
from kube46.lab.settings import Settings

POLL, ATTEMPT = 0.05, 1.0  # seconds
WRITES = 30.0  # seconds an attempt to write may take: each webhook that is asked has 10 s, if it isn't told otherwise
NAMESPACE, DNS_SERVICE = "kube-system", "kube-dns"
# those of CoreDNS in a real cluster; by the last two `kubectl cluster-info` finds it
DNS_LABELS = {
    "k8s-app": DNS_SERVICE, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "KubeDNS",
}  # fmt: skip
DNS_OBJECT = f"the Service {NAMESPACE}/{DNS_SERVICE}"
STORAGE_CLASS = "local-path"


REFUSING = re.compile(r'(?:failed calling|admission) webhook "([^"]+)"')  # kube-apiserver's words
WEBHOOKS = tuple(
    Resource("admissionregistration.k8s.io", "v1", f"{kind.lower()}s", kind, False, dict)
    for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
)


class NotReady(RuntimeError):
    """The cluster did not become ready in time; the message says what is missing."""


def client(kubeconfig: Path) -> Client:
    """A client with the administrator's rights."""
    return Client(ClusterConfig.load(kubeconfig), component="lab")


def dns_service(settings: Settings) -> dict[str, object]:
    """The cluster's DNS Service: without a selector, each node's DNS publishes its own EndpointSlices."""
    policy = "PreferDualStack" if len(settings.families) > 1 else "SingleStack"
    addresses = rules.dns_addresses(settings)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": DNS_SERVICE, "namespace": NAMESPACE, "labels": dict(DNS_LABELS)},
        "spec": {
            "clusterIP": addresses[0],
            "clusterIPs": list(addresses),
            "ipFamilies": [family.value for family in settings.families],
            "ipFamilyPolicy": policy,
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
            ],
        },
    }


async def until(
    missing: Callable[[], Coroutine[None, None, str]],
    alive: Callable[[], None],
    *,
    seconds: float,
    attempt: float = ATTEMPT,
) -> None:
    """Poll until `missing`, which may take `attempt` seconds, returns an empty text.

    `alive` is called all the while: it draws, and raises when there is nothing to wait for any more. Raises NotReady
    with the last text after so many seconds.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        alive()
        try:
            text = await _attempt(missing(), alive, attempt)
        except (KubernetesError, TimeoutError) as error:
            text = f"the API server: {str(error) or 'no answer'}"
        if not text:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise NotReady(f"not ready after {seconds:.0f} s: {text}; `kube46 logs` shows what the parts say")
        await asyncio.sleep(POLL)


async def _attempt(missing: Coroutine[None, None, str], alive: Callable[[], None], seconds: float) -> str:
    """What is missing; `alive` is called meanwhile. Raises TimeoutError: a connection may wait in the socket that the
    supervisor holds open."""
    task = asyncio.create_task(missing)
    try:
        async with asyncio.timeout(seconds):
            while not (await asyncio.wait((task,), timeout=POLL))[0]:
                alive()
    finally:
        task.cancel()
        await asyncio.wait((task,))
    return task.result()


async def api_missing(api: Client) -> str:
    """Empty when the API server is ready."""
    await api.request("GET", "/readyz")
    return ""


async def objects_missing(api: Client, settings: Settings, made: list[str]) -> str:
    """Make the objects that each cluster has, and note what was missing; empty when all are there.

    Raises KubernetesError: a real API server is ready before its namespaces are.
    """
    try:
        await granting.ensure(api, settings)
        if await ensure_dns_service(api, settings):
            made.append(DNS_OBJECT)
        if await ensure_storage_class(api):
            made.append(f"the StorageClass {STORAGE_CLASS}")
    except ApiError as error:
        return f"the API server: {error}{await _way_out(api, error.message)}"
    return ""


async def _way_out(api: Client, refusal: str) -> str:
    """How to get rid of the webhook that a refusal names, empty when it names none. Raises KubernetesError."""
    named = REFUSING.search(refusal)
    if not named:
        return ""
    found = [
        f"`kubectl delete {resource.plural.removesuffix('s')} {configuration['metadata']['name']}`"
        for resource in WEBHOOKS
        for configuration in (await api.list(resource)).items
        if any(hook["name"] == named[1] for hook in configuration.get("webhooks") or ())
    ]
    return f"; if its server does not come back, {' or '.join(found)} lets writes pass without it" if found else ""


async def ensure_dns_service(api: Client, settings: Settings) -> bool:
    """Create the DNS Service when there is none, and tell whether. Raises KubernetesError."""
    try:
        await api.get(SERVICES, DNS_SERVICE, NAMESPACE)
    except NotFound:
        await api.create(SERVICES, dns_service(settings), NAMESPACE)
        return True
    return False


async def ensure_storage_class(api: Client) -> bool:
    """Create the default StorageClass when there is none of its name, and tell whether. Raises KubernetesError."""
    try:
        await api.get(STORAGE_CLASSES, STORAGE_CLASS)
    except NotFound:
        body = {
            "metadata": {"name": STORAGE_CLASS, "annotations": {DEFAULT[0]: "true"}},
            "provisioner": LOCAL_PROVISIONER,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "WaitForFirstConsumer",
            "allowVolumeExpansion": True,
        }
        await api.create(STORAGE_CLASSES, body)
        return True
    return False


async def nodes_missing(api: Client, settings: Settings) -> str:
    """Which nodes are not Ready, or have no block of each family."""
    found = {node.metadata.name: node for node in (await api.list(NODES)).items}
    return ", ".join(name for name in settings.node_names if not _usable(found.get(name), settings))


async def dns_missing(api: Client, settings: Settings) -> str:
    """Which nodes have no ready DNS in a family of the cluster."""
    slices = (await api.list(ENDPOINT_SLICES, NAMESPACE, labels=f"kubernetes.io/service-name={DNS_SERVICE}")).items
    ready = {
        (endpoint.node_name, family_of(address))
        for found in slices
        for endpoint in _ready(found)
        for address in endpoint.addresses
    }
    wanted = [(name, family) for name in settings.node_names for family in settings.families]
    return _names(f"DNS of {name} over {family}" for name, family in wanted if (name, family) not in ready)


def _usable(node: Node | None, settings: Settings) -> bool:
    if node is None or not summary.is_ready(node):
        return False
    blocks: set[Family] = {family_of(block) for block in node.spec.pod_cidrs}
    return blocks == set(settings.families)


def _ready(found: EndpointSlice) -> Iterable[Endpoint]:
    return (endpoint for endpoint in found.endpoints or () if endpoint.conditions.ready is not False)


def _names(texts: Iterable[str]) -> str:
    return ", ".join(texts)
