"""The syntax of IP addresses and CIDRs in API objects: what is refused, and what only draws a warning.

Python's `ipaddress` differs from the API (leading zeros, IPv4-mapped addresses, scope identifiers), so texts are read
here. Sources: k8s.io/apimachinery/pkg/util/validation/ip.go, k8s.io/utils/net (1.37); semantics 1.8.3, 1.8.5, 4.6.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

from kube46.addresses.families import Address, Family, Prefix
from kube46.api.errors import FieldError, internal, invalid

if TYPE_CHECKING:
    from collections.abc import Collection

BAD_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
BAD_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
OCTET = re.compile("[0-9]{1,3}")
LENGTH = re.compile("[0-9]{1,3}")
LONGEST = len("0000:0000:0000:0000:0000:ffff:255.255.255.255")


def sloppy(text: str) -> Address | None:
    """The address that lax old parsers saw: leading zeros are decimal, an IPv4-mapped address is IPv4; else None."""
    return _read(text) if len(text) <= LONGEST else None


@lru_cache(maxsize=4096)  # a write reads each of its addresses some six times
def _read(text: str) -> Address | None:
    if ":" not in text:
        return _v4(text)
    if "%" in text or "/" in text:
        return None
    head, _, tail = text.rpartition(":")
    if "." in tail:
        last = _v4(tail)
        if last is None:
            return None
        text = f"{head}:{int(last) >> 16:x}:{int(last) & 0xFFFF:x}"
    try:
        address = IPv6Address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address


def _v4(text: str) -> IPv4Address | None:
    parts = text.split(".")
    if len(parts) != 4 or not all(OCTET.fullmatch(part) and int(part) < 256 for part in parts):
        return None
    return IPv4Address(bytes(int(part) for part in parts))


def sloppy_cidr(text: str) -> tuple[Address, Prefix] | None:
    """Address and prefix of a CIDR as lax old parsers saw it, else None."""
    head, slash, length = text.partition("/")
    if not slash or not LENGTH.fullmatch(length):
        return None
    address, bits = sloppy(head), int(length)
    if address is None:
        return None
    if ":" in head and isinstance(address, IPv4Address):  # IPv4-mapped: the length counts 128 bits
        bits -= 96
    if not 0 <= bits <= address.max_prefixlen:
        return None
    if isinstance(address, IPv4Address):
        return address, IPv4Network((address, bits), strict=False)
    return address, IPv6Network((address, bits), strict=False)


def family(text: str) -> Family | None:
    """The family of an address text; IPv4-mapped counts as IPv4; None for anything else."""
    address = sloppy(text)
    return None if address is None else Family.IPV4 if address.version == 4 else Family.IPV6


def leading_zeros(text: str) -> bool:
    """Whether an IPv4 octet or a prefix length has a leading zero."""
    quad = text.rpartition(":")[2] if "." in text else ""
    parts = [*quad.split("/")[0].split("."), *text.split("/")[1:]]
    return any(len(part) > 1 and part.startswith("0") for part in parts)


def mapped(text: str, address: Address) -> bool:
    """Whether an IPv4 address is written in IPv6 form."""
    return ":" in text and address.version == 4


def ip_problem(text: str) -> str:
    """The complaint about an address in a field with a long history, "" if none (semantics 1.8.3)."""
    address = sloppy(text)
    if address is None:
        return BAD_IP
    if leading_zeros(text):
        return "must not have leading 0s"
    return "must not be an IPv4-mapped IPv6 address" if mapped(text, address) else ""


def legacy_ip(field: str, text: str, known: Collection[str] = ()) -> list[FieldError]:
    """Errors of an address in a field with a long history; values in `known` are stored already and pass."""
    problem = "" if text in known else ip_problem(text)
    return [invalid(field, text, problem)] if problem else []


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    return str(sloppy(text))


def canonical_problem(text: str) -> str:
    """The complaint about an address in a strict field, which must be written in its canonical form; "" if none."""
    proper = _canonical(text)
    return ip_problem(text) or ("" if text == proper else f'must be in canonical form ("{proper}")')


def canonical_ip(field: str, text: str) -> list[FieldError]:
    """Errors of an address in a strict field."""
    problem = canonical_problem(text)
    return [invalid(field, text, problem)] if problem else []


def legacy_cidr(field: str, text: str, known: Collection[str] = ()) -> list[FieldError]:
    """Errors of a CIDR in a field with a long history."""
    if text in known:
        return []
    parsed = sloppy_cidr(text)
    if parsed is None:
        return [invalid(field, text, BAD_CIDR)]
    address, prefix = parsed
    if leading_zeros(text):
        return [invalid(field, text, "must not have leading 0s in IP or prefix length")]
    if mapped(text, address):
        return [invalid(field, text, "must not have an IPv4-mapped IPv6 address")]
    if address != prefix.network_address:
        return [invalid(field, text, "must not have bits set beyond the prefix length")]
    return []


def canonical_cidr(field: str, text: str) -> list[FieldError]:
    """Errors of a CIDR in a strict field."""
    if errors := legacy_cidr(field, text):
        return errors
    parsed = sloppy_cidr(text)
    proper = str(parsed[1]) if parsed else text
    return [] if text == proper else [invalid(field, text, f'must be in canonical form ("{proper}")')]


def is_pair(texts: Collection[str]) -> bool:
    """Whether the addresses (or CIDRs) hold both families; a text that is none makes it False."""
    found = {family(text.partition("/")[0]) for text in texts}
    return None not in found and len(found) == 2


def unpairable(field: str, texts: Collection[str]) -> list[FieldError]:
    """What upstream's comparison of families adds about the first text that is no address."""
    for index, text in enumerate(texts):
        if sloppy(text) is None:
            return [internal(field, f"failed to check for dual stack with error:invalid IP[{index}]: {text}")]
    return []


