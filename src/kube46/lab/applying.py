"""`kube46 run` on a cluster: objects made or changed, pods waited for, and what to try next."""

import asyncio
import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kube46.addresses.families import bracketed
from kube46.api.resources import DEPLOYMENTS, PODS, SERVICES, Resource
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import AlreadyExists, KubernetesError, NotFound
from kube46.lab import apps
from kube46.lab.apps import App
from kube46.lab.settings import BadSettings

POLL = 0.2  # seconds
LOG_LINES = 5
# A container that waits for one of these doesn't come up by waiting.
HOPELESS = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "UnsupportedField",
    }
)


class NotRunning(RuntimeError):
    """The pods did not become ready; the message says why, as far as it is known."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What is in the cluster now: `service` is {} without one."""

    deployment: dict[str, Any]
    service: dict[str, Any]


async def apply(client: Client, app: App) -> Applied:
    """Make the objects, or change those of an earlier run. Raises BadSettings, KubernetesError."""
    deployment, *rest = apps.manifests(app)
    made = await _put(client, DEPLOYMENTS.raw(), deployment, app)
    service = await _put(client, SERVICES.raw(), rest[0], app) if rest else {}
    return Applied(made, service)


async def _put(client: Client, resource: Resource[dict[str, Any]], wanted: dict[str, Any], app: App) -> dict[str, Any]:
    try:
        return await client.create(resource, apps.without_nulls(wanted), app.namespace)
    except NotFound as error:
        raise BadSettings(
            f"--namespace {app.namespace}: {error.message}, make it with kubectl create namespace"
        ) from error
    except AlreadyExists:
        there = await client.get(resource, app.name, app.namespace)
        labels = there["metadata"].get("labels") or {}
        if not apps.MANAGER.items() <= labels.items():
            kind = wanted["kind"].lower()
            raise BadSettings(
                f"NAME {app.name}: there is a {kind} of that name that `kube46 run` did not make, choose another name"
            ) from None
        return await client.patch(resource, app.name, wanted, app.namespace)


async def wait(client: Client, app: App, tick: Callable[[str], None], seconds: float) -> None:
    """Return once all pods of the newest state are ready. Raises NotRunning, KubernetesError."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        found = await client.get(DEPLOYMENTS.raw(), app.name, app.namespace)
        ready = _ready(found)
        if ready == app.replicas:
            return
        tick(f"{app.name}: {max(ready, 0)} of {app.replicas} pods ready")
        trouble = await _trouble(client, app, found)
        if trouble:
            raise NotRunning(trouble)
        if asyncio.get_running_loop().time() > end:
            raise NotRunning(_late(app, max(ready, 0), seconds))
        await asyncio.sleep(POLL)


def _ready(deployment: Mapping[str, Any]) -> int:
    """How many of the wanted pods are ready; -1 while it isn't known, or old ones are left."""
    status, spec = deployment.get("status") or {}, deployment["spec"]
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 1):
        return -1
    if status.get("replicas", 0) > status.get("updatedReplicas", 0):
        return -1
    return int(min(status.get("readyReplicas", 0), spec["replicas"]))


async def _trouble(client: Client, app: App, deployment: Mapping[str, Any]) -> str:
    """Why a pod of the newest state won't come up, "" as long as it may."""
    label = f"app={app.name}"
    pods = (await client.list(PODS.raw(), app.namespace, labels=label)).items
    newest = max((pod["metadata"]["creationTimestamp"] for pod in pods), default="")
    for pod in pods:
        if pod["metadata"]["creationTimestamp"] != newest or pod["metadata"].get("deletionTimestamp"):
            continue
        for status in (pod.get("status") or {}).get("containerStatuses") or ():
            waiting = status.get("state", {}).get("waiting") or {}
            if waiting.get("reason") in HOPELESS:
                return await _told(client, app, pod["metadata"]["name"], status, waiting)
    return ""


async def _told(client: Client, app: App, pod: str, status: Mapping[str, Any], waiting: Mapping[str, Any]) -> str:
    text = f"pod {pod}: {waiting['reason']}: {waiting.get('message', '')}"
    ended = status.get("lastState", {}).get("terminated") or {}
    if ended:
        words = f" ({ended['message'].strip()})" if ended.get("message") else ""
        text = f"pod {pod}: its command ended with status {ended.get('exitCode')}{words}"
        with suppress(KubernetesError):
            path = f"{PODS.path(app.namespace)}/{pod}/log"
            params = {"tailLines": str(LOG_LINES), "previous": "true"}
            log = (await client.request("GET", path, params=params)).decode(errors="replace").rstrip()
            text += "".join(f"\n  {line}" for line in log.splitlines())
    return text


def _late(app: App, ready: int, seconds: float) -> str:
    text = f"{app.name}: {ready} of {app.replicas} pods ready after {seconds:.0f} s"
    if app.ports:
        text += f"; does it listen on port {app.ports[0].number} of the pod's primary family, on all addresses?"
    return text


def next_steps(app: App, applied: Applied, context: str) -> str:
    """What was made, and what to try next."""
    kubectl = shlex.join(["kubectl", "--context", context, "-n", app.namespace])
    kinds = "deployment,service" if app.expose else "deployment"
    lines = [f"deployment {app.name}: {app.replicas} {'pod' if app.replicas == 1 else 'pods'}"]
    addresses = (applied.service.get("spec") or {}).get("clusterIPs") or []
    if addresses:
        places = ", ".join(bracketed(ip, p.number) for ip in addresses for p in app.ports)
        lines.append(f"service {app.name}: {places}")
    lines += ["", "try:", f"  {kubectl} get pods -l app={app.name} -o wide", f"  {kubectl} logs -l app={app.name} -f"]
    tcp = next((p for p in app.ports if p.protocol == "TCP"), None)
    if addresses and tcp:
        name = context.removeprefix("kube46-")
        lines += [f"  kube46 shell --name {name} node1 -- curl http://{bracketed(ip, tcp.number)}/" for ip in addresses]
        lines.append(f"  {kubectl} port-forward svc/{app.name} {tcp.number}")
    lines.append(f"  {kubectl} delete {kinds} {app.name}")
    return "\n".join(lines)
