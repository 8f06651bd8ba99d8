"""The objects of `kube46 run` in a cluster: made or changed by server-side apply, and what to try next."""

import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kube46.addresses.families import bracketed
from kube46.api.resources import DEPLOYMENTS, SERVICES, Resource
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import NotFound
from kube46.lab import apps
from kube46.lab.apps import App
from kube46.lab.settings import BadSettings


@dataclass(frozen=True, slots=True)
class Applied:
    """What is in the cluster now: `service` is {} without one."""

    deployment: dict[str, Any]
    service: dict[str, Any]


async def check(client: Client, app: App) -> None:
    """Ask the server whether `apply` will do, before anything is changed. Raises BadSettings, KubernetesError."""
    for resource, wanted in _wanted(app):
        if await _there(client, resource, app) is False:
            kind = resource.kind.lower()
            mend = "choose another name, or delete it"
            raise BadSettings(f"NAME {app.name}: there is a {kind} of it that `kube46 run` did not make, {mend}")
        try:
            await client.apply(resource, wanted, app.namespace, manager=apps.MANAGER, dry_run=True)
        except NotFound as error:
            mend = f"make it with `kubectl create namespace {app.namespace}`"
            raise BadSettings(f"--namespace {app.namespace}: {error.message}, {mend}") from error


async def apply(client: Client, app: App) -> Applied:
    """Make the objects, or those of an earlier run as this one wants them. Raises KubernetesError."""
    made = {
        resource.kind: await client.apply(resource, wanted, app.namespace, manager=apps.MANAGER)
        for resource, wanted in _wanted(app)
    }
    if not app.expose and await _there(client, SERVICES.raw(), app):
        with suppress(NotFound):
            await client.delete(SERVICES, app.name, app.namespace)
    return Applied(made[DEPLOYMENTS.kind], made.get(SERVICES.kind, {}))


def _wanted(app: App) -> Iterator[tuple[Resource[dict[str, Any]], dict[str, Any]]]:
    resources = {resource.kind: resource.raw() for resource in (DEPLOYMENTS, SERVICES)}
    return ((resources[one["kind"]], one) for one in apps.manifests(app))


async def _there(client: Client, resource: Resource[dict[str, Any]], app: App) -> bool | None:
    """Whether an object of the name is an earlier run's; None when there is none."""
    try:
        found = await client.get(resource, app.name, app.namespace)
    except NotFound:
        return None
    return apps.MARK.items() <= (found["metadata"].get("labels") or {}).items()


def next_steps(app: App, applied: Applied, context: str) -> str:
    """What was made, and what to try next."""
    kubectl = _kubectl(app, context)
    lines = [f"deployment {app.name}: {app.replicas} {'pod' if app.replicas == 1 else 'pods'}"]
    addresses = (applied.service.get("spec") or {}).get("clusterIPs") or []
    if addresses:
        places = ", ".join(bracketed(ip, p.number) for ip in addresses for p in app.ports)
        lines.append(f"service {app.name}: {places}")
    lines += ["", "try:", f"  {kubectl} get pods -l app={app.name} -o wide", f"  {kubectl} logs -l app={app.name} -f"]
    tcp = next((p for p in app.ports if p.protocol == "TCP"), None)
    if addresses and tcp:
        name = context.removeprefix("kube46-")
        lines += [
            f"  kube46 shell --name {name} node1 -- curl 'http://{bracketed(ip, tcp.number)}/'" for ip in addresses
        ]
        lines.append(f"  {kubectl} port-forward svc/{app.name} {tcp.number}")
    lines.append(f"  {removal(app, context)}")
    return "\n".join(lines)


def removal(app: App, context: str) -> str:
    """The command that deletes what was made."""
    kinds = "deployment,service" if app.expose else "deployment"
    return f"{_kubectl(app, context)} delete {kinds} {app.name}"


def _kubectl(app: App, context: str) -> str:
    return shlex.join(["kubectl", "--context", context, "-n", app.namespace])
