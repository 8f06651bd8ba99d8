"""Programs of the machine as pods, by `kube46 run`: served to both families, changed, and what goes wrong told."""

import re
import subprocess
from pathlib import Path

import pytest

from e2e.conftest import Cluster
from kube46.lab.paths import Paths

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


@pytest.fixture
def namespace(dual: Cluster, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name = request.node.name.replace("_", "-")[:40].strip("-")
    dual.kubectl("create", "namespace", name)
    return name


def run(cluster: Cluster, namespace: str, *arguments: str, status: int = 0) -> str:
    """What `kube46 run` says, its progress and errors with it; it must end with that status."""
    command = ["kube46", "run", "--name", cluster.name, "-n", namespace, *arguments]
    done = subprocess.run(command, env=cluster.environment, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_program_of_the_machine_serves_its_files_to_both_families(
    dual: Cluster, namespace: str, tmp_path: Path
) -> None:
    """One line gives pods, a directory that they only read, and a Service of both families; the next changes it."""
    tmp_path.chmod(0o700)
    (tmp_path / "file").write_text("machine\n")
    server = ("--", "python3", "-m", "http.server", "8080", "--bind", "::", "--directory", str(tmp_path))
    refused = run(dual, namespace, "web", "--mount", str(tmp_path), *server, status=2)
    assert f"chmod o+rX {tmp_path}`, or add --user 0" in refused
    tmp_path.chmod(0o755)
    flags = ("web", "--port", "8080", "--expose", "--mount", str(tmp_path), "--env", "COLOR=$(green)")
    said = run(dual, namespace, *flags, "--replicas", "3", *server)

    assert "✓ web: 3 ready" in said or "* web: 3 ready" in said
    places = re.search(r"^service web: (\S+), (\S+)$", said, re.MULTILINE)
    assert places, said
    for place in places.groups():
        assert dual.at("node2", "curl", "-sSf", "-m", "5", f"http://{place}/file") == "machine\n"
    script = f"echo $COLOR; echo >{tmp_path}/new || echo refused"
    inside = dual.kubectl("-n", namespace, "exec", "deploy/web", "--", "sh", "-c", script)
    assert inside.split() == ["$(green)", "refused"]
    assert f"{tmp_path}:ro" in Paths(dual.name).host_paths.read_text().splitlines()

    before = dual.get("-n", namespace, "deployment", "web")["metadata"]["generation"]
    run(dual, namespace, *flags, "--replicas", "3", *server)
    assert dual.get("-n", namespace, "deployment", "web")["metadata"]["generation"] == before

    said = run(dual, namespace, "web", "--replicas", "1", "--", "sleep", "1000")
    found = dual.get("-n", namespace, "deployment", "web")["spec"]
    container = found["template"]["spec"]["containers"][0]
    assert "service" not in said
    assert (found["replicas"], container["command"]) == (1, ["sleep", "1000"])
    assert not {"ports", "env", "volumeMounts", "readinessProbe"} & container.keys()
    assert dual.get("-n", namespace, "services")["items"] == []
    dual.run("kube46", "up", "--name", dual.name, "--forbid-host-path", str(tmp_path))


def test_what_cannot_run_says_why(dual: Cluster, namespace: str) -> None:
    """A command that ends tells its status and last words, the next run mends it; so is an unknown image told."""
    said = run(dual, namespace, "bad", "--", "sh", "-c", "sleep 0.4; echo my words; exit 3", status=1)
    assert "its command ended with status 3" in said and "my words" in said
    assert "bad: 1 ready" in run(dual, namespace, "bad", "--", "sleep", "1000")

    said = run(dual, namespace, "unknown", "--image", "k46/none:1", status=1)
    assert "ErrImagePull" in said and "kube46 image load" in said
    said = run(dual, namespace, "deaf", "--port", "99", "--timeout", "1", "--", "sleep", "1000", status=1)
    assert "does it listen on port 99" in said and "deaf: not ready" in said


def test_a_mistake_changes_nothing(dual: Cluster, namespace: str, tmp_path: Path) -> None:
    """Another's object, a namespace that is not there: refused with the mend, and no path is opened for it."""
    allowed = Paths(dual.name).host_paths.read_text()
    dual.kubectl("-n", namespace, "create", "service", "clusterip", "theirs", "--tcp=80")
    tmp_path.chmod(0o755)
    flags = ("theirs", "--mount", str(tmp_path), "--port", "80", "--expose", "--", "sleep", "1000")
    said = run(dual, namespace, *flags, status=2)
    assert "there is a service" in said and "choose another name" in said
    assert "kubectl create namespace none" in run(dual, "none", *flags, status=2)
    said = run(dual, namespace, "a", "--image", "", status=1)
    assert "image" in said and "Required" in said
    assert dual.get("-n", namespace, "deployments")["items"] == []
    assert Paths(dual.name).host_paths.read_text() == allowed


def test_the_manifests_are_kubectls_to_apply(dual: Cluster, namespace: str) -> None:
    """`-o yaml` makes nothing, and what it prints the server takes as it is."""
    said = run(dual, namespace, "web", "--port", "80", "--expose", "-o", "yaml", "--", "sleep", "1")
    assert dual.get("-n", namespace, "deployments")["items"] == []
    taken = dual.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", text=said)
    assert len(taken.splitlines()) == 2
