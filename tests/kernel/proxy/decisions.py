"""What a node does with a packet to each place of a Service, read from the tables of kube46 and of kube-proxy 1.37.

Both become the same mapping, place → Decision, so that they can be compared whatever their layouts are.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from kernel.proxy.cluster import NODE
from kernel.proxy.listed import read_elements
from kube46.addresses.families import Family
from kube46.nftables import Nft
from kube46.proxy.layout import LOCAL, backend_map, read_pick

Place = tuple[Family, str]
"""`address . protocol . port`, or `protocol . port` of a node port."""
Ends = frozenset[str]
REJECT, DROP = frozenset({"reject"}), frozenset({"drop"})


@dataclass(frozen=True)
class Decision:
    """Where pods of the node and itself are sent, and others; whether their source is hidden and who is remembered;
    the only sources that are let through, if not all."""

    near: Ends
    far: Ends
    hidden: bool = False
    sticky: bool = False
    allowed: Ends = frozenset()


@dataclass(frozen=True)
class Table:
    """All that is compared."""

    decisions: dict[Place, Decision]
    cluster_ips: frozenset[str]
    nodeport_ips: frozenset[str]
    hairpins: frozenset[str]


# kube46


def ours() -> Table:
    """kube46's."""
    with Nft(NODE) as nft:
        held = dict(read_elements(nft.list_json("list table inet kube46-proxy")))
    found: dict[Place, Decision] = {}
    for family in Family:
        for scope in ("service", "nodeport"):
            for (name, key), verdict in held.items():
                if name == f"{scope}{family.version}":
                    found[family, key] = _decision(held, family, scope, key, verdict)
    sets = {
        name: frozenset(key for (held_in, key) in held if held_in.rstrip("46") == name)
        for name in ("cluster-ips", "nodeport-ips", "hairpin")
    }
    return Table(found, sets["cluster-ips"], sets["nodeport-ips"], sets["hairpin"])


def _decision(held: dict[tuple[str, str], str], family: Family, scope: str, key: str, verdict: str) -> Decision:
    v = family.version
    allowed = held.get((f"firewall{v}", key), "").replace("jump allow", "ranges")
    let_through = frozenset(range_ for name, range_ in held if allowed and name == allowed)
    if verdict != f"goto {scope}-policy":
        ends, hidden, sticky = _ends(held, family, scope, key, verdict)
        return Decision(ends, ends, hidden, sticky, let_through)
    near, _, sticky = _ends(held, family, scope, key, held[f"{scope}-near{v}", key])
    far, _, sticky_too = _ends(held, family, scope, key, held[f"{scope}-far{v}", key])
    return Decision(near, far, sticky=sticky or sticky_too, allowed=let_through)


def _ends(
    held: dict[tuple[str, str], str], family: Family, scope: str, key: str, verdict: str
) -> tuple[Ends, bool, bool]:
    if verdict in ("drop", "goto refuse"):
        return (DROP if verdict == "drop" else REJECT), False, False
    pick = read_pick(verdict.removeprefix("goto "))
    *address, _, port = key.split(" . ")
    first = LOCAL if pick.kind == "local" else 0
    name, place = backend_map(scope, pick.protocol, family), " . ".join((*address, port))
    ends = frozenset(held[name, f"{place} . {first + index}"] for index in range(pick.count))
    assert len(ends) == pick.count
    return ends, pick.kind == "masquerade", bool(pick.sticky)


# kube-proxy


def theirs() -> Table:
    """kube-proxy's."""
    found: dict[Place, Decision] = {}
    sets: dict[str, set[str]] = {"cluster-ips": set(), "nodeport-ips": set(), "hairpin-connections": set()}
    for family, ip in ((Family.IPV4, "ip"), (Family.IPV6, "ip6")):
        parts = dict(_parts(_listing(ip)))
        refused: dict[str, str] = {}
        for name in ("no-endpoint-services", "no-endpoint-nodeports"):
            refused |= _elements(parts[f"map {name}"])
        chains = _elements(parts["map service-ips"]) | _elements(parts["map service-nodeports"])
        firewall = _elements(parts["map firewall-ips"])
        for key in chains.keys() | refused.keys():
            found[family, key] = _resolved(parts, chains.get(key), refused.get(key), firewall.get(key))
        for name, members in sets.items():
            members.update(_elements(parts[f"set {name}"]))
    hairpins = frozenset(" . ".join(key.split(" . ")[:2]) for key in sets["hairpin-connections"])
    return Table(found, frozenset(sets["cluster-ips"]), frozenset(sets["nodeport-ips"]), hairpins)


def _listing(ip: str) -> str:
    command = ["ip", "netns", "exec", NODE, "nft", "list", "table", ip, "kube-proxy"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _parts(listing: str) -> Iterator[tuple[str, list[str]]]:
    """Sets, maps and chains by `kind name`, with their lines."""
    for found in re.finditer(r"^\t((?:set|map|chain) \S+) \{\n(.*?)^\t\}", listing, re.DOTALL | re.MULTILINE):
        yield found[1], [line.strip() for line in found[2].splitlines()]


def _elements(lines: list[str]) -> dict[str, str]:
    found = re.search(r"elements = \{ (.*) \}", " ".join(lines))
    if found is None:
        return {}
    pairs = (element.partition(" : ") for element in re.split(r",\s+", found[1]))
    return {key.partition(" comment ")[0].strip(): value.strip() for key, _, value in pairs}


def _resolved(parts: dict[str, list[str]], chain: str | None, refused: str | None, firewall: str | None) -> Decision:
    otherwise = frozenset[str]() if refused is None else DROP if refused == "drop" else REJECT
    lines = parts[f"chain {chain.removeprefix('goto ')}"] if chain else []
    near, far, hidden, sticky = None, otherwise, False, False
    for line in lines:
        where = re.search(r"goto (\S+)", line)
        if "short-circuit" in line and where is not None:
            near, sticky = _targets(parts, where[1])
        elif 'comment "masquerade"' in line:
            hidden = True
        elif line.startswith("goto ") and where is not None:
            far, sticky = _targets(parts, where[1])
        elif chain is not None and not line.startswith(("comment", "fib", "meta mark")):
            far, sticky = _targets(parts, chain.removeprefix("goto "))
    allowed = frozenset[str]()
    if firewall is not None:
        text = " ".join(parts[f"chain {firewall.removeprefix('goto ')}"])
        only = re.search(r"saddr != (?:\{ (.*?) \}|(\S+)) ", text)
        assert only is not None, text
        allowed = frozenset(re.split(r",\s+", only[1] or only[2]))
    return Decision(far if near is None else near, far, hidden, sticky, allowed)


def _targets(parts: dict[str, list[str]], chain: str) -> tuple[Ends, bool]:
    """The endpoints of a chain that picks one, and whether it remembers."""
    text = " ".join(parts[f"chain {chain}"])
    sticky = "@affinity-" in text
    if sticky or "vmap" in text:
        text = " ".join(" ".join(parts[f"chain {name}"]) for name in re.findall(r"goto (endpoint-[^\s,]+)", text))
    plain = re.findall(r"dnat to (?:\[(\S+)\]|([^\s\[\]:]+)):(\d+)", text)
    mapped = re.findall(r"\d+ : (\S+) \. (\d+)", text)
    ends = {f"{six or four} . {port}" for six, four, port in plain} | {f"{a} . {port}" for a, port in mapped}
    return frozenset(ends), sticky
