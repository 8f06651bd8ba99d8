"""The table's fixed text: maps, base chains, and the chains that pick one of N backends. Pure.

    prerouting, output ─▶ services ─▶ vmap @SCOPE4|6 ─▶ goto SCOPE-KIND-tcp-N ─▶ dnat to … map @SCOPE-backend-tcp4|6
                                                    └─▶ goto refuse | drop | goto SCOPE-policy

- A SCOPE is how a frontend is keyed: `service` by address, protocol and port; `nodeport` by protocol and port.
- A KIND is `pick` (any backend), `masquerade` (any, the source address hidden), `local` (only this node's); with the
  suffix `-sticky10800` a client stays with its endpoint for that many seconds (module `affinity`).
- There is one chain for each KIND, protocol and count N in use, for both families, and no object of any Service: a
  change of Services is only elements. `local` backends lie in the same map from index LOCAL upward.
- Backend maps are declared with their own protocol's header. With `th` instead libnftables 1.0.6 takes no rule that
  refers to a map it has read back from the kernel ("conflicting protocols specified: tcp vs. th").
- A backend missing between two transactions' generations is dropped: a retry finds the new state, whereas a packet let
  through would leave an untranslated connection behind.

Bump LAYOUT when a declaration or a chain of a given name changes its meaning: an older table is then replaced whole.
"""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kube46.addresses.families import Family
from kube46.nftables import Table
from kube46.proxy.settings import NodeView, Settings

TABLE = Table("kube46-proxy")
LAYOUT = 3
AFFINITY_SIZE = 1 << 20
"""Clients with an affinity, of one family; one more is served, and forgotten at once."""
COUNTED, COUNTED_SIZE = "hits", 1 << 14
"""The sets of places whose connections are counted, and how many there may be of a family."""
INTERVALS = ("service-cidrs", "pods", "nodeport-ips", "ranges")
"""Sets of prefixes begin so; those of `firewall` last."""
LOCAL = 65536
"""Index of a frontend's first node-local backend."""
NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}
"""The protocols, as in an IP header."""
PROTOCOLS = tuple(NUMBERS)

WORDS: Mapping[Family, tuple[str, str, str]] = {
    Family.IPV4: ("ip", "ipv4_addr", "127.0.0.0/8"),
    Family.IPV6: ("ip6", "ipv6_addr", "::1"),
}
"""nft's words for a family: the header, the type of an address, loopback."""

SCOPES: Mapping[str, str] = {
    "service": "{ip} daddr . meta l4proto . th dport",
    "nodeport": "meta l4proto . th dport",
}
"""How a packet's frontend is looked up, and so the key of the scope's maps of verdicts."""

COUNT_CHAIN = "count"
"""The chain whose rules (module `counting`) nft's text can't say; it is made, never written here."""
KINDS = ("pick", "masquerade", "local")

BACKENDS: Mapping[str, str] = {
    "service": "{ip} daddr . {protocol} dport",
    "nodeport": "{protocol} dport",
}
"""How its backends are: the key of the scope's backend maps, but for the index."""


def marker(settings: Settings) -> str:
    """An empty chain whose name tells a restarted proxy that the chains of a table mean what it would write."""
    return f"layout-{LAYOUT}-{settings.masquerade_bit}"


