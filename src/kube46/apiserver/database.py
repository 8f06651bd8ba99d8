"""The SQLite file: what is on disk, and the one thread that writes it.

WAL with synchronous=FULL: a COMMIT returns after the log's bytes are synced, so an answer that follows it is durable.
Transactions that arrive while one is being synced are committed together (group commit).
"""

from __future__ import annotations

import logging
import os
import queue
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from kube46.apiserver import backups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

FORMAT = "1"
SCHEMA = """
BEGIN EXCLUSIVE;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (resource TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL,
  value BLOB NOT NULL, PRIMARY KEY (resource, key));
CREATE TABLE IF NOT EXISTS events (revision INTEGER PRIMARY KEY, resource TEXT NOT NULL, key TEXT NOT NULL,
  type TEXT NOT NULL, value BLOB NOT NULL, old BLOB);
INSERT OR IGNORE INTO meta VALUES ('format', '1');
COMMIT;
"""
UNSYNCED = (sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC)
UNSYNCED_STATUS = 74  # EX_IOERR of sysexits.h
LOG_BYTES = 8 << 20
VACUUM_BYTES = 16 << 20  # free pages are given back at start when they are so many and more than half of the file


ADVICE = {  # by what SQLite says
    "locked": "another API server has it open: stop that one or name another file",
    "not a database": "is not an SQLite file: name another file",
    "malformed": "is damaged: restore a backup (FILE.backup), or name another file",
    "readonly": "can't be written: give its owner the right to, or name another file",
}


class DataError(Exception):
    """The data file can't be used; the text says why and what to do."""


class Write(NamedTuple):
    """One changed row: `value` is None for a removal; `event` is what watchers see (None for internal pools)."""

    resource: str
    key: str
    revision: int
    value: bytes | None
    event: Event | None


class Event(msgspec.Struct, gc=False, frozen=True):
    """A change as the log keeps it; for DELETED, `value` is the last state with the revision of its removal."""

    revision: int
    type: str
    key: str
    value: bytes
    old: bytes | None


@dataclass(slots=True)
class Batch:
    """Writes that are committed whole or not at all; `trim`: resource → the oldest revisions of its log, which go."""

    epoch: int
    revision: int
    writes: tuple[Write, ...]
    trim: dict[str, list[int]]


