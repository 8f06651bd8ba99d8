"""Kubernetes' own programs as a cluster's control plane: which ones, where they are, what kube46 does beside them.

`kube46 up --api-server real`; `upstreamparts` has their arguments. Nothing is started here.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from kube46.lab.controllers import names

OWN, REAL = "kube46", "real"
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")
# Debian has etcd only; the others come with a release of Kubernetes, or from `make kubernetes` in kube46's sources.
PACKAGES = {"etcd": "etcd-server"}


class NoUpstream(ValueError):
    """The flags name no control plane that could run; the message says which flag, and the mend."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Absolute paths of the programs, and the loops that kube46 runs: kube-controller-manager runs all others."""

    etcd: str
    kube_apiserver: str
    kube_controller_manager: str
    loops: tuple[str, ...] = names.ALL

    @property
    def programs(self) -> dict[str, str]:
        """Each program's path by its name."""
        return dict(zip(PROGRAMS, (self.etcd, self.kube_apiserver, self.kube_controller_manager), strict=True))

    @property
    def flags(self) -> str:
        """What `up` is told to get this."""
        chosen = "*" if self.loops == names.ALL else ",".join(self.loops)
        return f"--api-server {REAL} --kubernetes {Path(self.kube_apiserver).parent} --controllers {chosen}"


def asked(api_server: str | None, directory: str | None, controllers: str | None) -> Upstream | None:
    """What --api-server, --kubernetes and --controllers ask for; None: no real API server. Raises NoUpstream."""
    if api_server == REAL or (directory is not None and api_server is None):
        return find(directory or "", chosen(controllers or "*"))
    for flag, value in (("--kubernetes", directory), ("--controllers", controllers)):
        if value is not None:
            raise NoUpstream(f"{flag} {value}: belongs to a real API server, give --api-server {REAL} too")
    return None


def chosen(controllers: str) -> tuple[str, ...]:
    """kube46's loops by --controllers, where `*` is all. Raises NoUpstream."""
    try:
        loops = names.choose(controllers, names.ALL)
    except ValueError as error:
        raise NoUpstream(f"--controllers {controllers}: {error}") from error
    if "scheduler" not in loops:
        mend = "which kube-controller-manager does not have: add it"
        raise NoUpstream(f"--controllers {controllers}: leaves out the scheduler, {mend}")
    return loops


def find(directory: str, loops: tuple[str, ...]) -> Upstream:
    """The programs of a directory, or of PATH without one; etcd may be in PATH in any case. Raises NoUpstream."""
    found = {}
    for name in PROGRAMS:
        path = _which(name, directory)
        if path is None:
            raise NoUpstream(_missing(name, directory))
        found[name] = path
    return Upstream(found["etcd"], found["kube-apiserver"], found["kube-controller-manager"], loops)


def gone(kept: Upstream) -> str:
    """What to say of a kept cluster's program that is no longer there; empty when all are."""
    for name, path in kept.programs.items():
        if not _is_program(path):
            return f"the cluster's {name} is no longer at {path}: put it back there, or delete the cluster"
    return ""


def _which(name: str, directory: str) -> str | None:
    if directory and _is_program(path := str(Path(directory, name).absolute())):
        return path
    if directory and name not in PACKAGES:
        return None
    found = shutil.which(name)
    return str(Path(found).absolute()) if found else None


def _is_program(path: str) -> bool:
    return os.access(path, os.X_OK) and not Path(path).is_dir()


def _missing(name: str, directory: str) -> str:
    if name in PACKAGES:
        return f"--api-server {REAL}: there is no {name}: install it with `apt-get install -y {PACKAGES[name]}`"
    if directory:
        return f"--kubernetes {directory}: has no program {name}, name the directory of a release's server programs"
    return f"--api-server {REAL}: there is no {name} in PATH, name its directory with --kubernetes DIR"
