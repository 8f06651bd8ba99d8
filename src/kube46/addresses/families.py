"""The two IP families, and addresses and prefixes of either.

Values of both families travel together as mappings keyed by `Family`; no code has a v4 branch beside a v6 branch.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeVar

Address = IPv4Address | IPv6Address
Prefix = IPv4Network | IPv6Network
T = TypeVar("T")


class Family(StrEnum):
    """An IP family, spelled as Kubernetes spells it in `ipFamilies`."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"

    @property
    def other(self) -> "Family":
        """The family that this one is not."""
        return Family.IPV6 if self is Family.IPV4 else Family.IPV4

    @property
    def version(self) -> int:
        """The IP version number, 4 or 6."""
        return 4 if self is Family.IPV4 else 6

    @property
    def bits(self) -> int:
        """The length of an address in bits, 32 or 128: also the longest prefix length."""
        return 32 if self is Family.IPV4 else 128


def family_of(value: Address | Prefix | str) -> Family:
    """The family of an address or prefix, or of the text of one. Raises ValueError on text that is neither."""
    if isinstance(value, str):
        value = ip_network(value, strict=False) if "/" in value else ip_address(value)
    return Family.IPV4 if value.version == 4 else Family.IPV6


def by_family(texts: Iterable[str]) -> dict[Family, str]:
    """The first text of each family, in the order given: `["10.0.0.1", "fd00::1"]` → `{IPv4: …, IPv6: …}`."""
    found: dict[Family, str] = {}
    for text in texts:
        found.setdefault(family_of(text), text)
    return found


def bracketed(address: str, port: int) -> str:
    """`host:port` as URLs and kubectl write it, with brackets around an IPv6 address (RFC 3986 section 3.2.2)."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def in_order(values: Mapping[Family, T], order: Iterable[Family]) -> list[T]:
    """The values of the families of `order` that are present, in that order."""
    return [values[family] for family in order if family in values]
