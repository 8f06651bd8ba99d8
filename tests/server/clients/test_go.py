"""controller-runtime and client-go 0.37, as operators are built with them: protobuf, streaming lists, leases."""

import base64
import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from kube46.apiserver import protobuf_encoding
from server.clients.conftest import Running, until
from server.running import Server
from unit.apiserver import objects

LABEL = "clients.kube46.test/site"
SERVICE = {"metadata": {"name": "web", "labels": {LABEL: "hello"}}, "spec": {"ports": [{"port": 80}]}}
INFORMERS = {("typed", "services"), ("metadata", "services"), ("dynamic", "services"),
             ("typed", "endpointslices"), ("metadata", "endpointslices"), ("dynamic", "endpointslices")}  # fmt: skip


def test_go_reads_what_we_write(program: str) -> None:
    """Go decodes our protobuf of a random object of every kind to the very same JSON, and writes the same bytes."""
    made, lines = [], []
    for group, version, kind in objects.kinds():
        for seed in range(3):
            obj = objects.make(group, version, kind, seed)
            stored = objects.canonical(obj, json.dumps(obj).encode())
            made.append(stored)
            lines.append(json.dumps({"Wire": base64.b64encode(protobuf_encoding.encode(stored)).decode()}))
    done = subprocess.run([program, "codec"], input="\n".join(lines).encode(), capture_output=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(made)
    known = 0
    for stored, answer in zip(made, answers, strict=True):
        if "no kind" in answer.get("Error", "") or "is not registered" in answer.get("Error", ""):
            continue  # kinds that client-go's scheme lacks: of the aggregator, and those every group shares
        assert "Error" not in answer, (stored["kind"], answer["Error"])
        assert answer["JSON"] == stored
        assert answer["Same"], stored["kind"]
        known += 1
    assert known > 0.9 * len(made)


def listed(api: httpx2.Client, plural: str) -> float:
    """How often a resource was listed so far."""
    wanted = ("apiserver_request_total{", 'code="200"', f'resource="{plural}"', 'subresource=""', 'verb="LIST"')
    lines = (line for line in api.get("/metrics").text.splitlines() if all(part in line for part in wanted))
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_informers(api: httpx2.Client, namespace: str, start: Callable[..., Running]) -> None:
    """Typed (protobuf), metadata and dynamic informers sync by streaming lists, then see the same changes."""
    path = f"/api/v1/namespaces/{namespace}/services"
    for number in range(5):
        made = api.post(path, json={"metadata": {"name": f"s{number}"}, "spec": {"ports": [{"port": 80}]}})
        made.raise_for_status()
    before = listed(api, "endpointslices")
    client = start("informers", "--namespace", namespace)
    assert client.next() == {"Informer": "pager", "Event": "LISTED", "Resource": "services", "Name": "", "Version": "5",
                             "Whole": False}  # fmt: skip
    seen: list[dict[str, Any]] = []
    while len([line for line in seen if line["Event"] == "SYNCED"]) < len(INFORMERS):
        seen.append(client.next())
    assert {(line["Informer"], line["Resource"]) for line in seen if line["Event"] == "SYNCED"} == INFORMERS
    assert sorted(line["Name"] for line in seen if line["Event"] == "ADDED") == sorted([f"s{i}" for i in range(5)] * 3)
    assert listed(api, "endpointslices") == before  # a stream of initial events took the list's place
    json_type = {"content-type": "application/merge-patch+json"}
    changed = api.patch(f"{path}/s3", json={"metadata": {"labels": {"a": "b"}}}, headers=json_type).json()
    api.delete(f"{path}/s3")
    lines = [client.next() for _ in range(6)]
    for informer in ("typed", "metadata", "dynamic"):
        mine = [line for line in lines if line["Informer"] == informer]
        assert [line["Event"] for line in mine] == ["MODIFIED", "DELETED"]
        assert mine[0]["Version"] == changed["metadata"]["resourceVersion"]
        assert {line["Whole"] for line in mine} == {informer != "metadata"}
    assert client.stop() == 0


def test_expired(program: str, server_factory: Callable[..., Server], tmp_path: Path) -> None:
    """Informers whose revision is gone (410) list again and go on, with every change they slept through."""
    server = server_factory(flags=("--default-watch-cache-size", "4"))
    path, merge = "/api/v1/namespaces/default/services", {"content-type": "application/merge-patch+json"}
    with server.client() as api:
        for name in ("changed", "removed"):
            api.post(path, json={"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}).raise_for_status()
        client = Running([program, "informers"], server, tmp_path / "client")
        try:
            seen: list[dict[str, Any]] = []
            while len([line for line in seen if line["Event"] == "SYNCED"]) < len(INFORMERS):
                seen.append(client.next())
            known = max(int(line["Version"] or 0) for line in seen if line["Event"] == "ADDED")
            client.process.send_signal(signal.SIGSTOP)
            server.stop(signal.SIGKILL)
            server.start()
        except BaseException:
            client.stop(signal.SIGKILL)
            raise
    with server.client() as api:
        for turn in range(20):
            changed = api.patch(
                f"{path}/changed", json={"metadata": {"labels": {"n": str(turn)}}}, headers=merge
            ).json()
        api.delete(f"{path}/removed").raise_for_status()
        watch = api.get(path, params={"watch": "1", "timeoutSeconds": "1", "resourceVersion": str(known)})
        assert watch.json()["object"]["code"] == 410
        client.process.send_signal(signal.SIGCONT)
        wanted = {("changed", "MODIFIED", changed["metadata"]["resourceVersion"]), ("removed", "DELETED", "")}
        told: set[tuple[str, str, str, str]] = set()
        while len(told) < 2 * 3:
            line = client.next()
            revision = line["Version"] if line["Event"] == "MODIFIED" else ""
            if (line["Name"], line["Event"], revision) in wanted:
                told.add((line["Informer"], line["Name"], line["Event"], revision))
    assert client.stop() == 0


def test_operator(api: httpx2.Client, namespace: str, start: Callable[..., Running]) -> None:
    """A controller-runtime operator makes what it owns, mends it, says so in status and Events, and says goodbye."""
    core, apps = f"/api/v1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"
    api.post(f"{core}/services", json=SERVICE).raise_for_status()
    client = start("operator", "--namespace", namespace)

    def published() -> bool:
        status = api.get(f"{core}/services/web").json()["status"]
        return any(c["type"] == "Published" and c["status"] == "True" for c in status.get("conditions", ()))

    until(published, "the status that the operator patches")
    service = api.get(f"{core}/services/web").json()
    assert service["metadata"]["finalizers"] == ["clients.kube46.test/goodbye"]
    owner = service["metadata"]["uid"]
    deployment = api.get(f"{apps}/deployments/web").json()
    assert deployment["spec"]["replicas"] == 2
    assert [reference["uid"] for reference in deployment["metadata"]["ownerReferences"]] == [owner]
    api.delete(f"{core}/configmaps/web-content").raise_for_status()
    mended = until(lambda: (a := api.get(f"{core}/configmaps/web-content")).status_code == 200 and a.json(), "mending")
    assert mended["data"] == {"index.html": "hello"}
    patch = {"spec": {"replicas": 7}}
    merge = {"content-type": "application/merge-patch+json"}
    api.patch(f"{apps}/deployments/web", json=patch, headers=merge).raise_for_status()
    until(lambda: api.get(f"{apps}/deployments/web").json()["spec"]["replicas"] == 2, "the replicas put back")
    api.delete(f"{core}/services/web").raise_for_status()
    until(lambda: api.get(f"{core}/services/web").status_code == 404, "the finalizer's removal")

    def reasons() -> set[str]:
        return {event["reason"] for event in api.get(f"{core}/events").json()["items"]}

    until(lambda: reasons() >= {"LeaderElection", "Published", "Goodbye"}, "Events")
    assert client.stop() == 0


def test_leader_election(api: httpx2.Client, namespace: str, start: Callable[..., Running]) -> None:
    """Of two operators one leads; when it is killed, the other takes its lease over and works on."""
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/sites"

    def holder() -> str:
        answer = api.get(lease)
        return str(answer.json()["spec"].get("holderIdentity", "")) if answer.status_code == 200 else ""

    first = start("operator", "--namespace", namespace)
    leader = until(holder, "a leader")
    start("operator", "--namespace", namespace)
    first.stop(signal.SIGKILL)
    until(lambda: holder() not in ("", leader), "another leader")
    assert api.get(lease).json()["spec"]["leaseTransitions"] == 1
    services = f"/api/v1/namespaces/{namespace}/services"
    api.post(services, json=SERVICE).raise_for_status()
    until(lambda: api.get(f"{services}/web").json()["status"].get("conditions"), "the new leader's work")
