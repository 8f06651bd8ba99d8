"""Whether the API servers behind this one answer: the condition Available of their APIServices.

Source: k8s.io/kube-aggregator pkg/controllers/status/remote/remote_available_controller.go.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kube46.apiserver.aggregation.aggregator import PLURAL
from kube46.apiserver.aggregation.remotes import AVAILABLE
from kube46.apiserver.history import told
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.transactions import now
from kube46.apiserver.writes import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kube46.apiserver.aggregation.aggregator import Aggregator
    from kube46.apiserver.aggregation.remotes import Remote
    from kube46.apiserver.proxying.locations import Locations
    from kube46.apiserver.strategy import Object
    from kube46.apiserver.writes import Registry

RESYNC_SECONDS, RETRY_SECONDS, AT_MOST_EVERY = 30.0, 3.0, 1.0
ATTEMPTS = 5  # at endpoints taken at random: one that answers is enough
PASSED = "Passed", "all checks passed"
Found = tuple[str, str]  # the condition's reason and message
log = logging.getLogger(__name__)


async def run(registry: Registry, aggregator: Aggregator, locations: Locations) -> None:
    """Looks after all of them until cancelled: after changes, and now and then."""
    changed = asyncio.Event()
    while True:
        plurals = (PLURAL, "services", "endpointslices") if aggregator.remotes else (PLURAL,)
        with told(changed, *(registry.store.collection(plural).history for plural in plurals)):
            changed.clear()
            well = await settle(registry, aggregator, locations)
            try:
                async with asyncio.timeout(RESYNC_SECONDS if well else RETRY_SECONDS):
                    await changed.wait()
                await asyncio.sleep(AT_MOST_EVERY)
            except TimeoutError:
                pass


async def settle(registry: Registry, aggregator: Aggregator, locations: Locations) -> bool:
    """Look at each once, and write what was found; whether all are available."""
    remotes = list(aggregator.remotes.values())
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_looked_at(aggregator, locations, remote)) for remote in remotes]
    for remote, task in zip(remotes, tasks, strict=True):
        try:
            await _tell(registry, remote, task.result())
        except StatusError as error:  # it went meanwhile, or the disk is full: the next look finds it as it is
            log.info("availability of %s not written error=%s", remote.name, error.message)
    return all(task.result() == PASSED for task in tasks)


async def _looked_at(aggregator: Aggregator, locations: Locations, remote: Remote) -> Found:
    key = f"{remote.namespace}/{remote.service}"
    slices = locations.slices(remote.namespace, remote.service)
    if (found := problem(remote, locations.read("services", key), slices)) is not None:
        return found
    said = ""
    for _ in range(ATTEMPTS):
        try:
            await aggregator.look(remote)
        except StatusError as error:
            said = error.message
        else:
            return PASSED
    return "FailedDiscoveryCheck", said


def problem(remote: Remote, service: Object | None, slices: Sequence[Object]) -> Found | None:
    """Why the Service can't lead to it; None when it can."""
    name = f'service/{remote.service} in "{remote.namespace}"'
    if service is None:
        return "ServiceNotFound", f"{name} is not present"
    if service["spec"].get("type", "ClusterIP") != "ClusterIP":
        return None
    port = next((one for one in service["spec"].get("ports") or () if one["port"] == remote.port), None)
    if port is None:
        return "ServicePortError", f"{name} is not listening on port {remote.port}"
    if not slices:
        return "EndpointsNotFound", f"cannot find endpointslices for {name}"
    wanted = port.get("name") or ""
    if not any(_leads(one, wanted) for one in slices):
        return "MissingEndpoints", f'endpointslices for {name} have no addresses with port name "{wanted}"'
    return None


def _leads(slice_: Object, port: str) -> bool:
    ready = any((one.get("conditions") or {}).get("ready") is not False for one in slice_.get("endpoints") or ())
    return ready and any((p.get("name") or "") == port and p.get("port") for p in slice_.get("ports") or ())


async def _tell(registry: Registry, remote: Remote, found: Found) -> None:
    """Write the condition, if it says another thing; the time is that of the last change of its status."""
    record = registry.store.get(PLURAL, remote.name)
    if record is None:
        return
    condition = {"type": AVAILABLE, "status": str(found == PASSED), "reason": found[0], "message": found[1]}

    def edit(stored: Object) -> None:
        conditions = stored.setdefault("status", {}).setdefault("conditions", [])
        at = next((i for i, one in enumerate(conditions) if one["type"] == AVAILABLE), None)
        if at is None:
            conditions.append({**condition, "lastTransitionTime": now()})
            return
        old = conditions[at]
        since = old["lastTransitionTime"] if old["status"] == condition["status"] else now()
        conditions[at] = {**condition, "lastTransitionTime": since}

    await registry.change_directly(Call(BY_PLURAL[PLURAL], remote.name), edit)
