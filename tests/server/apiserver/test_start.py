"""What the server costs before and while nobody asks for anything."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from server.running import Server, connect, resident


def test_schemas_load_fast_and_lazily() -> None:
    """Loading takes under 30 ms of a processor and decodes no type; measured in a fresh interpreter, best of three."""
    code = (
        "import time; from kube46.apiserver import schemas; t = time.process_time(); s = schemas.Schemas.load(); "
        "print(time.process_time() - t, len(s._decoded))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(3)
    ]
    assert min(float(seconds) for seconds, _ in runs) < 0.03
    assert {count for _, count in runs} == {"0"}


def processor_seconds(pid: int) -> float:
    """What a process has used of a processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_waiting_costs_nothing(server_factory: Callable[..., Server]) -> None:
    """With 500 watches on which nothing happens the server uses next to no processor, and under 100 KB for each."""
    server = server_factory()
    head = "GET /api/v1/pods?watch=true HTTP/1.1\r\nhost: x\r\nauthorization: Bearer admintoken\r\n\r\n"
    before = resident(server.pid)
    with ExitStack() as watches:
        waiting = [watches.enter_context(connect(server)) for _ in range(500)]
        for one in waiting:
            one.sendall(head.encode())
        assert all(b" 200 " in one.recv(100) for one in waiting)
        assert resident(server.pid) - before < 500 * 100_000
        used = processor_seconds(server.pid)
        time.sleep(2)
        assert processor_seconds(server.pid) - used < 0.1
