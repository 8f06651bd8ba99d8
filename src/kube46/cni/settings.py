"""What the node's part of the CNI plugins is told."""

from dataclasses import dataclass
from pathlib import Path

SOCKET = Path("/run/kube46/agent/cni.sock")
HELPERS = Path("/run/kube46/cni")
CONFIGURATION = Path("/etc/cni/net.d/10-kube46.conflist")


@dataclass(frozen=True, slots=True)
class Settings:
    """`workers` requests are carried out at once, `queue` more wait."""

    node_name: str
    configuration: Path = CONFIGURATION
    socket: Path = SOCKET
    bridge: str = "cni0"
    data_directory: str = ""
    workers: int = 16
    queue: int = 512
    resync: float = 30.0
