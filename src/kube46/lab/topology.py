"""The places' network namespaces, links, addresses and routes: makes what `rules.plan` says, and deletes it."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from kube46.lab.paths import Paths
from kube46.lab.rules import Place, Sysctl
from kube46.netlink import namespaces


class TopologyError(RuntimeError):
    """The kernel refused a link, address or route; the message has its words."""


def build(places: Iterable[Place], paths: Paths) -> None:
    """Make the namespaces, then what is in them, in order. Raises TopologyError, OSError."""
    places = list(places)
    for place in places:
        namespaces.create(paths.namespace(place.name))
    for place in places:
        with namespaces.entered(paths.namespace(place.name)):
            set_sysctls(place.sysctls)
    for place in places:
        _run(paths.namespace(place.name), place.commands)


def destroy(paths: Paths) -> None:
    """Delete the cluster's namespaces, and with them their links."""
    for name in existing(paths):
        namespaces.delete(name)


def existing(paths: Paths) -> list[str]:
    """The names of the cluster's namespaces, half-made ones too."""
    ours = re.compile(re.escape(paths.namespace("")) + r"(cp|edge|outside|node\d+)")
    if not namespaces.DIRECTORY.exists():
        return []
    return sorted(path.name for path in namespaces.DIRECTORY.iterdir() if ours.fullmatch(path.name))


def inodes(paths: Paths) -> set[int]:
    """What identifies the cluster's namespaces in /proc/PID/ns/net."""
    return {namespaces.path_of(name).stat().st_ino for name in existing(paths) if namespaces.exists(name)}


def set_sysctls(sysctls: Iterable[Sysctl]) -> None:
    """Write them in the namespace that the calling thread is in. Raises OSError."""
    for sysctl in sysctls:
        Path("/proc/sys", sysctl.key).write_text(sysctl.value)


def _run(namespace: str, commands: Iterable[str]) -> None:
    done = subprocess.run(
        ["ip", "-netns", namespace, "-batch", "-"],
        input="\n".join(commands) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise TopologyError(f"ip in namespace {namespace}: {done.stderr.strip()}")
