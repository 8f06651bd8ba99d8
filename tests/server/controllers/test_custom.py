"""Custom objects as owners and as content of namespaces: the loops learn of their kinds as these come."""

from typing import Any

from server.controllers.cluster import Cluster, eventually
from server.customresources.widgets import DEFINITIONS, definition, group_of, objects, widget


def owned(cluster: Cluster, namespace: str, owner: dict[str, Any], name: str, *, block: bool = False) -> str:
    """A ConfigMap that a custom object owns; its path."""
    reference = {name: owner[name] for name in ("apiVersion", "kind")} | {"blockOwnerDeletion": block}
    reference |= {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    cluster.create(path, {"metadata": {"name": name, "ownerReferences": [reference]}})
    return f"{path}/{name}"


def test_dependents_follow_custom_owners(cluster: Cluster, namespace: str) -> None:
    """What a custom object owns goes with it, before it in the foreground, and with its whole definition."""
    crd = cluster.create(DEFINITIONS, definition())
    group = group_of(crd)
    place = objects(group, namespace=namespace)
    first = cluster.create(place, widget(group, "first"))
    child = owned(cluster, namespace, first, "a")
    cluster.delete(f"{place}/first")
    eventually(lambda: cluster.missing(child))
    second = cluster.create(place, widget(group, "second"))
    child = owned(cluster, namespace, second, "b", block=True)
    cluster.delete(f"{place}/second", propagationPolicy="Foreground")
    eventually(lambda: cluster.missing(f"{place}/second"))
    assert cluster.missing(child)
    third = cluster.create(place, widget(group, "third"))
    child = owned(cluster, namespace, third, "c")
    cluster.delete(f"{DEFINITIONS}/{crd['metadata']['name']}")
    eventually(lambda: cluster.missing(child))
    eventually(lambda: cluster.missing(f"{DEFINITIONS}/{crd['metadata']['name']}"))


def test_namespaces_take_custom_objects_along(cluster: Cluster, namespace: str) -> None:
    """A namespace's end deletes the custom objects in it, and those of other namespaces stay."""
    crd = cluster.create(DEFINITIONS, definition())
    group = group_of(crd)
    cluster.create(objects(group, namespace=namespace), widget(group, "gone"))
    cluster.create(objects(group), widget(group, "stays"))
    cluster.delete(f"/api/v1/namespaces/{namespace}")
    eventually(lambda: cluster.missing(f"/api/v1/namespaces/{namespace}"))
    left = cluster.items(f"/apis/{group}/v1/widgets")
    assert [one["metadata"]["name"] for one in left] == ["stays"]
    cluster.delete(f"{DEFINITIONS}/{crd['metadata']['name']}")
