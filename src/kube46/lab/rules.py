"""What a cluster looks like: places, addresses, links, routes, sysctls, mounts. Pure: values in, values out.

The topology (docs/reference/lab.md):

    cp ──┐
    node1 ┤ underlay bridge (in cp) ── edge ── outside
    node2 ┘
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kube46.addresses import prefixes
from kube46.addresses.families import Address, Family, Prefix, family_of
from kube46.lab.paths import NETNS_ROOT, RUN_ROOT, Paths
from kube46.lab.settings import OUTSIDE, UNDERLAY, Settings

CP, EDGE, OUTSIDE_PLACE = "cp", "edge", "outside"
BOTH = (Family.IPV4, Family.IPV6)
MTU = 1500
# The way out is narrower than the nodes' links, so that it takes path MTU discovery to send large answers outside.
OUTSIDE_MTU = 1400
DNS_INDEX = 10  # the cluster's DNS is the 10th address of each Service range, as kubeadm has it
SECURE_PORT = 6443
CLUSTER_DOMAIN = "cluster.local"


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A value to write below /proc/sys in a place's network namespace."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Bind:
    """A directory (or file) of the host that a place sees at a standard path."""

    source: Path
    target: Path


@dataclass(frozen=True, slots=True)
class Place:
    """A network and mount namespace: what is set in it before links come, its `ip` commands, and its binds."""

    name: str
    sysctls: tuple[Sysctl, ...]
    commands: tuple[str, ...]
    binds: tuple[Bind, ...]


def place_names(settings: Settings) -> tuple[str, ...]:
    """Every place of the cluster; a place's links are made by itself or by one before it."""
    return (CP, EDGE, OUTSIDE_PLACE, *settings.node_names)


def underlay_address(place: str, family: Family) -> Address:
    """The address on the underlay: cp .1, edge .254 (`::fe`), node N .10+N, the digits being the same in IPv6."""
    if place == CP:
        text = "1"
    elif place == EDGE:
        text = "254" if family is Family.IPV4 else "fe"
    else:
        text = str(10 + int(place.removeprefix("node")))
    return prefixes.nth(UNDERLAY[family], int(text, 10 if family is Family.IPV4 else 16))


def outside_address(place: str, family: Family) -> Address:
    """The address on the link between edge (.1) and outside (.10, `::10`)."""
    text = "1" if place == EDGE else "10"
    return prefixes.nth(OUTSIDE[family], int(text, 10 if family is Family.IPV4 else 16))


def node_addresses(settings: Settings, place: str) -> tuple[str, ...]:
    """A place's underlay addresses in the cluster's order of families."""
    return tuple(str(underlay_address(place, family)) for family in settings.families)


def dns_addresses(settings: Settings) -> tuple[str, ...]:
    """The cluster DNS Service's addresses, in the cluster's order of families."""
    return tuple(str(prefixes.nth(prefixes.parse(pool), DNS_INDEX)) for pool in settings.service_cidrs)


def api_addresses(settings: Settings) -> tuple[str, ...]:
    """The `kubernetes` Service's addresses: the first of each Service range."""
    return tuple(str(prefixes.nth(prefixes.parse(pool), 1)) for pool in settings.service_cidrs)


def resolver_addresses(settings: Settings) -> tuple[str, ...]:
    """Where the outside's resolver listens, as far as the cluster's nodes can reach it."""
    return tuple(str(outside_address(OUTSIDE_PLACE, family)) for family in settings.families)


def plan(settings: Settings, paths: Paths, *, bridge_filter: bool = True) -> tuple[Place, ...]:
    """All places. `bridge_filter`: the kernel has the bridge-nf-call sysctls."""
    return tuple(_place(settings, paths, name, bridge_filter) for name in place_names(settings))


def _place(settings: Settings, paths: Paths, name: str, bridge_filter: bool) -> Place:
    return Place(
        name,
        tuple(_sysctls(settings, name, bridge_filter)),
        ("link set lo up", *_commands(settings, paths, name)),
        tuple(_binds(paths, name)),
    )


def _sysctls(settings: Settings, place: str, bridge_filter: bool) -> list[Sysctl]:
    """Set before links exist, so that each link starts with them."""
    families = BOTH if place in (EDGE, OUTSIDE_PLACE) else settings.families
    routes = place not in (CP, OUTSIDE_PLACE)
    forwarding = {family: "1" if routes and family in families else "0" for family in BOTH}
    found = [
        # loose: an answer may come by another link than its question (NodePort), but from a routed source only
        Sysctl("net/ipv4/conf/all/rp_filter", "2"),
        Sysctl("net/ipv4/conf/default/rp_filter", "2"),
        Sysctl("net/ipv4/ip_forward", forwarding[Family.IPV4]),
        Sysctl("net/ipv6/conf/all/forwarding", forwarding[Family.IPV6]),
        # addresses are ours to give: nothing is learnt from router advertisements, none waits for duplicate detection
        Sysctl("net/ipv6/conf/default/accept_ra", "0"),
        Sysctl("net/ipv6/conf/default/autoconf", "0"),
        Sysctl("net/ipv6/conf/default/accept_dad", "0"),
        Sysctl("net/ipv6/conf/default/disable_ipv6", "0" if Family.IPV6 in families else "1"),
    ]
    if routes:
        # every lost large packet gets its Packet Too Big: path MTU discovery shall not depend on chance
        found += [Sysctl("net/ipv4/icmp_ratelimit", "0"), Sysctl("net/ipv6/icmp/ratelimit", "0")]
        # a pod on the node's network is no root here: port 80 is as open to it as on its own network
        found.append(Sysctl("net/ipv4/ip_unprivileged_port_start", "0"))
    if bridge_filter:
        # Pods' traffic is routed (decision 076), never only switched: a bridge that also calls the rules would put IPv6
        # fragments together for good, and so make path MTU discovery fail.
        found += [Sysctl(f"net/bridge/bridge-nf-call-{name}", "0") for name in ("iptables", "ip6tables")]
    return found


