"""The real API server for the tests of this directory."""

from collections.abc import Iterator

import pytest

from cluster.upstream import Upstream


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--families ipv6,ipv4`: of the stand-alone clusters of test_control_plane.py, which are ipv4,ipv6 without it."""
    parser.addoption("--families", default="ipv4,ipv6", help="families of stand-alone clusters")


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """One dual-stack server for all tests that don't restart it; each test uses names of its own."""
    running = Upstream(tmp_path_factory.mktemp("upstream")).start()
    yield running
    assert running.stop() == 0


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--recordings=all` replays all of them against both servers: minutes."""
    parser.addoption("--recordings", choices=("sample", "all"), default="sample", help="how many tests replay")
