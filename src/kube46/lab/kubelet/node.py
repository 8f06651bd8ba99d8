"""The Node object: registered, its status kept, its lease renewed."""

import asyncio
import logging
import os
import platform
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kube46 import __version__
from kube46.api.resources import LEASES, NODES
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import AlreadyExists, KubernetesError, NotFound
from kube46.lab.images.store import Names
from kube46.lab.kubelet import chain
from kube46.lab.kubelet.announcing import Announcer
from kube46.lab.kubelet.settings import Settings
from kube46.lab.kubelet.statuses import rfc3339

LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS, RENEW_EVERY = 40, 10.0
MOST_IMAGES = 50  # --node-status-max-images of kubelet
STATUS_EVERY = 300.0  # seconds between writes of an unchanged status
LOOK_NOT_READY, LOOK_READY = 0.2, 5.0  # seconds between looks for a network configuration
KUBELET_VERSION = f"v1.37.2-kube46.{__version__}"
log = logging.getLogger(__name__)


def capacity(settings: Settings) -> dict[str, str]:
    """What the node has; all nodes of a machine have all of the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    return {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{memory}Ki",
        "pods": str(settings.max_pods),
        "ephemeral-storage": "10Gi",
    }


def node_info(runtime: str, release: Mapping[str, str]) -> dict[str, str]:
    """status.nodeInfo."""
    system = platform.uname()
    return {
        "architecture": architecture(),
        "bootID": _line("/proc/sys/kernel/random/boot_id"),
        "containerRuntimeVersion": f"crun://{runtime}",
        "kernelVersion": system.release,
        "kubeProxyVersion": "",
        "kubeletVersion": KUBELET_VERSION,
        "machineID": _line("/etc/machine-id"),
        "operatingSystem": "linux",
        "osImage": release.get("PRETTY_NAME", system.system),
        "systemUUID": _line("/etc/machine-id"),
    }


def architecture() -> str:
    """The machine's architecture as Go and Kubernetes call it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def image_list(found: Names) -> list[dict[str, Any]]:
    """status.images: the largest first, at most as many as kubelet tells."""
    largest = sorted(found.images.values(), key=lambda image: (-image.size, image.id))[:MOST_IMAGES]
    return [{"names": [*found.of(image.id), image.id], "sizeBytes": image.size} for image in largest]


def conditions(network: str, before: list[dict[str, Any]], now: float) -> list[dict[str, Any]]:
    """status.conditions; `network` says why the network isn't ready, "" when it is. Transition times are kept."""
    known = {c.get("type"): c for c in before}
    texts = {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
    }
    if network:
        problem = (
            f"container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:{network}"
        )
        texts["Ready"] = ("False", "KubeletNotReady", problem)
    found = []
    for kind, (status, reason, message) in texts.items():
        same = known.get(kind, {}).get("status") == status
        moved = known[kind].get("lastTransitionTime") if same else None
        found.append(
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": rfc3339(now),
                "lastTransitionTime": moved or rfc3339(now),
            }
        )
    return found


