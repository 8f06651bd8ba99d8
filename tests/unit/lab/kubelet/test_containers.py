"""A run is found again, also when the kubelet died at the worst moment."""

import asyncio
import json
import os
import time
from pathlib import Path

from kube46.lab.kubelet.containers import PIPES, SHIM_NAME, Process
from kube46.lab.kubelet.directories import RunDirectory
from kube46.lab.kubelet.logs import LogFile


def test_pid_that_was_lost_with_the_kubelet(tmp_path):
    """crun wrote the pid to a FIFO whose reader was killed: the next kubelet has it from crun's record, once."""
    run, crun, started = RunDirectory(tmp_path / "run"), tmp_path / "crun", []
    run.path.mkdir()
    for name in PIPES:
        os.mkfifo(run.pipe(name))

    shim = os.posix_spawn("/bin/sh", [SHIM_NAME, "-c", "kill -STOP $$", SHIM_NAME, "some-id"], {})
    while SHIM_NAME not in Path(f"/proc/{shim}/cmdline").read_text():
        time.sleep(0.001)  # posix_spawn returns when the old program is gone, a moment before the new one has its name
    program = os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
    run.record.write_text(json.dumps({"shim": shim}))

    async def adopt() -> None:
        told = asyncio.Event()

        def on_start(now: float) -> None:
            started.append(now)
            told.set()

        process = Process(run, "some-id", LogFile(tmp_path / "log"), on_start, lambda code, now: None)
        try:
            assert process.adopt(crun)
            assert process.pid == 0
            (crun / "some-id").mkdir(parents=True)
            (crun / "some-id/status").write_text(json.dumps({"pid": program}))
            async with asyncio.timeout(60):
                await told.wait()
            await asyncio.sleep(0.2)  # it must not be told twice
        finally:
            os.kill(shim, 9)
            await asyncio.wait_for(process.ended.wait(), 60)
        assert process.pid == program

    asyncio.run(adopt())
    assert os.waitstatus_to_exitcode(os.waitpid(program, 0)[1]) == -9  # it must not run on unseen

    assert len(started) == 1
    assert json.loads(run.record.read_text())["pid"] == program
