"""The file and the memory stay as large as what is kept, however much is written."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kube46.apiserver import database
from kube46.apiserver.database import Database
from server.durability.churn import BYTES, OBJECTS, RESOURCES

PROGRAM = Path(__file__).with_name("churn.py")


def churn(path: Path, updates: int, keep: int) -> list[dict[str, Any]]:
    """Its reports, the last of which is its summary."""
    command = [sys.executable, str(PROGRAM), str(path), str(updates), str(keep)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.timeout(3600)
def test_writing_makes_nothing_grow(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """After the first quarter file, log and memory are as large as at the end; a start reads what is kept, no more."""
    updates, keep = (1_000_000, 2048) if pytestconfig.getoption("long") else (12_000, 256)
    path = tmp_path / "data.db"
    *reports, summary = churn(path, updates, keep)
    first, last = reports[len(reports) // 4], reports[-1]
    assert last["file"] <= 1.1 * first["file"]
    assert last["resident"] <= 1.1 * first["resident"]
    # each kept change has its new and its old state, and a page is rarely full
    row = BYTES + 200
    assert last["file"] <= 1.5 * (OBJECTS * row + len(RESOURCES) * 2 * keep * 2 * row) + (1 << 20)
    assert all(report["log"] <= database.LOG_BYTES for report in reports)
    assert summary["told"] == updates
    assert summary["behind"] == 0
    assert summary["pages"] > 3
    *_, again = churn(path, updates // 10, keep)
    assert again["file"] <= 1.1 * last["file"]
    print(reports[0], first, last, summary, again)


def test_free_pages_are_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is mostly free pages shrinks at the next start, and holds the same."""
    monkeypatch.setattr(database, "VACUUM_BYTES", 1 << 20)
    path = tmp_path / "data.db"
    Database(path).close()
    with sqlite3.connect(path) as file:
        rows = ((f"n/o{number}", number + 1, b"x" * 4000) for number in range(1000))
        file.executemany("INSERT INTO objects VALUES ('configmaps', ?, ?, ?)", rows)
    file.execute("DELETE FROM objects WHERE revision > 100")
    file.commit()
    file.close()
    full = path.stat().st_size
    reopened = Database(path)
    kept = list(reopened.objects())
    reopened.close()
    assert len(kept) == 100
    assert path.stat().st_size < full // 5
