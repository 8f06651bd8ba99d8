"""What the Endpoints object of a Service is to be: pure.

Source: kubernetes/pkg/controller/endpoint/endpoints_controller.go, semantics 4.3.
"""

import math
from collections.abc import Iterable
from typing import Any

from kube46.addresses.families import Family, family_of
from kube46.api import endpoints as api
from kube46.api.objects import Endpoints, Pod, Service
from kube46.controllers.endpointslices.endpoints import addresses, ports
from kube46.controllers.endpointslices.rules import HEADLESS
from kube46.controllers.endpointslices.triggers import ANNOTATION

MANAGED_BY, CONTROLLER = "endpoints.kubernetes.io/managed-by", "endpoint-controller"
OVER_CAPACITY, TRUNCATED = "endpoints.kubernetes.io/over-capacity", "truncated"
MOST = 1000
Json = dict[str, Any]


def wanted(service: Service, pods: Iterable[Pod], trigger: str = "") -> Json:
    """Metadata's labels and annotations, and the subsets."""
    subsets: list[Json] = []
    for pod in pods:
        subsets += _of(service, pod)
    body: Json = {"subsets": subsets}
    api.repack(body)
    shown, cut = truncated(body["subsets"])
    annotations = {OVER_CAPACITY: TRUNCATED} if cut else {}
    if trigger:
        annotations[ANNOTATION] = trigger
    return {"metadata": {"labels": labels(service), "annotations": annotations}, "subsets": shown}


def labels(service: Service) -> dict[str, str]:
    """The Service's labels, and those that say whose object it is (F-4)."""
    own = {key: value for key, value in service.metadata.labels.items() if key != HEADLESS}
    headless = {HEADLESS: ""} if service.spec.cluster_ip in ("", "None") else {}
    return {**own, **headless, MANAGED_BY: CONTROLLER}


def same(held: Endpoints, body: Json) -> bool:
    """Whether the object says all this already; the time of the last change does not matter by itself."""
    meta = body["metadata"]
    over = meta["annotations"].get(OVER_CAPACITY) == held.metadata.annotations.get(OVER_CAPACITY)
    return bool(over and held.metadata.labels == meta["labels"] and list(held.subsets or ()) == body["subsets"])


def family(service: Service, pod: Pod) -> Family:
    """The one family of the object: the Service's first (F-1)."""
    spec = service.spec
    if spec.ip_families:
        return Family(spec.ip_families[0])
    if spec.cluster_ip and spec.cluster_ip != "None":
        return family_of(spec.cluster_ip)
    return family_of(addresses(pod)[0])


def _of(service: Service, pod: Pod) -> list[Json]:
    """The pod as subsets of one address and one port each."""
    unready_too = service.spec.publish_not_ready_addresses
    if pod.status.phase in ("Succeeded", "Failed") or not addresses(pod):
        return []
    if pod.metadata.deletion_timestamp and not unready_too:
        return []
    ip = next((a for a in addresses(pod) if family_of(a) is family(service, pod)), "")
    if not ip:
        return []
    key = "addresses" if unready_too or pod.status.ready else "notReadyAddresses"
    there = {key: [_address(service, pod, ip)]}
    if not service.spec.ports:
        return [there] if service.spec.cluster_ip == "None" else []
    return [{**there, "ports": [_port(port.name, port.port, port.protocol, port.app_protocol)]}
            for port in ports(service, pod)]  # fmt: skip


def _address(service: Service, pod: Pod, ip: str) -> Json:
    meta, spec = pod.metadata, pod.spec
    target = {"kind": "Pod", "namespace": meta.namespace, "name": meta.name, "uid": meta.uid}
    address: Json = {"ip": ip, "targetRef": target}
    if spec.node_name:
        address["nodeName"] = spec.node_name
    if spec.hostname and spec.subdomain == service.metadata.name:
        address["hostname"] = spec.hostname
    return address


def _port(name: str | None, number: int | None, protocol: str | None, app: str | None) -> Json:
    port: Json = {"port": number, "protocol": protocol or "TCP"}
    if name:
        port["name"] = name
    if app is not None:
        port["appProtocol"] = app
    return port


def truncated(subsets: list[Json], most: int = MOST) -> tuple[list[Json], bool]:
    """At most so many addresses, the ready ones first, each subset in proportion (F-3); whether any were cut."""
    ready, unready = (sum(len(s.get(key) or ()) for s in subsets) for key in ("addresses", "notReadyAddresses"))
    if ready + unready <= most:
        return subsets, False
    left = {"addresses": min(ready, most), "notReadyAddresses": max(0, most - ready)}
    shares = {key: left[key] / max(1, total) for key, total in (("addresses", ready), ("notReadyAddresses", unready))}
    result = []
    for subset in subsets:
        kept = {"ports": subset["ports"]} if "ports" in subset else {}
        for key in ("addresses", "notReadyAddresses"):
            count = min(left[key], math.ceil(len(subset.get(key) or ()) * shares[key]))
            left[key] -= count
            if count:
                kept[key] = subset[key][:count]
        if len(kept) > ("ports" in kept):
            result.append(kept)
    return result, True
