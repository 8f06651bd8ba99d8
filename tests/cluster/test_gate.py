"""The real API server keeps what `kube46 conformance` asks of any."""

import asyncio

from cluster.upstream import Upstream
from kube46.conformance.model import Verdict
from kube46.conformance.report import Report
from kube46.conformance.runner import Settings, run
from kube46.kubernetes.client import Client


def test_the_real_api_server_passes(upstream: Upstream) -> None:
    """Each promise about the API holds on kube-apiserver: what kube46 asks for is Kubernetes', not its own."""

    async def gate() -> Report:
        async with Client(upstream.config(), component="test") as client:
            return await run(client, Settings(patience=0))

    report = asyncio.run(gate())
    assert [(item.name, item.reasons) for item in report.checks if item.verdict is Verdict.FAILED] == []
    assert report.counts[Verdict.PASSED] >= 30
