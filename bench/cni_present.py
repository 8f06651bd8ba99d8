"""What a thousand pods leave on a node, as each contender's own plugins leave it, made at once: files and rules.

Addresses are files, alike for all. Masqueraded pods are elements of our sets, and a chain of iptables each for the
reference; ports are elements of our maps, and a chain and some rules each for the reference.
"""

import subprocess
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_interface
from pathlib import Path

from kube46.addresses.families import Family
from kube46.cni import masquerading, port_owners, port_table
from kube46.cni.host_ports import HostPort
from kube46.cni.port_table import Style
from kube46.cni.requests import Attachment

FIRST_PORT = 20000
STYLE = Style(snat=True, masquerade_all=False, bit=13, conditions=dict.fromkeys(Family, ""))
SUBNETS = {"10.250.0.0/16": "10.250.{:d}.{:d}", "fd00:250::/64": "fd00:250::{:x}:{:x}"}
EVERYBODY = {4: "224.0.0.0/4", 6: "ff00::/8"}
IPTABLES = {4: "iptables-restore", 6: "ip6tables-restore"}
LOOPBACK = {4: "127.0.0.1", 6: "::1"}


def addresses(directory: Path, subnets: list[str], count: int) -> None:
    """The files of host-local; both read and write the same."""
    directory.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        for subnet in subnets:
            (directory / address(subnet, number)).write_bytes(f"pod{number}\r\neth0".encode())


def address(subnet: str, number: int) -> str:
    """That of the pod of that number."""
    return str(ip_address(SUBNETS[subnet].format(*divmod(number + 1000, 250))))


def ours_masqueraded(count: int) -> str:
    """Commands for nft."""
    return masquerading.schema() + "".join(
        masquerading.addition([ip_interface(f"{address(one, number)}/{one.partition('/')[2]}")], f"veth{number:011x}")
        for number in range(count)
        for one in SUBNETS
    )


def ours_with_ports(count: int) -> str:
    """Commands for nft."""
    text = port_table.schema(STYLE.bit, STYLE.chains(_ports(0)))
    for number in range(count):
        text += port_table.creation(_ports(number), STYLE, port_owners.owner("net", Attachment(f"pod{number}", "eth0")))
    return text


def _ports(number: int) -> list[HostPort]:
    found = []
    for subnet in SUBNETS:
        target = ip_interface(f"{address(subnet, number)}/{subnet.partition('/')[2]}")
        found.append(HostPort("tcp", None, FIRST_PORT + number, target.ip, 80, target.network))
    return found


def theirs_masqueraded(version: int, subnet: str, count: int) -> Iterator[str]:
    """Lines for iptables-restore, as the reference's ipMasq makes them (pkg/ip/ipmasq_linux.go)."""
    for number in range(count):
        chain, comment = f"CNI-{number:024x}", f'-m comment --comment "name: \\"net\\" id: \\"pod{number}\\""'
        yield f":{chain} - [0:0]"
        yield f"-A {chain} -d {subnet} {comment} -j ACCEPT"
        yield f"-A {chain} ! -d {EVERYBODY[version]} {comment} -j MASQUERADE"
        yield f"-A POSTROUTING -s {address(subnet, number)} {comment} -j {chain}"


def theirs_with_ports(version: int, subnet: str, count: int) -> Iterator[str]:
    """Lines for iptables-restore, as the reference's portmap makes them; its own chains are there by then."""
    for number in range(count):
        chain, port = f"CNI-DN-{number:021x}", FIRST_PORT + number
        comment = f'-m comment --comment "dnat name: \\"net\\" id: \\"pod{number}\\""'
        target = address(subnet, number)
        yield f":{chain} - [0:0]"
        for source in (subnet, LOOPBACK[version]):
            yield f"-A {chain} -p tcp -s {source} --dport {port} -j CNI-HOSTPORT-SETMARK"
        to = target if version == 4 else f"[{target}]"
        yield f"-A {chain} -p tcp --dport {port} -j DNAT --to-destination {to}:80"
        yield f"-A CNI-HOSTPORT-DNAT -p tcp {comment} -m multiport --dports {port} -j {chain}"


Lines = Callable[[int, str, int], Iterator[str]]


def restore(lines: Lines, count: int) -> None:
    """Put the reference's rules into the tables of the calling thread's network namespace."""
    for version, subnet in zip((4, 6), SUBNETS, strict=True):
        text = "\n".join(["*nat", *lines(version, subnet, count), "COMMIT", ""])
        subprocess.run([IPTABLES[version], "--noflush"], input=text.encode(), check=True)


def load(text: str) -> None:
    """Put ours there."""
    subprocess.run(["nft", "-f", "-"], input=text.encode(), check=True)
