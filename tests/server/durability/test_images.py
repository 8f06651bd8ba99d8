"""A server that finds on its disk only what was synced, or any part of what was not."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.durability import disks
from server.durability.load import Told, writing
from server.durability.truth import Past
from server.running import Server


def traced(directory: Path, trace: Path, answers: int) -> tuple[list[disks.Step], list[Told]]:
    """What a server under load did to its files, and what it told its clients."""
    files = [directory / f"data.db{suffix}" for suffix in ("", "-wal", "-journal")]
    flags = ("--default-watch-cache-size", "1000000")
    server = Server(directory, wrapper=disks.tracer(trace, [directory, *files]), flags=flags).start()
    assert server.process is not None
    try:
        with writing(server, 4, size=30_000) as writers:
            while sum(len(writer.told) for writer in writers) < answers:
                assert server.process.poll() is None, "the server ended"
                time.sleep(0.01)
    finally:
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        subprocess.run(["kill", *children], check=True)
        assert server.process.wait(60) == 0
    return list(disks.steps(trace, directory)), [told for writer in writers for told in writer.told]


@pytest.mark.timeout(3600)
def test_power_cut(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Cut at any call: what clients were told by then is there, and all is as it was at one revision."""
    directory = tmp_path / "server"
    directory.mkdir()
    points, answers = (4000, 2000) if pytestconfig.getoption("long") else (16, 60)
    steps, told = traced(directory, tmp_path / "trace", answers)
    past = Past.read(directory / "data.db")
    past.check()
    told.sort(key=lambda t: t.when)
    disk, examined, found = disks.Disk(directory), 0, set[int]()
    every = max(1, len(steps) // points)
    for number, step in enumerate(steps):
        if number % every == 0 or ("sync" in step.name and number % max(1, every // 4) == 0):
            known = [t for t in told if t.when < step.end]
            for part, image in enumerate(disk.images(number)):
                at = tmp_path / f"image{number}-{part}"
                found.add(examine(image, at, past, known))
                examined += 1
                shutil.rmtree(at)
        disk.play(step)
    print(f"images={examined} calls={len(steps)} answers={len(told)} revisions={len(found)}")
    assert len(found) > 5


def examine(image: dict[str, bytes], at: Path, past: Past, known: list[Told]) -> int:
    """The revision at which a server would go on from an image."""
    disks.lay(image, at)
    after = Past.read(at / "data.db")
    newest = max((t.revision for t in known), default=0)
    assert after.revision >= newest, f"{newest} was answered, {after.revision} is there"
    assert after.state == past.at(after.revision)
    after.check()
    return after.revision


def test_keys(tmp_path: Path) -> None:
    """Keys and the CA are on disk when they are first used."""
    program = "import sys; from pathlib import Path; from kube46.apiserver.certificates import Authority as A; " + (
        "from kube46.apiserver.tokens import Signer; A.load_or_create(Path(sys.argv[1])); "
        "Signer.load_or_create(Path(sys.argv[1]) / 'sa.key', 'i', ())"
    )
    directory = tmp_path / "certificates"
    directory.mkdir()
    command = [*disks.tracer(tmp_path / "trace", []), sys.executable, "-c", program, str(directory)]
    subprocess.run(command, check=True, timeout=50)
    disk = disks.Disk(directory)
    for step in disks.steps(tmp_path / "trace", directory):
        disk.play(step)
    image = next(disk.images(0))
    assert image == {path.name: path.read_bytes() for path in directory.iterdir()}
    assert sorted(image) == ["ca.crt", "ca.key", "sa.key"]
