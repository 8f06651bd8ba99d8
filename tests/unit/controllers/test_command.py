"""The command's flags, and the health endpoints."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from kube46.cli.controllers import command
from kube46.controllers import health
from kube46.lab.controllers.names import NETWORK, choose


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("*", NETWORK),
        ("*,-node-ipam", NETWORK[1:]),
        ("scheduler,endpointslice", ("endpointslice", "scheduler")),
        ("*, scheduler ,-scheduler", NETWORK),
        ("", ()),
    ],
)
def test_choice_of_loops(text: str, chosen: tuple[str, ...]) -> None:
    """`*` is what a real cluster may want, a minus leaves out."""
    assert choose(text) == chosen


def test_unknown_loop_is_refused() -> None:
    """A misspelt name is told, with the names that there are."""
    with pytest.raises(ValueError, match="'schedular' is no controller: choose from"):
        choose("schedular")


CONFIG = """{"apiVersion": "v1", "kind": "Config", "current-context": "c",
 "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
 "users": [{"name": "u", "user": {}}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}"""


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--controllers", "none"], "is no controller"),
        ([], "--cluster-cidr is needed by node-ipam"),
        (["--cluster-cidr", "10.0.0.0/8,10.0.0.0/16"], "not configured as dual stack"),
        (["--cluster-cidr", "10.0.0.0/8", "--bind-address", "::1:80"], "is no address and port"),
        (["--cluster-cidr", "10.0.0.0/8", "--max-endpoints-per-slice", "1001"], "1<=x<=1000"),
        (["--kubeconfig", "/nowhere"], "--kubeconfig"),
    ],
)
def test_mistakes_are_told_and_end_with_2(tmp_path: Path, flags: list[str], message: str) -> None:
    """One sentence that names the flag, exit status 2."""
    (tmp_path / "config").write_text(CONFIG)
    given = flags if "--kubeconfig" in flags else ["--kubeconfig", str(tmp_path / "config"), *flags]
    result = CliRunner().invoke(command, given)
    assert (result.exit_code, message in " ".join(result.output.split())) == (2, True), result.output


def answer(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as found:
            return found.status, found.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0"])
def test_probes_and_metrics(address: str) -> None:
    """Health, readiness and metrics are served on addresses of both families, and the port is free afterwards."""
    state = {"ready": False}
    with health.served(address, lambda: state["ready"]) as real:
        assert answer(f"http://{real}/healthz") == (200, "ok")
        assert answer(f"http://{real}/readyz?verbose")[0] == 503
        state["ready"] = True
        assert answer(f"http://{real}/readyz")[0] == 200
        assert "python_info" in answer(f"http://{real}/metrics")[1]
        assert answer(f"http://{real}/secret")[0] == 404
        with pytest.raises(health.BadAddress, match="choose another port"), health.served(real, lambda: True):
            pass
    with health.served(real, lambda: True):
        pass


@pytest.mark.parametrize("address", ["localhost", "::1:80", "1.2.3.4:x", "[::1]:99999"])
def test_bad_addresses(address: str) -> None:
    """What is no address and port is refused with an example."""
    with pytest.raises(health.BadAddress, match="write it as"):
        health.parse(address)
