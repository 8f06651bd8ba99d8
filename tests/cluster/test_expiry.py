"""Revisions that are too old or of the future, a full storage, and SIGTERM: both servers say the same."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cluster.upstream import Upstream
from kube46.apiserver.storage import NO_SPACE
from server.running import Server

MAPS = "/api/v1/namespaces/default/configmaps"
FORMS = {
    "JSON": "application/json",
    "Table": "application/json;as=Table;v=v1;g=meta.k8s.io",
    "metadata": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
}
FAR = "99999999"


def masked(value: Any) -> Any:
    """Without the revisions, which differ between servers."""
    if isinstance(value, dict):
        return {name: masked(part) for name, part in value.items()}
    if isinstance(value, list):
        return [masked(part) for part in value]
    return re.sub(r"\d+", "N", value.replace(FAR, "FAR")) if isinstance(value, str) else value


def answers(server: Server) -> dict[str, Any]:
    """What a server says of each case; 1 is older than its history, as it has been restarted and written to."""
    with server.client() as api:
        for turn in range(40):
            body = {"metadata": {"name": "c"}, "data": {"turn": str(turn)}}
            api.request("POST" if turn == 0 else "PUT", MAPS if turn == 0 else f"{MAPS}/c", json=body)
    server.stop(signal.SIGTERM)
    server.start()
    found: dict[str, Any] = {}
    with server.client() as api:
        for name, accept in FORMS.items():
            for version in ("1", FAR):
                found[f"watch of {version}, {name}"] = asked(api, accept, version, watch="1")
        found["list of the future"] = asked(api, FORMS["JSON"], FAR)
        found["exact list of the future"] = asked(api, FORMS["JSON"], FAR, resourceVersionMatch="Exact")
    return found


def asked(api: httpx2.Client, accept: str, version: str, **query: str) -> tuple[int, str, list[Any]]:
    query = {"resourceVersion": version, "timeoutSeconds": "1", **query}
    return told(api.get(MAPS, params=query, headers={"accept": accept}))


def told(answer: httpx2.Response) -> tuple[int, str, list[Any]]:
    lines = [masked(json.loads(line)) for line in answer.text.splitlines() if line]
    return answer.status_code, answer.headers.get("retry-after", ""), lines


@pytest.mark.timeout(200)  # three starts of a real server, and waits for revisions that don't come
def test_both_say_the_same(tmp_path: Path) -> None:
    """Watches get 410 as an event in each form, 504 for revisions of the future, in the same words."""
    said = []
    for number, kind in enumerate((Server, Upstream)):
        directory = tmp_path / str(number)
        directory.mkdir()
        flags = ("--default-watch-cache-size", "4") if kind is Server else ()
        server = kind(directory, flags=flags).start()
        try:
            said.append(answers(server))
        finally:
            server.stop()
    ours, real = said
    assert ours == real


def test_full_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that finds no space is refused with etcd's words, code and (no) reason; the server stays ready."""
    monkeypatch.setenv("ETCD_QUOTA_BACKEND_BYTES", str(6 << 20))
    server = Upstream(tmp_path).start()
    try:
        with server.client() as api:
            for number in range(200):
                body = {"metadata": {"name": f"c{number}"}, "data": {"x": "y" * 100_000}}
                if (answer := api.post(MAPS, json=body)).status_code != 201:
                    break
            status = answer.json()
            assert (answer.status_code, status.get("reason"), answer.headers.get("retry-after")) == (500, None, None)
            assert status["message"] == NO_SPACE
            assert api.get("/readyz").status_code == 200
    finally:
        server.stop()
