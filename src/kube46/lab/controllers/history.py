"""The templates that a DaemonSet or StatefulSet had, as ControllerRevisions: `kubectl rollout history` and `undo`.

A revision's data is the strategic-merge patch that brings its template back; kubectl applies it as it is.
Source: kubernetes/pkg/controller/history/controller_history.go.
"""

from collections.abc import Collection, Iterable
from typing import Any, Generic, TypeVar

import msgspec

from kube46.api.objects import Object
from kube46.api.resources import CONTROLLER_REVISIONS, Resource
from kube46.api.workload_objects import ControllerRevision, DaemonSet, StatefulSet
from kube46.controllers.indexes import Index
from kube46.kubernetes.caches import Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import AlreadyExists, Conflict, NotFound
from kube46.lab.controllers import owners
from kube46.lab.controllers.deployments.rules import template_hash
from kube46.lab.controllers.ownedpods import OwnedPods

T = TypeVar("T", bound=Object)
W = TypeVar("W", DaemonSet, StatefulSet)
LABEL = "controller-revision-hash"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def data_of(template: dict[str, Any]) -> dict[str, Any]:
    """The patch that brings the template back."""
    return {"spec": {"template": {**template, "$patch": "replace"}}}


def hash_of(revision: ControllerRevision) -> str:
    """The revision's hash, which a DaemonSet's pods carry."""
    return revision.metadata.labels.get(LABEL, "")


def template_of(revision: ControllerRevision) -> dict[str, Any]:
    """The template that the revision keeps."""
    template = (revision.data.get("spec") or {}).get("template") or {}
    return {key: value for key, value in template.items() if key != "$patch"}


def equal(template: dict[str, Any], owned: Iterable[ControllerRevision]) -> ControllerRevision | None:
    """The latest revision of that template."""
    wanted = data_of(template)
    return max((one for one in owned if one.data == wanted), key=lambda one: one.revision, default=None)


def obsolete(owned: Collection[ControllerRevision], live: Collection[str], limit: int) -> list[ControllerRevision]:
    """The oldest revisions beyond the limit; those with the names `live` stay and don't count."""
    idle = sorted((one for one in owned if one.metadata.name not in live), key=lambda one: one.revision)
    return idle[: max(0, len(idle) - limit)]


def new_revision(
    resource: Resource[T], owner: T, template: dict[str, Any], revision: int, collisions: int
) -> dict[str, Any]:
    """The ControllerRevision to create."""
    value = template_hash(template, collisions)
    labels = (template.get("metadata") or {}).get("labels") or {}
    notes = {key: text for key, text in owner.metadata.annotations.items() if key != LAST_APPLIED}
    return {
        "metadata": {
            "name": f"{owner.metadata.name}-{value}",
            "namespace": owner.metadata.namespace,
            "labels": {**labels, LABEL: value},
            "annotations": notes,
            "ownerReferences": [msgspec.to_builtins(owners.reference(resource, owner))],
        },
        "data": data_of(template),
        "revision": revision,
    }


class History(Generic[W]):
    """The ControllerRevisions of the owners of `pods`."""

    def __init__(self, client: Client, caches: Caches, pods: OwnedPods[W]) -> None:
        self._client = client
        self._pods: OwnedPods[W] = pods
        revisions = caches.of(CONTROLLER_REVISIONS)
        self._owned: Index[str, ControllerRevision] = Index(revisions, owners.controller_uid)

    def of(self, owner: Object) -> list[ControllerRevision]:
        """The owner's revisions, oldest first."""
        return sorted(self._owned.objects(owner.metadata.uid), key=lambda one: one.revision)

    async def current(self, owner: W) -> ControllerRevision | None:
        """The revision of the template, made or made the latest where it is not; None when its name is taken.

        A taken name asks for a higher count of collisions in the status, and thereby another name.
        """
        owned = self.of(owner)
        latest = owned[-1].revision if owned else 0
        found = equal(owner.spec.template, owned)
        if found is None:
            return await self._create(owner, latest + 1)
        if found.revision < latest:
            meta = found.metadata
            body = {"metadata": {"uid": meta.uid}, "revision": latest + 1}
            return await self._client.patch(CONTROLLER_REVISIONS, meta.name, body, meta.namespace)
        return found

    async def _create(self, owner: W, revision: int) -> ControllerRevision | None:
        collisions = int(owner.status.get("collisionCount") or 0)
        body = new_revision(self._pods.resource, owner, owner.spec.template, revision, collisions)
        namespace = owner.metadata.namespace
        try:
            return await self._client.create(CONTROLLER_REVISIONS, body, namespace)
        except AlreadyExists:
            there = await self._client.get(CONTROLLER_REVISIONS, body["metadata"]["name"], namespace)
            mine = owners.controller_uid(there) == [owner.metadata.uid]
            if mine and there.data == body["data"]:
                return there
            await self._pods.report(owner, {"collisionCount": collisions + 1})
            return None

    async def prune(self, owner: Object, live: Collection[str], limit: int) -> None:
        """Deletes what is no longer needed to go back."""
        for one in obsolete(self.of(owner), live, limit):
            meta = one.metadata
            try:
                await self._client.delete(CONTROLLER_REVISIONS, meta.name, meta.namespace, uid=meta.uid)
            except (NotFound, Conflict):
                continue
