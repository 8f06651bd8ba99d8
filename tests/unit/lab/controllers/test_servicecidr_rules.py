"""When a deleted ServiceCIDR may go (semantics A-19)."""

from ipaddress import ip_address

import pytest

from kube46.api.objects import Condition, Meta, ServiceCIDR, ServiceCIDRSpec, ServiceCIDRStatus
from kube46.lab.controllers.servicecidrs import rules


def cidr(name: str, *texts: str, dying: bool = False, condition: Condition | None = None) -> ServiceCIDR:
    """A ServiceCIDR."""
    meta = Meta(name=name, deletion_timestamp="2026-01-01T00:00:00Z" if dying else None)
    status = ServiceCIDRStatus(conditions=(condition,) if condition else ())
    return ServiceCIDR(metadata=meta, spec=ServiceCIDRSpec(cidrs=texts), status=status)


OWN = ("10.0.0.0/24", "fd00::/112")


@pytest.mark.parametrize(
    ("own", "others", "addresses", "allowed"),
    [
        (OWN, [], [], True),
        (OWN, [], ["10.0.0.1"], False),
        (OWN, [], ["fd00::1"], False),
        (OWN, [], ["10.0.1.1", "fd00::1:1"], True),  # of other ranges
        (OWN, [], ["10.0.0.0", "10.0.0.255", "fd00::"], True),  # what no allocator gives
        (OWN, [], ["fd00::ffff"], False),
        (OWN, [OWN], ["10.0.0.1", "fd00::1"], True),
        (OWN, [("10.0.0.0/16",)], ["10.0.0.1"], True),  # the address is covered, though not all ranges are
        (OWN, [("10.0.0.0/16",)], ["fd00::1"], False),
        (OWN, [("10.0.0.0/16",), ("fd00::/64",)], ["fd00::1", "10.0.0.9"], True),
        (("10.0.0.0/24",), [("10.0.0.0/25",)], ["10.0.0.1"], True),
        (("10.0.0.0/24",), [("10.0.0.0/25",)], ["10.0.0.127"], False),  # the other's broadcast address
        (("10.0.0.0/24",), [("10.0.0.0/25",)], ["10.0.0.129"], False),
        (("10.0.0.0/24",), [("10.0.0.0/23",)], ["10.0.0.255"], True),
    ],
)
def test_may_go(own: tuple[str, ...], others: list[tuple[str, ...]], addresses: list[str], allowed: bool) -> None:
    """It may, when others cover its ranges or every address in use."""
    cidrs = {"own": cidr("own", *own), **{f"o{n}": cidr(f"o{n}", *texts) for n, texts in enumerate(others)}}
    assert rules.may_go("own", cidrs, map(ip_address, addresses)) is allowed


def test_who_is_looked_at_when_an_address_goes() -> None:
    """A dying ServiceCIDR that could have given the address, and no other."""
    dying, living = cidr("a", *OWN, dying=True), cidr("b", *OWN)
    assert rules.of_interest(dying, ip_address("fd00::5"))
    assert not rules.of_interest(dying, ip_address("fd00:1::5"))
    assert not rules.of_interest(living, ip_address("fd00::5"))


def test_the_condition_is_written_once() -> None:
    """What stands there is not written again, another reason is."""
    now = "2026-01-01T00:00:00Z"
    assert rules.condition(cidr("a", *OWN), rules.READY, now) == {
        "type": "Ready", "status": "True", "reason": "", "message": "Kubernetes Service CIDR is ready",
        "lastTransitionTime": now,
    }  # fmt: skip
    said = Condition(type="Ready", status="True", message="Kubernetes Service CIDR is ready")
    assert rules.condition(cidr("a", *OWN, condition=said), rules.READY, now) is None
    assert rules.condition(cidr("a", *OWN, condition=said), rules.BLOCKED, now) is not None
