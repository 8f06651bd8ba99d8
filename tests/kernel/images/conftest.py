"""A disk for the tests of images."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def disk() -> Iterator[Path]:
    """A directory that takes overlay's marks, whatever /tmp lies on."""
    with tempfile.TemporaryDirectory(prefix="k46t-", dir="/var/tmp") as path:
        yield Path(path)
