"""Beta: what running pods, and the endpoints made of them, must have. Pure.

Sources: KEP-563 "Awareness of Multiple IPs per Pod", "Container Environment Variables", "Endpoints";
kubernetes/pkg/kubelet/kubelet_pods.go, k8s.io/endpointslice, pkg/controller/endpoint.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from kube46.addresses.families import Family, by_family
from kube46.api import objects
from kube46.conformance.claims import families_of
from kube46.conformance.model import Level, Promise

PODS = "Pods to support multi-IPs"
SERVICE = "Service resource supports pods with multi-IP"
POD_ADDRESSES = Promise(
    "pod-addresses",
    Level.BETA,
    PODS,
    "a running pod has an address of each family, the first one also in podIP, and its node's in hostIPs",
    "see the CNI plugin's configuration (ranges of each family) and the kubelet's --node-ip",
)
POD_ENVIRONMENT = Promise(
    "pod-environment",
    Level.BETA,
    PODS,
    "the downward API gives a pod all its addresses, and its hosts file has a line for each",
    "the kubelet resolves status.podIPs and writes /etc/hosts: see its version",
)
SLICES = Promise(
    "endpointslices",
    Level.BETA,
    SERVICE,
    "a Service has an EndpointSlice of each of its families, with each ready pod's address of that family",
    "see the log of kube-controller-manager's endpointslice-controller",
)
ENDPOINTS = Promise(
    "endpoints",
    Level.BETA,
    SERVICE,
    "the old Endpoints have the pods' addresses of the Service's first family",
    "see the log of kube-controller-manager's endpoints-controller",
)
PROMISES = (POD_ADDRESSES, POD_ENVIRONMENT, SLICES, ENDPOINTS)

# Prints what the pod that it runs in was told of itself.
SHOW = """import json, os
print(json.dumps({"ips": os.environ["POD_IPS"], "hosts": open("/etc/hosts").read()}))
"""


def pod_addresses(pods: Sequence[Mapping[str, Any]], families: Sequence[Family]) -> list[str]:
    """What is wrong with running pods' addresses."""
    found = []
    for pod in pods:
        status = pod.get("status") or {}
        name = f"pods/{pod['metadata']['name']}: status"
        for plural, singular in (("podIPs", "podIP"), ("hostIPs", "hostIP")):
            addresses = [entry.get("ip") for entry in status.get(plural) or ()]
            if sorted(families_of(addresses) or ()) != sorted(families):
                found.append(f"{name}.{plural} is {addresses}, must be an address of {' and of '.join(families)}")
            elif status.get(singular) != addresses[0]:
                found.append(
                    f"{name}.{singular} is {status.get(singular)}, must be the first of {plural}, {addresses[0]}"
                )
    return found


def environment(shown: Mapping[str, str], pod: Mapping[str, Any]) -> list[str]:
    """What is wrong with what a pod was told of itself."""
    addresses = [entry["ip"] for entry in pod["status"].get("podIPs") or ()]
    name = f"pods/{pod['metadata']['name']}"
    found = []
    if shown["ips"] != ",".join(addresses):
        found.append(f"{name}: env from status.podIPs is {shown['ips']!r}, must be {','.join(addresses)!r}")
    lines = {line.split()[0] for line in shown["hosts"].splitlines() if line.split()}
    missing = [address for address in addresses if address not in lines]
    return found + ([f"{name}: /etc/hosts has no line of {', '.join(missing)}"] if missing else [])


def slices(
    service: objects.Service, pieces: Sequence[objects.EndpointSlice], pods: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What is wrong with a Service's slices; `pods`: those that it selects, all Ready."""
    own = [s for s in pieces if s.metadata.labels.get("kubernetes.io/service-name") == service.metadata.name]
    name = f"endpointslices of services/{service.metadata.name}"
    found = []
    if strange := {piece.address_type for piece in own} - set(service.spec.ip_families):
        found.append(
            f"{name}: there are some of addressType {', '.join(sorted(strange))}, which is none of the Service's"
        )
    for text in service.spec.ip_families:
        ready = {
            address
            for piece in own
            for endpoint in piece.endpoints or ()
            for address in endpoint.addresses
            if piece.address_type == text and endpoint.conditions.ready is not False
        }
        wanted = _addresses(pods, Family(text))
        if ready != wanted:
            found.append(f"{name}: of addressType {text} are {_list(ready)}, must be {_list(wanted)}")
    return found


def endpoints(service: objects.Service, raw: Mapping[str, Any], pods: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with a Service's Endpoints."""
    first = Family(service.spec.ip_families[0])
    found = {entry["ip"] for subset in raw.get("subsets") or () for entry in subset.get("addresses") or ()}
    wanted = _addresses(pods, first)
    if found == wanted:
        return []
    return [f"endpoints/{service.metadata.name}: addresses are {_list(found)}, must be {_list(wanted)}, all {first}"]


def _addresses(pods: Sequence[Mapping[str, Any]], family: Family) -> set[str]:
    every = (by_family(entry["ip"] for entry in pod["status"].get("podIPs") or ()) for pod in pods)
    return {addresses[family] for addresses in every if family in addresses}


def _list(addresses: set[str]) -> str:
    return ", ".join(sorted(addresses)) or "none"
