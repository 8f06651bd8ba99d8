"""Disks that are full, refuse or lie, files that are not ours or are damaged: plain words, and nothing is lost."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from kube46.apiserver.database import UNSYNCED_STATUS, DataError
from kube46.apiserver.storage import Store
from server.durability.forked import ForkedServer
from server.durability.load import MAPS
from server.durability.truth import Past
from server.running import Server

pytestmark = pytest.mark.timeout(300)  # several starts of a server each


def made(path: Path) -> bytes:
    """A data file with something in it."""

    async def fill() -> None:
        store = Store(path)
        store.start()
        for number in range(200):
            with store.begin() as txn:
                txn.create("configmaps", {"metadata": {"name": f"c{number}"}, "data": {"x": "y" * 999}})
            await store.commit(txn)
        store.close()

    asyncio.run(fill())
    return path.read_bytes()


def damage_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for page in range(4, 40):
        content[page * 4096 : page * 4096 + 64] = bytes(range(64))
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 5 * 4096 + 100])


def of_tomorrow(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute("UPDATE meta SET value = '2' WHERE name = 'format'")
    file.close()


def of_another_program(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE recipes (name TEXT)")
    file.close()


def no_database(path: Path) -> None:
    path.write_text("dear diary, " * 1000)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (damage_pages, "is damaged: restore a backup"),
        (cut_short, "is damaged: restore a backup"),
        (of_tomorrow, "has format 2, this program reads 1"),
        (of_another_program, "is not a file of kube46 apiserver"),
        (no_database, "is not an SQLite file"),
    ],
)
def test_unusable_file(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    """It is refused in one sentence, and is as it was."""
    path = tmp_path / "data.db"
    made(path)
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(DataError) as refusal:
        Store(path)
    message = str(refusal.value)
    assert message.startswith(f"--data {path}: ")
    assert said in message
    assert "\n" not in message
    assert path.read_bytes() == before


def refused(directory: Path, path: Path, *wrapper: str) -> str:
    """What a server says that does not start: one sentence, and status 2."""
    server = (Server if wrapper else ForkedServer)(directory, data=path, wrapper=wrapper)
    log = directory / "log"
    log.unlink(missing_ok=True)
    status = server.launch().wait(60)
    said = log.read_text()
    assert status == 2, said
    assert said.startswith(f"kube46: --data {path}: ")
    assert len(said.strip().splitlines()) == 1
    return said


@pytest.mark.root
def test_no_right_to_write(tmp_path: Path) -> None:
    """A read-only file system, a file of somebody else's, and a missing directory are named."""
    disk = tmp_path / "disk"
    disk.mkdir()
    before = made(disk / "data.db")
    script = f'mount --bind {disk} {disk} && mount -o remount,ro,bind {disk} && exec "$@"'
    assert "is writable" in refused(tmp_path, disk / "data.db", "unshare", "--mount", "sh", "-c", script, "sh")
    assert (disk / "data.db").read_bytes() == before
    for locked in (disk, disk / "data.db"):
        locked.chmod(0o500)
    tmp_path.chmod(0o755)
    stranger = (
        "import os, sys; from pathlib import Path; from kube46.apiserver.database import DataError, Database\n"
        "os.setuid(65534)\n"
        "try: Database(Path(sys.argv[1]))\n"
        "except DataError as error: print(error)"
    )
    command = [sys.executable, "-c", stranger, str(disk / "data.db")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    assert said.startswith(f"--data {disk / 'data.db'}: ")
    assert "check that its directory exists and is writable" in refused(tmp_path, tmp_path / "nowhere" / "data.db")


def test_two_servers(server_factory: Callable[..., Server], tmp_path: Path) -> None:
    """The second one is told; the first one goes on."""
    first = server_factory()
    other = tmp_path / "other"
    other.mkdir()
    assert "another API server has it open" in refused(other, first.directory / "data.db")
    with first.client() as api:
        assert api.post(MAPS, json={"metadata": {"name": "c"}}).status_code == 201


@pytest.mark.root
def test_full_disk_and_death(tmp_path: Path) -> None:
    """Killed on a full disk, a server starts there again with all that it had answered; it writes when it can."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "k46t-full", str(disk)], check=True)
    server = ForkedServer(tmp_path, data=disk / "data.db")
    try:
        server.start()
        with server.client() as api:
            stored = []
            for number in range(400):
                answer = api.post(MAPS, json={"metadata": {"name": f"c{number}"}, "data": {"x": "y" * 20_000}})
                if answer.status_code == 201:
                    stored.append(f"c{number}")
            assert answer.status_code == 500
        subprocess.run(["dd", "if=/dev/zero", f"of={disk}/rest", "bs=512"], check=False, capture_output=True)
        server.stop(9)
        server.start()
        with server.client() as api:
            assert sorted(names(api)) == sorted(stored)
            assert api.get("/readyz").status_code == 200
            body = {"metadata": {"name": "late"}, "data": {"x": "y" * 500_000}}
            assert api.post(MAPS, json=body).status_code == 500
            subprocess.run(["mount", "-o", "remount,size=30m", str(disk)], check=True)
            assert api.post(MAPS, json=body).status_code == 201
        assert server.stop() == 0
        server.start()
        with server.client() as api:
            assert sorted(names(api)) == sorted([*stored, "late"])
        assert server.stop() == 0
    finally:
        if server.process is not None and server.process.poll() is None:
            server.stop(9)
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def names(api: httpx2.Client) -> list[str]:
    return [item["metadata"]["name"] for item in api.get(MAPS).json()["items"]]


@pytest.mark.root
@pytest.mark.parametrize(("call", "status"), [("fdatasync", UNSYNCED_STATUS), ("pwrite64", 0)])
def test_disk_errors(tmp_path: Path, call: str, status: int) -> None:
    """A failed sync ends the server, for nobody knows what is on disk; a failed write is refused. Nothing is lost."""
    path = tmp_path / "data.db"
    server = ForkedServer(tmp_path, flags=("--default-watch-cache-size", "100000")).start()
    inject = f"inject={call}:error=EIO:when=30" + ("+1" if call == "fdatasync" else "")
    command = ["strace", "-f", "-p", str(server.pid), "-P", f"{path}-wal", "-e", inject, "-o", os.devnull]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    assert "attached" in tracer.stderr.readline()
    stored, refusals = [], 0
    with server.client() as api:
        for number in range(60):
            try:
                answer = api.post(MAPS, json={"metadata": {"name": f"c{number}"}})
            except (httpx2.TransportError, OSError):
                break
            if answer.status_code == 201:
                stored.append(f"c{number}")
            else:
                assert (answer.status_code, answer.json()["reason"]) == (500, "InternalError")
                refusals += 1
    assert refusals == (call == "pwrite64")
    if call == "pwrite64":
        server.stop()
    assert server.process is not None
    assert server.process.wait(60) == status
    tracer.communicate(timeout=60)
    past = Past.read(path)
    past.check()
    there = {key.partition("/")[2] for resource, key in past.state if resource == "configmaps"}
    assert set(stored) <= there
    assert len(there - set(stored)) <= (call == "fdatasync")