def declarations(settings: Settings) -> Iterable[str]:
    """The table with its sets and maps; carried out again it changes nothing."""
    yield f"add table {TABLE}"
    yield f"add chain {TABLE} {marker(settings)}"
    for family, (ip, address, _) in WORDS.items():
        v = family.version
        yield f"add set {TABLE} cluster-ips{v} {{ type {address} ; }}"
        yield f"add set {TABLE} hairpin{v} {{ type {address} . {address} ; }}"
        yield f"add map {TABLE} members{v} {{ typeof meta mark . meta mark : {ip} daddr . tcp dport ; }}"
        learnt = f"flags dynamic, timeout ; size {AFFINITY_SIZE}"
        yield f"add map {TABLE} affinity{v} {{ typeof {ip} saddr . meta mark : meta mark ; {learnt} ; }}"
        counted = f"{{ typeof {ip} daddr . meta l4proto . th dport ; flags dynamic ; size {COUNTED_SIZE} ; }}"
        yield f"add set {TABLE} {COUNTED}{v} {counted}"
        for prefixes in INTERVALS[:-1]:
            yield f"add set {TABLE} {prefixes}{v} {{ type {address} ; flags interval ; }}"
        for scope, pattern in SCOPES.items():
            key = pattern.format(ip=ip)
            for verdicts in (scope, f"{scope}-near", f"{scope}-far", *(("firewall",) if scope == "service" else ())):
                yield f"add map {TABLE} {verdicts}{v} {{ typeof {key} : verdict ; }}"
            yield f"add map {TABLE} {scope}-sticky{v} {{ typeof {key} : meta mark ; }}"
            yield f"add map {TABLE} {scope}-slots{v} {{ typeof {key} . numgen random mod 2 : meta mark ; }}"
            for protocol in PROTOCOLS:
                key = BACKENDS[scope].format(ip=ip, protocol=protocol)
                backend = f"typeof {key} . numgen random mod 2 : {ip} daddr . {protocol} dport"
                yield f"add map {TABLE} {backend_map(scope, protocol, family)} {{ {backend} ; }}"


def chains(settings: Settings, node: NodeView) -> Iterable[str]:
    """The chains every table has, written anew; they depend on settings and node, not on any Service."""
    hooks = {
        "prerouting": "type nat hook prerouting priority dstnat ;",
        "output": "type nat hook output priority -100 ;",
        "postrouting": "type nat hook postrouting priority srcnat ;",
        "input": "type nat hook input priority 100 ;",
    }
    rules = {
        "prerouting": ["jump services"],
        "output": ["jump services"],
        "postrouting": [*_counted(settings), *_postrouting(settings.mark)],
        "input": [*_counted(settings)],
        "refuse": ["meta l4proto tcp reject with tcp reset", "reject with icmpx port-unreachable"],
        "services": list(_services(settings, node)),
        **{f"{scope}-policy": list(_policy(scope, settings)) for scope in SCOPES},
    }
    for name in rules:
        hook = f" {{ {hooks[name]} }}" if name in hooks else ""
        yield f"add chain {TABLE} {name}{hook}"
        yield f"flush chain {TABLE} {name}"
    yield f"add chain {TABLE} {COUNT_CHAIN}"
    for name, lines in rules.items():
        for line in lines:
            yield f"add rule {TABLE} {name} {line}"


FIXED_CHAINS = frozenset(
    {
        "prerouting",
        "output",
        "postrouting",
        "input",
        COUNT_CHAIN,
        "refuse",
        "services",
        *(f"{scope}-policy" for scope in SCOPES),
    }
)
"""Names of the chains that are not for a count of backends."""


def _set_mark(mark: int) -> str:
    return f"meta mark set meta mark | {mark:#x}"


def _services(settings: Settings, node: NodeView) -> Iterable[str]:
    for family, (ip, _, loopback) in WORDS.items():
        v = family.version
        if settings.masquerade_all:
            yield f"{ip} daddr @cluster-ips{v} {_set_mark(settings.mark)}"
        elif settings.pod_interface:
            yield f'{ip} daddr @cluster-ips{v} iifname != "{settings.pod_interface}" {_set_mark(settings.mark)}'
        elif node.pods.get(family):
            # without a pod CIDR of this family nobody can tell who is a pod: then never (K-10a, K-11)
            yield f"{ip} daddr @cluster-ips{v} {ip} saddr != @pods{v} {_set_mark(settings.mark)}"
        yield f"{SCOPES['service'].format(ip=ip)} vmap @firewall{v}"
        yield f"{SCOPES['service'].format(ip=ip)} vmap @service{v}"
        yield f"{ip} daddr @cluster-ips{v} goto refuse"
        yield f"{ip} daddr @service-cidrs{v} drop"
        local = f"{ip} daddr @nodeport-ips{v} {ip} daddr != {loopback} fib daddr type local"
        yield f"{local} {SCOPES['nodeport']} vmap @nodeport{v}"


