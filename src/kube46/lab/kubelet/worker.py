"""One pod's loop: looks, decides by `rules`, acts, and looks again when something happens.

Everything it knows can be found again on disk and in the kernel (`Tender.adopt`), so it may die at any moment.
"""

import asyncio
import logging
import time
from contextlib import suppress

from kube46.kubernetes.errors import Conflict, KubernetesError, NotFound
from kube46.lab.kubelet import attaching, roots, rules, statuses, trees
from kube46.lab.kubelet.chain import CniError
from kube46.lab.kubelet.evicting import Evictor
from kube46.lab.kubelet.filling import Filler
from kube46.lab.kubelet.manifests import PODS, Pod
from kube46.lab.kubelet.podstate import RETRY_FIRST, PodState
from kube46.lab.kubelet.resizer import Resizer
from kube46.lab.kubelet.starting import Starter
from kube46.lab.kubelet.support import unenforced
from kube46.lab.kubelet.telling import Teller
from kube46.lab.kubelet.tending import Tender
from kube46.lab.kubelet.workshop import Workshop

log = logging.getLogger(__name__)


class Worker:
    """The pod's loop. `update` and `vanish` tell it of its object; `done` is set once nothing of the pod is left."""

    def __init__(self, workshop: Workshop, pod: Pod) -> None:
        self.state = PodState(workshop, pod)
        self.done = False
        self._shop = workshop
        self._teller, self._filler, self._resizer = Teller(self.state), Filler(self.state), Resizer(self.state)

    def update(self, pod: Pod) -> None:
        """The object changed."""
        self.state.set(pod)
        if pod.metadata.deletion_timestamp:
            self._hurry(rules.grace_left(self.state.pod, self.state.observe(), time.time()))
        self.state.changed()

    def vanish(self) -> None:
        """The object is gone from the API without us (force deletion): end the pod now."""
        if not self.done:
            self.state.set_gone()
            self._hurry(1.0)
            self.state.changed()

    def _hurry(self, grace: float) -> None:
        for tended in self.state.tended.values():
            tended.hurry(grace)

    async def run(self) -> None:
        """Works for the pod until nothing is left of it."""
        try:
            async with asyncio.TaskGroup() as group:
                tender = Tender(self.state, group)
                self._group, self._starter = group, Starter(self.state, self._filler, tender)
                tender.adopt()
                helpers = [
                    group.create_task(self._teller.run()),
                    group.create_task(self._filler.keep_current()),
                    group.create_task(self._filler.certifier.run()),
                    group.create_task(Evictor(self.state).run()),
                ]
                await self._work()
                for task in helpers:
                    task.cancel()
        finally:
            for tended in self.state.tended.values():
                tended.process.close()

    async def _work(self) -> None:
        state = self.state
        while not self.done:
            state.wake.clear()
            now = time.time()
            state.reconsider()
            if state.ending_since is None and rules.must_end(state.pod, state.observe(), now):
                state.ending_since = now
                if not state.rejected and not statuses.completed_by_itself(state.pod, state.observe(), now):
                    state.tell(*statuses.DEADLINE)
            decision = rules.decide(state.pod, state.observe(), now)
            self._teller.due.set()
            for action in decision.actions:
                await self._do(action)
            if not decision.actions:
                await self._sleep(decision.wake)

    async def _sleep(self, until: float | None) -> None:
        """Until something happens, or `until`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None if until is None else max(0.0, until - time.time()) + 0.001):
                await self.state.wake.wait()

    async def _do(self, action: rules.Action) -> None:
        match action:
            case rules.MakeSandbox(generation):
                await self._make_sandbox(generation)
            case rules.RemoveSandbox():
                await self._remove_sandbox()
            case rules.Start(name, attempt, delay):
                await self._starter.start(name, attempt, delay)
            case rules.Stop(name, grace, why, resized):
                self.state.tended[name].stop(grace, why, resized=resized)
            case rules.Resize(name):
                await self._resizer.resize(name)
            case rules.Finish():
                await self._finish()

    async def _make_sandbox(self, generation: int) -> None:
        state = self.state
        try:
            # What containers need of the API is fetched while the plugins work.
            fetching = self._group.create_task(self._filler.fetch_ahead())
            async with self._shop.places:
                former = state.former_ips()
                await attaching.remove(self._shop, state.directory)
                state.made = await attaching.make(self._shop, state.directory, state.pod, generation, former)
            state.problems.pop("", None)
            limits = unenforced(state.pod.spec, self._shop.cgroups.missing)
            for reason, text in (*limits, *attaching.unattached(state.directory)):
                state.tell(reason, text, "Warning")
            await fetching
        except (CniError, OSError) as error:
            state.trouble("", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")

    async def _remove_sandbox(self) -> None:
        try:
            await attaching.remove(self._shop, self.state.directory)
        except (CniError, OSError) as error:
            self.state.tell("FailedKillPod", f"error killing pod: {error}", "Warning")
            await asyncio.sleep(RETRY_FIRST)
            return
        self.state.made = None

    async def _finish(self) -> None:
        """Deletes the object, then what is kept of the pod."""
        directory, meta = self.state.directory, self.state.pod.metadata
        try:
            await attaching.remove(self._shop, directory)
        except (CniError, OSError) as error:
            log.warning("Half a sandbox is tried again pod=%s/%s error=%s", meta.namespace, meta.name, error)
            await asyncio.sleep(RETRY_FIRST)
            return
        roots.clean_all(self._shop.root, directory)
        await asyncio.to_thread(trees.remove_all, directory)
        await asyncio.to_thread(self._shop.cgroups.remove, meta.uid)
        if not await self._delete_object():
            await asyncio.sleep(RETRY_FIRST)
            return
        attaching.forget(directory)
        self.done = True

    async def _delete_object(self) -> bool:
        """Deletes the object as the last thing but the pod's directory; returns whether it is gone."""
        meta = self.state.pod.metadata
        if self.state.gone:
            return True
        try:
            await self._teller.write()
            await self._shop.client.delete(PODS, meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=0)
        except (NotFound, Conflict):
            return True
        except KubernetesError as error:
            log.warning("Pod was not deleted and is tried again pod=%s/%s error=%s", meta.namespace, meta.name, error)
            return False
        return True
