"""The store against a dictionary, over restarts and kills."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from kube46.apiserver import expiry, history
from kube46.apiserver.database import DataError, Event
from kube46.apiserver.history import Compacted, History
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.storage import Store

T = TypeVar("T")


async def put(store: Store, name: str, data: str, *, pool: str = "") -> None:
    """Create or update a ConfigMap."""
    with store.begin() as txn:
        obj = {"metadata": {"name": name, "namespace": "n"}, "data": {"v": data}}
        if txn.exists("configmaps", name, "n"):
            txn.update("configmaps", obj)
        else:
            txn.create("configmaps", obj)
        if pool:
            txn.reserve("nodeports", pool, name)
    await store.commit(txn)


def contents(store: Store) -> dict[str, str]:
    collection = store.collection("configmaps")
    assert collection.keys == sorted(collection.records)
    return {k.split("/")[1]: msgspec.json.decode(r.value)["data"]["v"] for k, r in collection.records.items()}


def run(path: Path, work: Callable[[Store], Awaitable[T]], *, keep: int = history.KEEP_EVENTS) -> T:
    """Do something with a store that is opened and closed again."""

    async def whole() -> T:
        store = Store(path, keep)
        store.start()
        try:
            return await work(store)
        finally:
            store.close()

    return asyncio.run(whole())


class StoreMachine(RuleBasedStateMachine):
    """Random creates, updates, deletes, groups of both and restarts, mirrored in a dictionary."""

    names = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(dir=os.environ["KUBE46_TEST_DIRECTORY"]))
        self.loop = asyncio.new_event_loop()
        self.model: dict[str, str] = {}
        self.states: dict[int, dict[str, str]] = {}
        self.open()

    def open(self) -> None:
        self.store = Store(self.directory / "data.db")
        self.loop.run_until_complete(self._start())

    async def _start(self) -> None:
        self.store.start()

    @rule(target=names, name=st.sampled_from("abcdefgh"))
    def name(self, name: str) -> str:
        return name

    @rule(name=names, data=st.text(max_size=5))
    def put(self, name: str, data: str) -> None:
        self.loop.run_until_complete(put(self.store, name, data))
        self.model[name] = data

    @rule(name=names)
    def delete(self, name: str) -> None:
        with self.store.begin() as txn:
            assert txn.delete("configmaps", name, "n") is (name in self.model)
        self.loop.run_until_complete(self.store.commit(txn))
        self.model.pop(name, None)

    @rule(writes=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.text(max_size=3)), max_size=6))
    def together(self, writes: list[tuple[str, str]]) -> None:
        async def commit() -> None:
            await asyncio.gather(*(put(self.store, name, data) for name, data in writes))

        self.loop.run_until_complete(commit())
        self.model.update(writes)

    @rule(name=names)
    def abandon(self, name: str) -> None:
        undone = []
        with self.store.begin() as txn:
            txn.undo(lambda: undone.append(name))
            txn.delete("configmaps", name, "n")
            txn.reserve("nodeports", "1", name)
            txn.abandon()
        assert undone == [name]
        with self.store.begin() as txn:
            assert "1" not in txn.reserved("nodeports")

    @rule()
    def restart(self) -> None:
        before = self.store.revision
        self.store.close()
        self.open()
        assert self.store.revision == before

    @invariant()
    def same(self) -> None:
        assert contents(self.store) == self.model
        self.states[self.store.revision] = dict(self.model)

    @invariant()
    def past(self) -> None:
        """Every earlier state can still be listed, as long as the log reaches back."""
        for revision, state in self.states.items():
            keys, value_of = self.store.collection("configmaps").at(revision, "n")
            assert {k.split("/")[1]: msgspec.json.decode(value_of(k))["data"]["v"] for k in keys} == state
            assert keys == sorted(keys)

    def teardown(self) -> None:
        self.store.close()
        self.loop.close()


def test_store_is_a_dictionary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store behaves as a dictionary does, over restarts, and keeps its past."""
    monkeypatch.setenv("KUBE46_TEST_DIRECTORY", str(tmp_path))
    run_state_machine_as_test(StoreMachine, settings=settings(max_examples=30, stateful_step_count=20))


def test_failed_commit_drops_what_rests_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk refuses, all waiting writes fail, readers never see them, and later writes work."""

    async def work(store: Store) -> None:
        await put(store, "kept", "1", pool="30000")
        connection = store._database._connection
        connection.execute("PRAGMA max_page_count=1")  # every page more is "database or disk is full"
        failing = [put(store, f"lost{n}", "x" * 5000, pool=str(n)) for n in range(3)]
        for refusal in await asyncio.gather(*failing, return_exceptions=True):
            assert isinstance(refusal, StatusError)
            assert refusal.code == 500
            assert refusal.message.startswith("etcdserver: mvcc: database space exceeded: ")
        assert contents(store) == {"kept": "1"}
        with store.begin() as txn:
            assert dict(txn.reserved("nodeports")) == {"30000": "kept"}
            assert list(txn.list("configmaps")) == [txn.get("configmaps", "kept", "n")]
        connection.execute("PRAGMA max_page_count=100000")
        await put(store, "later", "2")

    run(tmp_path / "data.db", work)

    async def after(store: Store) -> dict[str, str]:
        return contents(store)

    assert run(tmp_path / "data.db", after) == {"kept": "1", "later": "2"}


def test_second_server_is_refused(tmp_path: Path) -> None:
    """Two servers can't have the same file open."""

    async def work(_: Store) -> None:
        with pytest.raises(DataError, match="another API server has it open"):
            Store(tmp_path / "data.db")

    run(tmp_path / "data.db", work)


