"""Watches pods with generic ephemeral volumes, and makes a claim for each of them, owned by the pod (KEP-1698).

Source: kubernetes/pkg/controller/volume/ephemeral/controller.go.
"""

from typing import Any

import msgspec

from kube46.api.objects import Pod
from kube46.api.resources import CLAIMS, PODS
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import AlreadyExists, KubernetesError
from kube46.kubernetes.events import EventRecorder
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers import owners

WORKERS = 2


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(PODS, CLAIMS)
    loop = EphemeralVolumes(client, caches)
    await loop.queue.run(loop.sync, WORKERS)


class EphemeralVolumes:
    """Pods joined to their claims."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[Key] = WorkQueue("ephemeral-volume")
        self._client, self._pods, self._claims = client, caches.of(PODS), caches.of(CLAIMS)
        self._events = EventRecorder(client, "ephemeral_volume")
        self._pods.listen(self._pod_changed)

    async def sync(self, key: Key) -> None:
        """Makes what one pod lacks."""
        pod = self._pods.get(key)
        if pod is None or pod.metadata.deletion_timestamp:
            return
        for volume in pod.spec.volumes:
            if volume.ephemeral is None:
                continue
            try:
                await self._make(pod, pod.claims[volume.name], volume.ephemeral.get("volumeClaimTemplate") or {})
            except KubernetesError as error:
                text = f"ephemeral volume {volume.name}: {error}"
                await self._events.record(PODS, pod, "FailedBinding", text, "Warning")
                raise

    async def _make(self, pod: Pod, name: str, template: dict[str, Any]) -> None:
        place = (pod.metadata.namespace, name)
        claim = self._claims.get(place)
        if claim is None:
            meta = template.get("metadata") or {}
            body = {
                "metadata": {
                    "name": name,
                    "labels": meta.get("labels") or {},
                    "annotations": meta.get("annotations") or {},
                    "ownerReferences": [msgspec.to_builtins(owners.reference(PODS, pod))],
                },
                "spec": template.get("spec") or {},
            }
            try:
                claim = await self._client.create(CLAIMS, body, pod.metadata.namespace)
            except AlreadyExists:
                claim = await self._client.get(CLAIMS, name, pod.metadata.namespace)
        if all(owner.uid != pod.metadata.uid for owner in claim.metadata.owner_references):
            text = f"PVC {place[0]}/{name} was not created for pod {place[0]}/{pod.metadata.name} (pod is not owner)"
            await self._events.record(PODS, pod, "FailedBinding", text, "Warning")

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if new and any(volume.ephemeral is not None for volume in new.spec.volumes) and not new.spec.node_name:
            self.queue.add(new.key)
