"""Pure: the table of portmap as nftables' text: a rule for each way to ask, and all pods' ports as elements of maps.

inet kube46-portmap
  any4, any6             protocol . port : pod . port                     a port of all the node's addresses
  at4, at6               address . protocol . port : pod . port           a port of one of them
  from-any4, from-at4 …  the same key : jump to one of these chains        connections that may be masqueraded:
  mark-BIT               all of them
  near-BIT-SUBNET        those from the pod's own subnet, and from the node itself by its loopback address
  conditional            rules of mappings with conditions
  hostports              looks all of these up; first one address's, then all's

No key is a range: the kernel changes a map of ranges in a copy of the whole map, element by element.

Each element and each rule of `conditional` has its owner's comment: what made it, for whom.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from kube46.addresses.families import Family, Prefix, family_of
from kube46.cni.host_ports import HostPort

NAME = "kube46-portmap"
TABLE = f"inet {NAME}"
WORDS = {Family.IPV4: ("ip", "ipv4_addr"), Family.IPV6: ("ip6", "ipv6_addr")}
EVERYWHERE = {Family.IPV4: ip_network("0.0.0.0/0"), Family.IPV6: ip_network("::/0")}
# The kernel looks for ::1 on the loopback link alone, so answers from pods would not reach who asked from there; who
# asks at ::1 from another address of the node gets them.
LOOPBACK = {Family.IPV4: (ip_network("127.0.0.0/8"),), Family.IPV6: ()}
MAPS = tuple(f"{which}{name}{family.version}" for family in WORDS for which in ("", "from-") for name in ("any", "at"))
ASKED = "meta l4proto . th dport"


@dataclass(frozen=True, slots=True)
class Style:
    """What a network says about all of its ports: which sources are masqueraded, and under which conditions."""

    snat: bool
    masquerade_all: bool
    bit: int
    conditions: dict[Family, str]

    def sources(self, port: HostPort) -> tuple[Prefix, ...]:
        """The sources whose connections to a port are masqueraded, so that the answers come back through the node."""
        if not self.snat:
            return ()
        if self.masquerade_all:
            return (EVERYWHERE[port.family],)
        return (port.near, *LOOPBACK[port.family])

    def chain(self, port: HostPort) -> str:
        """The chain that marks them."""
        if self.masquerade_all:
            return f"mark-{self.bit}"
        return f"near-{self.bit}-{port.near.network_address.packed.hex()}-{port.near.prefixlen}"

    def chains(self, ports: Iterable[HostPort]) -> dict[str, tuple[Prefix, ...]]:
        """The chains of these ports' subnets, with the sources that each marks."""
        if not self.snat or self.masquerade_all:
            return {}
        return {self.chain(port): self.sources(port) for port in ports}


@dataclass(frozen=True, slots=True)
class Element:
    """A key of a map, its value, and the comment that names its owner."""

    map: str
    key: str
    value: str
    owner: str

    @property
    def port(self) -> tuple[str, str]:
        """What two attachments cannot both have, whoever's connections to it are masqueraded."""
        return self.map.removeprefix("from-"), self.key


@dataclass(frozen=True, slots=True)
class Contents:
    """What a table holds, as listed: elements; rules by chain, handle and comment; hooks by chain."""

    elements: tuple[Element, ...]
    rules: tuple[tuple[str, int, str], ...]
    hooks: frozenset[tuple[str, str]]


def schema(bit: int, near: Mapping[str, tuple[Prefix, ...]]) -> str:
    """Commands that make the table as it must be, with these chains of subnets, and leave what it holds for pods."""
    lines = [f"add table {TABLE}"]
    for family, (_, kind) in WORDS.items():
        v = family.version
        for name, key in (("any", "inet_proto . inet_service"), ("at", f"{kind} . inet_proto . inet_service")):
            lines += [
                f"add map {TABLE} {name}{v} {{ type {key} : {kind} . inet_service; }}",
                f"add map {TABLE} from-{name}{v} {{ type {key} : verdict; }}",
            ]
    hooks = {
        "prerouting": "type nat hook prerouting priority dstnat;",
        "output": "type nat hook output priority -100;",
        f"masquerade-{bit}": "type nat hook postrouting priority srcnat;",
    }
    lines.append(f"add chain {TABLE} conditional")
    for chain in (f"mark-{bit}", *near, "hostports", *hooks):
        hook = f" {{ {hooks[chain]} }}" if chain in hooks else ""
        lines += [f"add chain {TABLE} {chain}{hook}", f"flush chain {TABLE} {chain}"]
    lines += [f'add rule {TABLE} {chain} {text} comment "{name}"' for chain, name, text in _rules(bit, near)]
    return "\n".join(lines) + "\n"


def parts(bit: int, near: Mapping[str, tuple[Prefix, ...]]) -> frozenset[tuple[str, str]]:
    """The rules that the schema makes: chain and comment of each."""
    return frozenset((chain, name) for chain, name, _ in _rules(bit, near))


def hooks(bit: int) -> frozenset[tuple[str, str]]:
    """The chains that the kernel calls: name and hook of each."""
    return frozenset({("prerouting", "prerouting"), ("output", "output"), (f"masquerade-{bit}", "postrouting")})


