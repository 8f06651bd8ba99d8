"""Bad input of the command line: status 2, one sentence that names the flag and the mend, and nothing changed."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e.conftest import BIN, Cluster

pytestmark = [pytest.mark.root, pytest.mark.timeout(60)]
NAME = f"rbad-{os.getpid()}"
UP = ("up", "--name", NAME)
BOTH = "10.244.0.0/16,fd00:10:244::/56"

MISTAKES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "pods overlap Services": ((*UP, "--pod-cidr", "10.96.0.0/16,fd00:10:244::/56"), ("--pod-cidr", "overlaps")),
    "pods overlap nodes": ((*UP, "--pod-cidr", "10.46.0.0/16,fd00:10:244::/56"), ("--pod-cidr", "overlaps")),
    "Services overlap the outside": ((*UP, "--service-cidr", "203.0.113.0/24,fd00:10:96::/112"), ("--service-cidr",)),
    "IPv6 for an IPv4 cluster": ((*UP, "--families", "ipv4", "--pod-cidr", "fd00::/56"), ("--pod-cidr", "is ipv6")),
    "one range for two families": ((*UP, "--service-cidr", "10.96.0.0/16"), ("--service-cidr", "ipv4,ipv6")),
    "ranges in the wrong order": ((*UP, "--families", "ipv6,ipv4", "--pod-cidr", BOTH), ("--pod-cidr", "order")),
    "IPv4 pool too small": ((*UP, "--pod-cidr", "10.244.0.0/24,fd00:10:244::/56"), ("--pod-cidr", "/23")),
    "IPv6 pool too small": ((*UP, "--nodes", "3", "--pod-cidr", "10.244.0.0/16,fd00:1::/63"), ("--pod-cidr", "/62")),
    "Services too few": ((*UP, "--service-cidr", "10.96.0.0/30,fd00:10:96::/112"), ("--service-cidr", "/28")),
    "bits after the prefix": ((*UP, "--pod-cidr", "10.244.0.1/16,fd00:10:244::/56"), ("--pod-cidr", "10.244.0.0/16")),
    "no range": ((*UP, "--pod-cidr", "nonsense"), ("--pod-cidr", "write one as")),
    "unknown family": ((*UP, "--families", "ipv5"), ("--families", "write ipv4")),
    "no family": ((*UP, "--families", ""), ("--families", "write ipv4")),
    "family twice": ((*UP, "--families", "ipv6,ipv6"), ("--families", "once")),
    "bad name": (("up", "--name", "No_Good"), ("--name", "lower-case")),
    "name that climbs": (("up", "--name", "../x"), ("--name", "lower-case")),
    "long name": (("up", "--name", "r" * 21), ("--name", "20")),
    "no nodes": ((*UP, "--nodes", "0"), ("--nodes", "1")),
    "too many nodes": ((*UP, "--nodes", "1000"), ("--nodes", "200")),
    "a word for a number": ((*UP, "--nodes", "two"), ("--nodes", "--help")),
    "no port": ((*UP, "--api-port", "70000"), ("--api-port", "65535")),
    "unknown flag": ((*UP, "--famlies", "ipv4"), ("--famlies", "--help")),
    "unknown command": (("upp",), ("upp", "--help")),
    "no such cluster to stop": (("stop", "--name", NAME), ("--name", "kube46 status")),
    "no such cluster to delete": (("down", "--name", NAME), ("--name", "kube46 status")),
    "no such cluster to enter": (("shell", "--name", NAME, "outside"), ("--name", "kube46 status")),
    "no such cluster to check": (("check", "--name", NAME), ("--name", "kube46 status")),
    "no such cluster to run in": (("run", "a", "--name", NAME, "--", "sleep", "1"), ("--name", "kube46 status")),
    "nothing to run": (("run", "a"), ("no command", "--")),
    "a program's option without --": (("run", "a", "python3", "-m", "x"), ("-m", "write -- before COMMAND")),
    "no such program": (("run", "a", "--", "k46-none"), ("COMMAND k46-none", "install it first")),
    "a program that pods don't see": (("run", "a", "--", __file__), ("COMMAND",)),
    "no port to run with": (("run", "a", "--port", "http", "--", "sleep"), ("--port http", "65535")),
    "no port to expose": (("run", "a", "--expose", "--", "sleep"), ("--expose", "add --port")),
    "nothing to mount": (("run", "a", "--mount", "", "--", "sleep"), ("--mount", "name a directory")),
    "mount of what is not there": (("run", "a", "--mount", "/k46-none", "--", "sleep"), ("--mount", "make it first")),
    "mount of all": (("run", "a", "--mount", "/", "--", "sleep"), ("--mount /", "apart from it")),
    "no variable": (("run", "a", "--env", "A", "--", "sleep"), ("--env A", "NAME=VALUE")),
    "no such family to check": (("check", "--families", "ipx"), ("--families", "write ipv4")),
}  # fmt: skip


def world() -> dict[str, object]:
    """What a cluster of our names would leave: files, namespaces, mounts, and the host's own links and rules."""

    def said(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    ours = (NAME, "No_Good", "x", "r" * 21)
    places = [Path(root) / name for root in ("/var/lib/kube46", "/run/kube46") for name in ours]
    return {
        "files": [str(path) for path in places if path.exists()],
        "namespaces": [line for line in said("ip", "netns", "list").splitlines() if NAME in line],
        "mounts": [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if NAME in line],
        "links": [line.partition(" mtu")[0] for line in said("ip", "-o", "link").splitlines()],
        "rules": said("nft", "list", "ruleset"),
    }


@contextmanager
def unchanged(home: Path) -> Iterator[None]:
    """Nothing is different afterwards."""
    before = world()
    yield
    assert world() == before
    assert list(home.iterdir()) == []


def refusal(home: Path, *command: str, path: str = "") -> str:
    """Runs a command that must be refused; its one sentence."""
    environment = {**os.environ, "PATH": path or f"{BIN}:{os.environ['PATH']}", "HOME": str(home)}
    environment["KUBECONFIG"] = str(home / "config")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("kube46: ")
    return lines[0]


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_and_nothing_is_done(tmp_path: Path, name: str) -> None:
    """Status 2, one line on standard error with the flag and the mend, no trace of a cluster."""
    arguments, words = MISTAKES[name]
    with unchanged(tmp_path):
        sentence = refusal(tmp_path, "kube46", *arguments)
    for word in words:
        assert word in sentence


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    """--api-port of another program."""
    with socket.socket() as other, unchanged(tmp_path):
        other.bind(("127.0.0.1", 0))
        other.listen()
        sentence = refusal(tmp_path, "kube46", *UP, "--api-port", str(other.getsockname()[1]))
    assert "--api-port" in sentence
    assert "choose another" in sentence


def test_who_is_not_root_is_told(tmp_path: Path) -> None:
    """Without sudo: the sentence says what to do."""
    empty = tmp_path / "bin"
    become = ("/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    sentence = refusal(tmp_path, *become, sys.executable, "-P", "-m", "kube46", *UP, path=str(empty))
    assert "run this as root, or install sudo" in sentence


def test_a_missing_program_is_named_with_its_package(tmp_path: Path) -> None:
    """A PATH without crun: the directories of root's programs are looked through as well."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("ip", "unshare", "nsenter", "nft"):
        found = next(Path(d) / name for d in os.environ["PATH"].split(":") if (Path(d) / name).exists())
        (programs / name).symlink_to(found)
    home = tmp_path / "home"
    home.mkdir()
    with unchanged(home):
        sentence = refusal(home, sys.executable, "-P", "-m", "kube46", *UP, path=str(programs))
    assert "apt-get install -y crun`" in sentence


def test_a_missing_kernel_feature_is_named(tmp_path: Path) -> None:
    """Without CAP_NET_ADMIN no bridge can be made, as without the modules: said before anything is made."""
    without = ("/usr/bin/setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    with unchanged(tmp_path):
        sentence = refusal(tmp_path, *without, "kube46", *UP)
    assert "the kernel lacks bridge and veth links" in sentence


def test_an_existing_cluster_is_not_changed_by_other_flags(clusters: Callable[[str], Cluster]) -> None:
    """`up` with other settings is refused with the kept ones; with the same ones nothing is changed."""
    cluster = clusters("ipv4")
    before = cluster.parts()
    home = cluster.home / "other"
    home.mkdir(exist_ok=True)
    for flags, kept in (
        (("--nodes", "3"), "--nodes 2"),
        (("--families", "ipv6"), "--families ipv4"),
        (("--pod-cidr", "10.200.0.0/16"), "--pod-cidr 10.244.0.0/16"),
    ):
        assert kept in refusal(home, "kube46", "up", "--name", cluster.name, *flags)
    assert "nothing was changed" in cluster.run("kube46", "up", "--name", cluster.name, "--nodes", "2")
    assert cluster.parts() == before
