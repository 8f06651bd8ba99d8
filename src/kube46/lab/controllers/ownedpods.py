"""The pods of one kind of owner: making and deleting many at once, with an Event about each."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from kube46.api.objects import LabelSelector, Object, Pod
from kube46.api.resources import PODS, Resource
from kube46.kubernetes.caches import Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import ApiError, Conflict, KubernetesError, NotFound
from kube46.lab.controllers.owned import Owned

T = TypeVar("T", bound=Object)


class OwnedPods(Owned[T, Pod]):
    """The pods of all owners of one kind."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        resource: Resource[T],
        component: str,
        selector: Callable[[T], LabelSelector],
    ) -> None:
        super().__init__(client, caches, resource, PODS, component, selector)

    async def create(self, owner: T, bodies: Sequence[dict[str, Any]]) -> None:
        """Makes pods, more and more at once; raises the first KubernetesError after an Event about it."""
        done = 0
        for size in batches(len(bodies)):
            await _together(self._create(owner, body) for body in bodies[done : done + size])
            done += size

    async def delete(self, owner: T, pods: Iterable[Pod]) -> None:
        """Deletes pods, those that still are these very ones; raises as `create`."""
        await _together(self._delete(owner, pod) for pod in pods)

    async def _create(self, owner: T, body: dict[str, Any]) -> None:
        try:
            pod = await self._client.create(PODS, body, owner.metadata.namespace)
        except KubernetesError as error:
            if isinstance(error, ApiError) and error.namespace_ends:
                return
            await self.tell(owner, "FailedCreate", f"Error creating: {error}", "Warning")
            raise
        self.wrote(owner, pod)
        await self.tell(owner, "SuccessfulCreate", f"Created pod: {pod.metadata.name}")

    async def _delete(self, owner: T, pod: Pod) -> None:
        meta = pod.metadata
        try:
            await self._client.delete(PODS, meta.name, meta.namespace, uid=meta.uid)
        except (NotFound, Conflict):  # already gone, or another pod of the name
            return
        except KubernetesError as error:
            await self.tell(owner, "FailedDelete", f"Error deleting: {error}", "Warning")
            raise
        self.deleted(owner, pod)
        await self.tell(owner, "SuccessfulDelete", f"Deleted pod: {meta.name}")

    def _adoptable(self, child: Pod) -> bool:
        return child.status.phase not in ("Succeeded", "Failed")


def batches(count: int) -> Iterable[int]:
    """Sizes of groups to create one after another: 1, 2, 4, …, so that a hopeless template costs one request."""
    size = 1
    while count > 0:
        yield min(size, count)
        count -= min(size, count)
        size *= 2


async def _together(work: Iterable[Coroutine[None, None, None]]) -> None:
    """Does all the work at once and to its end, whatever fails; raises the first failure."""
    errors: list[KubernetesError] = []

    async def one(part: Coroutine[None, None, None]) -> None:
        try:
            await part
        except KubernetesError as error:
            errors.append(error)

    async with asyncio.TaskGroup() as group:
        for part in work:
            group.create_task(one(part))
    if errors:
        raise errors[0]