def _policy(scope: str, settings: Settings) -> Iterable[str]:
    """externalTrafficPolicy Local: pods and the node itself reach any endpoint, others only those here (K-10c)."""
    for family, (ip, _, _) in WORDS.items():
        v, key = family.version, SCOPES[scope].format(ip=ip)
        # `meta nfproto`: a rule without an address of a family would be run for packets of both
        inside = f"meta nfproto {family.lower()} "
        pod = f'{inside}iifname "{settings.pod_interface}"' if settings.pod_interface else f"{ip} saddr @pods{v}"
        yield f"{pod} {key} vmap @{scope}-near{v}"
        yield f"{inside}fib saddr type local {_set_mark(settings.mark)} {key} vmap @{scope}-near{v}"
        yield f"{inside}{key} vmap @{scope}-far{v}"
    yield "drop"


def _counted(settings: Settings) -> Iterable[str]:
    """Translated connections; both hooks see their first packet only, and one of them each connection."""
    if settings.counted_ports:
        yield f"ct status & dnat == dnat jump {COUNT_CHAIN}"


def _postrouting(mark: int) -> Iterable[str]:
    yield f"meta mark & {mark:#x} != 0 meta mark set meta mark ^ {mark:#x} masquerade fully-random"
    for family, (ip, _, _) in WORDS.items():
        # a backend that was given its own connection: the answer must come back through us
        yield f"ct status & dnat == dnat {ip} saddr . {ip} daddr @hairpin{family.version} masquerade fully-random"


@functools.cache
def backend_map(scope: str, protocol: str, family: Family) -> str:
    """The name of the map of backends; one string for all elements, which saves megabytes."""
    return f"{scope}-backend-{protocol}{family.version}"


def pick_chain(scope: str, kind: str, protocol: str, count: int, *, sticky: int = 0) -> str:
    """The name of the chain that picks one of `count` backends, for `sticky` seconds the same for a client."""
    return f"{scope}-{kind}{f'-sticky{sticky}' if sticky else ''}-{protocol}-{count}"


@dataclass(frozen=True, slots=True)
class Pick:
    """What the name of a chain says."""

    scope: str
    kind: str
    protocol: str
    count: int
    sticky: int = 0


_PICK = re.compile(
    rf"(?P<scope>{'|'.join(SCOPES)})-(?P<kind>{'|'.join(KINDS)})(?:-sticky(?P<sticky>[0-9]+))?"
    rf"-(?P<protocol>{'|'.join(PROTOCOLS)})-(?P<count>[0-9]+)"
)


def is_pick(name: str) -> bool:
    """Whether a chain picks a backend."""
    return _PICK.fullmatch(name) is not None


def read_pick(name: str) -> Pick:
    """What a name that `pick_chain` gave says. Raises ValueError on another."""
    found = _PICK.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no chain that picks a backend")
    numbers = int(found["count"]), int(found["sticky"] or 0)
    return Pick(found["scope"], found["kind"], found["protocol"], *numbers)


def pick_rules(name: str, mark: int) -> Iterable[str]:
    """The rules of the chain of that name. Raises ValueError on a name that `pick_chain` doesn't give."""
    pick = read_pick(name)
    if pick.kind == "masquerade":
        yield _set_mark(mark)
    offset = f" offset {LOCAL}" if pick.kind == "local" else ""
    for family, (ip, _, _) in WORDS.items():
        key = BACKENDS[pick.scope].format(ip=ip, protocol=pick.protocol)
        index = f"numgen random mod {pick.count}{offset}"
        translate = f"dnat {ip} to {key} . {index} map @{backend_map(pick.scope, pick.protocol, family)}"
        yield f"meta nfproto {family.lower()} {translate}"
    yield "drop"
