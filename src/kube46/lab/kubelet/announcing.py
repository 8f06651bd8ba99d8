"""Events in the background: what happens to a pod is told without holding the pod up."""

import asyncio
import logging
from collections.abc import Mapping

from kube46.api.objects import Meta
from kube46.api.resources import NODES
from kube46.kubernetes.events import EventRecorder
from kube46.lab.kubelet.manifests import PODS

log = logging.getLogger(__name__)
WAITING = 1000  # Events beyond these are dropped: they are a courtesy, memory is not


class Announcer:
    """Writes Events one after the other, as kubelet names them."""

    def __init__(self, recorder: EventRecorder, node_name: str) -> None:
        self._recorder, self._node = recorder, node_name
        self._queue: asyncio.Queue[tuple[Mapping[str, str] | None, str, str, str, str]] = asyncio.Queue(WAITING)

    def pod(self, meta: Meta, reason: str, message: str, type: str = "Normal", part: str = "") -> None:
        """Something happened to a pod, or to a part of it, such as `spec.containers{web}`."""
        about = {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid}
        self._put(about, reason, message, type, part)

    def node(self, reason: str, message: str, type: str = "Normal") -> None:
        """Something happened to the node."""
        self._put(None, reason, message, type, "")

    async def run(self) -> None:
        """Writes what is announced; never returns."""
        while True:
            about, reason, message, type, part = await self._queue.get()
            resource = PODS if about else NODES
            meta = dict(about) if about else {"name": self._node, "uid": self._node}
            await self._recorder.record(resource, {"metadata": meta}, reason, message, type, part)

    def _put(self, about: Mapping[str, str] | None, reason: str, message: str, type: str, part: str) -> None:
        try:
            self._queue.put_nowait((about, reason, message, type, part))
        except asyncio.QueueFull:
            log.warning("Event dropped, too many wait reason=%s", reason)
