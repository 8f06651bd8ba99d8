"""Pages of lists by a selector, while objects change."""

import asyncio
import json

import pytest

from kube46.apiserver import reads, selectors
from kube46.apiserver.database import Event
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.reads import Page
from kube46.apiserver.storage import Collection, Record


def body(label: str) -> bytes:
    """A ConfigMap with that label."""
    return json.dumps({"metadata": {"labels": {"a": label}}}).encode()


def test_pages_show_one_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is changed and deleted while a page is searched is not seen; all pages together show the moment."""
    monkeypatch.setattr(reads, "AT_ONCE", 3)
    collection = Collection()
    names = [f"n/{number:02}" for number in range(20)]
    for revision, key in enumerate(names, 1):
        value = body("x" if revision % 2 else "y")
        collection.put(key, Record(revision, value))
        collection.history.append(Event(revision, "ADDED", key, value, None))
    before = {key: collection.records[key].value for key in names}
    selector = selectors.parse(BY_PLURAL["configmaps"], "a=x", "")

    async def disturb() -> None:
        for revision, key in enumerate(names, 21):
            old = collection.records[key].value
            if revision % 3:
                collection.drop(key)
                collection.history.append(Event(revision, "DELETED", key, old, old))
            else:
                value = body("y" if old == body("x") else "x")
                collection.put(key, Record(revision, value))
                collection.history.append(Event(revision, "MODIFIED", key, value, old))
            await asyncio.sleep(0)

    async def pages() -> list[bytes]:
        disturbing = asyncio.create_task(disturb())
        found, start = [], ""
        while True:
            values, metadata = await reads._page(collection, "n", selector, Page(20, True, 4, start), 20)
            found += values
            if "continue" not in metadata:
                break
            start = reads._decode(metadata["continue"]).start
            assert len(values) == 4
        await disturbing
        return found

    assert asyncio.run(pages()) == [value for value in before.values() if value == body("x")]
    assert len(collection.keys) < 20
