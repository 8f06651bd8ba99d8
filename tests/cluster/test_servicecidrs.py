"""ServiceCIDRs that come and go while both servers run, each with its own controller manager's loop."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from cluster.pairs import MERGE, Configuration, Pair
from cluster.upstream import programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx2

CIDRS, SERVICES = "/apis/networking.k8s.io/v1/servicecidrs", "/api/v1/namespaces/default/services"
CREATED = 201
SECONDS = 15  # a finalizer stays for 10 s


@contextmanager
def controllers(pair: Pair) -> Iterator[None]:
    """Upstream's loop on upstream's server, kube46's on kube46's."""
    loop = "service-cidr-controller"
    real = [str(programs() / "kube-controller-manager"), f"--controllers={loop}", "--leader-elect=false",
            f"--kubeconfig={pair.real.kubeconfig()}", "--secure-port=0"]  # fmt: skip
    ours = [sys.executable, "-m", "kube46", "controllers", "--controllers", loop, "--bind-address", "0",
            "--kubeconfig", str(pair.ours.kubeconfig())]  # fmt: skip
    running = []
    for command, server in ((real, pair.real), (ours, pair.ours)):
        with (server.directory / "controllers.log").open("ab") as log:
            running.append(subprocess.Popen(command, stdout=log, stderr=log))
    try:
        yield
    finally:
        for process in running:
            process.terminate()
            process.wait(60)


def ranges(client: httpx2.Client) -> Any:
    """Every ServiceCIDR: its spec, finalizers and conditions, who owns which field included."""
    found = {}
    for one in client.get(CIDRS).json()["items"]:
        meta = one["metadata"]
        dying = "deletionTimestamp" in meta
        found[meta["name"]] = [
            one["spec"],
            meta.get("finalizers"),
            dying,
            one.get("status"),
            _owned(meta["managedFields"]),
        ]
    return found


def _owned(managed: list[dict[str, Any]]) -> Any:
    """Who owns the conditions; finalizers are patched by programs of different names."""
    return [
        [one["operation"], one["manager"], one["fieldsV1"]] for one in managed if one.get("subresource") == "status"
    ]


def ready(shown: Any) -> str:
    """The status of its condition Ready."""
    conditions = (shown[3] or {}).get("conditions", [])
    return "".join(one["status"] for one in conditions)


def make(pair: Pair, name: str, *cidrs: str) -> None:
    """POST a ServiceCIDR."""
    pair.ask("POST", CIDRS, {"metadata": {"name": name}, "spec": {"cidrs": list(cidrs)}})


def use(pair: Pair, name: str, *addresses: str) -> None:
    """POST a Service with these addresses."""
    spec: dict[str, Any] = {"clusterIP": addresses[0], "clusterIPs": list(addresses), "ports": [{"port": 80}]}
    if len(addresses) == 2:
        spec["ipFamilyPolicy"] = "RequireDualStack"
    pair.ask("POST", SERVICES, {"metadata": {"name": name}, "spec": spec})


@pytest.mark.timeout(150)
def test_ranges_come_and_go(tmp_path: Path) -> None:
    """Each gets finalizer and condition; a deleted one gives no address, and goes when none needs it any more."""
    pair = Pair(tmp_path, lambda text: True)
    with pair.running(Configuration("10.96.0.0/24,fd00:10:96::/112")), controllers(pair):
        use(pair, "early", "10.97.0.5")  # no range has it yet
        make(pair, "plain", "10.97.0.0/29", "fd00:10:97::/124")
        make(pair, "wide", "10.98.0.0/24")
        make(pair, "narrow", "10.98.0.0/28")
        make(pair, "twin", "10.99.0.0/28")
        make(pair, "short", "fd00::/48")  # too short to allocate from
        pair.compare("made", ranges, SECONDS, lambda shown: all(ready(one) == "True" for one in shown.values()))
        use(pair, "dual", "10.97.0.5", "fd00:10:97::5")
        use(pair, "network", "10.97.0.0")
        use(pair, "broadcast", "10.97.0.7")
        use(pair, "last", "fd00:10:97::f")
        use(pair, "within", "10.98.0.5")
        use(pair, "without", "10.98.0.200")
        use(pair, "alone", "10.99.0.5")
        use(pair, "short", "fd00::1:0:0:5")
        for name in ("plain", "wide", "narrow", "twin"):
            pair.ask("DELETE", f"{CIDRS}/{name}")
        pair.compare("deleted", ranges, SECONDS, lambda shown: ready(shown["plain"]) == ready(shown["twin"]) == "False")
        for name, *addresses in (("n1", "10.97.0.6"), ("n2", "10.98.0.6"), ("n3", "fd00:10:97::6")):
            use(pair, name, *addresses)  # of ranges that go
        make(pair, "twin-2", "10.99.0.0/28")
        pair.ask("DELETE", f"{SERVICES}/dual")
        pair.ask("DELETE", f"{SERVICES}/last")
        pair.ask("DELETE", f"{SERVICES}/within")
        pair.ask("DELETE", f"{SERVICES}/without")
        pair.ask("PATCH", f"{CIDRS}/wide", {"metadata": {"labels": {"a": "b"}}}, MERGE)
        pair.compare("gone", ranges, SECONDS, lambda shown: set(shown) == {"kubernetes", "short", "twin-2"})
        use(pair, "twin-again", "10.99.0.6")
        pair.ask("DELETE", f"{CIDRS}/kubernetes")
        pair.compare("default", ranges, SECONDS, lambda shown: ready(shown["kubernetes"]) == "False")
        use(pair, "late", "10.96.0.77")
    assert not pair.differences, "\n".join(map(str, pair.differences))
