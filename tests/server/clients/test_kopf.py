"""An operator of kopf, run as its users run it, on a custom kind."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from server.clients.greetings import GROUP, PLURAL
from server.running import Server

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE = {"content-type": "application/merge-patch+json"}


@pytest.fixture
def greetings(api: httpx2.Client, namespace: str) -> Iterator[str]:
    """The path of Greetings in a namespace, their kind defined."""
    who = {"type": "object", "properties": {"who": {"type": "string"}}, "required": ["who"]}
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": who, "status": status}}
    version = {
        "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }  # fmt: skip
    names = {"plural": PLURAL, "kind": "Greeting", "singular": "greeting"}
    spec = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]}
    made = api.post(DEFINITIONS, json={"metadata": {"name": f"{PLURAL}.{GROUP}"}, "spec": spec})
    assert made.status_code == 201, made.text
    yield f"/apis/{GROUP}/v1/namespaces/{namespace}/{PLURAL}"
    api.delete(f"{DEFINITIONS}/{PLURAL}.{GROUP}")


class Operator:
    """`kopf run` in a process of its own."""

    def __init__(self, server: Server, namespace: str, log: Path) -> None:
        self._log = log
        environment = {"KUBECONFIG": str(server.kubeconfig()), "HOME": str(server.directory), "PATH": "/usr/bin:/bin"}
        program = Path(__file__).with_name("greetings.py")
        command = [sys.executable, "-m", "kopf", "run", "--namespace", namespace, str(program)]
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)

    def stop(self) -> None:
        """End it as a node would."""
        self._process.terminate()
        assert self._process.wait(60) == 0, self._log.read_text()

    def until(self, what: Callable[[], Any]) -> Any:
        """The first true value of `what`; the operator's log when there is none in a minute."""
        end = time.monotonic() + 60
        while not (value := what()):
            assert time.monotonic() < end, self._log.read_text()
            time.sleep(0.05)
        return value


def test_an_operator_keeps_its_objects_in_step(
    server: Server, api: httpx2.Client, namespace: str, greetings: str, tmp_path: Path
) -> None:
    """Created, changed, changed while the operator was away, and deleted only once its finalizer is off."""
    maps = f"/api/v1/namespaces/{namespace}/configmaps"

    def text() -> str:
        return str(api.get(f"{maps}/g").json().get("data", {}).get("text", ""))

    operator = Operator(server, namespace, tmp_path / "log")
    try:
        api.post(greetings, json={"kind": "Greeting", "apiVersion": f"{GROUP}/v1", "metadata": {"name": "g"},
                                  "spec": {"who": "world"}})  # fmt: skip
        operator.until(lambda: text() == "Hello world")
        found = operator.until(
            lambda: (got := api.get(f"{greetings}/g").json()).get("status", {}).get("created") and got
        )
        assert found["status"]["created"] == {"said": "world"}
        assert found["metadata"]["finalizers"] == ["kopf.zalando.org/KopfFinalizerMarker"]
        owner = api.get(f"{maps}/g").json()["metadata"]["ownerReferences"][0]
        assert (owner["kind"], owner["uid"]) == ("Greeting", found["metadata"]["uid"])
        api.patch(f"{greetings}/g", json={"spec": {"who": "kube46"}}, headers=MERGE)
        operator.until(lambda: text() == "Hello kube46")
        operator.until(lambda: "updated" in api.get(f"{greetings}/g").json()["status"])
    finally:
        operator.stop()
    api.patch(f"{greetings}/g", json={"spec": {"who": "again"}}, headers=MERGE)
    operator = Operator(server, namespace, tmp_path / "log")
    try:
        operator.until(lambda: text() == "Hello again")
        api.delete(f"{greetings}/g")
        operator.until(lambda: api.get(f"{greetings}/g").status_code == 404)
        assert api.get(f"{maps}/g-ended").status_code == 200
    finally:
        operator.stop()
