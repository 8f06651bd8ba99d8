"""Our plugins under container runtimes that others wrote: podman with its CNI backend, and containerd's `ctr`.

Each runs in the network namespace of a node, with processes, /run and /var/lib/cni of its own, which end with the test.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kube46.cni.installation import install

from .conftest import Node
from .test_portmap import ask

pytestmark = pytest.mark.root

HOLDER = """
set -e
mount --make-rprivate /
for directory in /run /var/lib/cni /opt; do mkdir -p $directory; mount -t tmpfs none $directory; done
mkdir -p /opt/cni/bin /etc/cni/net.d
mount --bind "$1/bin" /opt/cni/bin
mount --bind "$1/net.d" /etc/cni/net.d
if [ "$2" = unified ]; then mount -t cgroup2 none /sys/fs/cgroup; fi
echo ready
exec sleep infinity
"""
CONTAINERS = """
[network]
network_backend = "cni"
cni_plugin_dirs = ["{0}/bin"]
network_config_dir = "{0}/net.d"
default_network = "net"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "crun"
static_dir = "{0}/libpod"
volume_path = "{0}/volumes"
[containers]
cgroups = "disabled"
log_driver = "k8s-file"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
"""
STORAGE = """
[storage]
driver = "vfs"
graphroot = "{0}/storage"
runroot = "/run/containers"
"""
CONTAINERD = """
version = 2
root = "{0}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
"""
ANSWER = "from-the-container"


class Runtime:
    """The namespaces that a runtime runs in, its files, and a root file system whose busybox serves one page."""

    def __init__(self, node: Node, directory: Path, cgroups: str) -> None:
        self.node, self.directory = node, directory
        install(directory / "bin", python=Path(sys.executable), socket=directory / "cni.sock")
        self._configure()
        self._fill(directory / "root")
        command = ["nsenter", f"--net=/run/netns/{node.name}", "unshare", "-m", "-p", "--fork", "--kill-child"]
        command += ["--mount-proc", "sh", "-c", HOLDER, "-", str(directory), cgroups]
        self.holder = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.holder.stdout
        assert self.holder.stdout.readline() == b"ready\n"
        (self.first,) = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()

    def command(self, *words: str | Path) -> list[str | Path]:
        """A command in the namespaces."""
        return ["nsenter", "-t", self.first, "-m", "-n", "-p", *words]

    def run(self, *words: str | Path) -> str:
        """Its output. Fails with its errors."""
        files = {"CONTAINERS_CONF": "containers.conf", "CONTAINERS_STORAGE_CONF": "storage.conf", "TMPDIR": ""}
        environment = {name: str(self.directory / file) for name, file in files.items()}
        done = subprocess.run(
            self.command(*words),
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def close(self) -> None:
        """End it, with all mounts and processes."""
        self.holder.kill()
        self.holder.communicate()

    def _configure(self) -> None:
        bridge = self.node.configuration() | {"cniVersion": "1.0.0", "capabilities": {"ips": True}}
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        network: dict[str, Any] = {"cniVersion": "1.0.0", "name": "net", "plugins": [bridge, ports]}
        (self.directory / "net.d").mkdir()
        (self.directory / "net.d" / "10-net.conflist").write_text(json.dumps(network))
        for name, text in (("containers", CONTAINERS), ("storage", STORAGE), ("containerd", CONTAINERD)):
            (self.directory / f"{name}.conf").write_text(text.format(self.directory))

    def _fill(self, root: Path) -> None:
        for name in ("bin", "tmp", "proc", "sys", "dev", "etc"):
            (root / name).mkdir(parents=True)
        busybox = shutil.which("busybox")
        assert busybox
        shutil.copy(busybox, root / "bin" / "busybox")
        linked = subprocess.run(["ldd", busybox], capture_output=True, text=True, check=False).stdout
        for word in linked.split():
            if word.startswith("/"):
                (root / word[1:]).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(word, root / word[1:])
        (root / "page").write_text(ANSWER)


@pytest.fixture
def runtime(node: Node, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Runtime]:
    """The place for a runtime; its parameter says whether cgroups must be version 2 alone, as crun 1.8 wants them."""
    made = Runtime(node, tmp_path, request.param)
    yield made
    made.close()


SERVE = ("/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/")


def page(node: Node, address: str, port: int = 80) -> str:
    """The container's page, asked for by the node until it serves."""
    host = f"[{address}]" if ":" in address else address
    command = ["nsenter", f"--net=/run/netns/{node.name}", "curl", "-sS", "--max-time", "5"]
    retry = ["--retry", "20", "--retry-connrefused", "--retry-max-time", "60", "--noproxy", "*"]
    done = subprocess.run([*command, *retry, f"http://{host}:{port}/page"], capture_output=True, text=True, check=False)
    return done.stdout or done.stderr


@pytest.mark.parametrize("runtime", ["unified"], indirect=True)
def test_podman(runtime: Runtime) -> None:
    """podman's containers get the address that was asked for and one of the other family, ports of the node that lead
    to them by both, and leave nothing when they are removed.
    """
    node, root = runtime.node, runtime.directory / "root"
    podman = ("podman", "--cgroup-manager=cgroupfs")
    options = ("--name=web", "--network=net", "--ip=10.244.1.77", "--publish=8080:80", "--publish=8053:53/udp")
    runtime.run(*podman, "run", "--detach", *options, "--rootfs", root, *SERVE)
    assert page(node, "10.244.1.77") == ANSWER
    for address in ("127.0.0.1", "10.244.1.1", "fd00:10:244:1::1"):
        assert page(node, address, 8080) == ANSWER
    (network,) = json.loads(runtime.run(*podman, "inspect", "web"))[0]["NetworkSettings"]["Networks"].values()
    assert node.addresses() == {network["IPAddress"], network["GlobalIPv6Address"]}

    runtime.run(*podman, "rm", "--force", "--time=0", "web")
    assert node.addresses() == set()
    assert node.links() == {"lo", "cni0"}
    assert ask(node.name, "10.244.1.1", 8080, timeout=1) == []


@pytest.fixture
def containerd(runtime: Runtime) -> Iterator[Runtime]:
    """containerd, running in the runtime's namespaces."""
    daemon = runtime.command("containerd", "--config", runtime.directory / "containerd.conf")
    with (runtime.directory / "containerd.log").open("wb") as log:
        process = subprocess.Popen(daemon, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while b"successfully booted" not in (runtime.directory / "containerd.log").read_bytes():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield runtime
    finally:
        process.terminate()
        process.communicate()


@pytest.mark.parametrize("runtime", ["as-they-are"], indirect=True)
def test_containerd(containerd: Runtime) -> None:
    """`ctr run --cni` gives a container both families' addresses by our plugins, and takes them back when it ends."""
    node = containerd.node
    options = ("--rm", "--cni", "--snapshotter", "native", "--rootfs")
    command = containerd.command("ctr", "run", *options, containerd.directory / "root", f"{node.name}-web", *SERVE)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while len(node.addresses()) < 2:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for address in node.addresses():
            assert page(node, address) == ANSWER
        containerd.run("ctr", "task", "kill", "--signal", "9", f"{node.name}-web")
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert node.addresses() == set()
    assert node.links() == {"lo", "cni0"}
