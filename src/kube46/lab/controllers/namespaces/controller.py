"""Watches for namespaces that are being deleted, deletes what is in them, and finalizes them when they are empty.

Pods go first and alone, so that nothing they rely on is taken from under them (KEP-5080).
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from kube46.api.objects import Namespace, Object
from kube46.api.resources import NAMESPACES
from kube46.kubernetes.caches import Cache, Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import ApiError, Conflict, NotFound
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers import clock, discovery
from kube46.lab.controllers.namespaces import rules

log = logging.getLogger(__name__)
WORKERS = 4
LOOK_AGAIN_SECONDS = 0.5
PODS = ("", "pods")


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    namespaces = caches.of(NAMESPACES)
    await namespaces.synced.wait()
    loop = Namespaces(client, namespaces)
    await loop.queue.run(loop.sync, WORKERS)


class Namespaces:
    """Deletes the content of namespaces by discovery."""

    def __init__(self, client: Client, namespaces: Cache[Namespace]) -> None:
        self.queue: WorkQueue[str] = WorkQueue("namespace")
        self._client, self._namespaces = client, namespaces
        namespaces.listen(self._changed)

    async def sync(self, name: str) -> None:
        """One pass over a dying namespace."""
        namespace = self._namespaces.get(("", name))
        if namespace is None or not namespace.metadata.deletion_timestamp:
            return
        if rules.FINALIZER not in namespace.spec.finalizers:
            return
        known, failures = await discovery.readable(self._client)
        kinds = [k for k in known if k.resource.namespaced and k.can("list", "delete")]
        found = rules.Found(undiscovered=failures)
        await self._empty(name, [k for k in kinds if (k.resource.group, k.resource.plural) == PODS], found)
        if not any(found.left.values()) and not found.failed:
            await self._empty(name, kinds, found)
        if not found.empty:
            await self._report(namespace, found)
            self.queue.add_after(name, LOOK_AGAIN_SECONDS)
            return
        await self._finalize(name, namespace.metadata.uid)

    async def _empty(self, name: str, kinds: Iterable[discovery.Served], found: rules.Found) -> None:
        """Asks for the deletion of all objects of the kinds; one that fails does not keep the others."""
        for kind in kinds:
            try:
                found.left[f"{kind.resource.plural}.{kind.resource.group}"] = await self._emptied(name, kind)
            except NotFound:  # the kind is gone
                continue
            except ApiError as error:
                log.info("Content was not deleted namespace=%s kind=%s error=%s", name, kind.resource.kind, error)
                found.failed.append(error.message)

    async def _emptied(self, name: str, kind: discovery.Served) -> Sequence[Object]:
        """What is still there of a kind afterwards."""
        found = (await self._client.list(kind.resource, name)).items
        if any(not one.metadata.deletion_timestamp for one in found):
            await self._delete_all(kind, name, found)
            found = (await self._client.list(kind.resource, name)).items
        return found

    async def _delete_all(self, kind: discovery.Served, namespace: str, found: Iterable[Object]) -> None:
        if kind.can("deletecollection"):
            body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
            try:
                await self._client.request("DELETE", kind.resource.path(namespace), body=body)
                return
            except ApiError as error:
                if error.status not in (404, 405):
                    raise
        for one in found:
            try:
                await self._client.delete(
                    kind.resource, one.metadata.name, namespace, uid=one.metadata.uid, propagation="Background"
                )
            except (NotFound, Conflict):
                continue

    async def _report(self, namespace: Namespace, found: rules.Found) -> None:
        wanted = rules.conditions(namespace.status.conditions, found, clock.now())
        if rules.differ(namespace.status.conditions, wanted):
            body = {"metadata": {"uid": namespace.metadata.uid}, "status": {"conditions": wanted}}
            try:
                await self._client.patch(
                    NAMESPACES, namespace.metadata.name, body, subresource="status", kind="strategic"
                )
            except (NotFound, Conflict) as error:
                log.info("Conditions of a namespace were not written namespace=%s error=%s", namespace, error)

    async def _finalize(self, name: str, uid: str) -> None:
        """Takes our finalizer off the whole object: `finalize` knows no patch."""
        try:
            body = msgspec.json.decode(await self._client.request("GET", NAMESPACES.path("", name)))
            if body["metadata"]["uid"] != uid:
                return
            body["spec"]["finalizers"] = [f for f in body["spec"].get("finalizers", []) if f != rules.FINALIZER]
            await self._client.request("PUT", NAMESPACES.path("", name, "finalize"), body=body)
        except NotFound:
            return
        log.info("Namespace emptied and finalized namespace=%s", name)

    def _changed(self, old: Namespace | None, new: Namespace | None) -> None:
        if new and new.metadata.deletion_timestamp:
            self.queue.add(new.metadata.name)
