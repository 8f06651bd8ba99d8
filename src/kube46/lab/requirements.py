"""What a cluster needs of the machine: programs, kernel features. Looks before anything is made."""

import shutil
import subprocess
from ctypes.util import find_library
from pathlib import Path

# program → Debian package
PROGRAMS = {"ip": "iproute2", "crun": "crun", "named": "bind9", "unshare": "util-linux"}
LINKS = "link add bridge0 type bridge\nlink add veth0 type veth peer name veth1\n"
RULES = """\
table inet probe {
    map backends { typeof ip daddr . meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport; }
    set own { type ipv6_addr; flags interval; }
    chain before { type nat hook prerouting priority dstnat; dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 2 map @backends; }
    chain after { type nat hook postrouting priority srcnat; ip6 saddr @own masquerade; }
}
"""  # noqa: E501 - one nft rule is one line


class Missing(RuntimeError):
    """The machine lacks something; the message is a sentence that says what, and how to get it."""


def check() -> None:
    """Raise Missing with the first kind of thing that is not there."""
    _check_programs()
    if not Path("/proc/sys/net/ipv6").exists():
        raise Missing("the kernel has IPv6 switched off: start it without ipv6.disable=1")
    links = _probe("ip", "-batch", "-")
    rules = _probe("nft", "-f", "-") if shutil.which("nft") else None
    _finish(links, LINKS, "bridge and veth links (modules bridge and veth)")
    if rules is not None:
        _finish(rules, RULES, "nftables with NAT (modules nf_tables, nft_nat, nft_masq and nft_numgen)")


def _check_programs() -> None:
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if find_library("nftables") is None and not list(Path("/usr/lib").glob("*/libnftables.so.1")):
        missing.append("libnftables1")
    if missing:
        raise Missing(f"missing programs: install them with `apt-get install -y {' '.join(missing)}`")


def _probe(*command: str) -> "subprocess.Popen[str]":
    """Start a command in a network namespace of its own, which vanishes with it."""
    return subprocess.Popen(
        ["unshare", "--net", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(probe: "subprocess.Popen[str]", text: str, feature: str) -> None:
    _, errors = probe.communicate(text)
    if probe.returncode != 0:
        reason = " ".join(errors.split())
        raise Missing(f"the kernel lacks {feature}, load or build them; it said: {reason}")
