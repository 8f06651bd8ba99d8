"""hostPort: a port of the node that leads to a pod, by the agent's own network configuration."""

import pytest

from e2e.conftest import Cluster, echo_pod, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

NODE = ("10.46.0.11", "fd46::11")
KINDS = ("tcp", "udp")


def test_a_pod_with_a_port_of_its_node(dual: Cluster) -> None:
    """TCP and UDP ports of a pod's node lead to it, by both families, from another node, the node itself and outside,
    until it is deleted; no Event says that they are not supported.
    """
    pod = echo_pod({"app": "host-port"}, node="node1")
    pod["metadata"]["name"] = "host-port"
    pod["spec"]["containers"][0]["ports"] = [
        {"name": f"echo-{kind}", "containerPort": 8080, "hostPort": 8099, "protocol": kind.upper()} for kind in KINDS
    ]
    dual.apply({"apiVersion": "v1", "kind": "Pod", **pod})
    try:
        dual.kubectl("wait", "--for=condition=Ready", "pod/host-port", "--timeout=60s", timeout=70)
        for kind in KINDS:
            for address in NODE:
                for place in ("node2", "node1", "outside"):
                    eventually(lambda: dual.ask(place, kind, address, 8099)[0] == "host-port")  # noqa: B023 – at once
        assert dual.ask("node1", "tcp", "127.0.0.1", 8099)[0] == "host-port"
        assert "HostPortNotSupported" not in dual.kubectl("get", "events")
    finally:
        dual.kubectl("delete", "pod/host-port", "--wait=true")
    eventually(lambda: dual.ask("node2", "tcp", "10.46.0.11", 8099)[0] == "ECONNREFUSED")
