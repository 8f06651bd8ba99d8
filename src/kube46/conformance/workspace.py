"""The gate's own namespace: made when it starts, and always removed, with all that is in it."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable

from kube46.api.resources import ENDPOINT_SLICES, NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS, SERVICES
from kube46.conformance.careful import to_its_end
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import (
    AlreadyExists,
    ApiError,
    KubernetesError,
    NotConnected,
    NotFound,
    ServerUnavailable,
    Unreachable,
)

LABELS = {
    "app.kubernetes.io/name": "kube46-conformance",
    "app.kubernetes.io/managed-by": "kube46",
    # Nodes are probed from pods in their own network (hostNetwork).
    "pod-security.kubernetes.io/enforce": "privileged",
}
# What is made here, taken away by us, too: an API server alone has nobody who carries out a namespace's end.
KINDS = (SERVICES, PODS, ENDPOINT_SLICES, SERVICE_ACCOUNTS)
TRIES = 3
POLL = 0.2
ALONE = 1.0  # seconds to wait where there are no nodes: an API server alone, where nobody carries out namespaces' ends


@contextlib.asynccontextmanager
async def namespace(client: Client, patience: float, progress: Callable[[str], None]) -> AsyncIterator[str]:
    """A namespace of our own; after it nothing of it is left, or `progress` says what the cluster still has to do.

    `patience`: how long its end is waited for, seconds. Raises KubernetesError when it can't be made.
    """
    name = f"kube46-conformance-{secrets.token_hex(3)}"
    made = True
    try:
        try:
            await to_its_end(_make(client, name))
        except KubernetesError as error:
            made = _may_be_done(error)
            raise
        yield name
    finally:
        if made:
            await _end(client, name, patience, progress)


def _may_be_done(error: KubernetesError) -> bool:
    """Whether a write that failed so may have been done all the same."""
    return isinstance(error, Unreachable | ServerUnavailable) and not isinstance(error, NotConnected)


async def _end(client: Client, name: str, patience: float, progress: Callable[[str], None]) -> None:
    try:
        await to_its_end(_remove(client, name))
        # A second Ctrl-C ends the waiting, never the deleting.
        await _gone(client, name, patience if await _has_nodes(client) else min(patience, ALONE), progress)
    except NotFound:
        pass
    except KubernetesError as error:
        progress(f"The namespace {name} could not be removed: {error}; `kubectl delete namespace {name}`")


async def _make(client: Client, name: str) -> None:
    for left in reversed(range(TRIES)):
        try:
            await client.create(NAMESPACES, {"metadata": {"name": name, "labels": LABELS}})
        except AlreadyExists:  # a try that said it failed
            return
        except ServerUnavailable:
            if not left:
                raise
            await asyncio.sleep(1)
        else:
            return


async def _remove(client: Client, name: str) -> None:
    await client.delete(NAMESPACES, name)  # from now on nothing new can be made in it
    await _empty(client, name)


async def _has_nodes(client: Client) -> bool:
    return bool((await client.list(NODES)).items)


async def _empty(client: Client, name: str) -> None:
    for kind in KINDS:
        for item in (await client.list(kind.raw(), name)).items:
            with contextlib.suppress(ApiError):  # another's, or gone by itself: the namespace's end takes it
                await client.delete(kind, item["metadata"]["name"], name, grace_period_seconds=0)


async def _gone(client: Client, name: str, patience: float, progress: Callable[[str], None]) -> None:
    start = time.monotonic()
    told = False
    while time.monotonic() < start + patience:
        await client.get(NAMESPACES, name)  # ends us with NotFound
        if not told and time.monotonic() > start + 1:
            told = True
            progress(f"Waiting for the end of namespace {name}")
        await asyncio.sleep(POLL)
    progress(f"The namespace {name} is deleted, but the cluster still ends it; see `kubectl get namespace {name}`")
