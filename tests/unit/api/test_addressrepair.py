"""What is wrong between Services and the records of their addresses: each row of semantics 2.7."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.addressrepair import (
    AddressSpec,
    Finding,
    Mend,
    Meta,
    Parent,
    Record,
    Service,
    ServiceSpec,
    of_record,
    of_service,
)
from kube46.api.allocation import AddressRange
from kube46.api.ipaddresses import ALLOCATOR, FAMILY_LABEL, MANAGED_LABEL

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RANGES = [AddressRange(ip_network(text)) for text in ("10.0.0.0/24", "fd00::/112")]


def service(name: str, *addresses: str, age: float = 3600, type_: str = "ClusterIP") -> Service:
    """A Service with these addresses."""
    meta = Meta(name, f"uid-{name}", "1", NOW - timedelta(seconds=age), "default")
    return Service(meta, ServiceSpec(addresses[0] if addresses else "", addresses, type_))


def record(
    address: str, name: str = "a", *, age: float = 3600, managed: bool = True, family: str = "", **parent: str
) -> Record:
    """An IPAddress of a Service."""
    labels = {FAMILY_LABEL: family or ("IPv6" if ":" in address else "IPv4")}
    labels |= {MANAGED_LABEL: ALLOCATOR} if managed else {}
    of = {"resource": "services", "name": name, "namespace": "default", **parent}
    return Record(Meta(address, "u", "1", NOW - timedelta(seconds=age), labels=labels), AddressSpec(Parent(**of)))


def findings(one: Service, *others: Service, records: tuple[Record, ...] = ()) -> list[tuple[Mend, str]]:
    """The mends and reasons of a Service among others."""
    by_name = {each.metadata.name: each for each in (one, *others)}
    stored = {each.metadata.name: each for each in records}
    return [(f.mend, f.reason) for f in of_service(one, RANGES, stored.get, lambda _, name: by_name.get(name))]


ROWS = [
    (("10.0.0.5",), (record("10.0.0.5"),), []),
    (("10.0.0.5", "fd00::5"), (record("10.0.0.5"), record("fd00::5")), []),
    (("None",), (), []),
    ((), (), []),
    (("10.0.0.500",), (), [(Mend.NOTHING, "ClusterIPNotValid")]),
    (("10.1.0.5",), (), [(Mend.NOTHING, "ClusterIPOutOfRange")]),
    (("10.0.0.0",), (), [(Mend.NOTHING, "ClusterIPOutOfRange")]),
    (("10.0.0.255",), (), [(Mend.NOTHING, "ClusterIPOutOfRange")]),
    (("fd00::",), (), [(Mend.NOTHING, "ClusterIPOutOfRange")]),
    (("fd00::ffff",), (), [(Mend.CREATE, "ClusterIPNotAllocated")]),
    (("10.0.0.5", "fd00::5"), (record("10.0.0.5"),), [(Mend.CREATE, "ClusterIPNotAllocated")]),
    (("10.0.0.5",), (record("10.0.0.5", resource="gateways"),), [(Mend.RECREATE, "ClusterIPNotAllocated")]),
    (("10.0.0.5",), (record("10.0.0.5", group="x.y"),), [(Mend.RECREATE, "ClusterIPNotAllocated")]),
    (("10.0.0.5",), (record("10.0.0.5", "gone"),), [(Mend.RECREATE, "ClusterIPNotAllocated")]),
    (("10.0.0.5",), (record("10.0.0.5", "twin"),), [(Mend.NOTHING, "ClusterIPAlreadyAllocated")]),
    (("10.0.0.5",), (record("10.0.0.5", "other"),), []),  # the other's record is looked at for itself
    (("10.0.0.5",), (record("10.0.0.5", managed=False),), [(Mend.RECREATE, "")]),
    (("10.0.0.5",), (record("10.0.0.5", family="IPv6"),), [(Mend.RECREATE, "")]),
]


@pytest.mark.parametrize(("addresses", "records", "wanted"), ROWS)
def test_services(addresses: tuple[str, ...], records: tuple[Record, ...], wanted: list[tuple[Mend, str]]) -> None:
    """Each mistake between a Service and its records gets upstream's reason and mend."""
    others = service("twin", "10.0.0.5"), service("other", "10.0.0.9")
    assert findings(service("a", *addresses), *others, records=records) == wanted