def _commands(settings: Settings, paths: Paths, place: str) -> list[str]:
    """`ip -batch` lines."""
    families = settings.families
    if place == CP:
        members = [EDGE, *settings.node_names]
        return [
            f"link add underlay mtu {MTU} type bridge mcast_snooping 0 forward_delay 0",
            "link set underlay up",
            *(line for member in members for line in _port(member, paths.namespace(member))),
            *_addresses("underlay", UNDERLAY, [underlay_address(CP, family) for family in families]),
            *_defaults([underlay_address(EDGE, family) for family in families]),
            *_to_pods(settings),
        ]
    if place == EDGE:
        return [
            f"link add eth1 mtu {OUTSIDE_MTU} type veth peer name eth0 netns {paths.namespace(OUTSIDE_PLACE)}"
            f" mtu {MTU}",
            "link set eth0 up",
            "link set eth1 up",
            *_addresses("eth0", UNDERLAY, [underlay_address(EDGE, family) for family in families]),
            *_addresses("eth1", OUTSIDE, [outside_address(EDGE, family) for family in BOTH]),
        ]
    if place == OUTSIDE_PLACE:
        return [
            "link set eth0 up",
            *_addresses("eth0", OUTSIDE, [outside_address(place, family) for family in BOTH]),
            *_narrow_defaults([outside_address(EDGE, family) for family in BOTH]),
        ]
    return [
        "link set eth0 up",
        *_addresses("eth0", UNDERLAY, [underlay_address(place, family) for family in families]),
        *_defaults([underlay_address(EDGE, family) for family in families]),
    ]


def _port(member: str, namespace: str) -> list[str]:
    return [
        f"link add {member} mtu {MTU} type veth peer name eth0 netns {namespace} mtu {MTU}",
        f"link set {member} master underlay up",
    ]


def _addresses(link: str, prefix_of: Mapping[Family, Prefix], addresses: Iterable[Address]) -> list[str]:
    """Addresses of the prefixes' lengths; IPv6 ones are usable at once, without duplicate address detection."""
    lines = []
    for address in addresses:
        family = family_of(address)
        nodad = " nodad" if family is Family.IPV6 else ""
        lines.append(f"address add {address}/{prefix_of[family].prefixlen} dev {link}{nodad}")
    return lines


def _defaults(routers: Iterable[Address]) -> list[str]:
    return [f"route add default via {router}" for router in routers]


def _to_pods(settings: Settings) -> list[str]:
    """The API server reaches pods (its `proxy` subresources) by way of any node: each knows where the others' are."""
    hops = {
        family: " ".join(f"nexthop via {underlay_address(node, family)}" for node in settings.node_names)
        for family in settings.families
    }
    return [f"route add {prefix} {hops[family_of(prefix)]}" for prefix in settings.pod_cidrs]


def _narrow_defaults(routers: Iterable[Address]) -> list[str]:
    """The outside sends packets that fit, but announces that it takes larger ones, as a host behind a tunnel does."""
    headers = {Family.IPV4: 40, Family.IPV6: 60}
    return [
        f"route add default via {router} mtu {OUTSIDE_MTU} advmss {MTU - headers[family_of(router)]}"
        for router in routers
    ]


def _binds(paths: Paths, place: str) -> list[Bind]:
    """The standard paths that plugins, conflists, the kubelet and BIND use."""
    state, run = paths.node_state(place), paths.place_run(place)
    resolver = Bind(run / "resolv.conf", Path("/etc/resolv.conf"))
    names = Bind(state / "bind", Path("/var/cache/bind"))
    if place in (CP, EDGE):
        return [resolver]
    if place == OUTSIDE_PLACE:
        return [resolver, names]
    return [
        resolver,
        names,
        Bind(state / "cni", Path("/var/lib/cni")),
        Bind(state / "net.d", Path("/etc/cni/net.d")),
        Bind(state / "kubelet", Path("/var/lib/kubelet")),
        Bind(run / "agent", RUN_ROOT / "agent"),
        Bind(run / "crun", Path("/run/crun")),  # crun makes it, whatever --root says
        Bind(run / "netns", NETNS_ROOT),
    ]
