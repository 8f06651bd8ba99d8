"""What the node IPAM may hand out: the flags of kube-controller-manager, checked with its own words.

Source: kubernetes/cmd/kube-controller-manager/app/core.go (`startNodeIpamController`), semantics B-15 to B-17.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from kube46.addresses.families import Family, Prefix, family_of

DEFAULT_LENGTHS: Mapping[Family, int] = {Family.IPV4: 24, Family.IPV6: 64}
# Upstream keeps an uncompressed bitmap and therefore refuses more IPv6 blocks than these bits can number.
MOST_IPV6_BITS = 16


class InvalidSettings(ValueError):
    """The flags contradict each other; the text names the flag and the mend."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A cluster-wide range and the prefix length (bits) of the block that each node gets from it."""

    prefix: Prefix
    length: int


@dataclass(frozen=True, slots=True)
class Settings:
    """`pools` in the order of `--cluster-cidr`; `reserved` are ranges whose blocks no node may get."""

    pools: tuple[Pool, ...]
    reserved: tuple[Prefix, ...] = ()


def parse_ranges(text: str, flag: str) -> tuple[Prefix, ...]:
    """Comma-separated ranges, at most one of each family. Raises InvalidSettings."""
    ranges = tuple(_range(part.strip(), flag) for part in text.split(",") if part.strip())
    if len(ranges) > 2:
        raise InvalidSettings(f"{flag}: length of clusterCIDRs is:{len(ranges)} more than max allowed of 2")
    if len({family_of(r) for r in ranges}) < len(ranges):
        raise InvalidSettings(
            f"{flag}: len of ClusterCIDRs==2 and they are not configured as dual stack (at least one from each "
            f"IPFamily): {text}; give one range of each family"
        )
    return ranges


def settings(
    cluster_cidr: str, lengths: Mapping[Family, int | None], *, any_length: int | None = None, service_ranges: str = ""
) -> Settings:
    """Settings from the flags: `lengths` are those of `--node-cidr-mask-size-ipv4/-ipv6`, `any_length` the generic one.

    Raises InvalidSettings.
    """
    ranges = parse_ranges(cluster_cidr, "--cluster-cidr")
    if not ranges:
        raise InvalidSettings("--cluster-cidr is needed by node-ipam: give one range of each family of the cluster")
    families = [family_of(r) for r in ranges]
    _check_lengths(families, lengths, any_length)
    pools = tuple(
        _pool(r, lengths.get(f) or any_length or DEFAULT_LENGTHS[f]) for r, f in zip(ranges, families, strict=True)
    )
    return Settings(pools, parse_ranges(service_ranges, "--service-cluster-ip-range"))


def _range(text: str, flag: str) -> Prefix:
    try:
        if "/" not in text:
            raise ValueError("a prefix length is missing")
        return ip_network(text, strict=False)
    except ValueError as error:
        raise InvalidSettings(f"{flag}: {text!r} is no range ({error}); write it as 10.244.0.0/16") from error


def _check_lengths(families: Iterable[Family], lengths: Mapping[Family, int | None], any_length: int | None) -> None:
    used = list(families)
    given = [family for family, length in lengths.items() if length is not None]
    if any_length is not None and len(used) > 1:
        raise InvalidSettings("usage of --node-cidr-mask-size is not allowed with dual-stack clusters")
    if any_length is not None and given:
        raise InvalidSettings(
            "usage of --node-cidr-mask-size-ipv4 and --node-cidr-mask-size-ipv6 is not allowed if "
            "--node-cidr-mask-size is set. For dual-stack clusters please unset it and use IPFamily specific flags"
        )
    for family in given:
        if family not in used:
            raise InvalidSettings(
                f"usage of --node-cidr-mask-size-{family.lower()} is not allowed for a single-stack "
                f"{family.other} cluster"
            )


def _pool(prefix: Prefix, length: int) -> Pool:
    family = family_of(prefix)
    if not prefix.prefixlen <= length <= family.bits:
        raise InvalidSettings(
            "Controller: Invalid --cluster-cidr, mask size of cluster CIDR must be less than or equal to "
            f"--node-cidr-mask-size configured for CIDR family: {prefix} is cut into blocks of /{length}"
        )
    if family is Family.IPV6 and length - prefix.prefixlen > MOST_IPV6_BITS:
        raise InvalidSettings(
            f"New CIDR set failed; the node CIDR size is too big: {prefix} cut into /{length} needs a --cluster-cidr "
            f"of /{length - MOST_IPV6_BITS} or longer"
        )
    return Pool(prefix, length)