class NodeKeeper:
    """Keeps the Node object of this kubelet."""

    def __init__(
        self, settings: Settings, client: Client, events: Announcer, runtime: str, images: Callable[[], Names]
    ) -> None:
        self._images, self._told = images, Names({}, {})
        self._settings, self._client, self._events = settings, client, events
        self._info = node_info(runtime, platform.freedesktop_os_release() if _has_release() else {})
        self._conditions: list[dict[str, Any]] = []
        self.network = "not looked at yet"
        self._blocks: dict[str, Any] = {}  # the node's pod CIDRs: its running pods have addresses of them
        self.uid = ""

    async def run(self) -> None:
        """Registers the Node, then keeps its status and its lease; never returns."""
        await self.register()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.keep_status())
            group.create_task(self.keep_lease())

    async def register(self) -> None:
        """Make the Node, or take over the one that is there. Retries until the API server answers."""
        while True:
            try:
                await self._register()
                return
            except KubernetesError as error:
                log.warning(
                    "Node was not registered and is tried again node=%s error=%s", self._settings.node_name, error
                )
                await asyncio.sleep(0.5)

    async def keep_status(self) -> None:
        """Writes the status when it changes and every five minutes; never returns."""
        written = 0.0
        while True:
            changed = self._look()
            if changed or self._images() is not self._told or time.monotonic() - written >= STATUS_EVERY:
                try:
                    await self._write()
                    written = time.monotonic()
                    if changed:
                        self._events.node(*self._transition())
                except NotFound:
                    await self.register()
                    written = time.monotonic()
                except KubernetesError as error:
                    log.warning("Node status was not written node=%s error=%s", self._settings.node_name, error)
                    self.network = "the status was not written"
            await asyncio.sleep(LOOK_NOT_READY if self.network else LOOK_READY)

    async def keep_lease(self) -> None:
        """Every ten seconds sees that the Node is there, and renews its lease; never returns."""
        while True:
            try:
                await self._attend()
                await self._renew()
                await asyncio.sleep(RENEW_EVERY)
            except KubernetesError as error:
                log.warning("Lease was not renewed node=%s error=%s", self._settings.node_name, error)
                await asyncio.sleep(1)

    def _look(self) -> bool:
        """Looks whether the network is configured; returns whether that changed."""
        try:
            found = chain.configuration(self._settings.cni_conf_dir)
            network = "" if found else f"no CNI configuration in {self._settings.cni_conf_dir}"
        except chain.CniError as error:
            network = str(error)
        changed, self.network = network != self.network, network
        return changed

    def _transition(self) -> tuple[str, str]:
        state = "NodeNotReady" if self.network else "NodeReady"
        return state, f"Node {self._settings.node_name} status is now: {state}"

    async def _register(self) -> None:
        name = self._settings.node_name
        labels = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": architecture(),
            "beta.kubernetes.io/os": "linux",
            "beta.kubernetes.io/arch": architecture(),
            **dict(self._settings.node_labels),
        }
        self._look()
        body = {"metadata": {"name": name, "labels": labels}, "spec": self._blocks, "status": self._status()}
        try:
            node = await self._client.create(NODES.raw(), body)
        except AlreadyExists:
            node = await self._client.patch(NODES.raw(), name, {"metadata": {"labels": labels}}, kind="strategic")
            self._conditions = (node.get("status") or {}).get("conditions") or []
            await self._write()
        self.uid = node["metadata"]["uid"]
        self._events.node("Starting", "Starting kubelet.")

    async def _write(self) -> None:
        status = self._status()
        # Two addresses of one type can't be merged by type: the list is replaced, as kubelet does it.
        status["addresses"] = [{"$patch": "replace"}, *status["addresses"]]
        await self._client.patch(
            NODES.raw(), self._settings.node_name, {"status": status}, subresource="status", kind="strategic"
        )

    def _status(self) -> dict[str, Any]:
        settings = self._settings
        self._conditions = conditions(self.network, self._conditions, time.time())
        self._told = self._images()
        addresses = [{"type": "InternalIP", "address": address} for address in settings.node_ips]
        return {
            "addresses": [*addresses, {"type": "Hostname", "address": settings.node_name}],
            "capacity": capacity(settings),
            "allocatable": capacity(settings),
            "conditions": self._conditions,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": settings.port}},
            "images": image_list(self._told),
            "nodeInfo": self._info,
        }

    async def _attend(self) -> None:
        """Registers a Node that somebody deleted again: with the ranges that it had, so that its pods stay right."""
        try:
            node = await self._client.get(NODES.raw(), self._settings.node_name)
        except NotFound:
            log.warning("Node is gone and is registered again node=%s", self._settings.node_name)
            await self._register()
            return
        self.uid, spec = node["metadata"]["uid"], node.get("spec") or {}
        self._blocks = {key: spec[key] for key in ("podCIDR", "podCIDRs") if key in spec}

    async def _renew(self) -> None:
        name = self._settings.node_name
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        spec = {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}
        try:
            await self._client.patch(LEASES, name, {"spec": spec}, LEASE_NAMESPACE)
        except NotFound:
            owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": self.uid}
            body = {"metadata": {"name": name, "ownerReferences": [owner]}, "spec": spec}
            await self._client.create(LEASES, body, LEASE_NAMESPACE)


def _line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _has_release() -> bool:
    return any(Path(path).exists() for path in ("/etc/os-release", "/usr/lib/os-release"))
