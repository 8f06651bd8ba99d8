"""A node of its own for the kubelet's tests: PID, mount and network namespaces with a real API server and a kubelet."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kube46.apiserver.certificates import Authority
from kube46.lab import hierarchies
from kube46.lab.kubelet import cgroupfs
from patience import patient

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
NODE = "enode"
PROCESSES = 256  # of a pod, at most
SETUP = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir /run/netns
mount -t cgroup2 none /sys/fs/cgroup
ip link set lo up
ip addr add 10.46.0.11/32 dev lo
ip -6 addr add fd46::11/128 dev lo nodad
touch "$1/ready"
while :; do sleep 1000 & wait $!; done
"""
NAMESPACES = ("--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child")


class Node:
    """The node's processes; `kubectl` and `run` work inside of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "kubelet"
        self.cni = directory / "cni"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.keeper = subprocess.Popen(["unshare", *NAMESPACES, "sh", "-c", SETUP, "keeper", str(directory)])
        wait(lambda: (directory / "ready").exists() or None, "the node's namespaces")
        self.init = int(Path(f"/proc/{self.keeper.pid}/task/{self.keeper.pid}/children").read_text().split()[0])
        self._certificates()
        self._network()

    def inside(self, *command: str) -> list[str]:
        """The command line that runs `command` in the node's namespaces."""
        return ["nsenter", "-t", str(self.init), "-m", "-n", "-p", *command]

    def run(self, *command: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs a command in the node."""
        return subprocess.run(self.inside(*command), check=check, capture_output=True, text=True, timeout=40, **options)

    def start(self, name: str, *command: str) -> None:
        """Starts a daemon in the node."""
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(self.inside(*command), stdout=log, stderr=log)

    def pid(self, name: str) -> int:
        """The number of a daemon's process, here outside."""
        entrance = self.processes[name].pid
        return int(Path(f"/proc/{entrance}/task/{entrance}/children").read_text().split()[0])

    def start_apiserver(self) -> None:
        """The real API server, on loopback."""
        pki = self.directory / "pki"
        self.start(
            "apiserver", str(BIN / "kube46"), "apiserver", "--data", str(self.directory / "db"),
            "--service-cluster-ip-range", "10.96.0.0/16,fd00:10:96::/112", "--advertise-address", "10.46.0.11",
            "--bind-address", "127.0.0.1", "--secure-port", "6443", "--token-auth-file", str(self.directory / "tokens"),
            "--tls-cert-file", str(pki / "server.crt"), "--tls-private-key-file", str(pki / "server.key"),
            "--client-ca-file", str(pki / "ca.crt"), "--cert-dir", str(pki),
            "--service-account-signing-key-file", str(self.directory / "sa.key"),
            "--kubelet-certificate-authority", str(pki / "ca.crt"),
            "--kubelet-client-certificate", str(pki / "client.crt"), "--kubelet-client-key", str(pki / "client.key"),
        )  # fmt: skip
        wait(lambda: self.kubectl("get", "--raw", "/readyz", check=False).returncode == 0 or None, "the API server", 20)

    def start_kubelet(self, *options: str) -> None:
        """The kubelet under test."""
        pki = self.directory / "pki"
        self.start(
            "kubelet", str(BIN / "kube46"), "kubelet", "--kubeconfig", str(self.directory / "node.kubeconfig"),
            "--node-name", NODE, "--node-ip", "10.46.0.11,fd46::11", "--root-dir", str(self.root),
            "--cluster-dns", "10.96.0.10,fd00:10:96::a", "--client-ca-file", str(pki / "ca.crt"),
            "--tls-cert-file", str(pki / "kubelet.crt"), "--tls-private-key-file", str(pki / "kubelet.key"),
            "--cni-conf-dir", str(self.cni / "conf"), "--cni-bin-dir", str(self.cni / "bin"),
            "--image-dir", str(self.directory / "images.d"), "--image-store", str(self.directory / "images"),
            "--sync-frequency", "1",
            "--host-path-root", str(self.directory / "shared"), "--host-path-root", f"{self.directory}/fixed:ro",
            "--cgroup-root", self.directory.name,
            "--pod-max-pids", str(PROCESSES),
            *options,
        )  # fmt: skip

    def kubectl(self, *arguments: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs kubectl as the administrator."""
        return self.run(*self.kubectl_line(*arguments), check=check, **options)

    def kubectl_line(self, *arguments: str) -> list[str]:
        """The command line of kubectl as the administrator."""
        return [str(BIN / "kubectl"), f"--kubeconfig={self.directory}/admin.kubeconfig", *arguments]

    def background(self, command: list[str]) -> subprocess.Popen[bytes]:
        """A command that runs on, its output kept."""
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def apply(self, name: str, **spec: Any) -> None:
        """Makes a pod on this node; `containers` defaults to one that sleeps."""
        spec = {"nodeName": NODE, "terminationGracePeriodSeconds": 1, "containers": [container()]} | spec
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        self.kubectl("create", "-f", "-", input=json.dumps(pod))

    def pod(self, name: str) -> dict[str, Any]:
        """The pod's object; {} when there is none."""
        done = self.kubectl("get", "pod", name, "-o", "json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def until(self, name: str, true: Callable[[dict[str, Any]], Any], seconds: float = 15) -> dict[str, Any]:
        """The pod once `true` of it."""
        return wait(
            lambda: (pod := self.pod(name)) and true(pod) and pod, f"pod {name}", seconds, lambda: self.explain(name)
        )

    def explain(self, name: str) -> str:
        """What is known of a pod that isn't as it should be."""
        log = (self.directory / "kubelet.log").read_text()[-3000:]
        return f"{json.dumps(self.pod(name).get('status'), indent=1)}\n{self.events(name)}\n{log}"

    def events(self, name: str) -> list[tuple[str, str]]:
        """(reason, message) of the pod's Events."""
        done = self.kubectl("get", "events", "-o", "json", f"--field-selector=involvedObject.name={name}", check=False)
        return [(e["reason"], e["message"]) for e in json.loads(done.stdout or '{"items": []}')["items"]]

    def gone(self, name: str, seconds: float = 15) -> None:
        """Returns once there is no such pod."""
        wait(lambda: not self.pod(name) or None, f"pod {name} to be gone", seconds, lambda: self.explain(name))

    def close(self) -> None:
        """Ends everything in the node."""
        os.kill(self.init, signal.SIGKILL)
        for process in (*self.processes.values(), self.keeper):
            process.wait(60)
        cgroupfs.remove_all(self.directory.name, hierarchies.mounted())

    def _certificates(self) -> None:
        pki = self.directory / "pki"
        authority = Authority.load_or_create(pki)
        issued = {
            "server": authority.issue("kube-apiserver", ip_addresses=("127.0.0.1",), server=True),
            "client": authority.issue("kube-apiserver-kubelet-client", ("system:masters",), client=True),
            "kubelet": authority.issue(f"system:node:{NODE}", ip_addresses=("10.46.0.11", "fd46::11"), server=True),
        }
        for name, (certificate, key) in issued.items():
            (pki / f"{name}.crt").write_bytes(certificate)
            (pki / f"{name}.key").write_bytes(key)
        (self.directory / "tokens").write_text(
            f'etoken-admin,admin,u1,"system:masters"\netoken-node,system:node:{NODE},u2,"system:nodes"\n'
        )
        ca = base64.b64encode((pki / "ca.crt").read_bytes()).decode()
        for name, token in (("admin", "etoken-admin"), ("node", "etoken-node")):
            server = {"server": "https://127.0.0.1:6443", "certificate-authority-data": ca}
            document = {
                "apiVersion": "v1", "kind": "Config", "current-context": "e",
                "clusters": [{"name": "e", "cluster": server}],
                "users": [{"name": "e", "user": {"token": token}}],
                "contexts": [{"name": "e", "context": {"cluster": "e", "user": "e"}}],
            }  # fmt: skip
            (self.directory / f"{name}.kubeconfig").write_text(json.dumps(document))

    def _network(self) -> None:
        for name in ("conf", "bin", "state"):
            (self.cni / name).mkdir(parents=True)
        (self.directory / "shared").mkdir()
        (self.cni / "bin/e-veth").symlink_to(HERE / "veth-plugin.sh")
        plugin = {"type": "e-veth", "stateDir": str(self.cni / "state"), "capabilities": {"portMappings": True}}
        conflist = {"cniVersion": "1.0.0", "name": "etest", "plugins": [plugin]}
        (self.cni / "conf/10-e.conflist").write_text(json.dumps(conflist))


def container(name: str = "main", *command: str, **fields: Any) -> dict[str, Any]:
    """A container of the host's image that sleeps unless told otherwise."""
    return {"name": name, "image": "host", "command": list(command) or ["sleep", "1000"], **fields}


def wait(condition: Callable[[], Any], what: str, seconds: float = 10, explain: Callable[[], str] = str) -> Any:
    """The condition's first true value."""
    end = time.monotonic() + patient(seconds)
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    pytest.fail(f"waited {seconds} s for {what}\n{explain()}")


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """A node with an API server and a kubelet, shared by all tests of this directory."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    directory = Path(tempfile.mkdtemp(prefix="k46t-kubelet-", dir="/var/tmp"))
    directory.chmod(0o755)
    made = Node(directory)
    try:
        made.start_apiserver()
        for name in ("default", "kube-node-lease"):
            made.kubectl("create", "namespace", name, check=False)
        made.kubectl("create", "configmap", "kube-root-ca.crt", f"--from-file=ca.crt={directory}/pki/ca.crt")
        made.start_kubelet()
        yield made
    finally:
        made.close()
        shutil.rmtree(directory, ignore_errors=True)
