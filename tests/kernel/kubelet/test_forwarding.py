"""kubectl port-forward into pods, over both transports: both families, much at once, both ends, nobody there."""

import hashlib
import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kernel.kubelet.conftest import Node, container, wait
from kernel.kubelet.test_crowds import descriptors, memory
from kernel.kubelet.test_pods import ready
from kube46.netlink import namespaces

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]
TRANSPORTS = {"websocket": "true", "spdy": "false"}
Connect = Callable[[int], socket.socket]
# Answers on each port in its own way. `sum`: the hash of all that came, after its end, and as much as was asked for.
PROGRAM = """
import hashlib, socket, threading
def serve(family, host, port, work):
    listener = socket.create_server((host, port), family=family)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=run, args=(work, connection)).start()
def run(work, connection):
    with connection:
        work(connection)
def sum(connection):
    seen = hashlib.sha256()
    while data := connection.recv(65536):
        seen.update(data)
    connection.sendall(seen.hexdigest().encode())
def give(connection):
    for _ in range(int(connection.recv(100))):
        connection.sendall(bytes(1000000))
def name(connection):
    connection.sendall(str(connection.getsockname()[0]).encode())
def stall(connection):
    threading.Event().wait()
V4, V6 = socket.AF_INET, socket.AF_INET6
plan = [(V6, "::", 1, sum), (V4, "0.0.0.0", 2, give), (V4, "127.0.0.1", 3, name), (V6, "::1", 4, name),
        (V6, ADDRESS, 5, name), (V4, "127.0.0.1", 6, stall)]
for line in plan:
    threading.Thread(target=serve, args=line).start()
"""


@pytest.fixture(scope="module")
def pod(node: Node) -> Iterator[str]:
    """A pod with a server for each way of answering, one of them on its IPv6 address only."""
    program = "import os; ADDRESS = os.environ['IPS'].split(',')[1]\n" + PROGRAM
    env = [{"name": "IPS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIPs"}}}]
    node.apply("f-server", containers=[container("main", "python3", "-ISc", program, env=env)])
    node.until("f-server", ready)
    yield "f-server"
    node.kubectl("delete", "pod", "f-server", "--wait=false")


@contextmanager
def forwarded(node: Node, pod: str, transport: str, *ports: int) -> Iterator[tuple[Connect, Any]]:
    """`kubectl port-forward` to these ports; a function that connects to one, and the client."""
    line = node.kubectl_line("port-forward", pod, *(f":{port}" for port in ports))
    command = node.inside("env", f"KUBECTL_PORT_FORWARD_WEBSOCKETS={TRANSPORTS[transport]}", *line)
    client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert client.stdout
    local = {}
    while len(local) < len(ports):
        said = client.stdout.readline()
        assert said, "kubectl ended"
        if found := re.search(r"Forwarding from 127.0.0.1:(\d+) -> (\d+)", said):
            local[int(found[2])] = int(found[1])
    netns = f"/proc/{node.init}/ns/net"

    def connect(port: int) -> socket.socket:
        return namespaces.open_sockets_in(netns, lambda: socket.create_connection(("127.0.0.1", local[port]), 20))

    try:
        yield connect, client
    finally:
        for process in node.run("pgrep", "-f", f"port-forward {pod}", check=False).stdout.split():
            node.run("kill", process, check=False)
        client.communicate(timeout=60)


def everything(connection: socket.socket) -> bytes:
    """All that comes until the end."""
    found = bytearray()
    while data := connection.recv(1 << 20):
        found += data
    return bytes(found)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_whoever_listens_is_found(node: Node, pod: str, transport: str) -> None:
    """localhost of the pod over IPv4, else over IPv6, else the pod's own address."""
    with forwarded(node, pod, transport, 3, 4, 5) as (connect, _):
        said = []
        for port in (3, 4, 5):
            with connect(port) as connection:
                said.append(everything(connection).decode())
    assert said == ["127.0.0.1", "::1", node.pod(pod)["status"]["podIPs"][1]["ip"]]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_hundred_megabytes_each_way_at_once(node: Node, pod: str, transport: str) -> None:
    """Two connections carry 100 MB each, in and out, whole; a third that nobody reads costs no memory; ends are told
    one by one: the answer comes after the end of the question."""
    block, results = os.urandom(1_000_000), {}
    before = memory(node)

    def upload(connection: socket.socket) -> None:
        for _ in range(100):
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
        results["sum"] = everything(connection).decode()

    def download(connection: socket.socket) -> None:
        connection.sendall(b"100")
        results["given"] = sum(len(data) for data in iter(lambda: connection.recv(1 << 20), b""))

    with forwarded(node, pod, transport, 1, 2) as (connect, _), connect(1) as up, connect(2) as down:
        workers = [threading.Thread(target=upload, args=(up,)), threading.Thread(target=download, args=(down,))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    print(f"\nkubelet {before:.0f} → {memory(node):.0f} MB")
    assert results == {"sum": hashlib.sha256(block * 100).hexdigest(), "given": 100_000_000}
    assert memory(node) - before < 15


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_that_is_not_read_waits(node: Node, pod: str, transport: str) -> None:
    """What the pod does not read is held back at its source, not in the kubelet; afterwards no descriptor is left."""
    before, files = memory(node), descriptors(node)
    with forwarded(node, pod, transport, 6) as (connect, _), connect(6) as stalled:
        stalled.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 100_000_000:
                sent += stalled.send(bytes(1 << 20))
        assert memory(node) - before < 10
        assert sent < 60_000_000
    wait(lambda: len(descriptors(node)) <= len(files) + 2 or None, "files to close", 20, lambda: str(descriptors(node)))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nobody_listens(node: Node, pod: str, transport: str) -> None:
    """A refused connection is told by the port, the pod and each address that was tried."""
    uid = node.pod(pod)["metadata"]["uid"]
    with forwarded(node, pod, transport, 9) as (connect, client):
        with connect(9) as connection:
            assert everything(connection) == b""
        said = client.stdout.read()
    assert "An error occurred forwarding" in said
    assert f"error forwarding port 9 to pod {uid}, uid : failed to execute portforward in network namespace" in said
    assert "IPv4: dial tcp 127.0.0.1:9: connect: connection refused" in said
    assert "IPv6: dial tcp [::1]:9: connect: connection refused" in said
    assert "lost connection to pod" in said


def test_a_pod_that_is_not_there(node: Node) -> None:
    """The API server says so, and a pod that is not running is told by kubectl."""
    assert 'pods "none" not found' in node.kubectl("port-forward", "none", "80", check=False).stderr
    spec = {"containers": [{"name": "c", "image": "host"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "f-nowhere"}, "spec": spec}
    node.kubectl("create", "-f", "-", input=json.dumps(pod))
    assert "pod is not running" in node.kubectl("port-forward", "f-nowhere", "80", check=False).stderr
    node.kubectl("delete", "pod", "f-nowhere", "--wait=false")
