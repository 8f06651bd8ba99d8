"""The kubelet, top to bottom: node, pods, server."""

import asyncio
import logging
import resource

from kube46.api.resources import SERVICES
from kube46.kubernetes.caches import Cache, Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.events import EventRecorder
from kube46.lab.images.store import Store
from kube46.lab.kubelet import admission, cgroups, images, node, orphans, roots
from kube46.lab.kubelet.announcing import Announcer
from kube46.lab.kubelet.directories import Root
from kube46.lab.kubelet.manifests import PODS, Pod
from kube46.lab.kubelet.metering import Meter
from kube46.lab.kubelet.podstate import PodState
from kube46.lab.kubelet.provisioning import Provisioner
from kube46.lab.kubelet.server import Server
from kube46.lab.kubelet.settings import Settings
from kube46.lab.kubelet.signers import Signers
from kube46.lab.kubelet.sources import Sources
from kube46.lab.kubelet.worker import Worker
from kube46.lab.kubelet.workshop import Workshop

RETRY = 1.0
IMAGES_EVERY = 1.0  # seconds between looks whether images were loaded
log = logging.getLogger(__name__)


async def run(settings: Settings, client: Client, caches: Caches, provisioning: Client | None = None) -> None:
    """Runs until cancelled; the pods run on. `provisioning`: as who volumes are made, if not as the node itself."""
    _allow_many_files()
    events = Announcer(EventRecorder(client, "kubelet", settings.node_name), settings.node_name)
    services = caches.of(SERVICES)
    pods = caches.of(PODS, fields=f"spec.nodeName={settings.node_name}")
    workshop = Workshop(
        settings=settings,
        client=client,
        sources=Sources(client, services),
        signers=Signers(client, caches, settings.node_name),
        events=events,
        images=images.Catalogue(settings.image_dir, Store(settings.image_store)),
        allocatable=node.capacity(settings),
        cgroups=await asyncio.to_thread(cgroups.find, Root(settings.root_dir).cgroups, settings.cgroup),
    )
    await asyncio.to_thread(roots.prepare, workshop.root)
    if workshop.cgroups.missing:
        text = f"limits of {', '.join(workshop.cgroups.missing)} are not enforced: {workshop.cgroups.why_not}"
        events.node("CgroupsNotAvailable", text, "Warning")
    keeper = node.NodeKeeper(settings, client, events, await runtime_version(), workshop.images.names)
    crew = Crew(workshop)
    workshop.pods = crew.all
    async with asyncio.TaskGroup() as group:
        group.create_task(events.run())
        meter = Meter(workshop.cgroups, crew.all)
        group.create_task(Server(settings, client, crew.find, crew.all, meter).run())
        group.create_task(meter.run())
        group.create_task(keeper.run())  # pods that are bound already wait for none of its writes, as kubelet's
        group.create_task(crew.watch_images())
        if settings.provision_volumes:
            maker = provisioning or client
            provisioner = Provisioner(maker, Caches(maker, group), settings.node_name, workshop.root.provisioned)
            group.create_task(provisioner.run())
        await caches.synced()
        await crew.run(group, pods)


class Crew:
    """One worker a pod, by UID."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._workers: dict[str, Worker] = {}

    async def run(self, group: asyncio.TaskGroup, pods: Cache[Pod]) -> None:
        """Employs a worker for each pod that is or comes; first what pods left behind that are gone is cleared."""
        known = {pod.metadata.uid for pod in pods.values()}
        for uid in self._workshop.root.pods():
            if uid not in known:
                await orphans.clear(self._workshop, uid)
        for uid in self._workshop.cgroups.pods().difference(known, self._workshop.root.pods()):
            await asyncio.to_thread(self._workshop.cgroups.remove, uid)
        self._group = group
        for pod in admission.in_order(pods.values()):
            self._changed(None, pod)
        pods.listen(self._changed)

    def find(self, namespace: str, name: str) -> PodState | None:
        """The pod that has that name now."""
        found = [state for state in self.all() if state.object.key == (namespace, name)]
        return next((s for s in found if not s.pod.metadata.deletion_timestamp), next(iter(found), None))

    def all(self) -> list[PodState]:
        """Every pod."""
        return [worker.state for worker in self._workers.values()]

    async def watch_images(self) -> None:
        """Who waits for an image looks again once images were loaded; never returns."""
        store = self._workshop.images.store
        seen = store.state() if store else None
        while store:
            await asyncio.sleep(IMAGES_EVERY)
            if (state := store.state()) != seen:
                seen = state
                for pod in self.all():
                    pod.retry_images()

    def _changed(self, old: Pod | None, new: Pod | None) -> None:
        if old and (new is None or new.metadata.uid != old.metadata.uid):
            former = self._workers.get(old.metadata.uid)
            if former:
                former.vanish()
        if new is None:
            return
        uid = new.metadata.uid
        if uid in self._workers:
            self._workers[uid].update(new)
            return
        others = [worker.state.object for worker in self._workers.values() if worker.state.active and not worker.done]
        self._workers[uid] = Worker(self._workshop, new)
        if (state := self._workers[uid].state).active and (why := admission.refused(new, others)):
            state.reject(admission.PORTS, why)
        self._group.create_task(self._employ(uid))

    async def _employ(self, uid: str) -> None:
        """Lets the worker work until its pod is gone. After a fault, which is logged, it begins from what it finds."""
        worker = self._workers[uid]
        while not worker.done:
            try:
                await worker.run()
            except Exception:
                log.exception("Worker failed and begins anew pod=%s", uid)
                await asyncio.sleep(RETRY)
        del self._workers[uid]


async def runtime_version() -> str:
    """crun's version. Raises FileNotFoundError when it isn't installed."""
    process = await asyncio.create_subprocess_exec("crun", "--version", stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return out.decode().split("\n")[0].removeprefix("crun version ").strip()


def _allow_many_files() -> None:
    """Each container takes four descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
