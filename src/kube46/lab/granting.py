"""Gives kube46's programs their rights on either API server: the roles of `access`, by server-side apply."""

from kube46.api.resources import Resource
from kube46.kubernetes.client import Client
from kube46.lab import access
from kube46.lab.controllers import names
from kube46.lab.settings import Settings

MANAGER = "kube46"
PLURALS = {
    "FlowSchema": ("flowschemas", False),
    "ClusterRole": ("clusterroles", False),
    "ClusterRoleBinding": ("clusterrolebindings", False),
    "Role": ("roles", True),
    "RoleBinding": ("rolebindings", True),
}


async def ensure(api: Client, settings: Settings) -> None:
    """Make the roles as they should be, whatever was done to them. Raises KubernetesError."""
    for body in access.objects(settings.upstream.loops if settings.upstream else names.ALL):
        plural, namespaced = PLURALS[body["kind"]]
        group, version = body["apiVersion"].split("/")
        resource: Resource[dict[str, object]] = Resource(group, version, plural, body["kind"], namespaced, dict)
        await api.apply(resource, body, body["metadata"].get("namespace", ""), manager=MANAGER)
