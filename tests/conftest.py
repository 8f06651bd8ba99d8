"""For all tests: a skip must be on the committed list, with the reason why this machine cannot run it."""

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

# Python 3.11.2 (Debian 12's) fails to parse hypothesis deep in pytest's stack ("AST constructor recursion depth
# mismatch"), where its plugin imports it at the end of a run without any: import it while the stack is flat.
import hypothesis
import pytest

from patience import patient

# Under sudo, kube46 serves the user who called it: tests are to see the root they run as, and to leave that user's
# kubeconfig alone.
for name in ("SUDO_USER", "SUDO_UID", "SUDO_GID", "SUDO_COMMAND"):
    os.environ.pop(name, None)

# A busy machine is no fault of what is tested.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("patient")

# What a shell starts in the background ignores Ctrl-C, and so would all that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

PURE = Path(__file__).parent / "unit"
FAILED = pytest.StashKey[bool]()
ALLOWED = Path(__file__).parent / "allowed-skips.txt"


def _allowed() -> set[str]:
    lines = (line.split("#")[0].strip() for line in ALLOWED.read_text().splitlines())
    return {line for line in lines if line}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--long`: tests of chances take minutes' worth of them."""
    parser.addoption("--long", action="store_true", help="run the tests of durability for minutes, not for seconds")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's own limit is patient, too; what runs programs and kernels has a second try (decision 205)."""
    for item in items:
        if PURE not in item.path.parents and not item.get_closest_marker("flaky"):
            item.add_marker(pytest.mark.flaky(reruns=1))
        if (marker := item.get_closest_marker("timeout")) and marker.args:
            item.add_marker(pytest.mark.timeout(patient(marker.args[0])), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remembers of a test whether it has failed, this try."""
    report = yield
    item.stash[FAILED] = report.failed or (report.when != "setup" and item.stash[FAILED])
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Takes everything down after a failure: a second try has servers and clusters of its own, as the first had."""
    if item.stash[FAILED]:
        item.session._setupstate.teardown_exact(None)


@pytest.fixture(autouse=True)
def keep_umask() -> Iterator[None]:
    """A command run within the test's process may narrow the umask; what other tests make is to be reachable."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Fails a run in which a test was skipped that may not be."""
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = {report.nodeid for report in reporter.stats.get("skipped", [])} if reporter else set()
    if unexpected := sorted(skipped - _allowed()):
        reporter.write_line("")
        for nodeid in unexpected:
            reporter.write_line(f"SKIPPED but not listed in {ALLOWED.name}: {nodeid}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
