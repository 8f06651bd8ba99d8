"""Services → elements: the table of verdicts, symmetry of the families, places of backends."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.addresses.families import Family
from kube46.api.objects import (
    Endpoint,
    LoadBalancerIngress,
    LoadBalancerStatus,
    Meta,
    Service,
    ServiceCIDR,
    ServiceCIDRSpec,
    ServicePort,
    ServiceStatus,
)
from kube46.proxy.affinity import slots
from kube46.proxy.layout import LOCAL
from kube46.proxy.rules import cluster_ips, placed, service_elements, static_elements
from unit.proxy.samples import CLUSTER_IPS, HTTP, VIEW, pods, service, slices

NODE_PORT = ServicePort("http", "TCP", None, 80, 8080, 30080)
HERE, AWAY = pods(2, 3), pods(7, 8, 9, node_name="node2")
REFUSE, DROP = "goto refuse", "drop"


def verdicts(made: Service, ends: list[Endpoint]) -> dict[str, str]:
    """map and key → verdict, of IPv4."""
    elements = service_elements(made, slices(ends), VIEW, {})
    return {
        name: value for (name, _), value in elements.items() if re.fullmatch(r"(service|nodeport)(-near|-far)?4", name)
    }


CASES = {
    "cluster": ({}, HERE + AWAY, {"service4": "goto service-pick-tcp-5"}),
    "none anywhere": ({}, [], {"service4": REFUSE}),
    "internal local": ({"internal_traffic_policy": "Local"}, HERE + AWAY, {"service4": "goto service-local-tcp-2"}),
    "internal local, none here": ({"internal_traffic_policy": "Local"}, AWAY, {"service4": DROP}),
    "internal local, none anywhere": ({"internal_traffic_policy": "Local"}, [], {"service4": REFUSE}),
    "node port": (
        {"type": "NodePort"},
        HERE,
        {"service4": "goto service-pick-tcp-2", "nodeport4": "goto nodeport-masquerade-tcp-2"},
    ),
    "node port, none anywhere": ({"type": "NodePort"}, [], {"service4": REFUSE, "nodeport4": REFUSE}),
    "external local": (
        {"type": "NodePort", "external_traffic_policy": "Local"},
        HERE + AWAY,
        {
            "service4": "goto service-pick-tcp-5",
            "nodeport4": "goto nodeport-policy",
            "nodeport-near4": "goto nodeport-pick-tcp-5",
            "nodeport-far4": "goto nodeport-local-tcp-2",
        },
    ),
    "external local, none here": (
        {"type": "NodePort", "external_traffic_policy": "Local"},
        AWAY,
        {
            "service4": "goto service-pick-tcp-3",
            "nodeport4": "goto nodeport-policy",
            "nodeport-near4": "goto nodeport-pick-tcp-3",
            "nodeport-far4": DROP,
        },
    ),
    "affinity": (
        {"type": "NodePort", "session_affinity": "ClientIP"},
        HERE,
        {"service4": "goto service-pick-sticky10800-tcp-2", "nodeport4": "goto nodeport-masquerade-sticky10800-tcp-2"},
    ),
    "affinity to the only one": (
        {"session_affinity": "ClientIP"},
        pods(2),
        {"service4": "goto service-pick-sticky10800-tcp-1"},
    ),
    "external name": ({"type": "ExternalName"}, HERE, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_verdicts(case: str) -> None:
    """Each row of semantics 5.3."""
    spec, ends, expected = CASES[case]
    assert verdicts(service(ports=(NODE_PORT,), **spec), ends) == expected


@pytest.mark.parametrize("ips", [(), ("None",), ("",)])
def test_headless_services_have_no_elements(ips: tuple[str, ...]) -> None:
    """Without a cluster address nothing is programmed (K-2)."""
    made = service(cluster_ips=ips or ("",), ip_families=("IPv4", "IPv6"))
    assert service_elements(made, slices(HERE), VIEW, {}) == {}


def test_another_proxys_service_is_left_alone() -> None:
    """service.kubernetes.io/service-proxy-name hands a Service to another proxy."""
    plain = service()
    labels = {"service.kubernetes.io/service-proxy-name": "other"}
    made = Service(metadata=Meta(name="web", namespace="default", labels=labels), spec=plain.spec)
    assert service_elements(made, slices(HERE), VIEW, {}) == {}


def test_external_addresses_need_a_cluster_address_of_their_family() -> None:
    """An IPv6 external address of an IPv4-only Service is not programmed (K-2, K-3); ipMode Proxy is not either."""
    ingress = (
        LoadBalancerIngress("198.51.100.9"),
        LoadBalancerIngress("198.51.100.8", "", "Proxy"),
        LoadBalancerIngress("", "lb.example"),
    )
    plain = service(cluster_ips=CLUSTER_IPS[:1], external_ips=("2001:db8::1", "198.51.100.1"))
    made = Service(metadata=plain.metadata, spec=plain.spec, status=ServiceStatus(LoadBalancerStatus(ingress)))
    elements = service_elements(made, slices(HERE), VIEW, {})
    assert {name[-1] for name, _ in elements} == {"4"}
    assert {key.split()[0] for name, key in elements if name == "service4"} == {
        CLUSTER_IPS[0],
        "198.51.100.1",
        "198.51.100.9",
    }


def test_the_gate_of_external_addresses() -> None:
    """AllowServiceExternalIPs=false: they are ignored, load balancers' addresses are not (K-18)."""
    made = service(type="LoadBalancer", external_ips=("198.51.100.7", "2001:db8:e::7"), ingress=("198.51.100.8",))
    elements = service_elements(made, slices(HERE), replace(VIEW, external_ips=False), {})
    keys = {key for name, key in elements if name in ("service4", "service6")}
    assert keys == {f"{address} . tcp . 80" for address in (*CLUSTER_IPS, "198.51.100.8")}


