"""Volumes on this node's own disk: made for claims that the scheduler sends here, deleted when they are let go.

A directory is made before its PersistentVolume, and deleted before the volume's finalizer goes; each step may be done
twice. What is deleted lies in a directory that only the kubelet writes to, and no link is followed.
Source: the protocol of sigs.k8s.io/sig-storage-lib-external-provisioner; KEP-2644 (the finalizer).
"""

import asyncio
import logging
import os
import shutil
from pathlib import Path
from typing import Any

from kube46.api.resources import CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES
from kube46.api.storage.volumes import node_term
from kube46.api.storage_objects import (
    DELETION_FINALIZER,
    LOCAL_PROVISIONER,
    PROVISIONED_BY,
    PV_PROTECTION,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    PersistentVolume,
    PersistentVolumeClaim,
    StorageClass,
)
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import AlreadyExists, Conflict, NotFound
from kube46.kubernetes.events import EventRecorder
from kube46.kubernetes.queues import WorkQueue
from kube46.lab.controllers.persistentvolumes import placing

CLAIM, VOLUME = "claim", "volume"
Task = tuple[str, Key]
log = logging.getLogger(__name__)


class Refused(Exception):
    """A claim that can't have a volume here; the message says why."""


class Provisioner:
    """This node's volumes."""

    def __init__(self, client: Client, caches: Caches, node: str, directory: Path) -> None:
        self._queue: WorkQueue[Task] = WorkQueue("provisioner")
        self._client, self._node, self._directory = client, node, directory
        self._claims, self._volumes = caches.of(CLAIMS), caches.of(PERSISTENT_VOLUMES)
        self._events = EventRecorder(client, f"{LOCAL_PROVISIONER}_{node}", node)

    async def run(self) -> None:
        """Runs until cancelled."""
        self._claims.listen(self._claim_changed)
        self._volumes.listen(self._volume_changed)
        await self._queue.run(self._sync)

    async def _sync(self, task: Task) -> None:
        try:
            if task[0] == CLAIM:
                claim = self._claims.get(task[1])
                if claim and _is_ours(claim, self._node):
                    await self._provision(claim)
            else:
                volume = self._volumes.get(task[1])
                if volume and self._is_mine(volume) and let_go(volume):
                    await self._delete(volume)
        except (Conflict, NotFound):  # changed or gone meanwhile; the watch tells
            return

    async def _provision(self, claim: PersistentVolumeClaim) -> None:
        meta = claim.metadata
        name = f"pvc-{meta.uid}"
        if ("", name) in self._volumes:
            return
        text = f'External provisioner is provisioning volume for claim "{meta.namespace}/{meta.name}"'
        await self._tell(claim, "Provisioning", text)
        try:
            kind = await self._client.get(STORAGE_CLASSES, claim.storage_class)
            check(claim, kind)
            await asyncio.to_thread(make, self._directory, name)
            body = volume_for(claim, kind, self._node, self._directory / name)
            await self._client.create(PERSISTENT_VOLUMES, body)
        except AlreadyExists:
            return
        except (Refused, OSError) as error:
            text = f'failed to provision volume with StorageClass "{claim.storage_class}": {error}'
            await self._tell(claim, "ProvisioningFailed", text, "Warning")
            if isinstance(error, OSError):
                raise
            return
        await self._tell(claim, "ProvisioningSucceeded", f"Successfully provisioned volume {name}")

    async def _delete(self, volume: PersistentVolume) -> None:
        """Delete the data unless they are to be kept, then let the volume go."""
        meta = volume.metadata
        if volume.spec.persistent_volume_reclaim_policy == "Delete":
            assert volume.spec.local
            try:
                await asyncio.to_thread(remove, self._directory, Path(volume.spec.local.path).name)
            except OSError as error:
                await self._events.record(PERSISTENT_VOLUMES, volume, "VolumeFailedDelete", str(error), "Warning")
                raise
            await self._client.delete(PERSISTENT_VOLUMES, meta.name, uid=meta.uid)
            log.info("Volume deleted volume=%s", meta.name)
        volume = await self._client.get(PERSISTENT_VOLUMES, meta.name)
        left = [name for name in volume.metadata.finalizers if name != DELETION_FINALIZER]
        body = {"uid": meta.uid, "resourceVersion": volume.metadata.resource_version, "finalizers": left}
        await self._client.patch(PERSISTENT_VOLUMES, meta.name, {"metadata": body})

    async def _tell(self, claim: PersistentVolumeClaim, reason: str, text: str, type: str = "Normal") -> None:
        await self._events.record(CLAIMS, claim, reason, text, type)

    def _is_mine(self, volume: PersistentVolume) -> bool:
        """Whether the volume was provisioned on this node: its path lies in the kubelet's directory, not below."""
        path = Path(volume.spec.local.path) if volume.spec.local else Path("/")
        maker = volume.metadata.annotations.get(PROVISIONED_BY)
        here = path.parent == self._directory and path.name != ".."
        return maker == LOCAL_PROVISIONER and here and placing.node_of(volume) == self._node

    def _claim_changed(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if new and _is_ours(new, self._node):
            self._queue.add((CLAIM, new.key))

    def _volume_changed(self, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        if new and self._is_mine(new) and let_go(new):
            self._queue.add((VOLUME, new.key))


def _is_ours(claim: PersistentVolumeClaim, node: str) -> bool:
    """Whether a volume is to be made for the claim, by this provisioner, on this node."""
    notes = claim.metadata.annotations
    asked = notes.get(SELECTED_NODE) == node and notes.get(STORAGE_PROVISIONER) == LOCAL_PROVISIONER
    return asked and not claim.spec.volume_name and not claim.metadata.deletion_timestamp


def let_go(volume: PersistentVolume) -> bool:
    """Whether it is the provisioner's turn: the claim is gone, or the volume was deleted and nobody else keeps it."""
    deleting = volume.metadata.deletion_timestamp is not None
    if deleting:
        return DELETION_FINALIZER in volume.metadata.finalizers and PV_PROTECTION not in volume.metadata.finalizers
    return volume.status.phase == "Released" and volume.spec.persistent_volume_reclaim_policy == "Delete"


def check(claim: PersistentVolumeClaim, kind: StorageClass) -> None:
    """Raises Refused that names what of the claim or its class can't be had."""
    if claim.spec.volume_mode == "Block":
        raise Refused("volumeMode Block is not supported, use Filesystem")
    if claim.spec.selector is not None:
        raise Refused("claim.spec.selector is not supported by a provisioner, leave it out")
    if claim.spec.data_source_ref is not None:
        raise Refused("dataSource is not supported, copy the data with a pod")
    if kind.mount_options:
        raise Refused(f"StorageClass {kind.metadata.name}: mountOptions are not supported")
    if kind.parameters:
        raise Refused(
            f"StorageClass {kind.metadata.name}: parameters {', '.join(sorted(kind.parameters))} are not known"
        )


def volume_for(claim: PersistentVolumeClaim, kind: StorageClass, node: str, path: Path) -> dict[str, Any]:
    """The PersistentVolume, reserved for the claim; its data are deleted before it goes."""
    meta = claim.metadata
    ref = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": meta.namespace, "name": meta.name}
    return {
        "metadata": {
            "name": path.name,
            "annotations": {PROVISIONED_BY: LOCAL_PROVISIONER},
            "finalizers": [PV_PROTECTION, DELETION_FINALIZER],
        },
        "spec": {
            "accessModes": list(claim.spec.access_modes),
            "capacity": {"storage": claim.size},
            "claimRef": ref | {"uid": meta.uid, "resourceVersion": meta.resource_version},
            "persistentVolumeReclaimPolicy": kind.reclaim_policy,
            "storageClassName": claim.storage_class,
            "volumeMode": "Filesystem",
            "local": {"path": str(path)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [node_term(node)]}},
        },
    }


def make(directory: Path, name: str) -> None:
    """A directory for everybody, which pods of any user may write to; what is there already stays. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o711)  # whatever our umask
    place = directory / name
    place.mkdir(exist_ok=True)
    place.chmod(0o777)


def remove(directory: Path, name: str) -> None:
    """Delete a volume's data; nothing happens when they are gone.

    Raises OSError when some stay, ValueError for what is no name of a volume.
    """
    if name in ("", ".", "..") or "/" in name:
        raise ValueError(f"{name!r} is no volume's directory")
    assert shutil.rmtree.avoids_symlink_attacks
    try:
        base = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        shutil.rmtree(name, dir_fd=base)
    except FileNotFoundError:
        return
    finally:
        os.close(base)
