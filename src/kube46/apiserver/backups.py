"""Copies of the data file: written while the server runs, restored by putting one in the file's place.

A restored file is older than what clients have seen, so its server goes on a milliard of revisions later and knows no
history: watches are told 410 and list again, as after `etcdutl snapshot restore --bump-revision --mark-compacted`.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from kube46.apiserver import files

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

# The leap is of more revisions than can have been given since the copy was made.
SETTLE = """
BEGIN EXCLUSIVE;
UPDATE meta SET value = CAST(value AS INTEGER) + 1000000000 WHERE name = 'revision';
DELETE FROM meta WHERE name LIKE 'compacted:%';
INSERT INTO meta SELECT 'compacted:', value FROM meta WHERE name = 'revision';
DELETE FROM events;
DELETE FROM meta WHERE name = 'backup';
COMMIT;
"""


def write(source: sqlite3.Connection, path: Path) -> None:
    """Copy an open data file to PATH.backup, replaced whole; what goes wrong is logged, the old copy stays then."""
    temporary, target = path.with_name(f".{path.name}.backup"), path.with_name(f"{path.name}.backup")
    try:
        temporary.unlink(missing_ok=True)
        with closing(sqlite3.connect(temporary, isolation_level=None)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, complete by itself
            copy.execute("INSERT OR REPLACE INTO meta VALUES ('backup', 'true')")
        temporary.replace(target)
        files.sync_directory(target.parent)
    except (sqlite3.Error, OSError) as error:
        log.warning("backup failed file=%s error=%s", target, error)
        temporary.unlink(missing_ok=True)
        return
    log.info("backup written file=%s bytes=%d", target, target.stat().st_size)


def settle(connection: sqlite3.Connection) -> None:
    """Make a restored copy the present: called at each start, does nothing to a file that was not restored."""
    if connection.execute("SELECT 1 FROM meta WHERE name = 'backup'").fetchone() is not None:
        connection.executescript(SETTLE)


def drop_foreign_log(path: Path) -> None:
    """Remove the log of the file that stood here before a copy was put in its place; SQLite would apply it."""
    log_file = path.with_name(f"{path.name}-wal")
    if not log_file.exists() or not path.exists():
        return
    with path.open("rb") as file:
        head = file.read(20)
    if head[18:20] == b"\1\1":  # "read and write version": no log belongs to it. SQLite's file format, 1.3.3
        log_file.unlink()
