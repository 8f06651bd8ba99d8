"""Watches namespaces, and keeps in each the ServiceAccount `default` and the CA that pods check the API server with.

Source: kubernetes/pkg/controller/serviceaccount/serviceaccounts_controller.go,
pkg/controller/certificates/rootcacertpublisher/publisher.go.
"""

from dataclasses import dataclass

from kube46.api.objects import Namespace, Object
from kube46.api.resources import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS
from kube46.kubernetes.caches import Cache, Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import AlreadyExists, Forbidden, NotFound
from kube46.kubernetes.queues import WorkQueue

WORKERS = 4
ACCOUNT = "default"
CA_NAME = "kube-root-ca.crt"
NOTE = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


@dataclass(frozen=True, slots=True)
class Settings:
    """`root_ca` is the PEM text of the CA; without one only ServiceAccounts are kept."""

    root_ca: str = ""


async def run(settings: Settings, client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    loop = ServiceAccounts(settings, client, caches)
    for cache in loop.caches:
        await cache.synced.wait()
    loop.listen()
    await loop.queue.run(loop.sync, WORKERS)


class ServiceAccounts:
    """Watches only the objects of the two names, whatever else there is."""

    def __init__(self, settings: Settings, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[str] = WorkQueue("serviceaccount")
        self._settings, self._client = settings, client
        self._namespaces = caches.of(NAMESPACES)
        self._accounts = caches.of(SERVICE_ACCOUNTS, fields=f"metadata.name={ACCOUNT}")
        self._bundles = caches.of(CONFIG_MAPS, fields=f"metadata.name={CA_NAME}")

    @property
    def caches(self) -> tuple[Cache[Namespace], Cache[object], Cache[object]]:
        """What the loop reads."""
        return self._namespaces, self._accounts, self._bundles  # type: ignore[return-value]

    def listen(self) -> None:
        """Looks at every namespace, now and on each change."""
        self._namespaces.listen(lambda _, new: self.queue.add(new.metadata.name) if new else None)
        self._accounts.listen(lambda old, new: self._changed(old or new))
        self._bundles.listen(lambda old, new: self._changed(old or new))

    async def sync(self, name: str) -> None:
        """Makes what is missing in one namespace, and mends the CA."""
        namespace = self._namespaces.get(("", name))
        if namespace is None or namespace.metadata.deletion_timestamp:
            return
        try:
            if (name, ACCOUNT) not in self._accounts:
                await self._client.create(SERVICE_ACCOUNTS, {"metadata": {"name": ACCOUNT, "namespace": name}}, name)
        except AlreadyExists:
            pass
        except (Forbidden, NotFound):  # the namespace is going
            return
        if self._settings.root_ca:
            await self._publish(name)

    async def _publish(self, name: str) -> None:
        data = {"ca.crt": self._settings.root_ca}
        held = self._bundles.get((name, CA_NAME))
        try:
            if held is None:
                meta = {"name": CA_NAME, "namespace": name, "annotations": {"kubernetes.io/description": NOTE}}
                await self._client.create(CONFIG_MAPS, {"metadata": meta, "data": data}, name)
            elif held.data != data:
                gone = dict.fromkeys(held.data)
                await self._client.patch(CONFIG_MAPS, CA_NAME, {"data": {**gone, **data}}, name)
        except (AlreadyExists, Forbidden, NotFound):
            return

    def _changed(self, value: Object | None) -> None:
        if value:
            self.queue.add(value.metadata.namespace)
