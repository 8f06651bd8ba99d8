"""kube46's decisions beside those of the real kube-proxy 1.37: same node, same API objects, drawn at random."""

import contextlib
import json
import os
import random
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cluster.upstream import programs
from kernel.proxy import decisions
from kernel.proxy.cluster import NODE
from kernel.proxy.decisions import Table
from kernel.proxy.test_controller import NODE_IPS, Api, api, fetch
from kube46.api.resources import ENDPOINT_SLICES, NODES, SERVICES
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import NotFound
from kube46.nftables import NftError
from patience import patient

pytestmark = pytest.mark.root
__all__ = ["api"]
Json = dict[str, Any]
SERVICES_A_ROUND, ROUNDS = 40, 3
POD = {"IPv4": "10.244.0.", "IPv6": "fd00:10:244::"}
NODE_NAMES, ZONES = ("node1", "node2", None), ("a", "b")
CONDITIONS: list[Json] = [
    {},
    {"ready": True, "serving": True, "terminating": False},
    {"ready": False, "serving": True, "terminating": True},
    {"ready": False, "serving": False, "terminating": True},
    {"ready": False, "serving": False, "terminating": False},
    {"ready": True, "serving": True, "terminating": True},
    {"ready": True},
]


class Draw:
    """Objects at random, all of them valid; places of different Services are never the same."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.protocols: dict[int, list[str]] = {}

    def service(self, number: int) -> Json:
        pick = self.random.choice
        kind = pick(["ClusterIP", "ClusterIP", "NodePort", "LoadBalancer", "LoadBalancer", "headless", "ExternalName"])
        spec: Json = {"type": "ClusterIP" if kind == "headless" else kind}
        meta: Json = {"name": f"s{number}"}
        if self.random.random() < 0.05:
            meta["labels"] = {"service.kubernetes.io/service-proxy-name": "another"}
        if kind == "ExternalName":
            return {"metadata": meta, "spec": {**spec, "externalName": "example.org"}}
        families = pick([["IPv4"], ["IPv6"], ["IPv4", "IPv6"], ["IPv6", "IPv4"]])
        spec |= {"ipFamilies": families, "ipFamilyPolicy": "RequireDualStack" if families[1:] else "SingleStack"}
        self.protocols[number] = protocols = pick([["TCP"], ["UDP"], ["SCTP"], ["TCP", "UDP"], ["TCP", "TCP", "SCTP"]])
        spec["ports"] = [
            {"name": f"p{i}", "protocol": protocol, "port": 53 if protocol == "UDP" else 80 + i, "targetPort": f"t{i}"}
            for i, protocol in enumerate(protocols)
        ]
        spec["sessionAffinity"] = pick(["None", "None", "ClientIP"])
        spec["internalTrafficPolicy"] = pick(["Cluster", "Local"])
        if kind == "headless":
            spec |= {"clusterIP": "None", "sessionAffinity": "None"}
            return {"metadata": meta, "spec": spec}
        if pick([True, False]):
            spec["externalIPs"] = self.some([f"198.51.100.{number}", f"2001:db8:e::{number:x}"])
        if kind != "ClusterIP" or spec.get("externalIPs"):
            spec["externalTrafficPolicy"] = pick(["Cluster", "Local"])
        if kind == "LoadBalancer":
            ranges = ["203.0.113.0/24", "192.0.2.0/24", "2001:db8:c::/64", "fd00:9::/64", "0.0.0.0/0", "::/0"]
            spec["loadBalancerSourceRanges"] = self.some(ranges, most=2)
        return {"metadata": meta, "spec": spec}

    def status(self, number: int) -> Json:
        """Of a load balancer."""
        addresses = self.some([f"198.18.0.{number}", f"2001:db8:b::{number:x}"])
        modes = ["VIP", "VIP", "Proxy"]
        ingress = [{"ip": address, "ipMode": self.random.choice(modes)} for address in addresses]
        return {"loadBalancer": {"ingress": [*ingress, *([{"hostname": "lb.example"}] if len(ingress) > 1 else [])]}}

    def some(self, values: list[str], most: int = 9) -> list[str]:
        return self.random.sample(values, self.random.randint(0, min(most, len(values))))

    def slices(self, number: int) -> Iterator[Json]:
        """Of both families, whatever the Service has; ports differ by slice; some endpoints are in two."""
        for family in POD:
            hinted = self.random.choice(["", "", "forZones", "forNodes", "both"])
            ends = {
                n: self.endpoint(family, n, hinted) for n in self.random.sample(range(2, 9), self.random.randint(0, 5))
            }
            for part in range(self.random.choice([1, 1, 2, 3])):
                members = [ends[n] for n in ends if n % 3 == part or self.random.random() < 0.2]
                if self.random.random() < 0.1 and members:  # an address that a new pod has, while the old one ends
                    old = self.random.choice(members)
                    if not old.get("conditions", {}).get("terminating"):
                        ending = {"ready": False, "serving": True, "terminating": True}
                        members.append({**old, "conditions": ending})
                yield {
                    "metadata": {
                        "name": f"s{number}-{family.lower()}-{part}",
                        "labels": {"kubernetes.io/service-name": f"s{number}"},
                    },
                    "addressType": family,
                    "endpoints": members,
                    "ports": [*self.ports(number, part)],
                }

    def ports(self, number: int, part: int) -> Iterator[Json]:
        """Those of the Service, by other numbers in each slice; some are missing, of another protocol, or without."""
        for i, protocol in enumerate(self.protocols.get(number, ["TCP"])):
            chance = self.random.random()
            port: Json = {"name": f"p{i}", "protocol": "UDP" if chance < 0.05 else protocol}
            if chance < 0.9:
                yield port if chance > 0.85 else {**port, "port": 8080 + i + part}

    def endpoint(self, family: str, number: int, hinted: str) -> Json:
        made: Json = {"addresses": [f"{POD[family]}{number}"], "conditions": self.random.choice(CONDITIONS)}
        if node := self.random.choice(NODE_NAMES):
            made["nodeName"] = node
        hints: Json = {}
        if hinted in ("forZones", "both") and self.random.random() < 0.85:
            hints["forZones"] = [{"name": zone} for zone in self.some([*ZONES]) or ["b"]]
        if hinted in ("forNodes", "both") and self.random.random() < 0.85:
            hints["forNodes"] = [{"name": self.random.choice(["node1", "node2"])}]
        return {**made, **({"hints": hints} if hints else {})}


async def make_node(client: Client) -> None:
    meta = {"name": "node1", "labels": {"topology.kubernetes.io/zone": "a"}}
    await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": meta})
    addresses = [{"type": "InternalIP", "address": address} for address in NODE_IPS]
    await client.patch(NODES, "node1", {"status": {"addresses": addresses}}, subresource="status")


async def change(client: Client, draw: Draw, first: bool) -> None:
    """Make all, or put other slices in the place of those of some Services, and take some Services away."""
    for number in range(1, SERVICES_A_ROUND + 1):
        if first:
            made = draw.service(number)
            await client.create(SERVICES, {"apiVersion": "v1", "kind": "Service", **made}, "default")
            if made["spec"]["type"] == "LoadBalancer":
                await client.patch(
                    SERVICES, f"s{number}", {"status": draw.status(number)}, "default", subresource="status"
                )
        elif draw.random.random() < 0.5:
            continue
        else:
            for family in POD:
                for part in range(3):
                    await delete(client, f"s{number}-{family.lower()}-{part}")
            if draw.random.random() < 0.2:
                continue
        for body in draw.slices(number):
            kind = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice"}
            await client.create(ENDPOINT_SLICES, {**kind, **body}, "default")


async def delete(client: Client, name: str) -> None:
    with contextlib.suppress(NotFound):
        await client.delete(ENDPOINT_SLICES, name, "default")


@pytest.fixture
def kube_proxy(api: Api) -> Iterator[None]:
    """The real one on the same node, with the same access, and kube46's beside it."""
    document = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": "node1",
        "clusterCIDR": "10.244.0.0/16,fd00:10:244::/56",
        "clientConnection": {"kubeconfig": str(api.kubeconfig)},
        "conntrack": {"maxPerCore": 0},
        "nftables": {"minSyncPeriod": "1ms"},
    }
    path = api.directory / "kube-proxy.json"
    path.write_text(json.dumps(document))
    own = api.directory / "kube46.json"
    own.write_text(json.dumps({**document, "healthzBindAddress": "[::]:1", "metricsBindAddress": "[::1]:2"}))
    with (api.directory / "kube-proxy.log").open("wb") as log:
        command = ["ip", "netns", "exec", NODE, str(programs() / "kube-proxy"), "--config", str(path)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        api.start("proxy", "--config", str(own))
        yield
    finally:
        process.terminate()
        process.wait(60)
        for ip in ("ip", "ip6"):
            command = ["nft", f"add table {ip} kube-proxy; delete table {ip} kube-proxy"]
            subprocess.run(["ip", "netns", "exec", NODE, *command], check=True)


def differences(ours: Table, theirs: Table) -> list[str]:
    found = [
        f"{place}:\n  kube46     {ours.decisions.get(place)}\n  kube-proxy {theirs.decisions.get(place)}"
        for place in sorted(ours.decisions.keys() | theirs.decisions.keys())
        if ours.decisions.get(place) != theirs.decisions.get(place)
    ]
    sets = ((name, getattr(ours, name), getattr(theirs, name)) for name in ("cluster_ips", "nodeport_ips", "hairpins"))
    return found + [
        f"{name}: kube46 alone {sorted(mine - other)} kube-proxy alone {sorted(other - mine)}"
        for name, mine, other in sets
        if mine != other
    ]


def test_the_same_objects_are_the_same_decisions(api: Api, kube_proxy: None) -> None:
    """Every place of forty Services of all kinds, with slices of all conditions and hints, before and after changes:
    refused, dropped, or to the same endpoints, the same sources let through, hidden and remembered. All metrics that
    kube-proxy has are there with its types and labels, and as many Service ports are without an endpoint here."""
    seed = int(os.environ.get("KUBE46_SEED", "7"))  # the same each time: a test must not fail by chance
    draw = Draw(seed)
    api.do(make_node)
    for number in range(ROUNDS):
        api.do(lambda client, first=number == 0: change(client, draw, first))
        end = time.monotonic() + patient(15)
        while found := compared():
            assert time.monotonic() < end, f"KUBE46_SEED={seed}, round {number}:\n" + "\n".join(found)
            time.sleep(0.2)
        while not agree(*(told := [exposed(url) for url in METRICS])):
            counts = [page.without_local for page in told]
            assert time.monotonic() < end, f"KUBE46_SEED={seed}, round {number}: {counts}"
            time.sleep(0.2)
    theirs, ours = told
    assert len(theirs.kinds) > 8  # what has never been counted is not told by the real one
    assert {name: ours.kinds.get(name) for name in theirs.kinds} == theirs.kinds
    assert {name: ours.labels.get(name) for name in theirs.labels} == theirs.labels


METRICS = ("http://127.0.0.1:10249/metrics", "http://[::1]:2/metrics")
SAMPLE = re.compile(r"(kubeproxy_\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? (\S+)")


@dataclass
class Exposed:
    """kube-proxy's metrics on a page: the type of each, its labels' names, and one that is compared by its values."""

    kinds: dict[str, str]
    labels: dict[str, set[str]]
    without_local: dict[str, float]


def agree(theirs: Exposed, ours: Exposed) -> bool:
    """Whether as many Service ports are without an endpoint here. kube-proxy counts those too that have a policy Local
    for external addresses of the other family alone, which nobody can reach in this one."""
    places = theirs.without_local.keys() | ours.without_local.keys()
    pairs = {place: (theirs.without_local.get(place, 0), ours.without_local.get(place, 0)) for place in places}
    return all(mine == other or ("external" in place and mine < other) for place, (other, mine) in pairs.items())


def exposed(url: str) -> Exposed:
    """What a page of metrics tells."""
    found = Exposed({}, {}, {})
    for line in fetch(url).splitlines():
        if line.startswith("# TYPE kubeproxy_"):
            _, _, name, kind = line.split()
            found.kinds[name] = kind
        elif sample := SAMPLE.fullmatch(line):
            name, labels, value = sample.groups()
            names = set(re.findall(r'(\w+)="', labels or "")) - {"le"}
            found.labels.setdefault(name, set()).update(names)
            if "no_local_endpoints" in name and float(value):
                found.without_local[",".join(sorted(labels.split(",")))] = float(value)
    return found


def compared() -> list[str]:
    """What differs now; a table that is not there yet is one more difference."""
    try:
        ours, theirs = decisions.ours(), decisions.theirs()
    except (NftError, subprocess.CalledProcessError) as error:
        return [str(error)]
    return differences(ours, theirs) if len(theirs.decisions) > 1 else ["nothing yet"]