def test_not_a_database(tmp_path: Path) -> None:
    """A file of another kind is named, not overwritten."""
    (tmp_path / "notes").write_text("dear diary, " * 1000)
    with pytest.raises(DataError, match="is not an SQLite file"):
        Store(tmp_path / "notes")
    assert (tmp_path / "notes").read_text().startswith("dear diary")


def test_log_is_bounded_over_restarts(tmp_path: Path) -> None:
    """The log is cut at the window on disk, too, and what was cut is known after a restart."""

    async def fill(store: Store) -> int:
        for turn in range(60):
            await put(store, "x", str(turn))
        return store.collection("configmaps").history.compacted

    compacted = run(tmp_path / "data.db", fill, keep=10)
    assert compacted >= 30

    async def look(store: Store) -> tuple[int, int]:
        rows = store._database._connection.execute("SELECT count(*) FROM events").fetchone()[0]
        return store.collection("configmaps").history.compacted, rows

    again, rows = run(tmp_path / "data.db", look, keep=10)
    assert again == compacted
    assert rows <= 22


def test_history_refuses_what_is_gone() -> None:
    """A cursor before the window is told so; one within gets exactly the later events."""
    log = History()
    for revision in range(1, 2 * history.KEEP_EVENTS + 3):
        log.append(Event(revision, "ADDED", "k", b"{}", None))
    gone = log.trim()
    assert gone == list(range(1, history.KEEP_EVENTS + 3))
    cut = log.compacted
    assert cut == gone[-1]
    with pytest.raises(Compacted):
        log.since(cut - 1)
    assert [e.revision for e in log.since(cut)][:2] == [cut + 1, cut + 2]
    assert log.since(10**9) == []


def test_transaction_is_one_commit(tmp_path: Path) -> None:
    """Within a transaction its own changes are seen; outside nothing before the commit."""

    async def work(store: Store) -> None:
        with store.begin() as txn:
            txn.create("services", {"metadata": {"name": "a", "namespace": "n"}})
            txn.create("ipaddresses", {"metadata": {"name": "10.0.0.1"}})
            assert txn.exists("ipaddresses", "10.0.0.1")
            assert [o["metadata"]["name"] for o in txn.list("services", "n")] == ["a"]
            assert txn.delete("ipaddresses", "10.0.0.1")
            txn.create("ipaddresses", {"metadata": {"name": "10.0.0.2"}})
            with pytest.raises(StatusError, match='services "a" already exists'):
                txn.create("services", {"metadata": {"name": "a", "namespace": "n"}})
        committing = asyncio.ensure_future(store.commit(txn))
        await asyncio.sleep(0)
        assert store.get("services", "n/a") is None
        await committing
        assert store.get("services", "n/a") is not None
        assert store.collection("ipaddresses").keys == ["10.0.0.2"]

    run(tmp_path / "data.db", work)


def test_old_events_go(tmp_path: Path) -> None:
    """What was last written at a revision or before is swept; what was written since stays, as do other kinds."""

    async def work(store: Store) -> None:
        async def event(name: str) -> None:
            with store.begin() as txn:
                known, obj = txn.exists("events", name, "n"), {"metadata": {"name": name, "namespace": "n"}}
                (txn.update if known else txn.create)("events", obj)
            await store.commit(txn)

        for number in range(600):
            await event(f"e{number}")
        await put(store, "kept", "1")
        marked = store.revision
        await event("e7")
        await event("new")
        await expiry.sweep(store, marked)
        assert store.collection("events").keys == ["n/e7", "n/new"]
        assert contents(store) == {"kept": "1"}

    run(tmp_path / "data.db", work)


def test_events_live_for_their_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweeper takes an Event when it was not written for so long, and not before."""
    monkeypatch.setattr(expiry, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(expiry, "EVENT_SECONDS", 0.4)

    async def work(store: Store) -> None:
        with store.begin() as txn:
            txn.create("events", {"metadata": {"name": "e", "namespace": "n"}})
        await store.commit(txn)
        async with asyncio.TaskGroup() as group:
            sweeper = group.create_task(expiry.run(store))
            await asyncio.sleep(0.2)
            assert store.counts()["events"] == 1
            async with asyncio.timeout(60):
                while store.counts()["events"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            sweeper.cancel()

    run(tmp_path / "data.db", work)


def test_awaited_revisions(tmp_path: Path) -> None:
    """Who waits for a revision is woken by the commit that makes it, and by none before; one that never comes ends."""

    async def scenario(store: Store) -> None:
        first = store.revision
        waiting = [asyncio.create_task(store.reached(first + ahead, 30)) for ahead in (1, 2)]
        await asyncio.sleep(0)
        assert not await store.reached(first + 9, 0.01)
        await put(store, "a", "1")
        done, _ = await asyncio.wait(waiting, timeout=0.05)
        assert done == {waiting[0]}
        await put(store, "a", "2")
        assert await asyncio.gather(*waiting) == [True, True]
        assert store._awaited == {}

    run(tmp_path / "data.db", scenario)


def test_what_no_one_foresaw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that the writer can't do for any reason is refused; a listener with a bug leaves nobody waiting."""

    async def scenario(store: Store) -> None:
        apply = store._database._apply
        monkeypatch.setattr(store._database, "_apply", lambda _: 1 / 0)
        with pytest.raises(StatusError, match="division by zero"):
            await put(store, "a", "1")
        monkeypatch.setattr(store._database, "_apply", apply)
        store.listeners["configmaps"] = lambda: [][0]
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # it would log
        async with asyncio.timeout(20):
            await put(store, "a", "2")
            await put(store, "b", "3")
        assert contents(store) == {"a": "2", "b": "3"}

    run(tmp_path / "data.db", scenario)
