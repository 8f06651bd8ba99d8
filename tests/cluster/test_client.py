"""The client and its caches against kube-apiserver: the tests that ours passes, and what compaction means."""

import asyncio
from collections.abc import Iterator

import pytest

from cluster.upstream import Upstream
from kube46.api.resources import CONFIG_MAPS
from kube46.kubernetes.errors import Gone
from server.kubernetes.test_caches import (
    client_of,
    test_a_cache_follows_changes_and_tells_its_listeners,
    test_a_cache_survives_the_servers_death,
    test_every_verb,
    test_repeated_events_are_counted,
)

__all__ = [
    "test_a_cache_follows_changes_and_tells_its_listeners",
    "test_a_cache_survives_the_servers_death",
    "test_every_verb",
    "test_repeated_events_are_counted",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """A kube-apiserver of this module's own, which a test kills."""
    running = Upstream(tmp_path_factory.mktemp("server")).start()
    yield running
    running.stop()


def test_a_compacted_revision_is_gone(server: Upstream) -> None:
    """A watch from a revision that the server no longer has ends with Gone, so that a cache lists again."""

    async def scenario() -> None:
        async with client_of(server) as client:
            with pytest.raises(Gone):
                async for _ in client.watch(CONFIG_MAPS, resource_version="1"):
                    pass

    asyncio.run(asyncio.wait_for(scenario(), 60))
