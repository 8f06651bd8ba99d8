"""Commands in running containers, by `crun exec`, with their output kept."""

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from kube46.lab.kubelet.containers import ENVIRONMENT
from kube46.lab.kubelet.directories import RunDirectory
from kube46.lab.kubelet.targets import Target

LONGEST_OUTPUT = 10 * 1024


# Enters the control groups whose files come before `--`, then becomes the command after it.
ENTER = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 126; shift; done; shift; exec "$@"'


def command_line(target: Target, process: Path, *options: str) -> list[str]:
    """The argument vector that executes the process of that file in the container, and in its control groups."""
    log = f"--log={process.with_suffix('.log')}"
    crun = ["crun", "--root", str(target.crun), "--cgroup-manager=disabled", log, "exec", *options]
    return ["/bin/sh", "-c", ENTER, "sh", *target.groups, "--", *crun, "--process", str(process), target.id]


def describe(run: RunDirectory, file: Path, command: Iterable[str], *, terminal: bool = False) -> None:
    """Write the OCI process object of a command that runs as the container itself does: same user, rights, environment.

    `crun exec` alone would run it as root. Raises OSError when the container has ended.
    """
    process = json.loads(run.config.read_bytes())["process"]
    if terminal and not any(variable.startswith("TERM=") for variable in process["env"]):
        process["env"].append("TERM=xterm")
    file.write_text(json.dumps(process | {"args": list(command), "terminal": terminal}))


async def run(target: Target, command: Iterable[str], timeout: float) -> tuple[int, str]:
    """The command's exit code and output. Raises TimeoutError after `timeout` seconds, OSError when it can't be run."""
    with tempfile.TemporaryDirectory(prefix="exec-", dir=target.crun) as place:
        file = Path(place) / "process"
        describe(target.run, file, command)
        return await _run(command_line(target, file, "--pid-file", f"{place}/pid"), timeout, Path(place))


async def _run(line: list[str], timeout: float, place: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *line,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=ENVIRONMENT,
    )
    try:
        async with asyncio.timeout(timeout):
            out, _ = await process.communicate()
    except BaseException:
        kill(place)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    text = complaint(place) or out[:LONGEST_OUTPUT].decode(errors="replace")
    return process.returncode or 0, text


def complaint(place: Path) -> str:
    """crun's own error, "" when it could run the command."""
    with suppress(OSError):
        return (place / "process.log").read_text().strip()
    return ""


def runs(place: Path, crun: int) -> bool:
    """Whether the process that crun made for the command is the command by now, and not crun's own program."""
    with suppress(OSError, ValueError):
        process = int((place / "pid").read_text())
        return not Path(f"/proc/{process}/exe").samefile(f"/proc/{crun}/exe")
    return False


def kill(place: Path) -> None:
    """End the command: crun's end alone wouldn't."""
    with suppress(OSError, ValueError):
        os.kill(int((place / "pid").read_text()), signal.SIGKILL)
