"""What the supervisor decides without a process: back-off, bookkeeping of ends, its report."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.lab import listeners, processes, supervisor
from kube46.lab.parts import Part
from kube46.lab.paths import Paths
from kube46.lab.supervisor import PartState, Running, Supervisor


class Temporary(Paths):
    """A cluster whose runtime files lie in a test's directory."""

    __slots__ = ("root",)

    def __init__(self, root: Path) -> None:
        super().__init__("dev")
        object.__setattr__(self, "root", root)

    @property
    def run(self) -> Path:
        """The test's directory."""
        return Path(self.root)


@pytest.fixture
def watched(tmp_path: Path) -> Supervisor:
    """A supervisor of one part that has just been started."""
    part = Part("agent-node1", "node1", ("kube46", "agent"), tmp_path / "agent.log", 2)
    entry = Running(part, PartState(part.name, part.place, pid=4, started=1), begun=time.monotonic())
    return Supervisor(Temporary(tmp_path), [entry], (), -1)


@given(st.integers(min_value=0, max_value=60))
def test_the_wait_grows_and_is_bounded(failures: int) -> None:
    """No wait is shorter than the one before, none longer than ten seconds."""
    assert supervisor.back_off(failures) <= supervisor.back_off(failures + 1) <= supervisor.LAST_DELAY


def test_a_first_end_is_healed_within_two_seconds(watched: Supervisor) -> None:
    """Even a part that was killed right after its start comes back at once."""
    (entry,) = watched.running
    watched.ended(entry, -9)

    assert entry.state.pid == 0
    assert entry.state.exit == -9
    assert entry.due - time.monotonic() < 0.2


def test_a_part_that_keeps_ending_is_started_ever_later(watched: Supervisor) -> None:
    """Each early end doubles the wait; a run that lasted starts anew without one."""
    (entry,) = watched.running
    waits = []
    for _ in range(4):
        entry.begun = time.monotonic()
        watched.ended(entry, 1)
        waits.append(entry.due - time.monotonic())
    entry.begun = time.monotonic() - supervisor.STEADY
    watched.ended(entry, 1)

    assert waits == sorted(waits)
    assert waits[-1] > 4 * waits[0]
    assert entry.due <= time.monotonic()


def test_the_report_is_read_back(watched: Supervisor) -> None:
    """`status` sees what the supervisor wrote, and that it is the very process that lives."""
    watched.report()
    report = supervisor.read_report(watched.paths)

    assert report is not None
    assert report.pid == os.getpid()
    assert processes.is_alive(report.pid, report.started)
    assert [part.name for part in report.parts] == ["agent-node1"]


def test_a_log_that_grows_too_large_is_moved_aside(watched: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer keeps its open file, which is emptied; what was in it stays as NAME.log.1."""
    monkeypatch.setattr(supervisor, "LOG_BYTES", 10)
    (entry,) = watched.running
    with entry.part.log.open("ab", buffering=0) as log:
        log.write(b"x" * 20)
        watched.cut_logs()
        log.write(b"more")

    assert entry.part.log.read_bytes() == b"more"
    assert entry.part.log.with_name("agent.log.1").read_bytes() == b"x" * 20


def test_no_report_is_no_supervisor(tmp_path: Path) -> None:
    """A missing or damaged file reads as none."""
    paths = Temporary(tmp_path)
    assert supervisor.read_report(paths) is None
    paths.parts.write_text("{")
    assert supervisor.read_report(paths) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_taken_port_is_refused(address: str) -> None:
    """Two listeners cannot have one address and port."""
    fd = listeners.listener(address, 0)
    try:
        import socket

        with socket.socket(fileno=os.dup(fd)) as opened:
            port = opened.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            listeners.listener(address, port)
    finally:
        os.close(fd)
