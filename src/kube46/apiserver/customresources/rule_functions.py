"""Kubernetes' own functions for validation rules: quantities, addresses, URLs, versions, lists and sets.

Such values are maps with one member to the evaluator. What is not here is refused by name as a rule is compiled.
Source: apiserver pkg/cel/library/{quantity,ip,cidr,urls,semverlib,lists}.go; cel-go ext/sets.go.
"""

from __future__ import annotations

import ipaddress
import itertools
import math
import re
import threading
import time
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from kube46.api.errors import go_quote
from kube46.apiserver.customresources.formats import fits

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Boxed = dict[str, Any]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d+))?", re.ASCII)
BINARY = {f"{letter}i": 1024 ** (power + 1) for power, letter in enumerate("KMGTPE")}
DECIMAL = {
    letter: Fraction(10) ** power for letter, power in zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18), strict=True)
}
NUMBER, LABEL = r"(?:0|[1-9][0-9]*)", r"[0-9A-Za-z-]"
PRE = rf"(?:{NUMBER}|[0-9]*[A-Za-z-]{LABEL}*)"  # numbers have no leading zeros
SEMVER = re.compile(
    rf"({NUMBER})\.({NUMBER})\.({NUMBER})(?:-({PRE}(?:\.{PRE})*))?(?:\+{LABEL}+(?:\.{LABEL}+)*)?", re.ASCII
)
MOST_EXPONENT = 400


class _Clock(threading.local):
    deadline = math.inf  # by time.monotonic


CLOCK = _Clock()  # after its deadline these functions fail: the evaluator itself counts iterations, not what they read


def _quantity(text: str) -> Boxed:
    found = QUANTITY.fullmatch(text)
    if found is None or (found[4] and abs(int(found[4])) > MOST_EXPONENT):
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    scale = BINARY.get(found[2] or "") or DECIMAL.get(found[3] or "") or Fraction(10) ** int(found[4] or 0)
    return {"quantity": str(Fraction(found[1]) * scale)}


def _number(boxed: Boxed) -> Fraction:
    return Fraction(boxed["quantity"])


def _integer(boxed: Boxed) -> int:
    number = _number(boxed)
    if number.denominator != 1 or not -(1 << 63) <= number < 1 << 63:
        raise ValueError("cannot convert value to integer")
    return int(number)


def _semver(text: str) -> Boxed:
    found = SEMVER.fullmatch(text)
    if found is None:
        raise ValueError(f"No Major.Minor.Patch elements found in {text!r}")
    return {"semver": text}


def _version(boxed: Boxed) -> tuple[Any, ...]:
    """A sort key: a pre-release comes before its release; its parts compare as numbers, which come before words."""
    found = SEMVER.fullmatch(boxed["semver"])
    assert found is not None
    parts = [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in (found[4] or "").split(".") if p]
    return int(found[1]), int(found[2]), int(found[3]), not parts, parts


def _comparable(left: Boxed, right: Boxed) -> tuple[Any, Any]:
    if "quantity" in left and "quantity" in right:
        return _number(left), _number(right)
    return _version(left), _version(right)


def _compare(left: Boxed, right: Boxed) -> int:
    one, other = _comparable(left, right)
    return int(one > other) - int(one < other)


def _ip(text: str) -> Boxed:
    if not _plain(text):
        raise ValueError(f"IP Address {go_quote(text)} parse error during conversion from string")
    return {"ip": str(ipaddress.ip_address(text))}


