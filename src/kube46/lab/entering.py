"""The command `shell`: becomes a process in a place's network and mount namespace."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kube46.lab import cluster, rules, starting, syscalls
from kube46.lab.cluster import ClusterError
from kube46.lab.settings import BadSettings
from kube46.netlink import namespaces


def enter(name: str, place: str, command: Sequence[str]) -> None:
    """Replace this process by the command (a shell without one) in the place. Raises BadSettings, ClusterError."""
    paths = starting.existing(name)
    settings = cluster.kept_settings(paths)
    places = rules.place_names(settings) if settings else ()
    if place not in places:
        raise BadSettings(f"{place}: is no place of cluster {name}, which has {', '.join(places)}")
    if not paths.mount_namespace(place).exists():
        raise ClusterError(f"cluster {name} is stopped: `kube46 up --name {name}` starts it")
    here = Path.cwd()
    syscalls.enter(namespaces.path_of(paths.namespace(place)), syscalls.CLONE_NEWNET)
    syscalls.enter(paths.mount_namespace(place), syscalls.CLONE_NEWNS)
    with suppress(OSError):  # the directory may be masked there
        os.chdir(here)
    argv = list(command) or [os.environ.get("SHELL", "/bin/sh")]
    environment = {**os.environ, "KUBE46_PLACE": f"{name}/{place}"}
    try:
        os.execvpe(argv[0], argv, environment)  # noqa: S606 - no shell between
    except FileNotFoundError:
        raise BadSettings(f"{argv[0]}: there is no such program") from None