def test_cluster_ips_by_family() -> None:
    """ipFamilies must name the address's family; with none named the address alone says it."""
    assert cluster_ips(service()) == {Family.IPV4: CLUSTER_IPS[0], Family.IPV6: CLUSTER_IPS[1]}
    assert cluster_ips(service(ip_families=("IPv6",))) == {Family.IPV6: CLUSTER_IPS[1]}
    assert cluster_ips(service(ip_families=())) == {Family.IPV4: CLUSTER_IPS[0], Family.IPV6: CLUSTER_IPS[1]}


PLACED = {"service-backend-tcp", "nodeport-backend-tcp", "members"}
"""Maps whose keys end with a place."""
numbers = st.lists(st.integers(1, 60), max_size=20, unique=True)


@given(
    here=numbers,
    away=numbers,
    kind=st.sampled_from(["ClusterIP", "NodePort"]),
    internal=st.sampled_from(["Cluster", "Local"]),
    external=st.sampled_from(["", "Cluster", "Local"]),
    affinity=st.sampled_from(["None", "ClientIP"]),
)
def test_both_families_are_alike(
    here: list[int], away: list[int], kind: str, internal: str, external: str, affinity: str
) -> None:
    """Whatever the Service, the elements of IPv6 are those of IPv4 with the other addresses."""
    made = service(
        ports=(NODE_PORT,),
        type=kind,
        internal_traffic_policy=internal,
        external_traffic_policy=external,
        session_affinity=affinity,
    )
    ends = pods(*here) + pods(*(100 + number for number in away), node_name="node2")
    elements = service_elements(made, slices(ends), VIEW, {})

    def translated(text: str) -> str:
        return text.replace("10.244.0.", "fd00:10:244::").replace(*CLUSTER_IPS)

    four = {
        (name[:-1], translated(key)): translated(value) for (name, key), value in elements.items() if name[-1] == "4"
    }
    six = {(name[:-1], key): value for (name, key), value in elements.items() if name[-1] == "6"}

    def unplaced(found: dict[tuple[str, str], str]) -> set[tuple[str, str]]:
        # texts of addresses sort differently in the families, so backends may have each other's places
        return {
            (name, key if "slots" in name else key.rpartition(" . ")[0] + value if name in PLACED else key + value)
            for (name, key), value in found.items()
        }

    assert unplaced(four) == unplaced(six)
    assert {key for key in four if key[0] != "members"} == {key for key in six if key[0] != "members"}


