"""Stand-alone clusters for tests, one of each family setting, started when first asked for."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.upstream import programs
from kube46.lab.paths import Paths
from patience import patient

BIN = Path(sys.executable).parent
HERE = Path(__file__).parent
CONTROL_PLANES: dict[str, tuple[str, ...]] = {"own": (), "beside": (), "theirs": ("--controllers", "scheduler")}
SETTINGS = {"ipv4,ipv6": "r46", "ipv6,ipv4": "r64", "ipv4": "r4", "ipv6": "r6"}


@dataclass(frozen=True)
class Cluster:
    """A running cluster, its commands run as a user runs them."""

    name: str
    families: tuple[str, ...]
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """A kubeconfig of the tests' own, and this environment's programs first."""
        path = f"{BIN}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "KUBECONFIG": str(self.home / "config"), "HOME": str(self.home)}

    def run(self, *command: str, check: bool = True, text: str = "", timeout: float = 60) -> str:
        """The output of a command; its errors are part of the failure."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, input=text, timeout=timeout, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)[:200]}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout + ("" if check else done.stderr)

    def kubectl(self, *arguments: str, **options: Any) -> str:
        """kubectl in this cluster's context."""
        return self.run("kubectl", "--context", f"kube46-{self.name}", *arguments, **options)

    def shell(self, place: str, *command: str, **options: Any) -> str:
        """A command at a place."""
        return self.run("kube46", "shell", "--name", self.name, place, "--", *command, **options)

    def apply(self, *objects: dict[str, Any], namespace: str = "default") -> None:
        """`kubectl apply` of some objects."""
        body = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("-n", namespace, "apply", "-f", "-", text=json.dumps(body))

    def get(self, *arguments: str) -> Any:
        """`kubectl get -o json`."""
        return json.loads(self.kubectl("get", "-o", "json", *arguments))

    def at(self, place: str, *command: str, **options: Any) -> str:
        """A command in a place's network namespace: quicker than its shell, but with the machine's own files."""
        return self.run("ip", "netns", "exec", Paths(self.name).namespace(place), *command, **options)

    def ask(self, place: str, kind: str, host: str, port: int) -> tuple[str, str, float]:
        """Who answered a request over `tcp` or `udp` (or the error's name), whom they saw, and in how many seconds."""
        name, client, took = self.at(place, *program_of("ask"), kind, host, str(port)).split()
        return name, client, float(took)

    def ask_from_pod(self, process: int, kind: str, host: str, port: int) -> tuple[str, str, float]:
        """As `ask`, from the network namespace of a pod's process."""
        said = self.run("nsenter", "-t", str(process), "-n", *program_of("ask"), kind, host, str(port))
        name, client, took = said.split()
        return name, client, float(took)

    def process_of(self, pod: str, namespace: str = "default") -> int:
        """A process of an echo pod, as the machine sees it."""
        wanted = {
            f"POD_NAME={pod}".encode(),
            f"POD_UID={self.get('-n', namespace, 'pod', pod)['metadata']['uid']}".encode(),
        }
        for directory in Path("/proc").iterdir():
            with suppress(OSError):
                if directory.name.isdigit() and wanted <= set((directory / "environ").read_bytes().split(b"\0")):
                    return int(directory.name)
        raise AssertionError(f"pod {pod} has no process")

    def up(self, *flags: str, check: bool = False, **options: Any) -> str:
        """`kube46 up` of this cluster."""
        families = () if Paths(self.name).settings.exists() else ("--families", ",".join(self.families))
        return self.run(
            "kube46",
            "up",
            "--name",
            self.name,
            *families,
            *(() if check else ("--no-check",)),
            *flags,
            timeout=120,
            **options,
        )

    def down(self) -> None:
        """`kube46 down` of this cluster."""
        self.run("kube46", "down", "--name", self.name, check=False)

    def parts(self) -> dict[str, int]:
        """The pids of the cluster's parts, 0 for one that is not there."""
        return {part["name"]: part["pid"] for part in json.loads(Paths(self.name).parts.read_text())["parts"]}

    def matrix(self) -> dict[str, Any]:
        """`kube46 check -o json`, whatever its verdict."""
        done = subprocess.run(
            ["kube46", "check", "--name", self.name, "-o", "json"],
            env=self.environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))

    def matrix_is_green(self) -> dict[str, Any]:
        """The report of a check that passes; crosses are the failure."""
        report = self.matrix()
        assert [cell for cell in report["cells"] if cell["failures"]] == []
        assert report["passed"]
        return report


