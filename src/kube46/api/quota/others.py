"""How a quota counts Services by what they take of the cluster, claims by what they ask for, devices by class.

Source: k8s.io/kubernetes pkg/quota/v1/evaluator/core/{services,persistent_volume_claims,resource_claims}.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kube46.api.amounts import ONE, Amounts
from kube46.api.quantities import NANO, Quantity, read
from kube46.api.quota.evaluating import Evaluator, Object, Write, count_name, selects
from kube46.api.storage.shared import CLASS_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

NODE_PORTS, BALANCERS = "services.nodeports", "services.loadbalancers"
CLAIMS, STORAGE = "persistentvolumeclaims", "requests.storage"
OF_CLASS = ".storageclass.storage.k8s.io/"
DEVICES = ".deviceclass.resource.k8s.io/devices"
MOST_DEVICES = 32  # AllocationResultsMaxSize: what a request of all devices may get


@dataclass(frozen=True)
class ServiceEvaluator(Evaluator):
    """Services, their node ports and load balancers."""

    group: str = ""
    plural: str = "services"
    aliases: tuple[str, ...] = ("services", NODE_PORTS, BALANCERS)

    def handles(self, write: Write) -> bool:
        """An update may change the type."""
        return not write.subresource

    def usage(self, obj: Object, now: datetime) -> Amounts:
        """The ports that are to be had, not those that are there: they may not be allocated yet."""
        spec = obj.get("spec") or {}
        ports, balanced = spec.get("ports") or [], spec.get("type") == "LoadBalancer"
        if balanced and spec.get("allocateLoadBalancerNodePorts") is False:
            ports = [port for port in ports if port.get("nodePort")]
        elif not balanced and spec.get("type") != "NodePort":
            ports = []
        return {
            count_name("", "services"): ONE,
            "services": ONE,
            NODE_PORTS: Quantity(len(ports) * NANO),
            BALANCERS: Quantity(balanced * NANO),
        }


@dataclass(frozen=True)
class ClaimEvaluator(Evaluator):
    """PersistentVolumeClaims and their storage, of all and of each storage class."""

    group: str = ""
    plural: str = CLAIMS
    aliases: tuple[str, ...] = (CLAIMS, STORAGE)

    def counts(self, name: str) -> bool:
        """Also `CLASS.storageclass.storage.k8s.io/…`."""
        return name in self.names or name.endswith((f"{OF_CLASS}{CLAIMS}", f"{OF_CLASS}{STORAGE}"))

    def handles(self, write: Write) -> bool:
        """A claim may grow, and its status tell of an attempt to."""
        return not write.subresource or write.subresource == "status"

    def in_scope(self, requirement: Object, obj: Object) -> bool:
        """By the classes of attributes that it names, has, or is on its way to."""
        if requirement["scopeName"] != "VolumeAttributesClass":
            return False
        return selects(requirement, attribute_classes(obj))

    def usage(self, obj: Object, now: datetime) -> Amounts:
        """Whole bytes."""
        found: Amounts = {count_name("", CLAIMS): ONE, CLAIMS: ONE}
        if (size := _size(obj)) is not None:
            found[STORAGE] = size
        annotated = (obj["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
        name = annotated if annotated is not None else obj["spec"].get("storageClassName")
        return found | {f"{name}{OF_CLASS}{key}": found[key] for key in (CLAIMS, STORAGE) if name and key in found}


def attribute_classes(claim: Object) -> set[str]:
    """The VolumeAttributesClasses that a claim has to do with."""
    status = claim.get("status") or {}
    target = (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName")
    names = (claim["spec"].get("volumeAttributesClassName"), status.get("currentVolumeAttributesClassName"), target)
    return {name for name in names if name}


def _size(claim: Object) -> Quantity | None:
    """What is asked for, or what is being tried if that is more (KEP-1790)."""
    asked = ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage")
    if asked is None:
        return None
    tried = ((claim.get("status") or {}).get("allocatedResources") or {}).get("storage", 0)
    return max(_whole(read(asked)), _whole(read(tried)), key=lambda amount: amount.nano)


def _whole(amount: Quantity) -> Quantity:
    return Quantity(amount.whole * NANO, amount.form)


@dataclass(frozen=True)
class DeviceEvaluator(Evaluator):
    """ResourceClaims and the devices of each class that they may get."""

    group: str = "resource.k8s.io"
    plural: str = "resourceclaims"

    def counts(self, name: str) -> bool:
        """Also `CLASS.deviceclass.resource.k8s.io/devices`."""
        return name in self.names or name.endswith(DEVICES)

    def handles(self, write: Write) -> bool:
        """As upstream; what a claim asks for never changes."""
        return not write.subresource

    def usage(self, obj: Object, now: datetime) -> Amounts:
        """Of a request with choices the worst for each class."""
        found: Amounts = {count_name(self.group, self.plural): ONE}
        for request in ((obj.get("spec") or {}).get("devices") or {}).get("requests") or ():
            worst: dict[str, int] = {}
            for name, count in _choices(request):
                worst[name] = max(worst.get(name, 0), count)
            for name, count in worst.items():
                found[name] = found.get(name, Quantity()) + Quantity(count * NANO)
        return found


def _choices(request: Object) -> Iterator[tuple[str, int]]:
    for one in request.get("firstAvailable") or [request.get("exactly") or {}]:
        if one:
            counts = {"ExactCount": one.get("count") or 0, "All": MOST_DEVICES}
            yield f"{one.get('deviceClassName', '')}{DEVICES}", counts.get(one.get("allocationMode") or "", 0)
