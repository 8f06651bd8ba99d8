"""Which packets prove which promise, and which Services they need beside the matrix'. Pure.

Sources: KEP-563 "Test Plan" (Granular Checks: Services Secondary IP Family), "Graduation Criteria" and
"CoreDNS Operation".
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from kube46.addresses.families import Family, by_family
from kube46.api import objects
from kube46.check import rules, workload
from kube46.check.model import ANYONE, Cell, Kind, Layout, Place, Probe, Responder, Result, Target
from kube46.conformance.making import PREFER, SINGLE
from kube46.conformance.model import Level, Promise

CNI = "Support of at least one CNI plugin to provide multi-IP"
PLAN = "e2e test successfully running: the test plan's Granular Checks"
NAMES = "CoreDNS operation: A and AAAA records"
PODS_MEND = "see the nodes' routes and rules of that family, and the CNI plugin's configuration"
PROXY_MEND = "see the Service proxy's rules of that family on the node, its log, and the Service's EndpointSlices"
DNS_MEND = "see the cluster DNS's log, and whether it watches EndpointSlices of both families"
STICKY, MOVING = "sticky", "moving"
REPEATS = 8  # so that two endpoints without affinity are both met, but once in 128 times


def _ga(name: str, criterion: str, text: str, mend: str) -> Promise:
    return Promise(name, Level.GA, criterion, text, mend)


# A column of the matrix and the promise that its cells prove.
COLUMNS = {
    Target.POD_HERE: _ga(
        "path-pod-here", CNI, "pods and nodes reach pods of the same node, over each family", PODS_MEND
    ),
    Target.POD_THERE: _ga(
        "path-pod-there", CNI, "pods and nodes reach pods of other nodes, over each family", PODS_MEND
    ),
    Target.LARGE: _ga(
        "path-large", PLAN, "64 KiB by TCP and fragmented datagrams arrive whole, over each family", PODS_MEND
    ),
    Target.CLUSTER_IP: _ga("path-cluster-ip", PLAN, "pods and nodes reach each cluster IP of a Service", PROXY_MEND),
    Target.UDP: _ga("path-udp", PLAN, "the same by UDP", PROXY_MEND),
    Target.NODE_PORT: _ga(
        "path-node-port", PLAN, "node ports answer at each node's address of each family", PROXY_MEND
    ),
    Target.HAIRPIN: _ga("path-hairpin", PLAN, "a pod reaches itself through its Service, over each family", PROXY_MEND),
    Target.NAME: _ga("dns-name", NAMES, "a Service is reached by its name, over each family", DNS_MEND),
    Target.HEADLESS: _ga(
        "dns-headless", NAMES, "a headless Service's pods are reached by name, over each family", DNS_MEND
    ),
}
RECORDS = _ga(
    "dns-records", NAMES, "names have A and AAAA records for the addresses there are, and no others", DNS_MEND
)
AFFINITY = _ga("path-affinity", PLAN, "session affinity holds, over each family, by TCP and UDP", PROXY_MEND)
ONE_FAMILY = _ga("path-one-family", PLAN, "Services of one family, of either, work on a dual-stack cluster", PROXY_MEND)
ENDPOINTS = _ga("path-endpoints", PLAN, "when a Service's pods change, both families follow", PROXY_MEND)
PROMISES = (*COLUMNS.values(), RECORDS, AFFINITY, ONE_FAMILY, ENDPOINTS)


def possible(layout: Layout) -> tuple[Layout, list[str]]:
    """The layout with the families that all in it have, and who lacks which of the others."""
    holders = {f"nodes/{node.name}": node.addresses for node in layout.nodes}
    holders |= {f"pods/{one.pod}": one.addresses for one in layout.responders}
    holders |= {f"services/{one.service}": one.cluster_ips for one in layout.responders}
    lacks = {
        family: [name for name, addresses in holders.items() if family not in addresses] for family in layout.families
    }
    families = tuple(family for family in layout.families if not lacks[family])
    found = [f"{', '.join(names)}: no address of {family}" for family, names in lacks.items() if names]
    return dataclasses.replace(layout, families=families), found


def of_any_network(probes: Iterable[Probe], layout: Layout) -> list[Probe]:
    """The matrix' probes for any cluster: Kubernetes promises who is seen as the client only between pods (no NAT).

    Where the cluster's DNS has one family, nodes ask it for both families' records over that one.
    """
    plain = (Target.POD_HERE, Target.POD_THERE)
    server = next(iter(layout.dns.values()))
    made = []
    for probe in probes:
        at_node = probe.place.kind is Kind.NODE
        client = probe.client if probe.target in plain and not at_node else ANYONE
        asks = at_node and probe.target in (Target.NAME, Target.HEADLESS) and not probe.dns_server
        made.append(replace(probe, client=client, dns_server=server if asks else probe.dns_server))
    return made


def column(cells: Iterable[Cell], target: Target) -> list[str] | None:
    """Why cells of a column failed; None when it has none."""
    own = [cell for cell in cells if cell.target == target]
    reasons = [f"{cell.place} over {cell.family}: {reason}" for cell in own for reason in cell.failures]
    return reasons if own else None


def only(family: Family) -> str:
    """The name of the Service of one family."""
    return f"only-{family.lower()}"


def services(layout: Layout) -> list[dict[str, Any]]:
    """What is asked beside the matrix: a sticky Service, one whose pods change, and one of each family alone."""
    first = layout.responders[0].pod
    own = {"kube46.dev/check": first}
    alone = [_service(only(f), own, ipFamilyPolicy=SINGLE, ipFamilies=[f]) for f in layout.families]
    group = {"kube46.dev/check-group": workload.HEADLESS}
    return [_service(STICKY, group, sessionAffinity="ClientIP"), _service(MOVING, own), *alone]


def _service(name: str, selector: Mapping[str, str], **spec: Any) -> dict[str, Any]:
    ports = [{"name": kind.lower(), "protocol": kind, "port": workload.PORT} for kind in ("TCP", "UDP")]
    return {
        "metadata": {"name": name},
        "spec": {"ipFamilyPolicy": PREFER, "selector": dict(selector), "ports": ports, **spec},
    }


def asked(layout: Layout, name: str, addresses: Sequence[str], pods: Sequence[str], *, repeats: int = 1) -> list[Probe]:
    """Probes of a Service at each of its addresses, by TCP and UDP, from a pod of the last node."""
    place = Place(Kind.POD, layout.nodes[-1].name)
    return [
        Probe(
            f"{name}/{family}/{protocol}/{number}", place, Target.CLUSTER_IP, family.version, address, layout.port,
            tuple(pods), f"{name}-{family.version}-{protocol}-{number}", ANYONE, protocol,
        )
        for family, address in by_family(addresses).items()
        for protocol in ("TCP", "UDP")
        for number in range(repeats)
    ]  # fmt: skip


def failures(probes: Iterable[Probe], results: Mapping[str, Result]) -> list[str]:
    """Why probes failed, each with what it asked."""
    found = ((probe, rules.judge(probe, results.get(probe.id))) for probe in probes)
    return [f"{probe.protocol} {probe.id.split('/')[0]} at {probe.host}: {reason}" for probe, reason in found if reason]


def strays(probes: Iterable[Probe], results: Mapping[str, Result]) -> list[str]:
    """Where session affinity did not hold: more than one pod answered for a family and protocol."""
    met: dict[tuple[str, str], set[str]] = {}
    for probe in probes:
        if result := results.get(probe.id):
            met.setdefault((probe.host, probe.protocol), set()).add(result.pod)
    return [
        f"{protocol} {STICKY} at {host}: {' and '.join(sorted(pods))} answered, must be one of them"
        for (host, protocol), pods in met.items()
        if len(pods) > 1
    ]


def questions(layout: Layout, made: Mapping[str, objects.Service]) -> list[tuple[Probe, frozenset[str]]]:
    """For each name and record type, at each address of the cluster's DNS: what must be the answer."""
    place = Place(Kind.POD, layout.nodes[0].name)
    zone = f"{layout.namespace}.svc.{layout.domain}"
    names = dict(_records(layout, made))
    return [
        (
            Probe(
                f"{name} {'A' if family is Family.IPV4 else 'AAAA'} at {server}", place, Target.NAME, family.version,
                f"{name}.{zone}", 53, (), "", protocol="DNS", dns_server=server, attempts=2,
            ),
            frozenset(address for address in addresses if (":" in address) == (family is Family.IPV6)),
        )
        for server in layout.dns.values()
        for name, addresses in names.items()
        for family in Family
    ]  # fmt: skip


def _records(layout: Layout, made: Mapping[str, objects.Service]) -> Iterator[tuple[str, list[str]]]:
    for family in layout.families:
        yield only(family), list(made[only(family)].spec.cluster_ips)
    responder: Responder = layout.responders[0]
    yield responder.service, list(responder.cluster_ips.values())
    yield layout.headless, [address for one in layout.responders for address in one.addresses.values()]


def wrong_records(asked_: Sequence[tuple[Probe, frozenset[str]]], results: Mapping[str, Result]) -> list[str]:
    """Where the answer was not the records there must be."""
    found = []
    for probe, wanted in asked_:
        result = results.get(probe.id) or Result(probe.id, error="the place gave no result")
        said = frozenset(filter(None, result.address.split(",")))
        if result.error:
            found.append(f"{probe.id}: {result.error}")
        elif said != wanted:
            found.append(f"{probe.id}: {_list(said)}, must be {_list(wanted)}")
    return found


def _list(addresses: Iterable[str]) -> str:
    return ", ".join(sorted(addresses)) or "no record"
