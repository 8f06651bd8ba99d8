"""The kernel switches that translated packets need, in this process's network namespace; only what differs is written.

- Forwarding of each family the node has: a node port's packet leaves for a pod, also on another node.
- bridge-nf-call-…, where pods of one bridge reach each other over it: their packets pass the connection tracking,
  without which answers from a ClusterIP come back untranslated. kube46's own network routes them and needs none
  (decision 076).
"""

import logging
import subprocess
from collections.abc import Iterable
from pathlib import Path

from kube46.addresses.families import Family

FORWARDING = {Family.IPV4: "net/ipv4/ip_forward", Family.IPV6: "net/ipv6/conf/all/forwarding"}
BRIDGE = {Family.IPV4: "net/bridge/bridge-nf-call-iptables", Family.IPV6: "net/bridge/bridge-nf-call-ip6tables"}
log = logging.getLogger(__name__)


def families(root: Path = Path("/proc/sys")) -> list[Family]:
    """The families that the kernel has."""
    return [family for family, path in FORWARDING.items() if (root / path).exists()]


def prepare(families: Iterable[Family], *, bridged: bool = True, root: Path = Path("/proc/sys")) -> None:
    """Set what the families need. Raises OSError when a switch can't be written; blocks while a module is loaded."""
    families = tuple(families)
    if bridged and not (root / "net/bridge").exists():
        _load_module("br_netfilter")
    for family in families:
        if family is Family.IPV6 and _read(root / FORWARDING[family]) == "0":
            _keep_router_advertisements(root)
        _write(root / FORWARDING[family], "1")
        if not bridged:
            continue
        if (root / BRIDGE[family]).exists():
            _write(root / BRIDGE[family], "1")
        else:
            log.warning(
                "Pods of one bridge can't reach each other by ClusterIP: load the module br_netfilter family=%s", family
            )


def _keep_router_advertisements(root: Path) -> None:
    """A forwarding host ignores them, and loses its default route, unless accept_ra is 2 (ip-sysctl.rst)."""
    for path in (root / "net/ipv6/conf").glob("*/accept_ra"):
        if _read(path) == "1":
            _write(path, "2")


def _read(path: Path) -> str:
    return path.read_text().strip()


def _write(path: Path, value: str) -> None:
    if _read(path) != value:
        path.write_text(value)
        log.info("Sysctl set path=%s value=%s", path, value)


def _load_module(name: str) -> None:
    try:
        done = subprocess.run(["modprobe", name], capture_output=True, text=True, check=False)
    except OSError as error:
        log.warning("Module not loaded module=%s error=%s", name, error)
        return
    if done.returncode:
        log.warning("Module not loaded module=%s error=%s", name, done.stderr.strip())