def _rules(bit: int, near: Mapping[str, tuple[Prefix, ...]]) -> Iterator[tuple[str, str, str]]:
    """Chain, name and text of each rule that is not a pod's."""
    yield f"mark-{bit}", "mark", f"meta mark set meta mark | {1 << bit:#x}"
    for chain, sources in near.items():
        for source in sources:
            yield chain, str(source), f"{WORDS[family_of(source)][0]} saddr {source} jump mark-{bit}"
    yield f"masquerade-{bit}", "masquerade", f"meta mark & {1 << bit:#x} != 0 masquerade fully-random"
    for chain in ("prerouting", "output"):
        yield chain, "local4", "meta nfproto ipv4 fib daddr type local jump hostports"
        yield chain, "local6", "ip6 saddr != ::1 fib daddr type local jump hostports"
    yield "hostports", "conditional", "jump conditional"
    for family, (ip, _) in WORDS.items():
        v = family.version
        for name, key in ((f"at{v}", f"{ip} daddr . {ASKED}"), (f"any{v}", ASKED)):
            yield "hostports", f"from-{name}", f"meta nfproto {family.lower()} {key} vmap @from-{name}"
            yield "hostports", name, f"meta nfproto {family.lower()} dnat {ip} to {key} map @{name}"


def elements(ports: Iterable[HostPort], style: Style, made_for: str) -> Iterator[Element]:
    """The elements of ports without conditions."""
    for port in ports:
        if style.conditions[port.family]:
            continue
        name = f"{'any' if port.host is None else 'at'}{port.family.version}"
        key = f"{port.protocol} . {port.port}" if port.host is None else f"{port.host} . {port.protocol} . {port.port}"
        yield Element(name, key, f"{port.target} . {port.target_port}", made_for)
        if style.snat:
            yield Element(f"from-{name}", key, f"jump {style.chain(port)}", made_for)


def creation(ports: Iterable[HostPort], style: Style, made_for: str) -> str:
    """Commands that make the ports; refused as a whole when a key is there already."""
    ports = tuple(ports)
    lines = [
        f'create element {TABLE} {one.map} {{ {one.key} comment "{made_for}" : {one.value} }}'
        for one in elements(ports, style, made_for)
    ]
    for port in ports:
        # Inserted, so the newest is asked first; the mark last, so that it comes before the translation that ends all.
        rules = reversed(conditional_rules(port, style))
        lines += [f'insert rule {TABLE} conditional {text} comment "{made_for}"' for text in rules]
    return "\n".join(lines) + "\n" if lines else ""


def conditional_rules(port: HostPort, style: Style) -> list[str]:
    """The rules of a port that has conditions: whom to mark, and where to."""
    conditions = style.conditions[port.family]
    if not conditions:
        return []
    ip, _ = WORDS[port.family]
    at = f"{ip} daddr {port.host} " if port.host else ""
    asked = f"meta nfproto {port.family.lower()} {at}{port.protocol} dport {port.port} {conditions}"
    to = f"[{port.target}]" if port.family is Family.IPV6 else f"{port.target}"
    rules = [f"{asked} dnat {ip} to {to}:{port.target_port}"]
    sources = style.sources(port)
    if sources:
        who = "" if style.masquerade_all else f"{ip} saddr {{ {', '.join(map(str, sources))} }} "
        rules.insert(0, f"{who}{asked} meta mark set meta mark | {1 << style.bit:#x}")
    return rules


def removal(contents: Contents, of: Callable[[Element], bool], owned: Callable[[str], bool]) -> str:
    """Commands that delete the elements that `of` tells, and whatever belongs to an owner that `owned` tells."""
    lines = [
        f"delete element {TABLE} {one.map} {{ {one.key} }}" for one in contents.elements if owned(one.owner) or of(one)
    ]
    lines += [
        f"delete rule {TABLE} {chain} handle {handle}"
        for chain, handle, text in contents.rules
        if chain == "conditional" and owned(text)
    ]
    return "\n".join(lines) + "\n" if lines else ""


def read(listed: Iterable[dict[str, Any]]) -> Contents:
    """The contents of the table from nftables' JSON."""
    found: list[Element] = []
    rules: list[tuple[str, int, str]] = []
    hooked: set[tuple[str, str]] = set()
    for entry in listed:
        if "map" in entry:
            for key, value in entry["map"].get("elem", ()):
                inner = key.get("elem", {"val": key})
                words = " . ".join(map(str, inner["val"]["concat"]))
                found.append(Element(entry["map"]["name"], words, _value(value), inner.get("comment", "")))
        elif "rule" in entry:
            rules.append((entry["rule"]["chain"], entry["rule"]["handle"], entry["rule"].get("comment", "")))
        elif "chain" in entry and "hook" in entry["chain"]:
            hooked.add((entry["chain"]["name"], entry["chain"]["hook"]))
    return Contents(tuple(found), tuple(rules), frozenset(hooked))


def _value(value: dict[str, Any]) -> str:
    if "jump" in value:
        return f"jump {value['jump']['target']}"
    return " . ".join(map(str, value["concat"]))