def _plain(text: str) -> bool:
    """Whether it is an address without a zone that is no IPv4 address in IPv6's clothes."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text and (isinstance(address, ipaddress.IPv4Address) or address.ipv4_mapped is None)


def _cidr(text: str) -> Boxed:
    if not (fits("cidr", text) and _plain(text.partition("/")[0])):
        raise ValueError(f"network address parse error during conversion from string: {go_quote(text)}")
    return {"cidr": str(ipaddress.ip_interface(text))}


def _address(boxed: Boxed | str) -> Address:
    return ipaddress.ip_address((_ip(boxed) if isinstance(boxed, str) else boxed)["ip"])


def _network(boxed: Boxed | str) -> Network:
    return ipaddress.ip_interface((_cidr(boxed) if isinstance(boxed, str) else boxed)["cidr"]).network


def _contains_ip(cidr: Boxed, ip: Boxed | str) -> bool:
    return _address(ip) in _network(cidr)


def _contains_cidr(cidr: Boxed, other: Boxed | str) -> bool:
    inner, outer = _network(other), _network(cidr)
    return inner.version == outer.version and inner.prefixlen >= outer.prefixlen and inner[0] in outer


def _family(boxed: Boxed) -> int:
    return ipaddress.ip_interface(next(iter(boxed.values()))).version


def _url(text: str) -> Boxed:
    if not fits("uri", text):
        raise ValueError(f"URL parse error during conversion from string: {go_quote(text)}")
    return {"url": text}


def _query(boxed: Boxed) -> dict[str, list[str]]:
    return parse_qs(urlsplit(boxed["url"]).query, keep_blank_values=True)


def _port(boxed: Boxed) -> str:
    port = urlsplit(boxed["url"]).port
    return "" if port is None else str(port)


def _hostname(boxed: Boxed) -> str:
    """As it is written: Python's own would be in lower case."""
    host = urlsplit(boxed["url"]).netloc.rpartition("@")[2]
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _float(boxed: Boxed) -> float:
    number = _number(boxed)
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _sum(values: list[Any]) -> Any:
    found = sum(values)
    if isinstance(found, int) and not -(1 << 63) <= found < 1 << 63:
        raise ValueError("integer overflow")
    return found


def _least(values: list[Any]) -> Any:
    if not values:
        raise ValueError("min called on empty list")
    return min(values)


def _most(values: list[Any]) -> Any:
    if not values:
        raise ValueError("max called on empty list")
    return max(values)


def _of(convert: Callable[[str], Boxed]) -> Callable[[str], bool]:
    """Whether a text can be converted."""

    def fine(text: str) -> bool:
        try:
            convert(text)
        except ValueError:
            return False
        return True

    return fine


def _is_sorted(values: list[Any]) -> bool:
    return all(one <= other for one, other in itertools.pairwise(values))


def _key(value: Any) -> Hashable:
    """Equal for what rules call equal: 1 is 1.0, and not true."""
    if isinstance(value, bool):
        return bool, value
    if isinstance(value, dict):
        return frozenset((_key(name), _key(inner)) for name, inner in value.items())
    return tuple(map(_key, value)) if isinstance(value, list) else value


def _at(values: list[Any], value: Any) -> int:
    wanted = _key(value)
    return next((index for index, one in enumerate(values) if _key(one) == wanted), -1)


def _last_at(values: list[Any], value: Any) -> int:
    found = _at(values[::-1], value)
    return -1 if found < 0 else len(values) - 1 - found


def _set(values: list[Any]) -> set[Hashable]:
    return set(map(_key, values))


