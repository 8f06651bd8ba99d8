"""The command of `kube46 run`: looked for where a pod will find it, before anything is made."""

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from kube46.lab import apps
from kube46.lab.kubelet.environment import PATH
from kube46.lab.settings import BadSettings

NOBODY = 65534  # the kubelet's default_uid


def resolve(command: Sequence[str], mounts: Sequence[str]) -> tuple[str, ...]:
    """The command with its program as an absolute path where it was a relative one. Raises BadSettings."""
    program = command[0]
    if "/" in program:
        program = os.path.normpath(Path.cwd() / program)
        if not os.access(program, os.X_OK) or Path(program).is_dir():
            raise BadSettings(f"COMMAND {command[0]}: there is no such program")
        _check_seen(program, mounts, command[0])
    elif not (found := shutil.which(program, path=PATH)):
        elsewhere = shutil.which(program)
        mend = f", only {elsewhere}: name it so" if elsewhere else ", install it first"
        raise BadSettings(f"COMMAND {program}: there is none in {PATH}{mend}")
    else:
        _check_seen(os.path.realpath(found), mounts, program)
    return (program, *command[1:])


def check_readable(path: str, user: int | None) -> None:
    """See that a pod's user may read a mount by its mode, for it has no capabilities. Raises BadSettings."""
    found = Path(path).stat()
    wanted = 0o5 if Path(path).is_dir() else 0o4
    who = NOBODY if user is None else user
    have = found.st_mode >> 6 if who == found.st_uid else found.st_mode
    if have & wanted != wanted:
        mend = f"`chmod o+rX {shlex.quote(path)}`, or add --user {found.st_uid}"
        raise BadSettings(f"--mount {path}: pods' user {who} may not read it: {mend}")


def _check_seen(path: str, mounts: Sequence[str], given: str) -> None:
    for place in (path, os.path.realpath(path)):
        if mask := apps.hidden(place, mounts):
            mend = f"add --mount {Path(place).parent}"
            raise BadSettings(f"COMMAND {given}: is {place}, and pods don't see the machine's {mask}: {mend}")
