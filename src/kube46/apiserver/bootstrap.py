"""What every cluster has: its namespaces, roles, default range, and `kubernetes.default` with its endpoints.

Source: semantics A-20, A-21; k8s.io/kubernetes pkg/controlplane/controller.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kube46.addresses.families import family_of
from kube46.addresses.prefixes import nth
from kube46.api.pods.admission import PRIORITIES
from kube46.api.services import reading
from kube46.apiserver import flows, roles
from kube46.apiserver.defaultrange import DefaultRange
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.transactions import now
from kube46.apiserver.writes import Call

if TYPE_CHECKING:
    from kube46.addresses.families import Address, Family, Prefix
    from kube46.apiserver.strategy import Object
    from kube46.apiserver.writes import Registry

log = logging.getLogger(__name__)

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
PRIORITY_TEXTS = {
    "system-cluster-critical": (
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."
    ),
    "system-node-critical": "Used for system critical pods that must not be moved from their current node.",
}
KEEP_SECONDS = 10.0  # how often what `kubectl delete all --all` took is looked for; upstream's interval
LABELS = {"component": "apiserver", "provider": "kubernetes"}


@dataclass(frozen=True, slots=True)
class Cluster:
    """What the flags say: the Service ranges, primary first, and where this server is reached."""

    service_ranges: tuple[Prefix, ...]
    address: Address
    port: int
    dual_stack: bool = True  # the feature gate


async def prepare(registry: Registry, cluster: Cluster) -> DefaultRange:
    """Create what is missing; a restart finds all there and writes nothing. Returns the keeper of the default range."""
    for name in NAMESPACES:
        await _ensure(registry, "namespaces", "", {"metadata": {"name": name}})
    for name, value in PRIORITIES.items():
        made = {"metadata": {"name": name}, "value": value, "description": PRIORITY_TEXTS[name]}
        await _ensure(registry, "priorityclasses", "", made)
    async with asyncio.TaskGroup() as group:  # all in one write to the disk
        for plural, objects in flows.OBJECTS.items():
            for obj in objects:
                group.create_task(_with_status(registry, plural, obj))
    await _rights(registry)
    default = DefaultRange(registry, cluster.service_ranges)
    await default.sync()
    await _own_service(registry, cluster)
    if cluster.dual_stack:
        await _families(registry, family_of(cluster.service_ranges[0]))
    return default


async def publish(registry: Registry, wanted: Object | None) -> None:
    """Bring a ConfigMap to its content, of whose data what others added stays."""
    if wanted is None:
        return
    meta = wanted["metadata"]
    if not await _ensure(registry, "configmaps", meta["namespace"], {**wanted, "metadata": dict(meta)}):
        call = Call(BY_PLURAL["configmaps"], meta["name"], meta["namespace"])
        await registry.change_directly(call, lambda stored: stored.setdefault("data", {}).update(wanted["data"]))


async def keep(registry: Registry, cluster: Cluster, default: DefaultRange, seconds: float = KEEP_SECONDS) -> None:
    """Look after the default range, and bring back `kubernetes.default` and its endpoints, until cancelled."""
    while True:
        await asyncio.sleep(seconds)
        await default.sync()
        await _own_service(registry, cluster)


async def _own_service(registry: Registry, cluster: Cluster) -> None:
    try:
        await _service(registry, cluster)
        await _endpoints(registry, cluster)
    except StatusError as error:  # a loopback --advertise-address, say: the rest of the cluster can live without it
        log.warning("kubernetes.default is not complete error=%s", error.message)


async def _ensure(registry: Registry, plural: str, namespace: str, obj: Object) -> bool:
    name = obj["metadata"]["name"]
    with registry.store.begin() as txn:
        if txn.exists(plural, name, namespace):
            return False
    await registry.create(Call(BY_PLURAL[plural], name, namespace), obj)
    return True


async def _with_status(registry: Registry, plural: str, obj: Object) -> None:
    """An object of flow control: a schema's status says that its level exists."""
    call = Call(BY_PLURAL[plural], obj["metadata"]["name"], manager="api-priority-and-fairness-config-producer-v1")
    made = {**obj, "metadata": dict(obj["metadata"]), "spec": dict(obj["spec"])}
    with registry.store.begin() as txn:
        if txn.exists(plural, call.name):
            return
    await registry.create(call, made)
    if status := flows.status(obj, now()):
        await registry.change_directly(call, lambda stored: stored.update(status=status))


