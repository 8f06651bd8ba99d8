"""The real API server for the tests of this directory."""

from collections.abc import Iterator

import pytest

from cluster.upstream import Upstream


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """One dual-stack server for all tests that don't restart it; each test uses names of its own."""
    running = Upstream(tmp_path_factory.mktemp("upstream")).start()
    yield running
    assert running.stop() == 0


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--recordings=all` replays all of them against both servers: minutes. `--families ipv6`: clusters of others."""
    parser.addoption("--recordings", choices=("sample", "all"), default="sample", help="how many tests replay")
    parser.addoption("--families", default="ipv4,ipv6", help="of the clusters of test_control_plane.py")
    parser.addoption("--mutations", type=int, default=30, help="damaged objects of each kind, of test_mutations.py")
    parser.addoption("--roles", type=int, default=8, help="how many sets of random roles test_roles.py tries")
    parser.addoption("--roles-seed", type=int, default=1, help="which ones")
