"""The ServiceCIDR `kubernetes`: made from the flags, given a second family, else left as it is and complained about.

Source: k8s.io/kubernetes pkg/controlplane/controller/defaultservicecidr (1.37); semantics A-18.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.api.addressrepair import Meta
from kube46.apiserver import applying
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.recorder import Recorder
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.transactions import now
from kube46.apiserver.writes import Call

if TYPE_CHECKING:
    from kube46.addresses.families import Prefix
    from kube46.apiserver.writes import Registry

log = logging.getLogger(__name__)
NAME, CONTROLLER = "kubernetes", "kubernetes-service-cidr-controller"
KIND = BY_PLURAL["servicecidrs"]
READY = "Kubernetes default Service CIDR is ready"
Object = dict[str, Any]


class DefaultRange:
    """Its keeper; each complaint is made once in the life of a server."""

    def __init__(self, registry: Registry, ranges: tuple[Prefix, ...]) -> None:
        self._registry, self._wanted = registry, [str(prefix) for prefix in ranges]
        self._events = Recorder(registry, CONTROLLER)
        self._told: set[str] = set()

    async def sync(self) -> None:
        """Make it, or look after it; a refused write is logged, and tried again at the next call."""
        try:
            await self._sync()
        except StatusError as error:
            log.warning("default ServiceCIDR is not right error=%s", error.message)

    async def _sync(self) -> None:
        stored = self._stored()
        if stored is None:
            made = {"metadata": {"name": NAME}, "spec": {"cidrs": self._wanted}}
            stored = await self._registry.create(Call(KIND, NAME), made)
        cidrs = stored["spec"]["cidrs"]
        if len(cidrs) == 1 and len(self._wanted) == 2 and cidrs[0] == self._wanted[0]:
            await self._registry.update(Call(KIND, NAME), {**stored, "spec": {"cidrs": self._wanted}})
        elif not stored["metadata"].get("deletionTimestamp"):
            await self._sync_status(stored)

    def _stored(self) -> Object | None:
        with self._registry.store.begin() as txn:
            return txn.get("servicecidrs", NAME)

    async def _sync_status(self, stored: Object) -> None:
        cidrs, meta = stored["spec"]["cidrs"], msgspec.convert(stored["metadata"], Meta)
        if cidrs != self._wanted:
            shown = [" ".join(texts) for texts in (cidrs, self._wanted)]
            text = (
                f"The default ServiceCIDR [{shown[0]}] does not match the controller flag configurations [{shown[1]}]"
            )
            await self._tell(meta, "KubernetesDefaultServiceCIDRInconsistent", text, "mismatch")
            return
        conditions = (stored.get("status") or {}).get("conditions") or []
        ready = next((one for one in conditions if one["type"] == "Ready"), None)
        if ready is not None and ready["status"] == "False":
            await self._tell(meta, ready["reason"], f"Configuration matches, but {ready['message']}", "not ready")
        elif ready is None or ready["status"] == "Unknown":
            await self._set_ready()

    async def _tell(self, meta: Meta, reason: str, text: str, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            log.warning("%s", text)
            await self._events.once(KIND, meta, reason, text)

    async def _set_ready(self) -> None:
        condition = {"type": "Ready", "status": "True", "lastTransitionTime": now(), "message": READY}
        config = {
            "apiVersion": KIND.api_version, "kind": KIND.kind, "metadata": {"name": NAME},
            "status": {"conditions": [condition]},
        }  # fmt: skip
        call = Call(KIND, NAME, subresource="status", manager=CONTROLLER, force=True)
        await self._registry.apply(call, config, lambda merged: applying.settled(merged, KIND, config))
