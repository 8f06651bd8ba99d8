"""`kube46 conformance` against real API servers, and against servers that break one promise each."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from kube46.conformance.model import Level, Verdict
from kube46.conformance.report import Report
from kube46.conformance.runner import Settings, run
from kube46.kubernetes.client import Client
from patience import patient
from server.conformance.breaking import BREAKS, Broken
from server.running import DUAL, Server

RANGES = {
    "IPv4": ("10.96.0.0/16", "192.0.2.1"),
    "IPv6": ("fd00:10:96::/112", "2001:db8::1"),
    "IPv6,IPv4": (",".join(reversed(DUAL.split(","))), "2001:db8::1"),
}


def gate(client: Client, level: Level = Level.GA) -> Report:
    """A run that does not wait for its namespace's end: these servers have nobody who carries it out."""

    async def whole() -> Report:
        async with client:
            return await run(client, Settings(level, patience=0))

    return asyncio.run(whole())


def failed(report: Report) -> dict[str, tuple[str, ...]]:
    """The failed checks with their reasons."""
    return {item.name: item.reasons for item in report.checks if item.verdict is Verdict.FAILED}


def command(server: Server, *arguments: str) -> list[str]:
    """The command line of a gate of this server."""
    return [sys.executable, "-m", "kube46", "conformance", "--kubeconfig", str(server.kubeconfig()), *arguments]


def left(server: Server) -> list[str]:
    """What gates left: objects in namespaces of theirs, and such namespaces that nobody deleted."""
    with server.client() as client:
        spaces = [
            item["metadata"]
            for item in client.get("/api/v1/namespaces").json()["items"]
            if item["metadata"]["name"].startswith("kube46-conformance-")
        ]
        found = [meta["name"] for meta in spaces if "deletionTimestamp" not in meta]
        for kind in ("services", "pods", "serviceaccounts"):
            items = client.get(f"/api/v1/{kind}").json()["items"]
            named = [item["metadata"] for item in items]
            found += [f"{kind}/{meta['name']}" for meta in named if meta["namespace"].startswith("kube46-conformance-")]
        return found


@pytest.mark.parametrize("families", RANGES)
def test_each_kind_of_cluster_passes(server_factory: Callable[..., Server], families: str) -> None:
    """A server of one family, or of IPv6 first, keeps all that it can show, and nothing of the gate is left."""
    ranges, advertised = RANGES[families]
    server = server_factory(flags=("--service-cluster-ip-range", ranges, "--advertise-address", advertised))
    report = gate(Client(server.config(), component="test"))
    assert failed(report) == {}
    assert ",".join(report.families) == families
    assert report.counts[Verdict.PASSED] >= 20
    assert left(server) == []


def test_a_gate_of_the_gate_off_fails(server_factory: Callable[..., Server]) -> None:
    """With IPv6DualStack off the first promises are broken already: a Service has no families."""
    server = server_factory(
        flags=("--service-cluster-ip-range", "10.96.0.0/16", "--feature-gates", "IPv6DualStack=false")
    )
    report = gate(Client(server.config(), component="test"), Level.ALPHA)
    found = failed(report)
    assert {"service-default", "service-require", "service-table"} <= set(found)
    assert "spec.ipFamilyPolicy is absent" in found["service-default"][0]


@pytest.mark.parametrize("name", BREAKS)
def test_each_broken_promise_is_named(server: Server, name: str) -> None:
    """A server that breaks one promise fails the checks of that promise, and no other."""
    report = gate(Broken(server.config(), BREAKS[name]))
    assert set(failed(report)) == set(BREAKS[name].names), failed(report)


def test_the_command_is_a_release_gate(server: Server) -> None:
    """Status 0 and JUnit with every check; with families that the cluster has not, 1 and the reasons."""
    done = subprocess.run(
        command(server, "--level", "beta", "-o", "junit"),
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    root = ElementTree.fromstring(done.stdout)
    assert (root.get("failures"), [suite.get("name") for suite in root]) == ("0", ["KEP-563 alpha", "KEP-563 beta"])

    turned = command(server, "--families", "ipv6,ipv4", "--only", "service-default", "-o", "json")
    done = subprocess.run(turned, capture_output=True, text=True, timeout=patient(60), check=False)
    assert done.returncode == 1, done.stderr
    body: dict[str, Any] = json.loads(done.stdout)
    assert [(check["name"], check["verdict"]) for check in body["checks"]] == [("service-default", "failed")]
    assert left(server) == []


def test_what_cannot_be_reached_is_status_2(server: Server) -> None:
    """No answer, and a stranger's rights, and nothing to check: one sentence, status 2, no alarm about a namespace."""
    nothing = [*command(server), "--only", "service-add", "--level", "alpha"]
    stranger = [*command(server)[:-1], str(server.kubeconfig("strangertoken"))]
    missing = [*command(server)[:-1], str(server.directory / "none")]
    for line, words in ((stranger, "forbidden"), (missing, "does not exist"), (nothing, "--level")):
        done = subprocess.run(line, capture_output=True, text=True, timeout=patient(30), check=False)
        assert (done.returncode, words in done.stderr, done.stdout) == (2, True, ""), done.stderr
        assert "Traceback" not in done.stderr
        assert "could not be removed" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_gate_leaves_nothing(server: Server, number: signal.Signals) -> None:
    """Ctrl-C in the midst of it: the namespace goes with all that is in it."""
    process = subprocess.Popen(command(server), stderr=subprocess.PIPE, text=True, env={**os.environ, "TERM": "dumb"})
    assert process.stderr is not None
    first = process.stderr.readline()
    assert "conversations" in first
    process.send_signal(number)
    rest = process.communicate(timeout=patient(30))[1]
    assert (process.returncode, "interrupted" in rest) == (130, True), rest
    deadline = time.monotonic() + patient(10)
    while left(server) and time.monotonic() < deadline:  # other tests' gates end theirs
        time.sleep(0.1)
    assert left(server) == []
