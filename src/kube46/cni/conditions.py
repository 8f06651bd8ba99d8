"""Pure: portmap's `conditionsV4` and `conditionsV6` as matches of nftables.

What begins with `-` or `!` is iptables', as in the reference's first backend, of which the matches that speak of
addresses, interfaces, source ports and marks are translated. Anything else is nftables' own, as in its second one: a
match, not a statement, and nothing that could end the rule.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_network

from kube46.addresses.families import Family
from kube46.cni.errors import CniError, Code

WORDS = {Family.IPV4: "ip", Family.IPV6: "ip6"}
PLAIN = re.compile(r'[A-Za-z0-9_.:/,@{}=!<>&|*"-]+')
LINK = re.compile(r"[A-Za-z0-9_.-]{1,15}\+?")
NUMBER = re.compile(r"0x[0-9a-fA-F]{1,8}|[0-9]{1,10}")
STATEMENTS = frozenset(
    (
        *("accept", "add", "comment", "continue", "counter", "delete", "dnat", "drop", "dup", "flow", "fwd", "goto"),
        *("insert", "jump", "limit", "log", "map", "masquerade", "meter", "notrack", "queue", "quota", "redirect"),
        *("reject", "reset", "return", "set", "snat", "synproxy", "table", "tproxy", "update", "vmap"),
    )
)


def matches(conditions: Sequence[str], family: Family) -> str:
    """The conditions as text of a rule; empty when there are none. Raises CniError 7 naming what is not understood."""
    words = [word for condition in conditions for word in condition.split()]
    if not words:
        return ""
    if words[0][0] in "-!":
        return " ".join(_translated(words, family))
    for word in words:
        if not PLAIN.fullmatch(word) or STATEMENTS.intersection(re.split("[^a-z]+", word)):
            raise _refused(family, word, "is no part of a match of nftables")
    return " ".join(words)


def _translated(words: list[str], family: Family) -> Iterator[str]:
    left = iter(words)
    negated = False
    for word in left:
        if word == "!":
            negated = True
            continue
        value = next(left, "")
        if word in ("-m", "--match") and not negated:
            continue  # the options of a module name it well enough
        if word not in OPTIONS:
            raise _refused(family, word, "is no match that is known here; give it in nftables' own words")
        try:
            yield OPTIONS[word](value, "!= " if negated else "", family)
        except ValueError as error:
            raise _refused(family, f"{word} {value}", str(error)) from error
        negated = False
    if negated:
        raise _refused(family, "!", "has nothing after it")


def _address(side: str) -> Callable[[str, str, Family], str]:
    def text(value: str, relation: str, family: Family) -> str:
        prefixes = [ip_network(one, strict=False) for one in value.split(",")]
        if any(prefix.version != family.version for prefix in prefixes):
            raise ValueError(f"must be of {family}")
        return f"{WORDS[family]} {side} {relation}{{ {', '.join(map(str, prefixes))} }}"

    return text


def _interface(value: str, relation: str, family: Family) -> str:
    if not LINK.fullmatch(value):
        raise ValueError("must be a link's name")
    return f'iifname {relation}"{value.replace("+", "*")}"'


def _source_port(value: str, relation: str, family: Family) -> str:
    first, colon, last = value.partition(":")
    ports = [int(first or 0), int(last or 65535)] if colon else [int(first)]
    if not all(0 <= port <= 65535 for port in ports):
        raise ValueError("must be 0 to 65535")
    return f"th sport {relation}{'-'.join(map(str, ports))}"


def _mark(value: str, relation: str, family: Family) -> str:
    number, _, mask = value.partition("/")
    if not all(NUMBER.fullmatch(one) for one in (number, mask or "0")):
        raise ValueError("must be a number, or number/mask")
    return f"meta mark & {mask} {relation or '== '}{number}" if mask else f"meta mark {relation}{number}"


OPTIONS: dict[str, Callable[[str, str, Family], str]] = {
    **dict.fromkeys(("-s", "--source", "--src"), _address("saddr")),
    **dict.fromkeys(("-d", "--destination", "--dst"), _address("daddr")),
    **dict.fromkeys(("-i", "--in-interface"), _interface),
    **dict.fromkeys(("--sport", "--source-port"), _source_port),
    "--mark": _mark,
}


def _refused(family: Family, what: str, reason: str) -> CniError:
    details = f"conditionsV{family.version}: {what} {reason}."
    return CniError(Code.INVALID_CONFIG, "Invalid network configuration", details)