def program_of(name: str, *arguments: str) -> tuple[str, ...]:
    """The command line of one of the tests' programs: its source is in it, so it needs no file where it runs."""
    return ("/usr/bin/python3", "-IS", "-c", (HERE / f"{name}.py").read_text(), *arguments)


def echo_pod(labels: dict[str, str], *, node: str = "", ready: bool = True) -> dict[str, Any]:
    """A pod template of the echo server."""
    fields = {"POD_NAME": "metadata.name", "POD_UID": "metadata.uid"}
    container: dict[str, Any] = {
        "name": "echo",
        "image": "host",
        "command": list(program_of("echo")),
        "env": [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()],
        "ports": [{"name": "echo", "containerPort": 8080}],
    }
    if ready:
        container["readinessProbe"] = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    spec: dict[str, Any] = {"containers": [container], "terminationGracePeriodSeconds": 2}
    if node:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    return {"metadata": {"labels": labels}, "spec": spec}


def echo_deployment(name: str, replicas: int, *, node: str = "") -> dict[str, Any]:
    """A Deployment of echo servers labelled `app: NAME`."""
    labels = {"app": name}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": echo_pod(labels, node=node)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def echo_service(name: str, app: str, **spec: Any) -> dict[str, Any]:
    """A Service of all the cluster's families, port 80 over TCP and UDP, to the pods labelled `app: APP`."""
    ports = [{"name": kind.lower(), "protocol": kind, "port": 80, "targetPort": 8080} for kind in ("TCP", "UDP")]
    whole = {"ipFamilyPolicy": "PreferDualStack", "selector": {"app": app}, "ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": whole}


def eventually(probe: Callable[[], Any], seconds: float = 20) -> Any:
    """The first true value of `probe`; what it raised last when none came in time."""
    deadline = time.monotonic() + patient(seconds)
    while True:
        try:
            if value := probe():
                return value
            failure: Exception = AssertionError(f"{probe} stayed false for {seconds} s")
        except Exception as error:
            failure = error
        if time.monotonic() > deadline:
            raise failure
        time.sleep(0.1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--control-plane=beside` or `theirs`: the real API server, with kube46's loops or upstream's."""
    parser.addoption("--control-plane", choices=sorted(CONTROL_PLANES), default="own", help="of all clusters")


def control_plane(kind: str) -> tuple[str, ...]:
    """The flags of `up` for a kind of control plane."""
    return ("--kubernetes", str(programs()), *CONTROL_PLANES[kind]) if kind != "own" else ()


@pytest.fixture(scope="session")
def clusters(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Callable[[str], Cluster]]:
    """Starts the cluster of a family setting, once a session; deletes all of them at its end."""
    home = tmp_path_factory.mktemp("home")
    flags = control_plane(request.config.getoption("--control-plane", default="own"))
    started: dict[str, Cluster] = {}

    def start(families: str) -> Cluster:
        if families not in started:
            cluster = Cluster(f"{SETTINGS[families]}-{os.getpid()}", tuple(families.split(",")), home)
            started[families] = cluster
            output = cluster.run("kube46", "up", "--name", cluster.name, "--families", families, *flags, timeout=120)
            (home / f"{cluster.name}.up").write_text(output)
        return started[families]

    yield start
    for cluster in started.values():
        cluster.run("kube46", "down", "--name", cluster.name, check=False)


@pytest.fixture(scope="session")
def dual(clusters: Callable[[str], Cluster]) -> Cluster:
    """The dual-stack cluster, IPv4 first."""
    return clusters("ipv4,ipv6")
