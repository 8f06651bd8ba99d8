"""Records of Services and endpoints, by the Kubernetes DNS schema 1.1.0."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import EndpointSlice, Service
from kube46.dns.rules import Record, dashed, fixed_records, is_name, service_records, zone_of

DOMAIN = "cluster.local"


def service(name: str = "web", **spec: Any) -> Service:
    """A Service of namespace `shop`."""
    return msgspec.convert({"metadata": {"name": name, "namespace": "shop"}, "spec": spec}, Service)


def piece(family: str, *endpoints: dict[str, Any], ports: list[dict[str, Any]] | None = None) -> EndpointSlice:
    """An EndpointSlice of one family."""
    body = {"metadata": {"name": "x"}, "addressType": family, "endpoints": list(endpoints), "ports": ports or []}
    return msgspec.convert(body, EndpointSlice)


def lines(records: frozenset[Record]) -> list[str]:
    """Records as text, sorted."""
    return sorted(f"{record.name} {record.type} {record.data}" for record in records)


def test_a_dual_stack_service_has_both_addresses_and_one_srv() -> None:
    """A and AAAA at the name, a PTR of each address, SRV for named ports only, once for both families."""
    ports = [{"name": "http", "port": 80}, {"port": 81}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    spec = {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7", "fd00:10:96::7"], "ports": ports}
    nibbles = "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa"
    assert lines(service_records(service(**spec), [], DOMAIN)) == sorted(
        [
            "web.shop.svc.cluster.local A 10.96.0.7",
            "web.shop.svc.cluster.local AAAA fd00:10:96::7",
            "7.0.96.10.in-addr.arpa PTR web.shop.svc.cluster.local.",
            f"{nibbles} PTR web.shop.svc.cluster.local.",
            "_http._tcp.web.shop.svc.cluster.local SRV 0 100 80 web.shop.svc.cluster.local.",
            "_dns._udp.web.shop.svc.cluster.local SRV 0 100 53 web.shop.svc.cluster.local.",
        ]
    )


def test_a_headless_service_has_its_ready_endpoints() -> None:
    """Both families' endpoints share a hostname's name; an endpoint that is not ready has no record."""
    ports = [{"name": "http", "port": 8080, "protocol": "TCP"}]
    slices = [
        piece("IPv4", {"addresses": ["10.244.1.5"], "hostname": "db-0"}, ports=ports),
        piece(
            "IPv6", {"addresses": ["fd00:10:244:1::5"], "hostname": "db-0", "conditions": {"ready": True}}, ports=ports
        ),
        piece("IPv4", {"addresses": ["10.244.1.6"], "conditions": {"ready": False}}, ports=ports),
        piece("FQDN", {"addresses": ["example.com"]}),
    ]
    found = lines(service_records(service(clusterIP="None", clusterIPs=["None"]), slices, DOMAIN))
    assert [line for line in found if "PTR" not in line] == [
        "_http._tcp.web.shop.svc.cluster.local SRV 0 100 8080 db-0.web.shop.svc.cluster.local.",
        "db-0.web.shop.svc.cluster.local A 10.244.1.5",
        "db-0.web.shop.svc.cluster.local AAAA fd00:10:244:1::5",
        "web.shop.svc.cluster.local A 10.244.1.5",
        "web.shop.svc.cluster.local AAAA fd00:10:244:1::5",
    ]
    assert [line.split(" PTR ")[1] for line in found if "PTR" in line] == ["db-0.web.shop.svc.cluster.local."] * 2


def test_an_external_name_is_an_alias() -> None:
    """ExternalName answers a CNAME and nothing else, its last dot optional."""
    spec = {"type": "ExternalName", "externalName": "Example.COM."}
    assert lines(service_records(service(**spec), [], DOMAIN)) == ["web.shop.svc.cluster.local CNAME example.com."]


@pytest.mark.parametrize("target", ["", "a b", 'x";', "a..b", "-.x", "x" * 64])
def test_an_external_name_that_is_no_name_has_no_record(target: str) -> None:
    """Nothing a tenant writes reaches a zone unless it is a domain name."""
    assert not service_records(service(type="ExternalName", externalName=target), [], DOMAIN)


@pytest.mark.parametrize(
    ("address", "label"),
    [("10.0.0.1", "10-0-0-1"), ("fd00::1", "fd00--1"), ("fd00::", "fd00--0")],
)
def test_dashed_names(address: str, label: str) -> None:
    """An endpoint without a hostname is named after its address, as by CoreDNS."""
    assert dashed(address) == label


def test_fixed_records_tell_the_schema_and_the_server() -> None:
    """dns-version is what conformance suites ask for; NS has an address of each family."""
    assert lines(fixed_records(DOMAIN, ["10.96.0.10", "fd00:10:96::a"])) == [
        "cluster.local NS ns.dns.cluster.local.",
        'dns-version.cluster.local TXT "1.1.0"',
        "ns.dns.cluster.local A 10.96.0.10",
        "ns.dns.cluster.local AAAA fd00:10:96::a",
    ]


def test_zone_of_takes_the_longest() -> None:
    """A name lies in the nearest zone above it, or in none."""
    zones = {"cluster.local", "96.10.in-addr.arpa"}
    assert zone_of("web.shop.svc.cluster.local", zones) == "cluster.local"
    assert zone_of("1.0.97.10.in-addr.arpa", zones) is None


@given(st.text(max_size=40))
def test_no_name_can_break_out_of_a_zone_file(text: str) -> None:
    """What passes as a name has no white space, quote, semicolon or upper case in it."""
    if is_name(text):
        assert not set(text) - set("abcdefghijklmnopqrstuvwxyz0123456789-_.")
