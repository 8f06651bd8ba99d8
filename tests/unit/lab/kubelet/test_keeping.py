"""Descriptors that wait in a socket: kept without anybody's having them open, copied, and taken away."""

import os
import pty
import socket
from pathlib import Path

import pytest

from kube46.lab.kubelet import keeping


def test_what_is_kept_lives_until_it_is_taken() -> None:
    """The writing end of a pipe is kept: no end is seen, however often it is looked at, until it is taken."""
    kept = keeping.make(None)
    assert kept.look() is None
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    kept.put(writer)
    os.close(writer)
    for _ in range(2):
        copy = kept.look()
        assert copy is not None
        os.close(copy)
        with pytest.raises(BlockingIOError):
            os.read(reader, 1)
    taken = kept.take()
    assert taken is not None
    os.close(taken)
    assert os.read(reader, 1) == b""
    assert kept.take() is None
    os.close(reader)
    kept.close()


def test_another_process_keeps_it(tmp_path: Path) -> None:
    """A process that inherits the store keeps a terminal that is sent to its socket, whoever else goes."""
    deep = tmp_path / ("deep" * 30)
    deep.mkdir()
    made = keeping.make(deep / "console")
    ends = [(os.POSIX_SPAWN_DUP2, ours, 100 + number) for number, ours in made.inherited.items()]
    ends += [(os.POSIX_SPAWN_DUP2, 100 + number, number) for number in made.inherited]
    keeper = os.posix_spawn("/bin/sleep", ["sleep", "100"], {}, file_actions=ends)
    made.close()
    pidfd = os.pidfd_open(keeper)
    first = keeping.of(pidfd)
    assert first is not None
    assert first.console() is None  # nobody has sent one
    leader, follower = pty.openpty()
    parent = os.open(deep, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as crun:
        crun.connect(f"/proc/self/fd/{parent}/console")
        socket.send_fds(crun, [b"/dev/ptmx"], [leader])
    os.close(parent)
    os.close(leader)
    for store in (first, keeping.of(pidfd)):
        assert store is not None
        master = store.console()
        assert master is not None
        os.write(follower, b"x")
        assert os.read(master, 1) == b"x"
        os.close(master)
        store.close()
    os.kill(keeper, 9)
    os.waitpid(keeper, 0)
    assert keeping.of(pidfd) is None
    with pytest.raises(OSError, match="Input/output error"):
        os.write(follower, b"x")  # it hung up
    os.close(follower)
    os.close(pidfd)
