"""The command `logs`: what kube46's own parts wrote."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from kube46.lab import supervisor
from kube46.lab.parts import parts
from kube46.lab.paths import Paths
from kube46.lab.settings import BadSettings, Settings

POLL = 0.2  # seconds


def files(settings: Settings, paths: Paths, part: str | None) -> dict[str, Path]:
    """part → its log file; all parts when none is named. Raises BadSettings on an unknown one."""
    known = {entry.name: entry.log for entry in parts(settings, paths)} | {"supervisor": supervisor.log_path(paths)}
    if part is None:
        return known
    if part not in known:
        raise BadSettings(f"{part}: is no part of cluster {paths.name}, which has {', '.join(known)}")
    return {part: known[part]}


def written(path: Path) -> Iterator[str]:
    """The lines of a log: those moved away for their size first."""
    for file in (path.with_name(path.name + ".1"), path):
        if file.exists():
            with file.open(errors="replace") as lines:
                yield from (line.rstrip("\n") for line in lines)


def followed(logs: Sequence[Path]) -> Iterator[tuple[int, str]]:
    """New lines for ever, with the index of their log."""
    offsets = [path.stat().st_size if path.exists() else 0 for path in logs]
    while True:
        for index, path in enumerate(logs):
            size = path.stat().st_size if path.exists() else 0
            offsets[index] = min(offsets[index], size)  # it was cut
            if size > offsets[index]:
                with path.open("rb") as file:
                    file.seek(offsets[index])
                    whole = file.read(size - offsets[index]).rpartition(b"\n")[0]
                offsets[index] += len(whole) + 1 if whole else 0
                for line in whole.decode(errors="replace").splitlines():
                    yield index, line
        time.sleep(POLL)
