"""A stand-alone cluster's life: up, heal, stop, up, killed supervisor, down; and what `up` refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from patience import patient

pytestmark = [pytest.mark.root, pytest.mark.alone, pytest.mark.timeout(120)]
BIN = Path(sys.executable).parent
NAME = f"dt{os.getpid() % 10000}"


class Cluster:
    """Runs kube46 and kubectl with a kubeconfig of the test's own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "HOME": str(home), "PATH": f"{BIN}:{os.environ['PATH']}"}
        self.environment.pop("KUBECONFIG", None)

    def run(self, *command: str, status: int = 0) -> str:
        """The command's output; its exit status must be as expected."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def up(self, *flags: str, status: int = 0) -> str:
        """`kube46 up` without the matrix."""
        return self.run("kube46", "up", "--name", NAME, "--no-check", *flags, status=status)

    def kubectl(self, *arguments: str) -> str:
        """kubectl, in the cluster's context: the `down` of another cluster may leave none current."""
        return self.run("kubectl", "--context", f"kube46-{NAME}", *arguments)

    def status(self) -> dict[str, Any]:
        """`kube46 status` of the cluster."""
        (line,) = json.loads(self.run("kube46", "status", "--name", NAME, "-o", "json"))
        return dict(line)

    def pids(self) -> dict[str, int]:
        """part → pid of what runs."""
        return {part["name"]: part["pid"] for part in self.status()["parts"] if part["running"]}


def eventually(probe: Callable[[], bool], seconds: float) -> float:
    """How long it took until `probe` was true. Fails when it did not within so many seconds."""
    start = time.monotonic()
    while not probe():
        assert time.monotonic() - start < patient(seconds), "it took too long"
        time.sleep(0.02)
    return time.monotonic() - start


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One running cluster for the tests of this file."""
    made = Cluster(tmp_path_factory.mktemp("home"))
    try:
        made.up()
        yield made
    finally:
        made.run("kube46", "down", "--name", NAME)


def test_an_interrupt_says_what_is_left(cluster: Cluster) -> None:
    """Ctrl-C on the way up ends with 130 and the command that deletes what was made, if anything was."""
    name = f"{NAME}i"
    command = ["kube46", "up", "--name", name, "--nodes", "1", "--no-check"]
    run = subprocess.Popen(
        command, env=cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert run.stdout is not None
    run.stdout.readline()  # the heading: it begins
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=patient(60))
    assert run.returncode == 130, said
    made = Path(f"/var/lib/kube46/{name}/cluster.json").exists()
    assert (f"`kube46 down --name {name}` deletes it" in said) is made
    assert ("nothing was changed" in said) is not made
    if made:
        cluster.run("kube46", "down", "--name", name)


def test_up_of_a_running_cluster_changes_nothing(cluster: Cluster) -> None:
    """The second `up` says so and restarts no process."""
    before = cluster.pids()

    assert "nothing was changed" in cluster.up()
    assert cluster.pids() == before


def test_up_adds_what_a_running_cluster_lacks(cluster: Cluster) -> None:
    """An interrupted `up`, or a deletion, leaves no context or no DNS: the next `up` adds them, without restarts."""
    before = cluster.pids()
    cluster.kubectl("-n", "kube-system", "delete", "service", "kube-dns")
    (cluster.home / ".kube" / "config").write_text("")
    text = cluster.up()

    assert f"added the context kube46-{NAME}" in text
    assert "the Service kube-system/kube-dns" in text
    assert "10.96.0.10" in cluster.kubectl("-n", "kube-system", "get", "service", "kube-dns")
    assert "nothing was changed" in cluster.up()
    assert cluster.pids() == before


def test_a_damaged_kubeconfig_is_refused_before_anything_is_made(cluster: Cluster) -> None:
    """Exit status 2, and no cluster runs afterwards that `kubectl` does not know."""
    damaged = cluster.home / "damaged"
    damaged.write_text("a: [b\n")
    command = ("env", f"KUBECONFIG={damaged}", "kube46", "up", "--name", "dt-bad")

    assert "cannot be read" in cluster.run(*command, status=2)
    assert "dt-bad" not in cluster.run("kube46", "status")


def test_roots_programs_are_found_without_their_directories_in_path(cluster: Cluster) -> None:
    """`su -c 'kube46 up'` keeps the user's PATH, which on Debian has no /usr/sbin: BIND is not missing for that."""
    name = f"{NAME}-path"
    narrow = ("env", f"PATH={BIN}:/usr/bin:/bin", "kube46")
    try:
        cluster.run(*narrow, "up", "--name", name, "--nodes", "1", "--families", "ipv6", "--no-check")
    finally:
        cluster.run(*narrow, "down", "--name", name)