class Database:
    """An open data file; only this process may have it open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[Batch | Literal["stop", "back up"]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        try:
            backups.drop_foreign_log(path)
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            raise DataError(self._explain(error)) from error

    def _prepare(self) -> None:
        run = self._connection.execute
        run("PRAGMA locking_mode=EXCLUSIVE")  # a second server on the same file fails here
        self._check_format()
        run("PRAGMA journal_mode=WAL")
        run("PRAGMA synchronous=FULL")
        run(f"PRAGMA journal_size_limit={LOG_BYTES}")
        self._connection.executescript(SCHEMA)
        backups.settle(self._connection)
        self._give_back()

    def _check_format(self) -> None:
        """Refuse what is not ours before anything is written to it."""
        tables = {str(name) for (name,) in self._connection.execute("SELECT name FROM sqlite_master")}
        if not tables:  # a new file
            return
        if "meta" not in tables:
            message = f"--data {self._path}: is not a file of kube46 apiserver: name another file"
            raise DataError(message)
        if (found := self.meta("format")) != FORMAT:
            message = f"--data {self._path}: has format {found}, this program reads {FORMAT}: use another file"
            raise DataError(message)

    def _give_back(self) -> None:
        """Shrink a file that is mostly free pages; until then they are used again."""
        free, pages, size = (self._pragma(name) for name in ("freelist_count", "page_count", "page_size"))
        if 2 * free <= pages or free * size < VACUUM_BYTES:
            return
        try:
            self._connection.execute("VACUUM")
        except sqlite3.Error as error:  # it needs room for a copy of what is in use
            log.warning("free pages not given back file=%s bytes=%d error=%s", self._path, free * size, error)

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    def _explain(self, error: sqlite3.Error | OSError) -> str:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        for sign, advice in ADVICE.items():
            if sign in reason:
                return f"--data {self._path}: {advice}"
        return f"--data {self._path}: {reason}: check that its directory exists and is writable"

    def meta(self, name: str) -> str:
        """A stored word, "" when absent."""
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def compacted(self) -> dict[str, int]:
        """resource → revision up to which its events are gone; "" for those of all resources."""
        rows = self._connection.execute("SELECT substr(name, 11), value FROM meta WHERE name LIKE 'compacted:%'")
        return {str(resource): int(revision) for resource, revision in rows}

    def objects(self) -> Iterator[tuple[str, str, int, bytes]]:
        """Every row: resource, key, revision, value, ordered by key; raises DataError."""
        yield from self._rows("SELECT resource, key, revision, value FROM objects ORDER BY resource, key")

    def events(self) -> Iterator[tuple[str, Event]]:
        """The kept log, oldest first; raises DataError."""
        for resource, *event in self._rows(
            "SELECT resource, revision, type, key, value, old FROM events ORDER BY revision"
        ):
            yield resource, Event(*event)

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(query)
        except sqlite3.Error as error:
            raise DataError(self._explain(error)) from error

    # The writer thread

    def start(self, done: Callable[[list[Batch], Exception | None], None]) -> None:
        """Begin to commit what `submit` is given; `done` is called on the writer's thread, in order."""
        self._thread = threading.Thread(target=self._write_all, args=(done,), name="storage", daemon=True)
        self._thread.start()

    def submit(self, batch: Batch) -> None:
        """Queue a batch; never blocks."""
        self._queue.put(batch)

    def back_up(self) -> None:
        """Write FILE.backup after what is queued; never blocks."""
        self._queue.put("back up")

    def close(self) -> None:
        """Commit what is queued and close the file."""
        if self._thread is not None:
            self._queue.put("stop")
            self._thread.join()
        self._connection.close()

    def _write_all(self, done: Callable[[list[Batch], Exception | None], None]) -> None:
        failed = -1  # batches of this epoch or an older one rest on writes that were lost: they are dropped
        order = ""
        while order != "stop":
            batches, order = self._gather()
            batches = [b for b in batches if b.epoch > failed]
            if batches:
                error = self._commit(batches)
                if error is not None:
                    failed = batches[-1].epoch
                done(batches, error)
            if order == "back up":
                backups.write(self._connection, self._path)

    def _gather(self) -> tuple[list[Batch], str]:
        """Wait for batches; what else is to be done after them."""
        batches: list[Batch] = []
        while len(batches) < 512:
            try:
                found = self._queue.get(block=not batches)
            except queue.Empty:
                break
            if isinstance(found, str):
                return batches, found
            batches.append(found)
        return batches, ""

    def _commit(self, batches: list[Batch]) -> Exception | None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for batch in batches:
                self._apply(batch)
            revision = str(batches[-1].revision)
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('revision', ?)", (revision,))
            self._connection.execute("COMMIT")
        except Exception as error:  # a writer that ended would leave every later request without an answer
            log.exception("writing failed file=%s transactions=%d", self._path, len(batches))
            if getattr(error, "sqlite_errorcode", None) in UNSYNCED:
                # It may be on disk or not, and only a new start finds out: etcd ends here, too. Nobody was answered.
                os._exit(UNSYNCED_STATUS)
            self._roll_back()
            return error
        return None

    def _apply(self, batch: Batch) -> None:
        run = self._connection.execute
        for resource, key, revision, value, event in batch.writes:
            if value is None:
                run("DELETE FROM objects WHERE resource = ? AND key = ?", (resource, key))
            else:
                run("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", (resource, key, revision, value))
            if event is not None:
                row = (event.revision, resource, key, event.type, event.value, event.old)
                run("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", row)
        for resource, revisions in batch.trim.items():
            # one by one: an index by resource would cost each write more, and a range would visit other resources
            self._connection.executemany("DELETE FROM events WHERE revision = ?", ((r,) for r in revisions))
            run("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"compacted:{resource}", str(revisions[-1])))

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            log.exception("rolling back failed file=%s", self._path)
