"""Images that users build, on a real cluster: loaded, run as their authors meant, listed, removed."""

import json
import os
from collections.abc import Iterator

import pytest

import archives
from archives import Built, docker, entry, oci, tar, write
from e2e.conftest import Cluster, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

NAMES = [f"k46t/docker:{os.getpid()}", f"k46t/oci:{os.getpid()}"]
ENTRY = b"""#!/bin/sh
echo "$(id -u) $PWD $KEPT $*"
test -e /data/mark && echo stale
echo >/data/mark
while test ! -e /data/stop; do sleep 0.1; done
"""


@pytest.fixture(scope="module")
def loaded(dual: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """What `kube46 image load` said of a docker-archive and of an OCI layout of zstd."""
    directory = tmp_path_factory.mktemp("images")
    behaviour = {
        "Entrypoint": ["/entry"], "Cmd": ["one", "two"], "Env": ["PATH=/bin", "KEPT=yes"],
        "WorkingDir": "/data", "User": "redis",
    }  # fmt: skip
    layers = (archives.busybox(), tar([entry("entry", ENTRY, mode=0o755)]))
    # Labels make them two images, and not those of another run of the tests.
    built, other = (Built(layers, behaviour | {"Labels": {"name": name}}) for name in NAMES)
    archive = directory / "image.tar"
    archive.write_bytes(docker(built, NAMES[0]))
    layout = write(oci((other, {}), compress="zstd"), directory / "layout")
    try:
        yield [
            dual.run("kube46", "image", "load", str(archive)),
            dual.run("kube46", "image", "load", str(layout), "--as", NAMES[1]),
        ]
    finally:
        for name in NAMES:
            dual.run("kube46", "image", "rm", name, check=False)


@pytest.fixture(scope="module")
def namespace(dual: Cluster) -> str:
    """A namespace of these tests' own."""
    dual.kubectl("create", "namespace", "images")
    return "images"


def listed(cluster: Cluster) -> str:
    """`kube46 image list -o json`, checked to be JSON."""
    said = cluster.run("kube46", "image", "list", "-o", "json")
    assert isinstance(json.loads(said), list)
    return said


def test_images_are_loaded_run_and_removed(dual: Cluster, namespace: str, loaded: list[str]) -> None:
    """An image of each form keeps its entrypoint, environment, user and directory; a restart begins with the image's
    files; it can be entered; while it runs it is not removed."""
    for name, said in zip(NAMES, loaded, strict=True):
        assert f"loaded docker.io/{name}" in said
        assert f"docker.io/{name}" in listed(dual)
        pod = name.split("/")[1].split(":")[0]
        dual.kubectl("-n", namespace, "run", pod, f"--image={name}", "--", *(["three"] if pod == "oci" else []))
    dual.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/docker", "pod/oci", "--timeout=30s")
    words = {"docker": "999 /data yes one two\n", "oci": "999 /data yes three\n"}
    for pod, wanted in words.items():
        assert eventually(lambda pod=pod: dual.kubectl("-n", namespace, "logs", pod)) == wanted
        inside = ("sh", "-c", "id -u; pwd; ls mark; touch stop")
        assert dual.kubectl("-n", namespace, "exec", pod, "--", *inside).split() == ["999", "/data", "mark"]
    for pod, wanted in words.items():

        def again(pod: str = pod) -> bool:
            status = dual.get("-n", namespace, "pod", pod)["status"]["containerStatuses"][0]
            return bool(status["restartCount"] == 1 and status["ready"])

        eventually(again, 30)
        assert eventually(lambda pod=pod: dual.kubectl("-n", namespace, "logs", pod)) == wanted

    refused = dual.run("kube46", "image", "rm", NAMES[0], check=False)
    assert f"{namespace}/docker" in refused
    assert f"docker.io/{NAMES[0]}" in listed(dual)
    dual.kubectl("-n", namespace, "delete", "pod", "docker", "oci", "--grace-period=1", "--timeout=30s")
    eventually(lambda: "removed" in dual.run("kube46", "image", "rm", *NAMES, check=False))
    assert not any(name in listed(dual) for name in NAMES)


def test_an_unknown_image_tells_how_to_load_it(dual: Cluster, namespace: str) -> None:
    """ErrImagePull's message and Event name `kube46 image load`; nothing is pulled."""
    dual.kubectl("-n", namespace, "run", "unknown", "--image=k46t/none:1")

    def waiting() -> str:
        status = dual.get("-n", namespace, "pod", "unknown")["status"]["containerStatuses"][0]
        return str(status["state"]["waiting"])

    said = eventually(waiting)
    assert "PullBackOff" in said or "ErrImagePull" in said
    told = eventually(lambda: dual.kubectl("-n", namespace, "get", "events", "-o", "json"))
    assert "docker save k46t/none:1 | kube46 image load -" in told
    dual.kubectl("-n", namespace, "delete", "pod", "unknown", "--grace-period=0", "--force")
