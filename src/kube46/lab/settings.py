"""A cluster's settings: read from flags, checked, kept with the cluster, compared with a later `up`.

Pure. Every refusal is one sentence that names the flag and says how to mend it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network

import msgspec

from kube46.addresses import prefixes
from kube46.addresses.families import Family, Prefix, family_of
from kube46.api import features
from kube46.lab.upstream import OWN, Upstream

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
NAME_LENGTH = 20  # `k46-NAME-outside` and socket paths below /run/kube46 stay within the kernel's limits
# In /run/kube46: a node's mount point, the sockets of CNI helpers; the machine's images are no cluster's, too.
RESERVED_NAMES = frozenset({"agent", "cni", "images"})
MAX_NODES = 200  # underlay addresses .11 … .210
NODE_PREFIX_LENGTH: Mapping[Family, int] = {Family.IPV4: 24, Family.IPV6: 64}
# kube-controller-manager refuses a pool that is more than 16 bits shorter than a node's block.
LONGEST_SPAN = 16
# The cluster's DNS is the 10th address of a Service range, and kube-apiserver wants 16 addresses at least.
SERVICE_PREFIX_LENGTHS: Mapping[Family, range] = {Family.IPV4: range(12, 29), Family.IPV6: range(64, 125)}

DEFAULT_FAMILIES = (Family.IPV4, Family.IPV6)
DEFAULT_GATES = f"{features.DUAL_STACK}=true"
DEFAULT_NODES = 2
DEFAULT_POD_CIDRS: Mapping[Family, str] = {Family.IPV4: "10.244.0.0/16", Family.IPV6: "fd00:10:244::/56"}
DEFAULT_SERVICE_CIDRS: Mapping[Family, str] = {Family.IPV4: "10.96.0.0/16", Family.IPV6: "fd00:10:96::/112"}
UNDERLAY: Mapping[Family, Prefix] = {Family.IPV4: ip_network("10.46.0.0/24"), Family.IPV6: ip_network("fd46::/64")}
OUTSIDE: Mapping[Family, Prefix] = {
    Family.IPV4: ip_network("203.0.113.0/24"),
    Family.IPV6: ip_network("2001:db8:46::/64"),
}
# Prefixes that have a meaning of their own, RFC 6890 and RFC 6052.
RESERVED: Mapping[str, str] = {
    "0.0.0.0/8": "this host (RFC 1122)",
    "127.0.0.0/8": "loopback (RFC 1122)",
    "169.254.0.0/16": "link-local (RFC 3927)",
    "224.0.0.0/3": "multicast and reserved (RFC 5771)",
    "::/96": "loopback and unspecified (RFC 4291)",
    "::ffff:0:0/96": "IPv4-mapped (RFC 4291)",
    "64:ff9b::/96": "NAT64 (RFC 6052)",
    "fe80::/10": "link-local (RFC 4291)",
    "ff00::/8": "multicast (RFC 4291)",
}


class BadSettings(ValueError):
    """The flags cannot make a cluster; the message is one sentence naming the flag and the mend."""


@dataclass(frozen=True, slots=True)
class Flags:
    """What was given to `up`, as text; None means: not given. `own_server`: whether kube46's API server was."""

    families: str | None = None
    nodes: int | None = None
    pod_cidr: str | None = None
    service_cidr: str | None = None
    upstream: Upstream | None = None
    own_server: bool = False
    feature_gates: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What makes a cluster. `families` in order, the first is the primary one; one range a family, in that order.

    `upstream`: Kubernetes' own control plane, None where kube46's is run.
    """

    name: str
    families: tuple[Family, ...]
    nodes: int
    pod_cidrs: tuple[str, ...]
    service_cidrs: tuple[str, ...]
    upstream: Upstream | None = None
    feature_gates: str = ""

    @property
    def node_names(self) -> tuple[str, ...]:
        """`node1`, `node2`, …"""
        return tuple(f"node{number}" for number in range(1, self.nodes + 1))

    def encoded(self) -> bytes:
        """JSON, as kept in the cluster's state directory."""
        return msgspec.json.format(msgspec.json.encode(self))


