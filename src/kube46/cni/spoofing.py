"""macspoofchk: a pod sends frames from its own MAC address only. One nftables table, one rule, two sets.

bridge kube46-cni
  checked   the host links of pods that are checked
  macs      host link . MAC address that it may send from
"""

from contextlib import suppress

from kube46.cni.errors import CniError
from kube46.cni.tables import Absent, Tables

TABLE = "bridge kube46-cni"


def schema() -> str:
    """Commands that make the table as it must be and leave the elements that are there."""
    return (
        f"add table {TABLE}\n"
        f"add set {TABLE} checked {{ type ifname; }}\n"
        f"add set {TABLE} macs {{ type ifname . ether_addr; }}\n"
        f"add chain {TABLE} prerouting {{ type filter hook prerouting priority -300; policy accept; }}\n"
        f"flush chain {TABLE} prerouting\n"
        f"add rule {TABLE} prerouting iifname @checked iifname . ether saddr != @macs drop\n"
    )


def addition(host_link: str, mac: str) -> str:
    """Commands after which the host link takes frames from that MAC address, among those it takes."""
    return f"add element {TABLE} checked {{ {host_link} }}\nadd element {TABLE} macs {{ {host_link} . {mac} }}\n"


class SpoofChecks:
    """The table in the kernel."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, host_link: str, mac: str) -> None:
        """Let a host link take frames from this MAC address only. Raises CniError 101."""
        text = addition(host_link, mac)
        try:
            self.remove(frozenset([host_link]))
            self._tables.run(text)
        except CniError:
            self._tables.run(schema() + text)

    def remove(self, host_links: frozenset[str]) -> None:
        """Check these host links no longer; none of them need be checked. Raises CniError 101."""
        found = self.allowed()
        text = "".join(
            f"delete element {TABLE} macs {{ {link} . {mac} }}\n" for link, mac in sorted(found) if link in host_links
        )
        gone = sorted(host_links & {link for link, _ in found})
        text += "".join(
            f"add element {TABLE} checked {{ {one} }}\ndelete element {TABLE} checked {{ {one} }}\n" for one in gone
        )
        if text:
            with suppress(Absent):
                self._tables.run(text)

    def allowed(self) -> set[tuple[str, str]]:
        """The host links that are checked, each with a MAC address that it may send from."""
        found = set()
        for entry in self._tables.listed(f"list set {TABLE} macs"):
            for element in entry["set"].get("elem", ()):
                link, mac = element["concat"]
                found.add((link, mac))
        return found
