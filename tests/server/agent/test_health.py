"""Where the agent serves its health, and that a taken port does not stop it."""

import logging
import socket
import urllib.request

import pytest
from click.testing import CliRunner

from kube46.agent.run import _health
from kube46.cli.agent import command


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
def test_readiness_is_the_parts_own(ready: bool, status: int, caplog: pytest.LogCaptureFixture) -> None:
    """/readyz follows the caches; port 0 is any, and the log tells which."""
    with caplog.at_level(logging.INFO), _health("127.0.0.1:0", lambda: ready):
        where = caplog.messages[0].partition("address=")[2]
        try:
            with urllib.request.urlopen(f"http://{where}/readyz", timeout=5) as answer:
                found = answer.status
        except urllib.error.HTTPError as error:
            found = error.code
            error.close()
    assert found == status


def test_a_taken_port_is_told_and_the_agent_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """A pod on the node's network may have the port: the node's network is looked after all the same."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with _health(address, lambda: True):
            assert f"--bind-address {address}: Address already in use" in caplog.text


def test_no_address_serves_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """`--bind-address ''` switches it off."""
    with caplog.at_level(logging.INFO), _health("", lambda: True):
        assert caplog.messages == ["Health and metrics are served address=none"]


@pytest.mark.parametrize("text", ["10256", "::1:10256", "[::]:x", "[::]:70000"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    """Status 2, with the flag and how to write one."""
    done = CliRunner().invoke(command, ["--node-name", "n", "--bind-address", text])
    assert done.exit_code == 2
    assert "--bind-address" in done.output
    assert "write it as [::]:10256" in done.output
