"""Masquerading of pods that leave the pod network: one nftables table, a rule a family, sets of addresses.

inet kube46-cni
  pods4, pods6         the pods to be masqueraded; each element's comment is the name of the pod's host link
  near4, near6         pod subnet . pod subnet: reached without translation
  cluster4, cluster6   the pod prefixes of all nodes: reached without translation (kept by the node's agent)
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_network

from kube46.addresses.families import Address, Family, Prefix, family_of
from kube46.cni.errors import CniError
from kube46.cni.tables import Absent, Tables

TABLE = "inet kube46-cni"
WORDS = {Family.IPV4: ("ip", "ipv4_addr", "4", "224.0.0.0/4"), Family.IPV6: ("ip6", "ipv6_addr", "6", "ff00::/8")}


def schema() -> str:
    """Commands that make the table as it must be and leave the elements that are there."""
    lines = [f"add table {TABLE}"]
    for _, kind, digit, _ in WORDS.values():
        lines += [
            f"add set {TABLE} pods{digit} {{ type {kind}; }}",
            f"add set {TABLE} near{digit} {{ type {kind} . {kind}; flags interval; }}",
            f"add set {TABLE} cluster{digit} {{ type {kind}; flags interval; }}",
        ]
    lines += [
        f"add chain {TABLE} postrouting {{ type nat hook postrouting priority srcnat; policy accept; }}",
        f"flush chain {TABLE} postrouting",
    ]
    for word, _, digit, multicast in WORDS.values():
        lines.append(
            f"add rule {TABLE} postrouting {word} saddr @pods{digit} {word} saddr . {word} daddr != @near{digit} "
            f"{word} daddr != @cluster{digit} {word} daddr != {multicast} masquerade fully-random"
        )
    return "\n".join(lines) + "\n"


def addition(addresses: Iterable[IPv4Interface | IPv6Interface], owner: str, near: Iterable[Prefix] = ()) -> str:
    """Commands by which these pod addresses are masqueraded outside of their subnets, whatever was there before.

    `owner` is the name of the pod's host link, which is hexadecimal digits but for a fixed word. `near` are the subnets
    that are there, if it is known: of two that overlap, the kernel takes the larger one only.
    """
    text = ""
    near = frozenset(near)
    for one in addresses:
        _, _, digit, _ = WORDS[family_of(one.ip)]
        text += _emptied(f"pods{digit}", str(one.ip))
        text += f'add element {TABLE} pods{digit} {{ {one.ip} comment "{owner}" }}\n'
        overlapping = {other for other in near if other.version == one.version and other.overlaps(one.network)}
        if any(other.prefixlen < one.network.prefixlen for other in overlapping):
            continue
        for other in sorted(overlapping - {one.network}):
            text += f"delete element {TABLE} near{digit} {{ {other} . {other} }}\n"
        text += f"add element {TABLE} near{digit} {{ {one.network} . {one.network} }}\n"
        near = near - overlapping | {one.network}
    return text


def removal(addresses: Iterable[str]) -> str:
    """Commands after which these addresses are not masqueraded; it is no error when they were not."""
    return "".join(_emptied(f"pods{WORDS[family_of(one)][2]}", one) for one in addresses)


def cluster(prefixes: Mapping[Family, Iterable[Prefix]]) -> str:
    """Commands that set the pod prefixes of the cluster."""
    text = ""
    for family, (_, _, digit, _) in WORDS.items():
        text += f"flush set {TABLE} cluster{digit}\n"
        members = ", ".join(map(str, prefixes.get(family, ())))
        text += f"add element {TABLE} cluster{digit} {{ {members} }}\n" if members else ""
    return text


def _emptied(name: str, address: str) -> str:
    # Adding first makes the deletion of one that is not there no error; nft 1.0.6 has no `destroy element`.
    return f"add element {TABLE} {name} {{ {address} }}\ndelete element {TABLE} {name} {{ {address} }}\n"


class Masquerading:
    """The table in the kernel. `tables` is the handle, which may be shared."""

    def __init__(self, tables: Tables | None = None) -> None:
        self.tables = tables or Tables()

    def close(self) -> None:
        """Close the handle; the table stays."""
        self.tables.close()

    def add(self, addresses: Iterable[IPv4Interface | IPv6Interface], owner: str) -> None:
        """Masquerade a pod's addresses; where the table is missing, it is made in the same transaction.

        Raises CniError 101.
        """
        addresses = tuple(addresses)
        try:
            self.tables.run(addition(addresses, owner))
        except CniError:  # no table, or a subnet that overlaps with another network's, or with what was one
            self.tables.run(schema() + addition(addresses, owner, self._near()))

    def remove(self, addresses: Iterable[str]) -> None:
        """No longer masquerade them; without the table nothing is. Raises CniError 101."""
        text = removal(addresses)
        if text:
            with suppress(Absent):
                self.tables.run(text)

    def set_cluster(self, prefixes: Mapping[Family, Iterable[Prefix]]) -> None:
        """Set the prefixes that pods reach untranslated, and mend the table if it was changed. Raises CniError 101."""
        self.tables.run(schema() + cluster(prefixes))

    def _near(self) -> Iterator[Prefix]:
        for _, _, digit, _ in WORDS.values():
            for entry in self.tables.listed(f"list set {TABLE} near{digit}"):
                for element in entry["set"].get("elem", ()):
                    found = element["concat"][0]  # a single address is a bare text
                    yield ip_network(
                        (found["prefix"]["addr"], found["prefix"]["len"]) if isinstance(found, dict) else found
                    )

    def owned_by(self, owners: frozenset[str]) -> list[str]:
        """The masqueraded addresses of these host links."""
        return [str(address) for address, owner in self.owners().items() if owner in owners]

    def owners(self) -> dict[Address, str]:
        """Every masqueraded address and the host link it is for."""
        found: dict[Address, str] = {}
        for _, _, digit, _ in WORDS.values():
            for entry in self.tables.listed(f"list set {TABLE} pods{digit}"):
                for element in entry["set"].get("elem", ()):
                    if isinstance(element, dict):  # one without a comment is a bare text, and not ours
                        found[ip_address(element["elem"]["val"])] = element["elem"].get("comment", "")
        return found
