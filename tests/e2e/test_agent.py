"""What a node's agent says of itself over HTTP."""

import pytest

from e2e.conftest import Cluster

pytestmark = [pytest.mark.root, pytest.mark.timeout(60)]


@pytest.mark.parametrize("address", ["10.46.0.12", "[fd46::12]", "127.0.0.1", "[::1]"])
def test_health_over_both_families(dual: Cluster, address: str) -> None:
    """Well and ready, on every address of the node, and nothing else is told."""
    for path in ("healthz", "livez", "readyz"):
        assert dual.at("node2", "curl", "-sSf", "-m", "5", f"http://{address}:10256/{path}") == "ok"
    code = dual.at("node2", "curl", "-sS", "-m", "5", "-w", "%{http_code}", f"http://{address}:10256/other")
    assert code.endswith("404")


def test_metrics_of_all_parts(dual: Cluster) -> None:
    """Plugins, proxy and name server are measured; the figures are of this node."""
    text = dual.at("node1", "curl", "-sSf", "-m", "5", "http://[fd46::11]:10256/metrics")
    values = {words[0]: words[-1] for line in text.splitlines() if (words := line.split()) and words[0] != "#"}
    assert float(values["kube46_cni_routes"]) == 2
    for part in ("kube46_cni_", "kube46_proxy_", "kube46_dns_", "process_resident_memory_bytes"):
        assert any(name.startswith(part) for name in values), part
