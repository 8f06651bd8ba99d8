"""Pods of `kube46 run` waited for: until all are ready, or one can't become so, which is told with its last words."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from kube46.api.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import KubernetesError
from kube46.lab.apps import App
from kube46.lab.controllers.deployments.rules import HASH_LABEL, REVISION

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
    """How many wanted pods are ready, for minReadySeconds; -1 while it isn't known, or old ones are left."""
    status, spec = deployment.get("status") or {}, deployment["spec"]
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 1):
        return -1
    if status.get("replicas", 0) > status.get("updatedReplicas", 0):
        return -1
    return int(min(status.get("availableReplicas", 0), spec["replicas"]))


async def _trouble(client: Client, app: App, deployment: Mapping[str, Any]) -> str:
    """Why a pod of the newest state won't come up, "" as long as it may."""
    status, meta = deployment.get("status") or {}, deployment["metadata"]
    if status.get("observedGeneration", 0) < meta.get("generation", 1):
        return ""  # what is there are the pods of an earlier run
    sets = (await client.list(REPLICA_SETS.raw(), app.namespace, labels=f"app={app.name}")).items
    newest = max((one for one in sets if _owned(one, meta["uid"])), key=_revision, default=None)
    if newest is None:
        return ""
    wanted = f"app={app.name},{HASH_LABEL}={newest['metadata']['labels'][HASH_LABEL]}"
    for pod in (await client.list(PODS.raw(), app.namespace, labels=wanted)).items:
        for container in (pod.get("status") or {}).get("containerStatuses") or ():
            waiting = container.get("state", {}).get("waiting") or {}
            if waiting.get("reason") in HOPELESS and not pod["metadata"].get("deletionTimestamp"):
                return await _told(client, app, pod["metadata"]["name"], container, waiting)
    return ""


def _owned(one: Mapping[str, Any], uid: str) -> bool:
    return any(owner["uid"] == uid for owner in one["metadata"].get("ownerReferences") or ())


def _revision(one: Mapping[str, Any]) -> int:
    return int((one["metadata"].get("annotations") or {}).get(REVISION, 0))


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
