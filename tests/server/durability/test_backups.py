"""Copies that are written while the server works, and servers that start from one."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from server.durability.forked import ForkedServer
from server.durability.load import MAPS, writing
from server.durability.truth import Past

pytestmark = pytest.mark.timeout(300)  # several starts of a server each


def wait_for(path: Path, other_than: int = 0) -> int:
    """The inode of a file that is to come."""
    deadline = time.monotonic() + 60
    while not path.exists() or path.stat().st_ino == other_than:
        assert time.monotonic() < deadline, f"{path} does not come"
        time.sleep(0.01)
    return path.stat().st_ino


def test_copy_is_one_moment(tmp_path: Path) -> None:
    """Under writers each copy shows one revision, which holds what was answered before it was asked for."""
    server = ForkedServer(tmp_path, flags=("--default-watch-cache-size", "100000")).start()
    backup, copies, inode = tmp_path / "data.db.backup", [], 0
    with writing(server, 4) as writers:
        for number in range(4):
            time.sleep(0.2)
            answered = max((t.revision for w in list(writers) for t in list(w.told)), default=0)
            os.kill(server.pid, signal.SIGUSR1)
            inode = wait_for(backup, inode)
            copies.append((answered, shutil.copy(backup, tmp_path / f"copy{number}")))
    assert server.stop() == 0
    past = Past.read(tmp_path / "data.db")
    for answered, copy in copies:
        assert Path(copy).stat().st_mode & 0o077 == 0
        kept = Past.read(Path(copy))  # leaps, as a server that starts from it does
        revision = kept.revision - 1_000_000_000
        assert revision >= answered
        assert kept.state == past.at(revision)


def test_restored(tmp_path: Path) -> None:
    """A restored server has what the copy has, whatever log lies about; who saw more is told 410 and lists again."""
    server = ForkedServer(tmp_path).start()
    with server.client() as api:
        for name in ("a", "b"):
            api.post(MAPS, json={"metadata": {"name": name}})
        os.kill(server.pid, signal.SIGUSR1)
        wait_for(tmp_path / "data.db.backup")
        lost = api.post(MAPS, json={"metadata": {"name": "lost"}}).json()["metadata"]["resourceVersion"]
    server.stop(signal.SIGKILL)
    assert (tmp_path / "data.db-wal").stat().st_size > 0
    shutil.copy(tmp_path / "data.db.backup", tmp_path / "data.db")
    server.start()
    for turn in range(2):
        with server.client() as api:
            listing = api.get(MAPS).json()
            assert [item["metadata"]["name"] for item in listing["items"]] == ["a", "b"]
            revision = int(listing["metadata"]["resourceVersion"])
            assert 1_000_000_000 <= revision < 1_000_001_000  # one leap, not one at each start
            (event,) = map(json.loads, api.get(MAPS, params={"watch": "1", "resourceVersion": lost}).iter_lines())
            assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
            later = api.post(MAPS, json={"metadata": {"name": f"later{turn}"}}).json()["metadata"]["resourceVersion"]
            assert int(later) > revision
            assert api.delete(f"{MAPS}/later{turn}").status_code == 200
        assert server.stop() == 0
        if turn == 0:
            server.start()
    Past.read(tmp_path / "data.db")


@pytest.mark.root
def test_no_room_for_a_copy(tmp_path: Path) -> None:
    """Without room the earlier copy stays, the log says why, and the server goes on."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "k46t-copy", str(disk)], check=True)
    server = ForkedServer(tmp_path, data=disk / "data.db")
    try:
        server.start()
        os.kill(server.pid, signal.SIGUSR1)
        backup = disk / "data.db.backup"
        wait_for(backup)
        before = backup.read_bytes()
        with server.client() as api:
            for number in range(40):
                api.post(MAPS, json={"metadata": {"name": f"c{number}"}, "data": {"x": "y" * 25_000}})
            os.kill(server.pid, signal.SIGUSR1)
            log, deadline = server.directory / "log", time.monotonic() + 60
            while "backup failed" not in log.read_text():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert api.get("/readyz").status_code == 200
        assert backup.read_bytes() == before
        assert sorted(path.name for path in disk.iterdir()) == ["data.db", "data.db-wal", "data.db.backup"]
        assert server.stop() == 0
    finally:
        if server.process is not None and server.process.poll() is None:
            server.stop(signal.SIGKILL)
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
