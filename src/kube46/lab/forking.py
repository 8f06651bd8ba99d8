"""A part's process: forked from the supervisor, moved into its place, turned into its program.

kube46's own parts run in the forked interpreter, which has their modules loaded already (decision 050): that saves
each of them the import, and memory. Other programs are executed.
"""

import gc
import importlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kube46.lab import syscalls
from kube46.lab.parts import KUBE46, Part

FIRST_SOCKET = 3  # the socket-activation protocol's SD_LISTEN_FDS_START, sd_listen_fds(3)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a process is to live."""

    network: Path
    mounts: Path


def start(part: Part, ground: Ground, sockets: Sequence[int] = ()) -> int:
    """Fork the part and return its pid. `sockets`: listening sockets it is handed. Raises OSError."""
    gc.freeze()  # so that the child's collections do not touch, and so copy, our memory
    pid = os.fork()
    if pid == 0:
        _become(part, ground, sockets)
    return pid


def _become(part: Part, ground: Ground, sockets: Sequence[int]) -> None:
    """Never returns: the supervisor's frames above must not run in the child."""
    status = 70
    try:
        _reset_signals()
        os.setsid()
        environment = _take_descriptors(part.log, sockets)
        syscalls.enter(ground.network, syscalls.CLONE_NEWNET)
        syscalls.enter(ground.mounts, syscalls.CLONE_NEWNS)
        os.chdir("/")
        if part.argv[0] != KUBE46:
            os.execvpe(part.argv[0], part.argv, {**os.environ, **environment})  # noqa: S606 - no shell wanted
        status = _run_here(part, environment)
    except BaseException:
        traceback.print_exc()
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def _take_descriptors(log: Path, sockets: Sequence[int]) -> dict[str, str]:
    """Standard streams, then the sockets from 3 upwards, nothing else; returns the variables that announce them."""
    null = os.open("/dev/null", os.O_RDONLY)
    # append: the supervisor may cut the file short at any time
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    above = 1 + max([null, output, FIRST_SOCKET + len(sockets), *sockets])
    parked = [os.dup2(fd, above + index) for index, fd in enumerate([null, output, output, *sockets])]
    for target, fd in enumerate(parked):
        os.dup2(fd, target, inheritable=True)
    os.closerange(len(parked), above + len(parked))
    os.closerange(above + len(parked), 4096)
    return {"LISTEN_FDS": str(len(sockets)), "LISTEN_PID": str(os.getpid())} if sockets else {}


def _run_here(part: Part, environment: Mapping[str, str]) -> int:
    os.environ.update(environment)
    syscalls.rename(f"k46:{part.name}", list(part.argv))
    sys.argv = list(part.argv)
    try:
        importlib.import_module("kube46.__main__").main()
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(end.code + "\n")
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
