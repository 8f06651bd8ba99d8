"""One Event, read and written in core's form and in that of events.k8s.io."""

import httpx2

from server.running import Server

MERGE = {"content-type": "application/merge-patch+json"}


def test_both_forms_are_one_object(api: httpx2.Client, namespace: str) -> None:
    """Written in the new form, read, listed, selected, watched, patched and deleted in either."""
    new, core = (f"{root}/namespaces/{namespace}/events" for root in ("/apis/events.k8s.io/v1", "/api/v1"))
    body = {
        "metadata": {"name": "e"}, "regarding": {"kind": "Pod", "name": "p", "namespace": namespace},
        "note": "said", "reason": "Tested", "action": "Testing", "type": "Normal", "reportingController": "test/x",
        "reportingInstance": "i", "eventTime": "2026-01-01T00:00:00.000000Z",
    }  # fmt: skip
    made = api.post(new, json=body)
    assert made.status_code == 201, made.text
    assert (made.json()["note"], made.json()["apiVersion"]) == ("said", "events.k8s.io/v1")
    old = api.get(f"{core}/e").json()
    assert (old["message"], old["involvedObject"]["name"], old["reportingComponent"]) == ("said", "p", "test/x")
    assert "note" not in old
    chosen = api.get(new, params={"fieldSelector": "regarding.name=p,reportingController=test/x"}).json()["items"]
    assert [one["regarding"]["name"] for one in chosen] == ["p"]
    series = {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:01:00.000000Z"}}
    assert api.patch(f"{new}/e", json=series, headers=MERGE).json()["series"]["count"] == 2
    refused = api.patch(f"{new}/e", json={"note": "again"}, headers=MERGE)
    assert refused.json()["message"] == 'Event "e" is invalid: message: Invalid value: "again": field is immutable'
    assert api.patch(f"{core}/e", json={"message": "last"}, headers=MERGE).json()["message"] == "last"
    with api.stream("GET", new, params={"watch": "1", "timeoutSeconds": "5"}) as answer:
        assert '"note":"last"' in next(answer.iter_lines())
    assert api.delete(f"{new}/e").status_code == 200
    assert api.get(f"{core}/e").status_code == 404


def test_kubectl_shows_both(server: Server, api: httpx2.Client, namespace: str) -> None:
    """`kubectl get` prints the same columns of both."""
    about = {"kind": "Pod", "name": "p", "namespace": namespace}
    body = {"metadata": {"name": "e"}, "involvedObject": about, "reason": "Old", "message": "hello", "type": "Normal"}
    assert api.post(f"/api/v1/namespaces/{namespace}/events", json=body).status_code == 201
    for resource in ("events", "events.events.k8s.io"):
        lines = server.kubectl("-n", namespace, "get", resource).splitlines()
        assert lines[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
        assert lines[1].split()[-4:] == ["Normal", "Old", "pod/p", "hello"]
