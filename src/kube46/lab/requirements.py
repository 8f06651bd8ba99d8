"""What a cluster needs of the machine: programs, kernel features. Looks before anything is made."""

import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from ctypes.util import find_library
from ipaddress import ip_network
from pathlib import Path

from kube46.addresses.families import Family
from kube46.lab import syscalls
from kube46.nftables import Nft, NftError
from kube46.proxy import layout
from kube46.proxy.settings import NodeView, Settings

# program → Debian package
PROGRAMS = {"ip": "iproute2", "crun": "crun", "named": "bind9", "unshare": "util-linux", "nsenter": "util-linux"}
LINKS = "link add bridge0 type bridge\nlink add veth0 type veth peer name veth1\n"
PICKS = [layout.pick_chain(scope, kind, "tcp", 2, sticky=10800) for scope in layout.SCOPES for kind in layout.KINDS]


class Missing(RuntimeError):
    """The machine lacks something; the message is a sentence that says what, and how to get it."""


def check() -> None:
    """Raise Missing with the first kind of thing that is not there."""
    _check_programs()
    if not Path("/proc/sys/net/ipv6").exists():
        raise Missing("the kernel has IPv6 switched off: start it without ipv6.disable=1")
    _check_links()
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(_check_rules, proxy_transactions()).result()


def proxy_transactions() -> tuple[str, str]:
    """The proxy's empty table, and the chains for the first Services: their rules refer to maps made before them."""
    settings = Settings("probe")
    pods = {Family.IPV4: (ip_network("192.0.2.0/24"),), Family.IPV6: (ip_network("2001:db8::/64"),)}
    table = (*layout.declarations(settings), *layout.chains(settings, NodeView("probe", pods=pods)))
    chains = [f"add chain {layout.TABLE} {name}" for name in PICKS]
    chains += [f"add rule {layout.TABLE} {name} {rule}" for name in PICKS for rule in layout.pick_rules(name, 1)]
    return "\n".join(table), "\n".join(chains)


def _check_programs() -> None:
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if find_library("nftables") is None and not list(Path("/usr/lib").glob("*/libnftables.so.1")):
        missing.append("libnftables1")
    if missing:
        packages = " ".join(dict.fromkeys(missing))
        raise Missing(f"missing programs: install them with `apt-get install -y {packages}`")


def _check_links() -> None:
    """In a network namespace of their own, which vanishes with the command."""
    command = ["unshare", "--net", "ip", "-batch", "-"]
    done = subprocess.run(command, input=LINKS, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise _lacking("bridge and veth links (modules bridge and veth)", done.stderr)


def _check_rules(transactions: tuple[str, ...]) -> None:
    """Call it on a thread that ends afterwards, and with it the network namespace that the rules are tried in.

    A new handle for each transaction, as after a restart: it reads back what the kernel has (decision 085).
    """
    syscalls.unshare(syscalls.CLONE_NEWNET)
    namespace = Path(f"/proc/self/task/{threading.get_native_id()}/ns/net")
    for text in transactions:
        try:
            with Nft(namespace) as nft:
                nft.run(text)
        except NftError as error:
            raise _lacking("what the Service proxy's rules need of nftables", error.message) from error


def _lacking(feature: str, reason: str) -> Missing:
    return Missing(f"the kernel lacks {feature}, load or build them; it said: {' '.join(reason.split())}")
