"""Makes the claims of StatefulSets' pods before the pods, and keeps their owners right."""

from typing import Any

import msgspec

from kube46.api.objects import Pod
from kube46.api.resources import CLAIMS
from kube46.api.workload_objects import StatefulSet
from kube46.kubernetes.caches import Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import AlreadyExists, Conflict, KubernetesError, NotFound
from kube46.lab.controllers.ownedpods import OwnedPods
from kube46.lab.controllers.statefulsets import claims

LOOK_AGAIN_SECONDS = 1.0


class Claims:
    """The claims of all StatefulSets."""

    def __init__(self, client: Client, caches: Caches, pods: OwnedPods[StatefulSet]) -> None:
        self._client, self._claims, self._pods = client, caches.of(CLAIMS), pods

    async def make(self, owner: StatefulSet, number: int) -> bool:
        """Makes what the pod of that number lacks; whether it can be made now. Raises KubernetesError."""
        ready = True
        for body in claims.bodies(owner, number):
            name = body["metadata"]["name"]
            claim = self._claims.get((owner.metadata.namespace, name))
            if claim is None:
                await self._create(owner, number, body)
            elif claims.stale(owner, number, claim):
                ready = False
            elif claim.metadata.deletion_timestamp:
                text = f"create Pod {owner.metadata.name}-{number} in StatefulSet {owner.metadata.name} failed error: "
                await self._pods.tell(owner, "FailedCreate", f"{text}pvc {name} is being deleted", "Warning")
                ready = False
        if not ready:
            self._pods.queue.add_after(owner.key, LOOK_AGAIN_SECONDS)
        return ready

    async def _create(self, owner: StatefulSet, number: int, body: dict[str, Any]) -> None:
        name = body["metadata"]["name"]
        pod = f"{owner.metadata.name}-{number}"
        try:
            await self._client.create(CLAIMS, body, owner.metadata.namespace)
        except AlreadyExists:
            return  # our cache is behind
        except KubernetesError as error:
            text = f"Create Claim {name} for Pod {pod} in StatefulSet {owner.metadata.name} failed error: {error}"
            await self._pods.tell(owner, "FailedCreate", text, "Warning")
            raise
        text = f"Create Claim {name} Pod {pod} in StatefulSet {owner.metadata.name} success"
        await self._pods.tell(owner, "SuccessfulCreate", text)

    async def own(self, owner: StatefulSet, number: int, pod: Pod) -> None:
        """Gives the pod's claims the owners that the retention policy asks for."""
        for name in claims.names(owner, number).values():
            claim = self._claims.get((owner.metadata.namespace, name))
            wanted = claims.references(owner, number, pod, claim) if claim else None
            if claim is None or wanted is None:
                continue
            meta = claim.metadata
            references = [msgspec.to_builtins(one) for one in wanted]
            body = {"uid": meta.uid, "resourceVersion": meta.resource_version, "ownerReferences": references}
            try:
                await self._client.patch(CLAIMS, name, {"metadata": body}, meta.namespace)
            except (Conflict, NotFound):
                self._pods.queue.add_after(owner.key, LOOK_AGAIN_SECONDS)
