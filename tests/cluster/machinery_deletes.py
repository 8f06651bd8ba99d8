"""Conversations about deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cluster.machinery_patches import (
    DEPLOYMENTS,
    MAPS,
    STRATEGIC,
    config_map,
    delete,
    deployment,
    get,
    patch,
    post,
    put,
)
from cluster.machinery_requests import ACCOUNTS, LEASES, ROLES, SECRETS, TABLE, YAML

if TYPE_CHECKING:
    from cluster.machinery_player import Step

UID = "{0.metadata.uid}"
OPTIONS: tuple[Any, ...] = (
    {}, {"kind": "DeleteOptions", "apiVersion": "v1"}, {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}, {"kind": "Nonsense", "apiVersion": "v1"}, {"kind": "DeleteOptions", "apiVersion": "v9"}, {"apiVersion": "v1"}, {"kind": "DeleteOptions"},
    {"propagationPolicy": "Background"}, {"propagationPolicy": "Foreground"}, {"propagationPolicy": "Orphan"}, {"propagationPolicy": "Nope"}, {"propagationPolicy": ""}, {"propagationPolicy": 7}, {"orphanDependents": True}, {"orphanDependents": False},
    {"orphanDependents": True, "propagationPolicy": "Background"}, {"orphanDependents": "x"}, {"gracePeriodSeconds": 0}, {"gracePeriodSeconds": 30}, {"gracePeriodSeconds": -1}, {"gracePeriodSeconds": "x"}, {"gracePeriodSeconds": 1.5},
    {"preconditions": {"uid": "x"}}, {"preconditions": {"resourceVersion": "1"}}, {"preconditions": {"resourceVersion": "x"}}, {"preconditions": {"uid": "", "resourceVersion": ""}}, {"preconditions": {"uid": "x", "resourceVersion": "1"}}, {"preconditions": {}}, {"preconditions": {"unknown": 1}},
    {"dryRun": ["All"]}, {"dryRun": ["Nope"]}, {"dryRun": []}, {"dryRun": "All"}, {"unknown": 1}, {"ignoreStoreReadErrorWithClusterBreakingPotential": True}, {"ignoreStoreReadErrorWithClusterBreakingPotential": False},
    {"ignoreStoreReadErrorWithClusterBreakingPotential": True, "propagationPolicy": "Orphan", "gracePeriodSeconds": 1, "preconditions": {}}, "null", "[]", "{", "7", "nonsense", {"dryRun": ["All"], "propagationPolicy": "Nope"},
)  # fmt: skip
QUERIES = (
    "propagationPolicy=Background", "propagationPolicy=Foreground", "propagationPolicy=Orphan", "propagationPolicy=Nope", "propagationPolicy=", "orphanDependents=true", "orphanDependents=false", "orphanDependents=x", "orphanDependents=",
    "gracePeriodSeconds=0", "gracePeriodSeconds=5", "gracePeriodSeconds=x", "gracePeriodSeconds=-1", "gracePeriodSeconds=", "dryRun=All", "dryRun=Nope", "orphanDependents=true&propagationPolicy=Orphan", "preconditions.uid=x", "preconditions=x",
    "ignoreStoreReadErrorWithClusterBreakingPotential=true", "resourceVersion=1", "gracePeriodSeconds=99999999999999999999", "ignoreStoreReadErrorWithClusterBreakingPotential=true&gracePeriodSeconds=1",
)  # fmt: skip


def _each(path: str, make: Any, options: tuple[Any, ...]) -> list[Step]:
    """An object for each of the options, deleted with them, and read again."""
    steps = []
    for number, option in enumerate(options):
        name = f"m{number}"
        steps += [post(path, make(name)), delete(f"{path}/{name}", option), get(f"{path}/{name}")]
    return steps


def _finalized(name: str) -> dict[str, Any]:
    return config_map(name, finalizers=["a.b/c"])


CONVERSATIONS: dict[str, list[Step]] = {
    "delete: options in the body": _each(MAPS, config_map, OPTIONS),
    "delete: options, with a finalizer": _each(MAPS, _finalized, OPTIONS),
    "delete: deployments": _each(DEPLOYMENTS, deployment, OPTIONS[:20]),
    "delete: options in the query": [step for n, query in enumerate(QUERIES) for step in (post(MAPS, config_map(f"m{n}", finalizers=["a.b/c"])), delete(f"{MAPS}/m{n}?{query}"), get(f"{MAPS}/m{n}"))],
    "delete: body and query": [step for n, (query, body) in enumerate((("propagationPolicy=Orphan", {"propagationPolicy": "Foreground"}), ("propagationPolicy=Orphan", {}), ("dryRun=All", {}), ("dryRun=All", {"dryRun": ["Nope"]}), ("gracePeriodSeconds=3", {"gracePeriodSeconds": 4}), ("dryRun=Nope", {})))
                               for step in (post(MAPS, _finalized(f"m{n}")), delete(f"{MAPS}/m{n}?{query}", body), get(f"{MAPS}/m{n}"))],
    "delete: media types": [step for n, kind in enumerate(("application/yaml", "text/plain", "", "application/vnd.kubernetes.protobuf", "application/cbor", "application/json; x=y", "nonsense"))
                            for step in (post(MAPS, config_map(f"m{n}")), delete(f"{MAPS}/m{n}", "propagationPolicy: Orphan" if "yaml" in kind else "{}", content_type=kind))],
    "delete: preconditions": [
        post(MAPS, config_map("m", {"a": "1"})), delete(f"{MAPS}/m", {"preconditions": {"uid": "no"}}), delete(f"{MAPS}/m", {"preconditions": {"uid": UID, "resourceVersion": "1"}}), delete(f"{MAPS}/m", {"preconditions": {"resourceVersion": "{0.metadata.resourceVersion}", "uid": "no"}}),
        delete(f"{MAPS}/m?dryRun=All", {"preconditions": {"uid": UID, "resourceVersion": "{0.metadata.resourceVersion}"}}), delete(f"{MAPS}/m", {"preconditions": {"uid": UID, "resourceVersion": "{0.metadata.resourceVersion}"}}), delete(f"{MAPS}/m", {"preconditions": {"uid": UID}}), delete(f"{MAPS}/m"),
    ],
    "delete: finalizers": [
        post(MAPS, config_map("m", {"a": "1"}, finalizers=["a.b/c", "a.b/d"])), delete(f"{MAPS}/m", accept=TABLE), delete(f"{MAPS}/m"), delete(f"{MAPS}/m", {"propagationPolicy": "Foreground"}), delete(f"{MAPS}/m", {"propagationPolicy": "Orphan"}), post(MAPS, config_map("m")), get(f"{MAPS}/m"),
        patch(f"{MAPS}/m", {"data": {"a": "2"}}), patch(f"{MAPS}/m", {"metadata": {"finalizers": ["a.b/c", "a.b/e"]}}), patch(f"{MAPS}/m", {"metadata": {"deletionTimestamp": None}}), put(f"{MAPS}/m", config_map("m", finalizers=["a.b/c"])), patch(f"{MAPS}/m?dryRun=All", {"metadata": {"finalizers": None}}), get(f"{MAPS}/m"),
        patch(f"{MAPS}/m", {"metadata": {"finalizers": None}}), get(f"{MAPS}/m"), post(DEPLOYMENTS, {**deployment("d"), "metadata": {"name": "d", "finalizers": ["a.b/c"]}}), delete(f"{DEPLOYMENTS}/d"), patch(f"{DEPLOYMENTS}/d", {"spec": {"replicas": 3}}), patch(f"{DEPLOYMENTS}/d", {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.b/c"]}}, STRATEGIC), get(f"{DEPLOYMENTS}/d"),
        post(MAPS, config_map("p", finalizers=["orphan"])), delete(f"{MAPS}/p"), get(f"{MAPS}/p"), delete(f"{MAPS}/p", {"propagationPolicy": "Background"}), post(MAPS, config_map("q", finalizers=["foregroundDeletion"])), delete(f"{MAPS}/q"), get(f"{MAPS}/q"), delete(f"{MAPS}/q", {"propagationPolicy": "Background"}), get(f"{MAPS}/q"),
    ],
    "delete: what an object on its way out keeps": [
        post(MAPS, _finalized("m")), patch(f"{MAPS}/m", {"metadata": {"deletionTimestamp": "2020-01-01T00:00:00Z"}}), patch(f"{MAPS}/m", {"metadata": {"deletionGracePeriodSeconds": 4}}), put(f"{MAPS}/m?dryRun=All", config_map("m", selfLink="/q", finalizers=["a.b/c"])), put(f"{MAPS}/m", config_map("m", selfLink="/q", finalizers=["a.b/c"])),
        patch(f"{MAPS}/m?dryRun=All", {"metadata": {"selfLink": "/z"}, "data": {"a": "b"}}), delete(f"{MAPS}/m"), put(f"{MAPS}/m", config_map("m", finalizers=["a.b/c"], deletionTimestamp="2020-01-01T00:00:00Z")), patch(f"{MAPS}/m", {"metadata": {"deletionTimestamp": None, "deletionGracePeriodSeconds": None}}),
        patch(f"{MAPS}/m", {"metadata": {"deletionGracePeriodSeconds": 9}}), patch(f"{MAPS}/m", {"metadata": {"selfLink": "/z"}, "data": {"a": "c"}}), put(f"{MAPS}/m", config_map("m", selfLink="/q")), get(f"{MAPS}/m"),
    ],
    "delete: answers": [
        post(ACCOUNTS, {"metadata": {"name": "a"}}), delete(f"{ACCOUNTS}/a"), post(LEASES, {"metadata": {"name": "a"}}), delete(f"{LEASES}/a"), post(ROLES, {"metadata": {"name": "a"}}), delete(f"{ROLES}/a"), post(SECRETS, {"metadata": {"name": "a"}}), delete(f"{SECRETS}/a", accept=YAML),
        post(DEPLOYMENTS, deployment("a")), delete(f"{DEPLOYMENTS}/a"), post(MAPS, config_map("a")), delete(f"{MAPS}/a", accept=TABLE), delete(f"{MAPS}/a", accept=TABLE), delete(f"{MAPS}/Upper"), delete("/api/v1/namespaces/none/configmaps/a"), delete("/api/v1/namespaces/none"), delete("/api/v1/namespaces/default"), delete("/api/v1/namespaces/kube-system", {"dryRun": ["All"]}),
    ],
    "delete: collections": [
        *(post(MAPS, config_map(f"m{n}", labels={"n": str(n), "k": "v"}, **({"finalizers": ["a.b/c"]} if n == 3 else {}))) for n in range(6)), delete(f"{MAPS}?labelSelector=n%3D0"), delete(f"{MAPS}?labelSelector=x%20y"), delete(f"{MAPS}?fieldSelector=metadata.name%3Dm1"), delete(f"{MAPS}?fieldSelector=x%3Dy"), delete(f"{MAPS}?dryRun=All"), delete(f"{MAPS}?dryRun=Nope"), delete(MAPS, {"dryRun": ["All"], "propagationPolicy": "Orphan"}),
        delete(f"{MAPS}?labelSelector=n%3D2", {"preconditions": {"uid": "x"}}), delete(f"{MAPS}?labelSelector=n%3D2", {"preconditions": {"resourceVersion": "1"}}), delete(f"{MAPS}?labelSelector=n%3D2&resourceVersion=0"), delete(f"{MAPS}?labelSelector=n%3D4&limit=x"), delete(f"{MAPS}?labelSelector=k%3Dv&limit=1"), delete(MAPS, "nonsense"), delete(MAPS, {"kind": "Nope", "apiVersion": "v1"}), delete(f"{MAPS}?labelSelector=k%3Dv", accept=TABLE), get(MAPS), delete(f"{MAPS}?propagationPolicy=Foreground"), get(MAPS), delete("/api/v1/configmaps"), delete("/api/v1/namespaces/none/configmaps"), delete(f"{MAPS}?watch=1&timeoutSeconds=1"),
    ],
    "delete: a namespace": [
        post("/api/v1/namespaces", {"metadata": {"name": "{ns}-d"}}), post("/api/v1/namespaces/{ns}-d/configmaps", config_map("m")), delete("/api/v1/namespaces/{ns}-d?dryRun=All"), delete("/api/v1/namespaces/{ns}-d", {"preconditions": {"uid": "x"}}), delete("/api/v1/namespaces/{ns}-d"), delete("/api/v1/namespaces/{ns}-d"),
        post("/api/v1/namespaces/{ns}-d/configmaps", config_map("n")), put("/api/v1/namespaces/{ns}-d/configmaps/m", config_map("m", {"a": "b"})), put("/apis/coordination.k8s.io/v1/namespaces/{ns}-d/leases/l", {"metadata": {"name": "l"}}), patch("/api/v1/namespaces/{ns}-d", {"metadata": {"labels": {"a": "b"}}}), patch("/api/v1/namespaces/{ns}-d", {"spec": {"finalizers": []}}),
        put("/api/v1/namespaces/{ns}-d/finalize", {"metadata": {"name": "{ns}-d"}, "spec": {"finalizers": []}}), get("/api/v1/namespaces/{ns}-d"), get("/api/v1/namespaces/{ns}-d/configmaps/m"), post("/api/v1/namespaces", {"metadata": {"name": "{ns}-e", "finalizers": ["a.b/c"]}, "spec": {"finalizers": ["x.y/z"]}}), put("/api/v1/namespaces/{ns}-e/finalize", {"metadata": {"name": "{ns}-e"}}), delete("/api/v1/namespaces/{ns}-e"), put("/api/v1/namespaces/{ns}-e/finalize", {"metadata": {"name": "other"}}), put("/api/v1/namespaces/{ns}-e/finalize", {"metadata": {"name": "{ns}-e"}, "spec": {"finalizers": ["bad"]}}), patch("/api/v1/namespaces/{ns}-e", {"metadata": {"finalizers": None}}), get("/api/v1/namespaces/{ns}-e"),
        post("/api/v1/namespaces", {"metadata": {"name": "{ns}-f"}, "spec": {"finalizers": ["bad"]}}), put("/api/v1/namespaces/{ns}/status", {"metadata": {"name": "{ns}"}, "status": {"phase": "Terminating"}}), put("/api/v1/namespaces/{ns}/status", {"metadata": {"name": "{ns}"}, "status": {"phase": "Nope"}}),
    ],
}  # fmt: skip
