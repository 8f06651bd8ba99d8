"""The store, killed in the middle of writes."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from kube46.apiserver.storage import Store


def test_kill_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    """After kill -9 in the middle of writes the file holds every write that was reported, and only whole ones."""
    program = textwrap.dedent("""
        import asyncio, sys
        from pathlib import Path
        from kube46.apiserver.storage import Store
        async def main():
            store = Store(Path(sys.argv[1])); store.start()
            async def writer(number):
                for turn in range(10000):
                    with store.begin() as txn:
                        for part in ("a", "b"):
                            name = f"{number}-{turn}-{part}"
                            txn.create("configmaps", {"metadata": {"name": name, "namespace": "n"}, "data": {"v": ""}})
                    await store.commit(txn)
                    print(f"{number}-{turn}", flush=True)
            await asyncio.gather(*(writer(n) for n in range(4)))
        asyncio.run(main())
    """)
    path = tmp_path / "data.db"
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        reported = [child.stdout.readline().strip() for _ in range(200)]
        child.send_signal(signal.SIGKILL)
        reported += [line.strip() for line in child.stdout if line.endswith("\n")]

    store = Store(path)
    kept = {key.partition("/")[2] for key in store.collection("configmaps").records}
    store.close()
    assert {f"{r}-{part}" for r in reported for part in "ab"} <= kept
    assert all(name[:-1] + other in kept for name in kept for other in "ab")