async def _rights(registry: Registry) -> None:
    """The default roles and bindings, in one commit; those that are there are given what they lack."""
    with registry.store.begin() as txn:
        for plural, wanted in roles.defaults():
            meta = wanted["metadata"]
            call = Call(BY_PLURAL[plural], meta["name"], meta.get("namespace", ""))
            stored = txn.get(plural, call.name, call.namespace)
            if stored is None:
                registry.stage(call, wanted, txn)
            elif (new := roles.reconciled(stored, wanted)) is not None:
                if new.get("roleRef") != stored.get("roleRef"):  # never changes: the binding is made anew
                    txn.delete(plural, call.name, call.namespace)
                    registry.stage(call, wanted, txn)
                else:
                    registry.replace(call, new, stored, txn)
    await registry.store.commit(txn)


async def _families(registry: Registry, default: Family) -> None:
    """Give families to the Services that were made while the gate IPv6DualStack was off.

    kube-apiserver fills them in whenever such a Service is read; here what readers see is what is stored.
    """
    with registry.store.begin() as txn:
        for key, record in registry.store.collection("services").records.items():
            if b'"ipFamilyPolicy"' not in record.value:  # a Service of the type ExternalName has none at all
                namespace, _, name = key.rpartition("/")
                service = txn.get("services", name, namespace)
                if service is not None and reading.complete(service, default):
                    txn.update("services", service)
    await registry.store.commit(txn)


async def _service(registry: Registry, cluster: Cluster) -> None:
    port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": cluster.port}
    address = str(nth(cluster.service_ranges[0], 1))
    spec = {"type": "ClusterIP", "clusterIP": address, "ports": [port], "ipFamilyPolicy": "SingleStack"}
    spec["sessionAffinity"] = "None"
    service = {"metadata": {"name": "kubernetes", "labels": dict(LABELS)}, "spec": spec}
    await _ensure(registry, "services", "default", service)


async def _endpoints(registry: Registry, cluster: Cluster) -> None:
    address, family = str(cluster.address), str(family_of(cluster.address))
    port = {"name": "https", "port": cluster.port, "protocol": "TCP"}
    labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    meta = {"name": "kubernetes", "namespace": "default"}
    await _put(registry, "endpoints", {
        "metadata": {**meta, "labels": labels},
        "subsets": [{"addresses": [{"ip": address}], "ports": [port]}],
    })  # fmt: skip
    await _put(registry, "endpointslices", {
        "metadata": {**meta, "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": family,
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [port],
    })  # fmt: skip


async def _put(registry: Registry, plural: str, wanted: Object) -> None:
    """Bring an object to the wanted content; a changed addressType can't be updated, so the slice is made anew."""
    call = Call(BY_PLURAL[plural], "kubernetes", "default")
    if await _ensure(registry, plural, "default", wanted):
        return
    with registry.store.begin() as txn:
        stored = txn.get(plural, "kubernetes", "default")
        if stored is not None and stored.get("addressType") == wanted.get("addressType"):
            content = {k: v for k, v in wanted.items() if k != "metadata"}
            if {k: stored.get(k) for k in content} != content:
                txn.update(plural, {**stored, **content})
        else:
            txn.delete(plural, "kubernetes", "default")
    await registry.finish(call, txn)
    await _ensure(registry, plural, "default", wanted)
