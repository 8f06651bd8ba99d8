"""What the API is told of a pod: its status, written whenever it differs from what was written."""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from kube46.kubernetes.errors import KubernetesError, NotFound
from kube46.lab.kubelet import metrics, resizing, statuses
from kube46.lab.kubelet.manifests import PODS
from kube46.lab.kubelet.podstate import RETRY_FIRST, RETRY_LAST, PodState

SETTLE = 0.1  # seconds
RESIZES = (resizing.PENDING, resizing.PROGRESS)
log = logging.getLogger(__name__)


class Teller:
    """Writes one pod's status; `due` is set when it may have changed."""

    def __init__(self, state: PodState) -> None:
        self._state = state
        self._written: dict[str, Any] = {}
        self.due = asyncio.Event()

    async def run(self) -> None:
        """Writes the status as it changes; never returns."""
        failures = 0
        while True:
            await self.due.wait()
            self.due.clear()
            await self._settle()
            try:
                await self.write()
                failures = 0
            except NotFound:
                continue  # the pod's deletion is on its way to us
            except KubernetesError as error:
                failures += 1
                meta = self._state.pod.metadata
                log.warning("Status was not written pod=%s/%s error=%s", meta.namespace, meta.name, error)
                await asyncio.sleep(min(RETRY_FIRST * failures, RETRY_LAST))
                self.due.set()

    async def write(self) -> None:
        """Write the status, unless the API has it. Raises KubernetesError."""
        state, meta, seen = self._state, self._state.pod.metadata, self._state.observe()
        status = statuses.status(state.pod, seen, self._before(), time.time())
        if status == self._written or state.gone:
            return
        if status["phase"] in ("Succeeded", "Failed") and not any(run.live for run in seen.runs.values()):
            state.final_phase = status["phase"]
        before = self._before().get("phase", "Pending")
        # These lists merge by address; an old sandbox's addresses must not stay.
        whole: dict[str, Any] = {
            name: [{"$patch": "replace"}, *status[name]] for name in ("podIPs", "hostIPs") if name in status
        }
        whole |= self._without_old(status)
        body = {"metadata": {"uid": meta.uid}, "status": status | whole}
        await state.shop.client.patch(PODS, meta.name, body, meta.namespace, subresource="status", kind="strategic")
        if status["phase"] == "Running" and before == "Pending":
            metrics.POD_START_SECONDS.observe(time.time() - state.start_time)
        self._written = status

    def _without_old(self, status: Mapping[str, Any]) -> dict[str, Any]:
        """The conditions, those of a resize that is over deleted: the list merges by type."""
        wanted = status.get("conditions") or ()
        kinds = {one["type"] for one in wanted}
        old = [one["type"] for one in self._before().get("conditions") or () if one["type"] in RESIZES]
        gone = [{"$patch": "delete", "type": kind} for kind in old if kind not in kinds]
        return {"conditions": [*wanted, *gone]} if gone else {}

    def _before(self) -> dict[str, Any]:
        """The status that the API has: as it came, with what we wrote since. Conditions may be others' too."""
        came = self._state.object.status
        conditions = _by_type(came.get("conditions") or ()) | _by_type(self._written.get("conditions", ()))
        return came | self._written | {"conditions": list(conditions.values())}

    async def _settle(self) -> None:
        """Waits a moment while the pod is merely on its way up: most are up before the moment is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE):
                while self._on_its_way():
                    await self.due.wait()
                    self.due.clear()

    def _on_its_way(self) -> bool:
        seen = self._state.observe()
        quiet = not (seen.problems or seen.unsupported or self._state.ending_since or self._state.past)
        return quiet and not any(run.started for run in seen.runs.values())


def _by_type(conditions: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {condition["type"]: condition for condition in conditions}
