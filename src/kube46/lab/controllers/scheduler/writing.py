"""What the scheduler writes: bindings, why a pod waits, and pods that make room."""

import contextlib
import logging
from typing import Any

from kube46.api.objects import Pod
from kube46.api.resources import CLAIMS, PERSISTENT_VOLUMES, PODS
from kube46.api.storage_objects import SELECTED_NODE, PersistentVolume, PersistentVolumeClaim
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import Conflict, NotFound
from kube46.kubernetes.events import EventRecorder
from kube46.lab.controllers import clock
from kube46.lab.controllers.persistentvolumes import binding

log = logging.getLogger(__name__)
NAME = "default-scheduler"


class Writer:
    """Each write is safe to do again, and does nothing to a pod that is gone or another of the name."""

    def __init__(self, client: Client, events: EventRecorder) -> None:
        self._client, self._events = client, events

    async def bind(self, pod: Pod, node: str) -> bool:
        """Gives the pod its node; False where it has one already or is gone."""
        meta = pod.metadata
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        try:
            await self._client.request("POST", PODS.path(meta.namespace, meta.name, "binding"), body=binding)
        except (Conflict, NotFound):
            return False
        log.info("Pod bound pod=%s/%s node=%s", meta.namespace, meta.name, node)
        message = f"Successfully assigned {meta.namespace}/{meta.name} to {node}"
        await self._events.record(PODS, pod, "Scheduled", message)
        return True

    async def reserve(self, volume: PersistentVolume, claim: PersistentVolumeClaim) -> None:
        """Keeps a volume for a claim, which the binder then completes. Raises Conflict, NotFound: it was taken, or is
        gone."""
        meta = volume.metadata
        if body := binding.of_volume(volume, claim):
            body = binding.pinned(body, meta.uid, meta.resource_version)
            await self._client.patch(PERSISTENT_VOLUMES, meta.name, body)

    async def select(self, claim: PersistentVolumeClaim, node: str) -> None:
        """Says on which node the claim's volume is to be provisioned. Raises Conflict, NotFound."""
        meta = claim.metadata
        body = binding.pinned({"metadata": {"annotations": {SELECTED_NODE: node}}}, meta.uid, meta.resource_version)
        await self._client.patch(CLAIMS, meta.name, body, meta.namespace)

    async def refuse(self, pod: Pod, reason: str, message: str, nominated: str = "") -> None:
        """Writes the PodScheduled condition and the node that is nominated, unless they are written already."""
        old = next((c for c in pod.status.conditions if c.type == "PodScheduled"), None)
        said = old and (old.status, old.reason, old.message) == ("False", reason, message)
        if said and pod.status.nominated_node_name == nominated:
            return
        condition = _condition("PodScheduled", "False", reason, message)
        if old and old.status == "False" and old.last_transition_time:
            condition["lastTransitionTime"] = old.last_transition_time
        await self._status(pod, {"conditions": [condition], "nominatedNodeName": nominated or None})

    async def nominate(self, pod: Pod, node: str) -> None:
        """Writes the node that is nominated, or that none is."""
        await self._status(pod, {"nominatedNodeName": node or None})

    async def preempt(self, pod: Pod, node: str, victim: Pod) -> None:
        """Deletes a pod of lower priority, and says for whom."""
        text = f"{pod.spec.scheduler_name}: preempting to accommodate a higher priority pod"
        mark = _condition("DisruptionTarget", "True", "PreemptionByScheduler", text)
        meta = victim.metadata
        await self._status(victim, {"conditions": [mark]})
        with contextlib.suppress(NotFound, Conflict):
            await self._client.delete(PODS, meta.name, meta.namespace, uid=meta.uid)
            log.info("Pod preempted pod=%s/%s by=%s/%s node=%s", *victim.key, *pod.key, node)
            await self._events.record(PODS, victim, "Preempted", f"Preempted by pod {pod.metadata.uid} on node {node}")

    async def _status(self, pod: Pod, status: dict[str, Any]) -> None:
        meta = pod.metadata
        body = {"metadata": {"uid": meta.uid}, "status": status}
        with contextlib.suppress(NotFound, Conflict):
            await self._client.patch(PODS, meta.name, body, meta.namespace, subresource="status", kind="strategic")


def _condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    stamp = clock.text(clock.now())
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": stamp}