def decoded(data: bytes) -> Settings:
    """Settings from what `encoded` wrote. Raises BadSettings."""
    try:
        return msgspec.json.decode(data, type=Settings)
    except msgspec.MsgspecError as error:
        raise BadSettings(f"the cluster's kept settings are damaged ({error}): `kube46 down` deletes it") from error


def check_name(name: str) -> str:
    """The name, when it may name a cluster. Raises BadSettings."""
    if not NAME.fullmatch(name):
        raise BadSettings(f"--name {name!r}: use lower-case letters, digits and inner hyphens, such as --name dev")
    if name in RESERVED_NAMES:
        raise BadSettings(f"--name {name}: is the name of a directory of kube46's own, choose another one")
    if len(name) > NAME_LENGTH:
        raise BadSettings(f"--name {name}: {len(name)} characters are too many, use {NAME_LENGTH} at most")
    return name


def from_flags(name: str, flags: Flags) -> Settings:
    """The settings that the flags describe, defaults filled in. Raises BadSettings."""
    families = DEFAULT_FAMILIES if flags.families is None else parse_families(flags.families)
    settings = Settings(
        name=check_name(name),
        families=families,
        nodes=_node_count(flags.nodes),
        pod_cidrs=_cidrs("--pod-cidr", flags.pod_cidr, families, DEFAULT_POD_CIDRS),
        service_cidrs=_cidrs("--service-cidr", flags.service_cidr, families, DEFAULT_SERVICE_CIDRS),
        upstream=flags.upstream,
        feature_gates=flags.feature_gates or "",
    )
    _check_gates(settings)
    for pool in settings.pod_cidrs:
        _check_pod_pool(pool, settings.nodes)
    for pool in settings.service_cidrs:
        _check_service_pool(pool)
    _check_overlap(settings)
    return settings


def parse_families(text: str) -> tuple[Family, ...]:
    """`ipv4,ipv6` → families in that order. Raises BadSettings."""
    known = {family.value.lower(): family for family in Family}
    names = [part.strip().lower() for part in text.split(",")]
    for name in names:
        if name not in known:
            raise BadSettings(
                f"--families {text}: {name or 'an empty name'} is no family, write ipv4, ipv6, ipv4,ipv6 or ipv6,ipv4"
            )
    if len(set(names)) != len(names):
        raise BadSettings(f"--families {text}: {names[0]} is named twice, name each family once")
    return tuple(known[name] for name in names)


def differences(kept: Settings, name: str, flags: Flags) -> list[str]:
    """What the flags given would change in an existing cluster, as `--flag value` of the kept one.

    Raises BadSettings on flags that could make no cluster.
    """
    changed = []
    families = flags.families or families_text(kept.families)
    given = from_flags(name, replace(flags, families=families))
    if flags.families is not None and parse_families(flags.families) != kept.families:
        changed.append(f"--families {families_text(kept.families)}")
    if flags.nodes is not None and flags.nodes != kept.nodes:
        changed.append(f"--nodes {kept.nodes}")
    if flags.pod_cidr is not None and given.pod_cidrs != kept.pod_cidrs:
        changed.append(f"--pod-cidr {','.join(kept.pod_cidrs)}")
    if flags.service_cidr is not None and given.service_cidrs != kept.service_cidrs:
        changed.append(f"--service-cidr {','.join(kept.service_cidrs)}")
    if (flags.upstream and flags.upstream != kept.upstream) or (flags.own_server and kept.upstream):
        changed.append(kept.upstream.flags if kept.upstream else f"--api-server {OWN}")
    if flags.feature_gates is not None and flags.feature_gates != kept.feature_gates:
        changed.append(f"--feature-gates {kept.feature_gates or DEFAULT_GATES}")
    return changed


def _check_gates(settings: Settings) -> None:
    """Whether the API server takes the gates, as far as that is known here: the real one has its own."""
    if settings.upstream:
        return
    try:
        enabled = features.parse([settings.feature_gates]).enabled(features.DUAL_STACK)
    except features.BadGates as error:
        raise BadSettings(f"--feature-gates {settings.feature_gates}: {error}") from None
    if not enabled and len(settings.families) > 1:
        text = f"{features.DUAL_STACK} is off, which two families need: add --families ipv4 or --families ipv6"
        raise BadSettings(f"--feature-gates {settings.feature_gates}: {text}")


