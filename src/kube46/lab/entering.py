"""The command `shell`: becomes a process in a place's network and mount namespace."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kube46.lab import cluster, rules, starting, syscalls
from kube46.lab.settings import BadSettings
from kube46.netlink import namespaces


class CannotRun(RuntimeError):
    """The command is none; `status` is what a shell would end with: 126 or 127."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def enter(name: str, place: str, command: Sequence[str]) -> None:
    """Replace this process by the command (a shell without one) in the place. Raises BadSettings, CannotRun."""
    paths = starting.existing(name)
    settings = cluster.kept_settings(paths)
    places = rules.place_names(settings) if settings else ()
    if place not in places:
        raise BadSettings(f"{place}: is no place of cluster {name}, which has {', '.join(places)}")
    if not paths.mount_namespace(place).exists():
        raise BadSettings(f"--name {name}: is stopped, start it with `kube46 up --name {name}`")
    here = _directory()
    syscalls.enter(namespaces.path_of(paths.namespace(place)), syscalls.CLONE_NEWNET)
    syscalls.enter(paths.mount_namespace(place), syscalls.CLONE_NEWNS)
    with suppress(OSError):  # the directory may be masked there
        os.chdir(here)
    argv = list(command) or [os.environ.get("SHELL", "/bin/sh")]
    environment = {**os.environ, "KUBE46_PLACE": f"{name}/{place}"}
    try:
        os.execvpe(argv[0], argv, environment)  # noqa: S606 - no shell between
    except FileNotFoundError:
        raise CannotRun(f"{argv[0]}: there is no such program", 127) from None
    except (OSError, ValueError) as error:  # the latter: an empty name
        reason = error.strerror if isinstance(error, OSError) else "an empty name is no program"
        raise CannotRun(f"{argv[0]!r} cannot be run: {reason}", 126) from None


def _directory() -> str:
    """Where we are; the root when that was deleted meanwhile."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return "/"
