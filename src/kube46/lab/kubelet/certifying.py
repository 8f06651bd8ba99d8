"""The certificates that one pod mounts: asked for as soon as the pod is here, waited for, renewed in time.

Nothing of it is kept on disk but in the volume: a new kubelet asks anew, and the files stay until it has an answer.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from datetime import datetime

from kube46.kubernetes.errors import KubernetesError
from kube46.lab.kubelet import credentials
from kube46.lab.kubelet.credentials import Credential, Place
from kube46.lab.kubelet.manifests import CertificateSource
from kube46.lab.kubelet.podstate import PodState

SOON = 1.0  # seconds that a container's start waits for a certificate before it says that there is none
JITTER = 300.0  # seconds by which renewals are spread, as upstream's
OVERDUE = 600.0  # seconds after the time for a renewal from which on it is told
RETRY_FIRST, RETRY_LAST = 1.0, 60.0
EVENTS = {
    "CertificateOverdueForRefresh": "PodCertificate refresh overdue",
    "CertificateExpired": "PodCertificate expired",
}
log = logging.getLogger(__name__)


class Certifier:
    """`issued` and `refused` hold what became of each certificate; `renewed` is called when a first one has come."""

    def __init__(self, state: PodState, renewed: Callable[[], None]) -> None:
        self._state, self._renewed = state, renewed
        self._answered = asyncio.Event()
        self.issued: dict[Place, Credential] = {}
        self.refused: dict[Place, str] = {}

    async def run(self) -> None:
        """Keeps all certificates fresh; never returns unless there are none."""
        state = self._state
        if not state.active or state.pod.metadata.deletion_timestamp:
            return
        async with asyncio.TaskGroup() as group:
            for place, source in credentials.sources(state.pod.spec):
                group.create_task(self._keep(place, source))

    async def settle(self) -> None:
        """Returns when each certificate was answered, or after a moment."""
        wanted = {place for place, _ in credentials.sources(self._state.pod.spec)}
        try:
            async with asyncio.timeout(SOON):
                while wanted - self.issued.keys() - self.refused.keys():
                    self._answered.clear()
                    await self._answered.wait()
        except TimeoutError:
            return

    async def _keep(self, place: Place, source: CertificateSource) -> None:
        failures = 0
        while place not in self.refused:
            if held := self.issued.get(place):
                await asyncio.sleep(max(0.0, held.refresh - time.time()))
            try:
                await self._renew(place, source)
                failures = 0
            except ValueError as error:  # a key of a kind that a newer API server lets in
                self.refused[place] = f"while generating keypair: {error}"
            except KubernetesError as error:
                failures += 1
                meta = self._state.pod.metadata
                log.warning(
                    "Certificate was not asked for and is tried again pod=%s/%s volume=%s error=%s",
                    meta.namespace, meta.name, place[0], error,
                )  # fmt: skip
                await asyncio.sleep(min(RETRY_FIRST * 2**failures, RETRY_LAST))

    async def _renew(self, place: Place, source: CertificateSource) -> None:
        """Ask once, and take what comes. Raises KubernetesError."""
        signers = self._state.shop.signers
        key, request = await asyncio.to_thread(credentials.make, source.key_type)
        named = await signers.ask(self._state.pod, source, request)
        async with asyncio.TaskGroup() as group:
            warning = group.create_task(self._warn(self.issued.get(place)))
            answer = await signers.answer(named)
            warning.cancel()
        if answer is None:
            return  # deleted: asked again
        condition, found = answer
        if condition.type == "Issued":
            status = found.status
            assert status.begin_refresh_at and status.not_after
            refresh, end = (datetime.fromisoformat(t).timestamp() for t in (status.begin_refresh_at, status.not_after))
            later = random.uniform(0, JITTER)  # noqa: S311 – spreads load, keeps no secret
            self.issued[place] = Credential(key, credentials.cleaned(status.certificate_chain), refresh + later, end)
        else:
            verb = {"Denied": "was denied", "Failed": "failed"}[condition.type]
            why = f'reason="{condition.reason}", message="{condition.message}"'
            text = f"PodCertificateRequest {'/'.join(named)} {verb}, {why}"
            self._state.tell(condition.type, text, "Warning")
            past = f"PodCertificateRequest was permanently {condition.type.lower()}"
            self.refused[place] = f'{past}: reason="{condition.reason}" message="{condition.message}"'
        self._answered.set()
        self._renewed()

    async def _warn(self, held: Credential | None) -> None:
        """Tell of a certificate that is not renewed in time."""
        if held is None:
            return
        for reason, due in zip(EVENTS, (held.refresh + OVERDUE, held.end), strict=True):
            await asyncio.sleep(max(0.0, due - time.time()))
            self._state.tell(reason, EVENTS[reason], "Warning")