def families_text(families: Iterable[Family]) -> str:
    """As the flag spells them: `ipv4,ipv6`."""
    return ",".join(family.value.lower() for family in families)


def _node_count(count: int | None) -> int:
    if count is None:
        return DEFAULT_NODES
    if count < 1:
        raise BadSettings(f"--nodes {count}: a cluster needs a node, use --nodes 1 or more")
    if count > MAX_NODES:
        raise BadSettings(f"--nodes {count}: the underlay has addresses for {MAX_NODES} nodes, use fewer")
    return count


def _cidrs(
    flag: str, text: str | None, families: tuple[Family, ...], defaults: Mapping[Family, str]
) -> tuple[str, ...]:
    """One range for each family, in the families' order."""
    if text is None:
        return tuple(defaults[family] for family in families)
    pools = [_prefix(flag, part.strip()) for part in text.split(",")]
    found = tuple(family_of(pool) for pool in pools)
    if found != families:
        wanted = families_text(families)
        raise BadSettings(
            f"{flag} {text}: is {families_text(found)} but the cluster is {wanted}, "
            f"give one range for each of {wanted}, in that order"
        )
    return tuple(str(pool) for pool in pools)


def _prefix(flag: str, text: str) -> Prefix:
    try:
        pool = ip_network(text, strict=False)
    except ValueError:
        raise BadSettings(f"{flag} {text or '(empty)'}: is no range, write one as 10.0.0.0/16 or fd00:1::/56") from None
    if "/" not in text:
        raise BadSettings(f"{flag} {text}: has no prefix length, write {text}/{16 if pool.version == 4 else 56}")
    try:
        return prefixes.parse(text)
    except ValueError:
        raise BadSettings(f"{flag} {text}: has bits set after the prefix, write {pool}") from None


def _check_pod_pool(text: str, nodes: int) -> None:
    pool = prefixes.parse(text)
    length = NODE_PREFIX_LENGTH[family_of(pool)]
    if prefixes.block_count(pool, length) < nodes:
        longest = length - (nodes - 1).bit_length()
        raise BadSettings(
            f"--pod-cidr {text}: is too small for {nodes} nodes of a /{length} each, use /{longest} or shorter"
        )
    if length - pool.prefixlen > LONGEST_SPAN:
        raise BadSettings(
            f"--pod-cidr {text}: is too large for blocks of /{length}, use /{length - LONGEST_SPAN} or longer"
        )


def _check_service_pool(text: str) -> None:
    pool = prefixes.parse(text)
    lengths = SERVICE_PREFIX_LENGTHS[family_of(pool)]
    if pool.prefixlen not in lengths:
        fault = "large" if pool.prefixlen < lengths.start else "small"
        raise BadSettings(
            f"--service-cidr {text}: is too {fault}, use a prefix length from /{lengths.start} to /{lengths.stop - 1}"
        )


def _check_overlap(settings: Settings) -> None:
    """Pods, Services, the underlay and the outside must be apart, and none may lie in a range with its own meaning."""
    ours = [("--pod-cidr", text) for text in settings.pod_cidrs]
    ours += [("--service-cidr", text) for text in settings.service_cidrs]
    fixed = [(str(prefix), "the nodes' underlay") for prefix in UNDERLAY.values()]
    fixed += [(str(prefix), "the outside") for prefix in OUTSIDE.values()]
    fixed += list(RESERVED.items())
    for position, (flag, text) in enumerate(ours):
        for taken, owner in fixed:
            if _overlap(text, taken):
                raise BadSettings(f"{flag} {text}: overlaps {taken}, which is {owner}; choose another range")
        for other_flag, other in ours[:position]:
            if _overlap(text, other):
                raise BadSettings(f"{flag} {text}: overlaps {other_flag} {other}; choose ranges that are apart")


def _overlap(one: str, other: str) -> bool:
    first, second = ip_network(one), ip_network(other)
    return first.version == second.version and first.overlaps(second)