@given(
    here=numbers,
    away=numbers,
    affinity=st.sampled_from(["None", "ClientIP"]),
    external=st.sampled_from(["Cluster", "Local"]),
)
def test_every_verdict_has_its_backends(here: list[int], away: list[int], affinity: str, external: str) -> None:
    """A chain that picks one of N finds exactly indices 0 … N-1 (or from LOCAL) filled for every frontend."""
    made = service(ports=(NODE_PORT,), type="NodePort", session_affinity=affinity, external_traffic_policy=external)
    ends = pods(*here) + pods(*(100 + number for number in away), node_name="node2")
    elements = service_elements(made, slices(ends), VIEW, {})
    expected = set()
    for (name, key), verdict in elements.items():
        if found := re.fullmatch(
            r"goto (service|nodeport)-(pick|masquerade|local)(?:-sticky10800)?-tcp-(\d+)", verdict
        ):
            first = 65536 if found[2] == "local" else 0
            frontend = key.replace("tcp . ", "")
            expected |= {
                (f"{found[1]}-backend-tcp{name[-1]}", f"{frontend} . {first + index}") for index in range(int(found[3]))
            }
    backends = {element: value for element, value in elements.items() if "backend" in element[0]}
    assert backends.keys() == expected
    if affinity == "ClientIP":
        assert backends == dict(by_slots(elements))


def by_slots(elements: dict[tuple[str, str], str]) -> Iterator[tuple[tuple[str, str], str]]:
    """What a packet finds on its other way: the frontend's number, the index's slot, the member."""
    for (name, key), slot in elements.items():
        if "-slots" in name:
            scope, v = name.split("-")[0], name[-1]
            frontend, _, index = key.rpartition(" . ")
            number = int(elements[f"{scope}-sticky{v}", frontend]) | (int(index) >= LOCAL)
            where = f"{scope}-backend-tcp{v}", f"{frontend.replace('tcp . ', '')} . {index}"
            yield where, elements[f"members{v}", f"{number} . {slot}"]


@given(before=numbers, wanted=numbers)
def test_backends_that_stay_keep_their_places(before: list[int], wanted: list[int]) -> None:
    """As few places change as can: those of backends that go, and those past the new end."""
    old, new = [str(n) for n in before], [str(n) for n in wanted]
    places = placed(new, old)
    assert sorted(places) == sorted(new)
    for index, backend in enumerate(old[: len(new)]):
        if backend in new:
            assert places[index] == backend
    assert placed(new, places) == places


def test_a_change_of_one_in_a_thousand_endpoints_is_a_change_of_few_elements() -> None:
    """Removing the first of 1,000 endpoints moves one other."""
    ends = [f"10.244.{n // 250}.{n % 250} . 8080" for n in range(1000)]
    after = placed(ends[1:], ends)
    assert sum(a != b for a, b in zip(after, ends, strict=False)) == 1


def test_places_are_read_from_what_was_claimed() -> None:
    """service_elements itself keeps places across a change."""
    made = service(ports=(HTTP,))
    before = service_elements(made, slices(pods(2, 3, 4)), VIEW, {})
    after = service_elements(made, slices(pods(3, 4)), VIEW, before)
    assert after["service-backend-tcp4", "10.96.0.20 . 80 . 1"] == before["service-backend-tcp4", "10.96.0.20 . 80 . 1"]
    assert after["service-backend-tcp4", "10.96.0.20 . 80 . 0"] == "10.244.0.4 . 8080"


def test_overlapping_service_ranges_are_merged() -> None:
    """ServiceCIDRs may overlap, interval sets may not."""
    cidrs = [
        ServiceCIDR(spec=ServiceCIDRSpec(("10.96.0.0/16", "fd00:10:96::/112"))),
        ServiceCIDR(spec=ServiceCIDRSpec(("10.96.0.0/20", "10.97.0.0/16"))),
    ]
    found = {key for name, key in static_elements(VIEW, cidrs) if name.startswith("service-cidrs")}
    assert found == {"10.96.0.0/15", "fd00:10:96::/112"}


def test_slots_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two endpoints whose hashes are equal have slots of their own, whoever comes first."""
    monkeypatch.setattr("kube46.proxy.affinity.zlib.crc32", lambda data: 7)
    assert slots(["b", "a", "c"]) == {"a": 7, "b": 8, "c": 9}


def test_source_ranges_are_read_as_kube_proxy_reads_them() -> None:
    """Old API servers took spaces, leading zeros and bits after the prefix: a range that isn't understood would let
    everybody in."""
    for text in (" 203.0.113.0/24 ", "203.000.113.0/24", "203.0.113.77/24"):
        made = service(type="LoadBalancer", ingress=("198.51.100.9",), load_balancer_source_ranges=(text,))
        elements = service_elements(made, slices(HERE), VIEW, {})
        assert [key for name, key in elements if name.startswith("ranges4-")] == ["203.0.113.0/24"]
