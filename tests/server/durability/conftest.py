"""Servers of a test's own are forked here."""

import pytest

from server.durability.forked import ForkedServer
from server.running import Server


@pytest.fixture
def server_class() -> type[Server]:
    """What `server_factory` starts."""
    return ForkedServer
