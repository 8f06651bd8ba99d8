"""A pod's sandbox in the kernel: network, IPC and UTS namespaces kept by binds, no process needed."""

import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from kube46.lab import syscalls
from kube46.lab.kubelet.directories import PodDirectory
from kube46.netlink import Netlink, namespaces

MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
CLONE_NEWUTS, CLONE_NEWIPC = 0x04000000, 0x08000000
KINDS = {"ipc": CLONE_NEWIPC, "uts": CLONE_NEWUTS}


def make(pod: PodDirectory, netns: str, hostname: str, sysctls: Mapping[str, str]) -> None:
    """Make the namespaces; `netns` is the network namespace's name, "" for a pod on the node's network.

    What an interrupted attempt left is removed first. Raises OSError. Blocks for some milliseconds.
    """
    remove(pod, netns)
    pod.namespaces.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        (pod.namespaces / kind).touch(mode=0o600)

    def inside() -> None:
        syscalls.unshare(CLONE_NEWIPC | CLONE_NEWUTS)
        socket.sethostname(hostname)
        for name, value in sysctls.items():
            Path("/proc/sys", name.replace(".", "/")).write_text(value)
        for kind in KINDS:
            syscalls.mount(f"/proc/thread-self/ns/{kind}", pod.namespaces / kind, flags=syscalls.MS_BIND)

    if netns:
        namespaces.create(netns)
        with Netlink(netns) as inner:
            inner.set_up("lo")
    namespaces.open_sockets_in(netns or "/proc/self/ns/net", inside)
    pod.shm.mkdir(exist_ok=True)
    syscalls.mount("shm", pod.shm, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=64m")


def paths(pod: PodDirectory, netns: str) -> dict[str, str]:
    """The namespaces for a bundle to join, by OCI type."""
    found = {kind: str(pod.namespaces / kind) for kind in KINDS}
    return found | ({"network": str(namespaces.path_of(netns))} if netns else {})


def stands(pod: PodDirectory, netns: str) -> bool:
    """Whether the namespaces exist: they don't after a reboot."""
    kept = all(_mounted(pod.namespaces / kind) for kind in KINDS)
    return kept and (not netns or namespaces.exists(netns))


def remove(pod: PodDirectory, netns: str) -> None:
    """Let go of the namespaces; also when some or all of them are gone."""
    for path in (pod.shm, *(pod.namespaces / kind for kind in KINDS)):
        while path.exists() and syscalls.detach(path):
            pass
    shutil.rmtree(pod.namespaces, ignore_errors=True)
    if netns:
        namespaces.delete(netns)


def _mounted(path: Path) -> bool:
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except FileNotFoundError:
        return False