def test_texts() -> None:
    """The words are upstream's, a missing colon and blank included."""
    found = of_service(service("a", "10.1.0.5"), RANGES, lambda _: None, lambda *_: None)
    assert (
        found[0].note
        == "Cluster IP [IPv4]: 10.1.0.5 is not within any configured Service CIDR; please recreate service"
    )
    twins = service("a", "10.0.0.5"), service("b", "10.0.0.5")
    found = of_service(twins[1], RANGES, lambda _: record("10.0.0.5"), lambda *_: twins[0])
    assert found[0].note == "Cluster IP [IPv4]:10.0.0.5 was assigned to multiple services; please recreate service"
    verdict = of_record(record("fd00::5", "gw", resource="gateways", group="g"), lambda *_: None, NOW)
    assert isinstance(verdict, Finding)
    shown = "&ParentReference{Group:g,Resource:gateways,Namespace:default,Name:gw,}"
    assert (
        verdict.note
        == f"IPAddress fd00::5 appears to have been modified, not referencing a Service {shown}: cleaning up"
    )


RECORDS = [
    (record("10.0.0.5"), None),
    (record("10.0.0.6"), "IPAddressWrongReference"),
    (record("10.0.0.6", managed=False), None),
    (record("10.0.0.6", resource="gateways"), "IPAddressNotAllocated"),
    (record("10.0.0.6", "gone", age=61), "IPAddressNotAllocated"),
    (record("10.0.0.6", "gone", age=20), 40.0),
    (record("10.0.0.6", "gone", age=60), 0.0),
    (record("10.0.0.6", "external", age=59), 1.0),
    (record("10.0.0.6", "external", age=60), "IPAddressWrongReference"),
    (record("10.0.0.6", age=4), 5.0),
    (record("10.0.0.6", age=5), "IPAddressWrongReference"),
    (record("10.0.0.6", "young", age=3), "IPAddressWrongReference"),  # the Service is the younger of the two
]


@pytest.mark.parametrize(("one", "wanted"), RECORDS)
def test_records(one: Record, wanted: float | str | None) -> None:
    """A record that belongs to nobody is deleted once upstream's time is over, and no other."""
    known = {"a": service("a", "10.0.0.5"), "external": service("external", type_="ExternalName")}
    known["young"] = service("young", "10.0.0.9", age=1)
    verdict = of_record(one, lambda _, name: known.get(name), NOW)
    if isinstance(verdict, Finding):
        assert (verdict.mend, verdict.reason) == (Mend.DELETE, wanted)
    else:
        assert verdict == wanted


@given(
    st.lists(st.sampled_from([f"10.0.0.{n}" for n in range(1, 6)]), min_size=1, max_size=5),
    st.dictionaries(
        st.sampled_from([f"10.0.0.{n}" for n in range(1, 8)]),
        st.tuples(st.sampled_from("abcdefg"), st.booleans(), st.booleans()),
    ),
)
def test_mending_ends(addresses: list[str], stored: dict[str, tuple[str, bool, bool]]) -> None:
    """Whatever Services and records there are, after three rounds nothing is left to mend."""
    services = {"abcde"[n]: service("abcde"[n], address) for n, address in enumerate(addresses)}
    records = {
        address: record(address, name, managed=managed, resource="services" if of_service_ else "gateways")
        for address, (name, managed, of_service_) in stored.items()
    }

    def mend() -> bool:
        done = False
        for name, one in services.items():
            for finding in of_service(one, RANGES, records.get, lambda _, name: services.get(name)):
                if finding.mend is not Mend.NOTHING:
                    records[finding.address] = record(finding.address, name)
                    done = True
        for one in list(records.values()):
            if isinstance(of_record(one, lambda _, name: services.get(name), NOW), Finding):
                del records[one.metadata.name]
                done = True
        return done

    for _ in range(3):
        mend()
    assert not mend()
    for name, one in services.items():
        owner = records[one.spec.cluster_ip].spec.parent_ref.name
        assert owner == name or services[owner].spec.cluster_ip == one.spec.cluster_ip
