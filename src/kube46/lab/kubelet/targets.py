"""A running container, as probes, hooks, commands and streams reach it."""

from dataclasses import dataclass
from pathlib import Path

from kube46.lab.kubelet.directories import RunDirectory
from kube46.lab.kubelet.manifests import Port


@dataclass(frozen=True, slots=True)
class Target:
    """`crun`: crun's state; `address`: the pod's primary one; `groups`: what to enter its control groups by."""

    crun: Path
    id: str
    run: RunDirectory
    address: str
    ports: tuple[Port, ...]
    groups: tuple[str, ...] = ()
