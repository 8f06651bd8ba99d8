"""What the cluster is: the version it says, the families of its Services, its nodes."""

import msgspec

from kube46.addresses.families import Family, family_of
from kube46.api import objects
from kube46.api.resources import NODES, SERVICE_CIDRS, SERVICES
from kube46.conformance.making import PREFER, service
from kube46.conformance.model import Facts
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import ApiError


class _Version(msgspec.Struct, rename="camel"):
    git_version: str = "unknown"


async def discover(client: Client, namespace: str) -> tuple[Facts, list[objects.Node]]:
    """The cluster as it describes itself. Raises KubernetesError."""
    version = msgspec.json.decode(await client.request("GET", "/version"), type=_Version).git_version
    nodes = sorted((await client.list(NODES)).items, key=lambda node: node.metadata.name)
    families = await _families(client, namespace)
    return Facts(version, families, tuple(node.metadata.name for node in nodes)), nodes


async def _families(client: Client, namespace: str) -> tuple[Family, ...]:
    """Of the default ServiceCIDR; before Kubernetes 1.33, which has none, of what a Service that prefers two gets."""
    try:
        ranges = (await client.get(SERVICE_CIDRS, "kubernetes")).spec.cidrs
    except ApiError:
        path = SERVICES.path(namespace)
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "families"},
            **service(ipFamilyPolicy=PREFER),
        }
        answer = await client.request("POST", path, params={"dryRun": "All"}, body=body)
        ranges = msgspec.json.decode(answer, type=objects.Service).spec.cluster_ips
    return tuple(family_of(text) for text in ranges)
