"""The APIServices of the groups and versions that this server itself serves; definitions bring and take theirs.

Source: kube-aggregator pkg/controllers/autoregister; k8s.io/kubernetes pkg/controlplane/apiserver/aggregator.go and
pkg/controlplane/controller/crdregistration (priorities, labels).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kube46.apiserver.catalog import DEFINITIONS
from kube46.apiserver.history import told
from kube46.apiserver.kinds import BY_PLURAL, GROUP_VERSIONS
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.transactions import now
from kube46.apiserver.writes import Call

if TYPE_CHECKING:
    from kube46.apiserver.catalog import Catalog
    from kube46.apiserver.strategy import Object
    from kube46.apiserver.writes import Registry

log = logging.getLogger(__name__)
PLURAL = "apiservices"
MANAGED = "kube-aggregator.kubernetes.io/automanaged"
# group → how early it comes in discovery
PRIORITIES = {
    "": 18000, "apps": 17800, "events.k8s.io": 17750, "authentication.k8s.io": 17700, "authorization.k8s.io": 17600,
    "autoscaling": 17500, "batch": 17400, "certificates.k8s.io": 17300, "networking.k8s.io": 17200, "policy": 17100,
    "rbac.authorization.k8s.io": 17000, "storage.k8s.io": 16800, "apiextensions.k8s.io": 16700,
    "admissionregistration.k8s.io": 16700, "scheduling.k8s.io": 16600, "coordination.k8s.io": 16500,
    "node.k8s.io": 16300, "discovery.k8s.io": 16200, "resource.k8s.io": 16200, "flowcontrol.apiserver.k8s.io": 16100,
    "storagemigration.k8s.io": 15800,
}  # fmt: skip
VERSIONS = {
    ("", "v1"): 1, ("autoscaling", "v2"): 30, ("flowcontrol.apiserver.k8s.io", "v1"): 21, ("resource.k8s.io", "v1"): 21,
}  # fmt: skip
BUILT_IN, CUSTOM, CUSTOM_GROUP = 15, 100, 1000
SETTLE_SECONDS = 10.0  # how often what somebody deleted is looked for


async def run(registry: Registry, catalog: Catalog) -> None:
    """Follows the definitions until cancelled."""
    changed = asyncio.Event()
    with told(changed, *(registry.store.collection(name).history for name in (DEFINITIONS, PLURAL))):
        while True:
            changed.clear()
            try:
                await settle(registry, catalog)
            except StatusError as error:
                log.warning("APIServices are not complete error=%s", error.message)
            try:
                async with asyncio.timeout(SETTLE_SECONDS):
                    await changed.wait()
            except TimeoutError:
                pass


async def settle(registry: Registry, catalog: Catalog) -> None:
    """Make the missing ones, and take away those whose group and version are no longer served."""
    served = {(kind.group, kind.version) for kind in catalog.kinds} - {("apiregistration.k8s.io", "v1")}
    wanted = {f"{version}.{group}": _wanted(group, version) for group, version in served}
    records = registry.store.collection(PLURAL).records
    for name in wanted.keys() - records.keys():
        await _make(registry, wanted[name])
    for name in [name for name, record in records.items() if name not in wanted and MANAGED.encode() in record.value]:
        with registry.store.begin() as txn:
            txn.delete(PLURAL, name)
        await registry.finish(Call(BY_PLURAL[PLURAL], name), txn)


def _wanted(group: str, version: str) -> Object:
    own = (group, version) in GROUP_VERSIONS
    spec: Object = {
        **({"group": group} if group else {}), "version": version,
        "groupPriorityMinimum": PRIORITIES.get(group, CUSTOM_GROUP),
        "versionPriority": VERSIONS.get((group, version), BUILT_IN) if own else CUSTOM,
    }  # fmt: skip
    labels = {MANAGED: "onstart" if own else "true"}
    return {"metadata": {"name": f"{version}.{group}", "labels": labels}, "spec": spec}


async def _make(registry: Registry, obj: Object) -> None:
    call = Call(BY_PLURAL[PLURAL], obj["metadata"]["name"])
    await registry.create(call, obj)
    text = "Local APIServices are always available"
    available = {"type": "Available", "status": "True", "reason": "Local", "message": text}
    status = {"conditions": [{**available, "lastTransitionTime": now()}]}
    await registry.change_directly(call, lambda stored: stored.update(status=status))
