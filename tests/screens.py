"""A program on a terminal of its own, as a person has it: keys in, what is shown out, and a window that grows."""

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from patience import patient

PATIENCE = patient(20)  # seconds


class Screen:
    """A terminal of 30 rows and 100 columns, with a command as leader of its session."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.leader, self._follower = pty.openpty()
        self._size(30, 100)
        self.process = subprocess.Popen(
            command, env=environment,
            stdin=self._follower, stdout=self._follower, stderr=self._follower, start_new_session=True,
        )  # fmt: skip
        self._shown = b""

    def _size(self, rows: int, columns: int) -> None:
        subprocess.run(["stty", "rows", str(rows), "cols", str(columns)], stdin=self._follower, check=True)

    def resize(self, rows: int, columns: int) -> None:
        """As a window that is drawn larger; the command is told by signal, since the terminal does not control it."""
        self._size(rows, columns)
        os.killpg(self.process.pid, signal.SIGWINCH)

    def type(self, text: str, wanted: str = "") -> None:
        """Keys; returns once the wanted text, if any, was shown."""
        os.write(self.leader, text.encode())
        if wanted:
            self.until(wanted)

    def until(self, wanted: str) -> None:
        """Returns once it was shown after what was waited for before."""
        end = time.monotonic() + PATIENCE
        while wanted.encode() not in self._shown:
            assert time.monotonic() < end, self._shown.decode(errors="replace")
            if select.select([self.leader], [], [], 0.2)[0]:
                self._shown += os.read(self.leader, 4096)
        self._shown = self._shown.partition(wanted.encode())[2]

    def close(self) -> None:
        """Ends the command as a closed window does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)
        os.close(self.leader)
        os.close(self._follower)


@contextmanager
def screen(command: list[str], environment: dict[str, str] | None = None) -> Iterator[Screen]:
    """A command on a terminal, closed afterwards."""
    made = Screen(command, environment)
    try:
        yield made
    finally:
        made.close()