def special(field: str, text: str) -> list[FieldError]:
    """Errors of an address that no endpoint or external IP may be (semantics 4.6)."""
    address = sloppy(text)
    if address is None:
        return [invalid(field, text, "must be a valid IP address")]
    errors = []
    if address.is_unspecified:
        errors.append(invalid(field, text, f"may not be unspecified ({text})"))
    if address.is_loopback:
        errors.append(invalid(field, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
    if address in (LINK_LOCAL[Family.IPV4] if address.version == 4 else LINK_LOCAL[Family.IPV6]):
        errors.append(invalid(field, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
    if address in (LINK_MULTICAST[Family.IPV4] if address.version == 4 else LINK_MULTICAST[Family.IPV6]):
        errors.append(invalid(field, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"))
    return errors


LINK_LOCAL: dict[Family, Prefix] = {Family.IPV4: IPv4Network("169.254.0.0/16"), Family.IPV6: IPv6Network("fe80::/10")}
# Go's IsLinkLocalMulticast looks at the scope nibble only: ff?2::/16.
LINK_MULTICAST: dict[Family, Prefix] = {Family.IPV4: IPv4Network("224.0.0.0/24"), Family.IPV6: IPv6Network("ff02::/16")}


def ip_warnings(field: str, text: str) -> list[str]:
    """The warning about an accepted address that is not written in its canonical form (semantics 1.8.5)."""
    address = sloppy(text)
    if address is None:
        return []
    if leading_zeros(text) or mapped(text, address):
        return [f'{field}: non-standard IP address "{text}" is invalid: use "{address}"']
    if address.version == 6 and text != _canonical(text):
        return [f'{field}: IPv6 address "{text}" should be in RFC 5952 canonical format ("{address}")']
    return []


def cidr_warnings(field: str, text: str) -> list[str]:
    """The warnings about an accepted CIDR that is ambiguous or not canonical."""
    parsed = sloppy_cidr(text)
    if parsed is None:
        return []
    address, prefix = parsed
    warnings = []
    if address != prefix.network_address:
        single = f"{address}/{address.max_prefixlen}"
        warnings.append(
            f'{field}: CIDR value "{text}" is ambiguous in this context (should be "{prefix}" or "{single}"?)'
        )
    if leading_zeros(text) or mapped(text, address):
        warnings.append(f'{field}: non-standard CIDR value "{text}" is invalid: use "{prefix}"')
    if not warnings and address.version == 6 and text != str(prefix):
        warnings.append(f'{field}: IPv6 CIDR value "{text}" should be in RFC 5952 canonical format ("{prefix}")')
    return warnings