def extension(cel: Any) -> Any:
    """The functions for the evaluator; `cel` is its module."""
    kinds = cel.Type
    box, items = kinds.Map(kinds.STRING, kinds.DYN), kinds.List(kinds.DYN)
    text, boolean, whole, dyn = kinds.STRING, kinds.BOOL, kinds.INT, kinds.DYN
    table: dict[str, list[tuple[bool, Any, list[Any], Any]]] = {}

    def put(name: str, returns: Any, takes: list[Any], run: Any, *, member: bool = True) -> None:
        table.setdefault(name, []).append((member, returns, takes, run))

    for name, convert in (("quantity", _quantity), ("ip", _ip), ("cidr", _cidr), ("url", _url), ("semver", _semver)):
        put(name, box, [text], convert, member=False)
    for name, convert in (
        ("isQuantity", _quantity),
        ("isIP", _ip),
        ("isCIDR", _cidr),
        ("isURL", _url),
        ("isSemver", _semver),
    ):
        put(name, boolean, [text], _of(convert), member=False)
    put("sign", whole, [box], lambda q: (_number(q) > 0) - (_number(q) < 0))
    put("isInteger", boolean, [box], lambda q: _of(lambda _: {"i": _integer(q)})(""))
    put("asInteger", whole, [box], _integer)
    put("asApproximateFloat", kinds.DOUBLE, [box], _float)
    put("add", box, [box, box], lambda a, b: {"quantity": str(_number(a) + _number(b))})
    put("add", box, [box, whole], lambda a, b: {"quantity": str(_number(a) + b)})
    put("sub", box, [box, box], lambda a, b: {"quantity": str(_number(a) - _number(b))})
    put("sub", box, [box, whole], lambda a, b: {"quantity": str(_number(a) - b)})
    put("isGreaterThan", boolean, [box, box], lambda a, b: _compare(a, b) > 0)
    put("isLessThan", boolean, [box, box], lambda a, b: _compare(a, b) < 0)
    put("compareTo", whole, [box, box], _compare)
    for index, name in enumerate(("major", "minor", "patch")):
        put(name, whole, [box], lambda v, index=index: _version(v)[index])
    put("ip.isCanonical", boolean, [text], lambda t: _ip(t)["ip"] == t, member=False)
    put("family", whole, [box], _family)
    for name, test in _ADDRESS_TESTS.items():
        put(name, boolean, [box], lambda ip, test=test: test(_address(ip)))
    for other in (box, text):
        put("containsIP", boolean, [box, other], _contains_ip)
        put("containsCIDR", boolean, [box, other], _contains_cidr)
    put("ip", box, [box], lambda c: {"ip": c["cidr"].partition("/")[0]})
    put("masked", box, [box], lambda c: {"cidr": str(_network(c))})
    put("prefixLength", whole, [box], lambda c: _network(c).prefixlen)
    put("string", text, [box], lambda b: b.get("ip") or b["cidr"], member=False)
    put("getScheme", text, [box], lambda u: urlsplit(u["url"]).scheme)
    put("getHost", text, [box], lambda u: urlsplit(u["url"]).netloc.rpartition("@")[2])
    put("getHostname", text, [box], _hostname)
    put("getPort", text, [box], _port)
    put("getEscapedPath", text, [box], lambda u: urlsplit(u["url"]).path)
    put("getQuery", kinds.Map(text, items), [box], _query)
    put("isSorted", boolean, [items], _is_sorted)
    put("sum", dyn, [items], _sum)
    put("min", dyn, [items], _least)
    put("max", dyn, [items], _most)
    put("indexOf", whole, [items, dyn], _at)
    put("lastIndexOf", whole, [items, dyn], _last_at)
    put("sets.contains", boolean, [items, items], lambda a, b: _set(a) >= _set(b), member=False)
    put("sets.equivalent", boolean, [items, items], lambda a, b: _set(a) == _set(b), member=False)
    put("sets.intersects", boolean, [items, items], lambda a, b: bool(_set(a) & _set(b)), member=False)
    return cel.CelExtension("kubernetes", [_declared(cel, name, rows) for name, rows in table.items()])


def _timed(run: Callable[..., Any], name: str) -> Callable[..., Any]:
    def timed(*values: Any) -> Any:
        if time.monotonic() > CLOCK.deadline:
            raise TimeoutError("out of time")
        try:
            return run(*values)
        except (KeyError, TypeError):  # a quantity where a version is asked for, words where numbers are
            raise TypeError(f"No matching overloads found: {name}") from None

    return timed


def _declared(cel: Any, name: str, rows: list[tuple[bool, Any, list[Any], Any]]) -> Any:
    overloads = [
        cel.Overload(
            f"kubernetes_{name}_{i}", return_type=returns, parameters=takes, is_member=member, impl=_timed(run, name)
        )
        for i, (member, returns, takes, run) in enumerate(rows)
    ]
    return cel.FunctionDecl(name, overloads)


_ADDRESS_TESTS: dict[str, Callable[[Address], bool]] = {
    "isUnspecified": lambda a: a.is_unspecified,
    "isLoopback": lambda a: a.is_loopback,
    "isLinkLocalUnicast": lambda a: a.is_link_local,
    "isLinkLocalMulticast": lambda a: a in ipaddress.ip_network("224.0.0.0/24" if a.version == 4 else "ff02::/16"),
    "isGlobalUnicast": lambda a: (
        not (a.is_unspecified or a.is_loopback or a.is_multicast or a.is_link_local or str(a) == "255.255.255.255")
    ),
}