@pytest.mark.parametrize("flags", [("--families", "ipv6"), ("--nodes", "3"), ("--pod-cidr", "10.9.0.0/16,fd09::/56")])
def test_other_flags_on_an_existing_cluster_are_refused(cluster: Cluster, flags: tuple[str, str]) -> None:
    """Exit status 2, a sentence naming the kept value, and no process restarted."""
    before = cluster.pids()
    text = cluster.up(*flags, status=2)

    assert f"cluster {NAME} exists with {flags[0]}" in text
    assert cluster.pids() == before


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--families", "ipv7"), "--families"),
        (("--pod-cidr", "10.96.0.0/16,fd00:1::/56"), "overlaps"),
        (("--nodes", "100000"), "--nodes"),
    ],
)
def test_bad_flags_leave_no_trace(cluster: Cluster, flags: tuple[str, str], word: str) -> None:
    """Exit status 2 and one line; neither directory nor namespace of that name exists afterwards."""
    text = cluster.run("kube46", "up", "--name", "dt-bad", *flags, status=2)

    assert word in text
    assert len(text.splitlines()) == 1
    assert not Path("/var/lib/kube46/dt-bad").exists()
    assert not Path("/run/kube46/dt-bad").exists()


def test_a_taken_port_is_named(cluster: Cluster) -> None:
    """The port of a running cluster cannot be another's: exit status 2 names the flag."""
    port = Path(f"/var/lib/kube46/{NAME}/port").read_text()
    text = cluster.run("kube46", "up", "--name", "dt-bad", "--api-port", port, status=2)

    assert f"--api-port {port}" in text
    assert "dt-bad" not in cluster.run("kube46", "status")


@pytest.mark.parametrize("part", ["apiserver", "controllers", "agent-node1", "kubelet-node2", "named-outside"])
def test_a_killed_part_is_back_within_two_seconds(cluster: Cluster, part: str) -> None:
    """The supervisor starts it again, alone."""
    before = cluster.pids()
    os.kill(before[part], signal.SIGKILL)
    eventually(lambda: cluster.pids().get(part, before[part]) != before[part], 2)
    after = cluster.pids()

    assert {name for name in before if after.get(name) != before[name]} == {part}
    assert "node1" in cluster.kubectl("get", "nodes")


def test_a_command_runs_in_a_place(cluster: Cluster) -> None:
    """It sees the place's addresses, and its exit status is passed on."""
    text = cluster.run("kube46", "shell", "--name", NAME, "node1", "--", "ip", "-o", "address")
    cluster.run("kube46", "shell", "--name", NAME, "outside", "--", "sh", "-c", "exit 7", status=7)
    unknown = cluster.run("kube46", "shell", "--name", NAME, "nowhere", "--", "true", status=2)

    assert "10.46.0.11/24" in text
    assert "fd46::11/64" in text
    assert "which has cp, edge, outside, node1, node2" in unknown


@pytest.mark.parametrize(("program", "status"), [("no-such-program", 127), ("/etc/passwd", 126), ("", 126)])
def test_what_cannot_be_run_ends_as_in_a_shell(cluster: Cluster, program: str, status: int) -> None:
    """One sentence, and the status that shells use, which is told from the program's own."""
    text = cluster.run("kube46", "shell", "--name", NAME, "outside", "--", program, status=status)

    assert text.startswith("kube46: ")
    assert len(text.splitlines()) == 1


def test_a_reader_that_has_enough_is_no_trouble(cluster: Cluster) -> None:
    """`kube46 logs | head -1` ends without a word about its broken pipe."""
    text = cluster.run("sh", "-c", f"kube46 logs --name {NAME} | head -1")

    assert len(text.splitlines()) == 1


def test_a_running_cluster_keeps_its_port(cluster: Cluster) -> None:
    """Another port is refused, not ignored."""
    port = int(Path(f"/var/lib/kube46/{NAME}/port").read_text())
    cluster.up("--api-port", str(port))

    assert f"runs with --api-port {port}" in cluster.up("--api-port", str(port - 1), status=2)


def test_the_outside_resolver_answers_its_zone_and_nothing_else(cluster: Cluster) -> None:
    """Names of one family have no other; a large answer arrives; a foreign name does not exist, at once."""
    ask = ("kube46", "shell", "--name", NAME, "node1", "--", "dig", "+short", "@2001:db8:46::10")

    assert cluster.run(*ask, "only4.outside.test", "A").strip() == "203.0.113.10"
    assert cluster.run(*ask, "only4.outside.test", "AAAA").strip() == ""
    assert cluster.run(*ask, "alias.outside.test", "AAAA").split() == ["dual.outside.test.", "2001:db8:46::10"]
    assert len(cluster.run(*ask, "large.outside.test", "TXT").splitlines()) == 40
    assert "NXDOMAIN" in cluster.run(*[word for word in ask if word != "+short"], "example.org")


