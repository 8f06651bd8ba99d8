"""CustomResourceDefinitions over HTTP: from creation to the last of their objects."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from server.customresources.widgets import DEFINITIONS, definition, eventually, group_of, objects, widget
from server.running import Server


@pytest.fixture
def made(api: httpx2.Client) -> Iterator[dict[str, Any]]:
    """A definition of the test's own group."""
    found = api.post(DEFINITIONS, json=definition()).json()
    yield found
    api.delete(f"{DEFINITIONS}/{found['metadata']['name']}")


def conditions(crd: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """type → status and reason."""
    return {c["type"]: (c["status"], c["reason"]) for c in crd["status"]["conditions"]}


def test_served_with_the_answer(api: httpx2.Client, made: dict[str, Any]) -> None:
    """The answer to the creation says Established, and the next request finds the kind served."""
    assert conditions(made) == {
        "NamesAccepted": ("True", "NoConflicts"),
        "Established": ("True", "InitialNamesAccepted"),
    }
    assert made["status"]["storedVersions"] == ["v1"]
    assert made["status"]["acceptedNames"] == {
        "plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList", "shortNames": ["wd"],
        "categories": ["all"],
    }  # fmt: skip
    listed = api.get(objects(group_of(made))).json()
    assert (listed["kind"], listed["apiVersion"]) == ("WidgetList", f"{group_of(made)}/v1")


def test_status_and_metadata(api: httpx2.Client, made: dict[str, Any], namespace: str) -> None:
    """/status of a definition changes labels, too, as upstream's 1.37; of a custom object it changes and owns none."""
    kind, labels, headers = made["kind"], {"labels": {"a": "b"}}, {"content-type": "application/apply-patch+yaml"}
    place, group = f"{DEFINITIONS}/{made['metadata']['name']}", group_of(made)
    query = "status?fieldManager=s&force=true"
    body = {"apiVersion": made["apiVersion"], "kind": kind, "metadata": {"name": made["metadata"]["name"], **labels}}
    changed = api.patch(f"{place}/{query}", json=body, headers=headers).json()["metadata"]
    owned = next(entry["fieldsV1"] for entry in changed["managedFields"] if entry["manager"] == "s")
    assert (changed["labels"], "f:metadata" in owned) == (labels["labels"], True)
    path, config = objects(group, namespace=namespace), widget(group, "a")
    assert api.post(path, json=config).status_code == 201
    config["metadata"] |= labels
    kept = api.patch(f"{path}/a/{query}", json={**config, "status": {"replicas": 1}}, headers=headers).json()[
        "metadata"
    ]
    owned = next(entry["fieldsV1"] for entry in kept["managedFields"] if entry["manager"] == "s")
    assert ("labels" in kept, owned) == (False, {"f:status": {"f:replicas": {}}})


def test_discovery(api: httpx2.Client, made: dict[str, Any]) -> None:
    """Old and aggregated discovery name the kind, its short names, categories and subresources."""
    group = group_of(made)
    old = api.get(f"/apis/{group}/v1").json()["resources"]
    assert [r["name"] for r in old] == ["widgets", "widgets/scale", "widgets/status"]
    assert (old[0]["shortNames"], old[0]["categories"], old[0]["singularName"]) == (["wd"], ["all"], "widget")
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    groups = api.get("/apis", headers={"accept": accept}).json()["items"]
    mine = next(g for g in groups if g["metadata"]["name"] == group)
    resource = mine["versions"][0]["resources"][0]
    assert [s["subresource"] for s in resource["subresources"]] == ["scale", "status"]
    assert resource["subresources"][0]["responseKind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}


def test_openapi(api: httpx2.Client, made: dict[str, Any]) -> None:
    """Both OpenAPI documents have the schema, with what every object has; paths offer no strategic merge."""
    group = group_of(made)
    name = ".".join(reversed(group.split("."))) + ".v1.Widget"
    third = api.get(f"/openapi/v3/apis/{group}/v1").json()
    schema = third["components"]["schemas"][name]
    assert schema["properties"]["spec"]["properties"]["color"]["description"] == "How it looks."
    assert "ObjectMeta" in json.dumps(schema["properties"]["metadata"])
    path = third["paths"][f"/apis/{group}/v1/namespaces/{{namespace}}/widgets/{{name}}"]
    assert "application/strategic-merge-patch+json" not in path["patch"]["requestBody"]["content"]
    second = api.get("/openapi/v2").json()
    assert second["definitions"][name]["properties"]["spec"]["properties"]["port"]["x-kubernetes-int-or-string"]


def test_name_conflict_and_its_end(api: httpx2.Client, made: dict[str, Any]) -> None:
    """A second definition that wants a name of the group's is not established until the first one is gone."""
    group = group_of(made)
    other = definition(group=group, plural="gadgets", kind="Gadget", shortNames=["wd"])
    second = api.post(DEFINITIONS, json=other).json()
    assert conditions(second) == {
        "NamesAccepted": ("False", "ShortNamesConflict"),
        "Established": ("False", "NotAccepted"),
    }
    assert second["status"]["conditions"][0]["message"] == '"wd" is already in use'
    assert api.get(objects(group, "gadgets")).status_code == 404
    api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")
    place = f"{DEFINITIONS}/gadgets.{group}"
    eventually(lambda: conditions(api.get(place).json())["Established"][0] == "True")
    assert api.get(objects(group, "gadgets")).status_code == 200
    api.delete(place)


def test_deletion_takes_objects_along(api: httpx2.Client, made: dict[str, Any]) -> None:
    """A deleted definition says Terminating, refuses new objects, waits for finalizers, then all of it is gone."""
    group, place = group_of(made), f"{DEFINITIONS}/{made['metadata']['name']}"
    api.post(objects(group), json=widget(group, "a"))
    api.post(objects(group), json=widget(group, "b", metadata={"finalizers": ["example.org/wait"]}))
    going = api.delete(place).json()
    assert going["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    assert conditions(going)["Terminating"] == ("True", "InstanceDeletionPending")
    eventually(lambda: api.get(f"{objects(group)}/a").status_code == 404)
    refused = api.post(objects(group), json=widget(group, "c"))
    assert refused.status_code == 405
    assert refused.json()["message"] == "create not allowed while custom resource definition is terminating"
    assert api.get(place).json()["metadata"]["deletionTimestamp"]
    merge = {"content-type": "application/merge-patch+json"}
    freed = api.patch(f"{objects(group)}/b", json={"metadata": {"finalizers": None}}, headers=merge)
    assert freed.status_code == 200, freed.text
    eventually(lambda: api.get(place).status_code == 404)
    assert api.get(f"/apis/{group}").status_code == 404


def test_watch_ends_with_the_definition(api: httpx2.Client, made: dict[str, Any]) -> None:
    """A watch tells of the deletion of the objects and ends, so that clients look for the kind anew."""
    group = group_of(made)
    api.post(objects(group), json=widget(group, "a"))
    with api.stream("GET", objects(group), params={"watch": "1"}) as stream:
        lines = stream.iter_lines()
        assert json.loads(next(lines))["type"] == "ADDED"
        api.delete(f"{DEFINITIONS}/{made['metadata']['name']}")
        assert [json.loads(line)["type"] for line in lines] in (["DELETED"], [])


def test_restart(server_factory: Callable[..., Server]) -> None:
    """A server started anew on the same data serves the kind at once, and goes on with a deletion under way."""
    server = server_factory()
    with server.client() as api:
        made = api.post(DEFINITIONS, json=definition(group="restart.example.org")).json()
        dying = api.post(DEFINITIONS, json=definition(group="dying.example.org")).json()
        api.post(objects(group_of(made)), json=widget(group_of(made), "a"))
        api.post(objects(group_of(dying)), json=widget(group_of(dying), "x"))
        api.delete(f"{DEFINITIONS}/{dying['metadata']['name']}")
    server.stop()
    server.start()
    with server.client() as api:
        found = api.get(f"{objects(group_of(made))}/a").json()
        assert (found["kind"], found["spec"]["replicas"]) == ("Widget", 1)
        eventually(lambda: api.get(f"{DEFINITIONS}/{dying['metadata']['name']}").status_code == 404)
        assert api.get(objects(group_of(dying))).status_code == 404


@pytest.mark.parametrize(
    ("change", "causes"),
    [
        ({"metadata": {"name": "wrong.example.org"}}, ["metadata.name"]),
        ({"scope": "Galaxy"}, ["spec.scope"]),
        (
            {"conversion": {"strategy": "Webhook"}},
            ["spec.conversion.webhookClientConfig", "spec.conversion.conversionReviewVersions"],
        ),
        (
            {"schema": {"type": "object", "properties": {"a": {}}}},
            ["spec.validation.openAPIV3Schema.properties[a].type"],
        ),
        ({"schema": {}}, ["spec.versions[0].schema.openAPIV3Schema"]),
    ],
)
def test_refusals(api: httpx2.Client, change: dict[str, Any], causes: list[str]) -> None:
    """What upstream refuses is refused at the same fields, and nothing is served of it."""
    crd = definition()
    if "schema" in change:
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = change["schema"]
        del crd["spec"]["versions"][0]["selectableFields"]
    elif "metadata" in change:
        crd["metadata"] = change["metadata"]
    else:
        crd["spec"] |= change
    refused = api.post(DEFINITIONS, json=crd)
    assert refused.status_code == 422, refused.text
    assert [c["field"] for c in refused.json()["details"]["causes"]] == causes
    assert api.get(f"/apis/{crd['spec']['group']}").status_code == 404


def test_kubectl(server: Server, made: dict[str, Any]) -> None:
    """kubectl waits, lists, explains, scales and describes custom objects as any others."""
    group, name = group_of(made), made["metadata"]["name"]
    assert "condition met" in server.kubectl("wait", "--for=condition=established", f"crd/{name}", "--timeout=5s")
    manifest = json.dumps(widget(group, "a"))
    resource = f"widgets.{group}"
    assert server.kubectl("apply", "-f", "-", stdin=manifest) == f"widget.{group}/a created\n"
    assert server.kubectl("apply", "-f", "-", stdin=manifest) == f"widget.{group}/a unchanged\n"
    assert server.kubectl("scale", resource, "a", "--replicas=3") == f"widget.{group}/a scaled\n"
    narrow, wide = server.kubectl("get", resource), server.kubectl("get", resource, "-o", "wide")
    assert narrow.splitlines()[0].split() == ["NAME", "REPLICAS", "AGE"]
    assert wide.splitlines()[1].split()[:3] == ["a", "3", "red"]
    assert "How it looks." in server.kubectl("explain", "widgets.spec.color", f"--api-version={group}/v1")
    assert "Color:" in server.kubectl("describe", resource, "a")
    wrong = json.dumps(widget(group, "b", spec={"color": "red", "bogus": 1}))
    assert 'unknown field "spec.bogus"' in server.try_kubectl("apply", "-f", "-", stdin=wrong).stderr
    assert "a   " in server.kubectl("get", resource, "--field-selector", "spec.color=red")
    assert server.kubectl("get", resource, "--field-selector", "spec.color=blue") == ""
