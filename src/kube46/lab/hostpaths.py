"""Directories of the machine that pods may mount: one file of a cluster's, read anew by its kubelets at each mount.

Only who may call `kube46` adds to it; what a pod names beside it is refused. A line is `DIR` or `DIR:ro`.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kube46.lab.paths import RUN_ROOT, STATE_ROOT
from kube46.lab.settings import BadSettings

READ_ONLY = ":ro"
# Whoever mounts these has the machine, or the clusters' own keys.
REFUSED = (*map(Path, ("/proc", "/sys", "/dev", "/boot", "/run/netns")), STATE_ROOT, RUN_ROOT)


@dataclass(frozen=True, slots=True)
class HostPath:
    """A directory (or file) and whether pods may only read it."""

    path: str
    read_only: bool = False

    def __str__(self) -> str:
        return self.path + (READ_ONLY if self.read_only else "")

    def holds(self, path: str) -> bool:
        """Whether a path is this one or lies below it, by its text."""
        return PurePosixPath(path).is_relative_to(self.path) and ".." not in path.split("/")


def parse(text: str, flag: str) -> HostPath:
    """`DIR` or `DIR:ro`. Raises BadSettings that names the flag and the mend."""
    path, read_only = text.removesuffix(READ_ONLY), text.endswith(READ_ONLY)
    if not path.startswith("/") or ".." in path.split("/") or "\n" in path:
        raise BadSettings(f"{flag} {text}: write an absolute path without `..`, such as /srv/data or /srv/data:ro")
    clean = os.path.normpath("/" + path.lstrip("/"))
    for secret in REFUSED:
        for place in map(Path, (clean, os.path.realpath(clean))):
            if place.is_relative_to(secret) or secret.is_relative_to(place):
                raise BadSettings(f"{flag} {text}: would open {secret} to pods, name a directory apart from it")
    if not Path(clean).exists():
        raise BadSettings(f"{flag} {text}: does not exist, make it first")
    return HostPath(clean, read_only)


def allowed(file: Path) -> tuple[HostPath, ...]:
    """What the file allows; nothing when there is none. Raises OSError."""
    try:
        lines = file.read_text().splitlines()
    except FileNotFoundError:
        return ()
    return tuple(HostPath(line.removesuffix(READ_ONLY), line.endswith(READ_ONLY)) for line in lines if line)


def allow(file: Path, entries: Iterable[HostPath]) -> bool:
    """Add entries, each in place of one of the same path; returns whether that changed anything. Raises OSError."""
    found = {entry.path: entry for entry in allowed(file)}
    return _replace(file, found | {entry.path: entry for entry in entries})


def forbid(file: Path, paths: Iterable[str]) -> bool:
    """Take entries away; returns whether there were any. Raises OSError."""
    gone = {os.path.normpath(path.removesuffix(READ_ONLY)) for path in paths}
    return _replace(file, {entry.path: entry for entry in allowed(file) if entry.path not in gone})


def _replace(file: Path, entries: dict[str, HostPath]) -> bool:
    wanted = tuple(entries[path] for path in sorted(entries))
    if wanted == allowed(file):
        return False
    new = file.with_name(f".{file.name}.new")
    new.write_text("".join(f"{entry}\n" for entry in wanted))
    new.replace(file)
    return True
