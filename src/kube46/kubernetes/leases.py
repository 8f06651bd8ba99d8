"""Leader election by a Lease: of several processes one works, and another takes over when it dies.

A candidate never compares the Lease's times with its own clock: a Lease has run out when it has not changed for its
duration on the candidate's own monotonic clock. The leader gives the Lease up when it stops in good order, and stops
working when it could not renew for `renew_seconds`, before anybody else may begin.

Source: kubernetes/staging/src/k8s.io/client-go/tools/leaderelection; its defaults are ours.
"""

import asyncio
import logging
import random
import socket
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kube46.api.objects import Lease, LeaseSpec
from kube46.api.resources import LEASES
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import AlreadyExists, Conflict, KubernetesError, NotFound

log = logging.getLogger(__name__)
JITTER = 1.2
LEASE = "kube46-controllers"  # the one that `kube46 controllers` asks for, and may have


class LeadershipLost(KubernetesError):
    """Another process leads, or the Lease could not be renewed in time: stop, and let the supervisor start us again."""


def identity() -> str:
    """A name that no other process has: `hostname_uuid`."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


@dataclass(frozen=True, slots=True)
class Election:
    """Which Lease decides, and its times in seconds: it runs out after `lease_seconds` without a renewal."""

    name: str
    namespace: str = "kube-system"
    identity: str = field(default_factory=identity)
    lease_seconds: float = 15.0
    renew_seconds: float = 10.0
    retry_seconds: float = 2.0


@dataclass(slots=True)
class Observation:
    """The Lease as last seen, and when it was first seen so, by the monotonic clock."""

    spec: LeaseSpec = field(default_factory=LeaseSpec)
    since: float = float("-inf")

    def see(self, spec: LeaseSpec, moment: float) -> None:
        """Time starts again whenever the holder writes."""
        if spec != self.spec:
            self.spec, self.since = spec, moment

    def free_for(self, candidate: str, moment: float) -> bool:
        """Whether `candidate` may take or keep the Lease."""
        holder, duration = self.spec.holder_identity, self.spec.lease_duration_seconds or 0
        return not holder or holder == candidate or moment > self.since + duration


async def lead(client: Client, election: Election, work: Callable[[], Awaitable[None]]) -> None:
    """Waits to be the leader, then works; gives the Lease up at the end. Raises LeadershipLost within a group."""
    elector = _Elector(client, election)
    while not await elector.attempt():  # noqa: ASYNC110 – the Lease is elsewhere, nothing here can be waited on
        await asyncio.sleep(election.retry_seconds * random.uniform(1, JITTER))  # noqa: S311 – spreads candidates
    log.info("Became the leader lease=%s/%s identity=%s", election.namespace, election.name, election.identity)
    try:
        async with asyncio.TaskGroup() as group:
            renewal = group.create_task(elector.keep())
            await work()
            renewal.cancel()
    finally:
        await elector.release()


class _Elector:
    def __init__(self, client: Client, election: Election) -> None:
        self._client, self._election = client, election
        self._seen = Observation()

    async def attempt(self) -> bool:
        """Takes or renews the Lease; whether we hold it now."""
        try:
            async with asyncio.timeout(self._election.renew_seconds):
                return await self._write()
        except (KubernetesError, TimeoutError) as error:
            log.info("Lease was not written lease=%s error=%s", self._election.name, error or "timed out")
            return False

    async def keep(self) -> None:
        """Renews for ever. Raises LeadershipLost."""
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(self._election.retry_seconds)
            if await self.attempt():
                renewed = time.monotonic()
            elif time.monotonic() - renewed > self._election.renew_seconds or not self._ours():
                raise LeadershipLost(f"Lease {self._election.namespace}/{self._election.name} was lost; start again")

    async def release(self) -> None:
        """Lets others take over at once."""
        if not self._ours():
            return
        spec = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _stamp()}
        try:
            async with asyncio.timeout(self._election.retry_seconds):
                await self._patch(spec, self._version)
        except (KubernetesError, TimeoutError) as error:
            log.info("Lease was not released lease=%s error=%s", self._election.name, error or "timed out")

    async def _write(self) -> bool:
        try:
            held = await self._client.get(LEASES, self._election.name, self._election.namespace)
        except NotFound:
            return await self._create()
        self._seen.see(held.spec, time.monotonic())
        if not self._seen.free_for(self._election.identity, time.monotonic()):
            return False
        try:
            self._took(await self._patch(self._spec(held.spec), held.metadata.resource_version))
        except Conflict:
            return False
        return True

    async def _create(self) -> bool:
        name, namespace = self._election.name, self._election.namespace
        body = {"metadata": {"name": name, "namespace": namespace}, "spec": self._spec(LeaseSpec())}
        try:
            self._took(await self._client.create(LEASES, body, namespace))
        except AlreadyExists:
            return False
        return True

    async def _patch(self, spec: dict[str, Any], version: str) -> Lease:
        body = {"metadata": {"resourceVersion": version}, "spec": spec}
        return await self._client.patch(LEASES, self._election.name, body, self._election.namespace)

    def _took(self, lease: Lease) -> None:
        self._version = lease.metadata.resource_version
        self._seen.see(lease.spec, time.monotonic())

    def _ours(self) -> bool:
        return self._seen.spec.holder_identity == self._election.identity

    def _spec(self, held: LeaseSpec) -> dict[str, Any]:
        """The Lease with us as its holder; a change of holder counts as a transition."""
        mine, stamp = held.holder_identity == self._election.identity, _stamp()
        transitions = held.lease_transitions or 0
        changed = 0 if mine or held.acquire_time is None else 1
        return {
            "holderIdentity": self._election.identity,
            "leaseDurationSeconds": int(self._election.lease_seconds) or 1,
            "acquireTime": held.acquire_time if mine else stamp,
            "renewTime": stamp,
            "leaseTransitions": transitions + changed,
        }


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