def test_the_host_has_no_link_of_the_cluster(cluster: Cluster) -> None:
    """All links are in the cluster's namespaces."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout

    assert NAME not in links
    assert "underlay" not in links


def test_a_killed_supervisor_is_replaced(cluster: Cluster) -> None:
    """Without it the API server answers on; `up` puts a new one in its place and keeps the namespaces."""
    report = json.loads(Path(f"/run/kube46/{NAME}/parts.json").read_bytes())
    inode = Path(f"/run/netns/k46-{NAME}-node1").stat().st_ino
    os.kill(report["pid"], signal.SIGKILL)

    assert "kubernetes" in cluster.kubectl("get", "services")
    assert cluster.status()["state"] == "unsupervised"
    cluster.up()
    assert cluster.status()["state"] == "running"
    assert Path(f"/run/netns/k46-{NAME}-node1").stat().st_ino == inode
    assert not set(cluster.pids().values()) & {part["pid"] for part in report["parts"]}


def test_stop_and_up_keep_objects_and_addresses(cluster: Cluster) -> None:
    """After `stop` no process is left; `up` brings Services back with their addresses, at the same port."""
    cluster.kubectl("create", "service", "clusterip", "kept", "--tcp=80")
    address = cluster.kubectl("get", "service", "kept", "-o", "jsonpath={.spec.clusterIPs}")
    port = Path(f"/var/lib/kube46/{NAME}/port").read_text()
    cluster.run("kube46", "stop", "--name", NAME)
    marked = [path for path in Path("/proc").glob("[0-9]*/environ") if _has(path, f"KUBE46_CLUSTER={NAME}")]

    assert marked == []
    assert cluster.status()["state"] == "stopped"
    assert not Path(f"/run/kube46/{NAME}").exists()
    for command in (("shell", "outside"), ("logs", "-f"), ("check",)):
        assert "is stopped" in cluster.run("kube46", command[0], "--name", NAME, *command[1:], status=2)
    cluster.up()
    assert cluster.kubectl("get", "service", "kept", "-o", "jsonpath={.spec.clusterIPs}") == address
    assert Path(f"/var/lib/kube46/{NAME}/port").read_text() == port


def test_logs_name_the_part(cluster: Cluster) -> None:
    """One part's log bare, all parts' with their names; an unknown part is refused."""
    one = cluster.run("kube46", "logs", "--name", NAME, "supervisor")
    every = cluster.run("kube46", "logs", "--name", NAME)

    assert "Part started part=apiserver" in one
    assert "apiserver: " in every
    assert "is no part" in cluster.run("kube46", "logs", "--name", NAME, "nobody", status=2)


def test_what_a_killed_down_left_is_no_part_of_the_next_cluster(cluster: Cluster) -> None:
    """Without its settings a cluster is gone: `up` of the same name begins with new keys and other families."""
    name = f"{NAME}-left"
    up = ("kube46", "up", "--name", name, "--no-check", "--nodes", "1", "--families")
    try:
        cluster.run(*up, "ipv4,ipv6")
        authority = Path(f"/var/lib/kube46/{name}/pki/ca.crt").read_bytes()
        cluster.run("kube46", "stop", "--name", name)
        Path(f"/var/lib/kube46/{name}/cluster.json").unlink()
        cluster.run(*up, "ipv6")

        assert Path(f"/var/lib/kube46/{name}/pki/ca.crt").read_bytes() != authority
        found = cluster.kubectl(
            "--context", f"kube46-{name}", "get", "service", "-A", "-o", "jsonpath={..clusterIPs[*]}"
        )
        assert "10.96." not in found
    finally:
        cluster.run("kube46", "down", "--name", name)


def test_two_ups_at_once_make_one_cluster_and_a_killed_down_goes_on(cluster: Cluster) -> None:
    """The second `up` waits, and finds it running; a `down` killed on its way leaves what the next one takes away."""
    name = f"{NAME}-two"
    up = [str(BIN / "kube46"), "up", "--name", name, "--no-check", "--nodes", "1"]
    both = [subprocess.Popen(up, env=cluster.environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        texts = [process.communicate(timeout=60)[0] for process in both]
        assert [process.returncode for process in both] == [0, 0]
        assert sorted("is running already" in text for text in texts) == [False, True]
        supervisor = json.loads(Path(f"/run/kube46/{name}/parts.json").read_bytes())["pid"]
        down = subprocess.Popen([str(BIN / "kube46"), "down", "--name", name], env=cluster.environment)
        eventually(lambda: not Path(f"/proc/{supervisor}").exists(), 10)
        down.kill()
        down.wait()
    finally:
        subprocess.run([BIN / "kube46", "down", "--name", name], env=cluster.environment, check=False)

    assert [path for root in ("/var/lib/kube46", "/run/kube46") for path in Path(root).glob(name)] == []
    assert list(Path("/run/netns").glob(f"k46-{name}-*")) == []


def test_secrets_are_for_root_alone(cluster: Cluster) -> None:
    """The state directory is 0700; no key, token or kubeconfig in it, nor the database, is anybody else's to read."""
    state = Path(f"/var/lib/kube46/{NAME}")
    secret = [*state.glob("pki/*"), *state.glob("kubeconfigs/*"), *state.glob("data/*")]

    assert state.stat().st_mode & 0o777 == 0o700
    assert len(secret) > 10
    assert [path.name for path in secret if path.stat().st_mode & 0o077 and path.name != "ca.crt"] == []


def test_down_of_an_unknown_cluster_is_refused(cluster: Cluster) -> None:
    """Exit status 2 and a sentence."""
    assert "there is no such cluster" in cluster.run("kube46", "down", "--name", "dt-none", status=2)


def _has(path: Path, word: str) -> bool:
    try:
        return word.encode() in path.read_bytes().split(b"\0")
    except OSError:
        return False
