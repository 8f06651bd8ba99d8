"""What lies beside the clone where kube46 is built: recordings of the real API server, too large for the tree."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


def oracle(name: str) -> Path:
    """A file of the recordings; the test is skipped where they are not."""
    path = SHARED / "oracle" / name
    if not path.exists():
        pytest.skip(f"{path} is not there: the recordings lie beside the clone where kube46 is built")
    return path
