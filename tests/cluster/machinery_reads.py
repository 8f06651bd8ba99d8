"""Conversations about lists, watches and Tables."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from cluster.machinery_patches import MAPS, config_map, delete, get, patch, post
from cluster.machinery_requests import ACCOUNTS, JOBS, LEASES, PARTIAL, PARTIALS, PROTOBUF, SECRETS, TABLE, YAML

if TYPE_CHECKING:
    from cluster.machinery_player import Step

EVENTS = "/api/v1/namespaces/{ns}/events"
MANY = 5

LABELS = (
    "app", "!app", "app=a", "app==a", "app!=a", "app in (a,b)", "app notin (a)", "app in ()", "app in (a", "app in a", "app=a,tier", "app=a,,tier",
    ",app", "app,", "app=", "app=a b", "app=(a)", "app>1", "n>1", "n<3", "n>x", "n>1.5", "n>", "n>=1", "=a", "a=b=c", "app in (a,,b)", "app in (,)", "app in (a,b),tier=x",
    "a b", "(app)", "!app=a", "!", "!!app", "app !in (a)", "app not in (a)", "in", "in in (in)", "notin", "notin notin (notin)", "UP.per/x=1", "Up/er/x", "/x", "x/", "x/y", "-a", "a-",
    "a" * 64, "x=" + "y" * 64, "x in (" + "y" * 64 + ")", "app = a , tier != b", " app=a ", "app=a;tier=b", "app\tin\t(a)", "app=a,app=b", "x<y", "x<", "a==b==c", "a=!b", "a=in", "a in (in,notin)", "%zz", "a\\,b",
)  # fmt: skip
FIELDS = (
    "metadata.name=m0", "metadata.name!=m0", "metadata.name==m0", "metadata.namespace={ns}", "metadata.namespace=x", "metadata.name", "metadata.name=", "metadata.name=m0,metadata.name=m1",
    "metadata.name!=m0,metadata.name!=m1", "data.a=b", "name=m0", "", ",", "metadata.name=m0,", ",metadata.name=m0", "metadata.name=m\\,0", "metadata.name=m\\x0", "metadata.name=m\\", "=x",
    "metadata.name=a=b", "metadata.name>m0", "metadata.labels=x", "metadata.uid=x", "metadata.name in (m0)", " metadata.name=m0", "metadata.name= m0", "METADATA.NAME=m0", "metadata.name=Upper",
)  # fmt: skip
COMBINATIONS = (
    "", "resourceVersion=", "resourceVersion=0", "resourceVersion=1", "resourceVersion={5.metadata.resourceVersion}", "resourceVersion=x", "resourceVersion=-1", "resourceVersion=99999999999999999999",
    "resourceVersionMatch=Exact", "resourceVersionMatch=NotOlderThan", "resourceVersionMatch=Nope", "resourceVersionMatch=", "resourceVersion=0&resourceVersionMatch=Exact",
    "resourceVersion=0&resourceVersionMatch=NotOlderThan", "resourceVersion={5.metadata.resourceVersion}&resourceVersionMatch=Exact", "resourceVersion=x&resourceVersionMatch=Exact",
    "resourceVersion={5.metadata.resourceVersion}&resourceVersionMatch=NotOlderThan", "resourceVersion={5.metadata.resourceVersion}&resourceVersionMatch=Nope", "limit=2", "limit=0", "limit=-1", "limit=x", "limit=", "limit=5", "limit=6",
    "limit=1.5", "limit=99999999999999999999", "limit=2&resourceVersion=0", "limit=2&resourceVersion={5.metadata.resourceVersion}", "limit=2&resourceVersion={3.metadata.resourceVersion}", "limit=2&labelSelector=even%3Dtrue",
    "limit=2&resourceVersion={3.metadata.resourceVersion}&resourceVersionMatch=Exact", "limit=2&resourceVersion={3.metadata.resourceVersion}&resourceVersionMatch=NotOlderThan",
    "continue=x", "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhXHUwMDAwIn0", "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MCwic3RhcnQiOiJhXHUwMDAwIn0", "continue=eyJ2IjoidjkifQ", "continue=bm9uc2Vuc2U", "continue=&limit=1", "continue=x&resourceVersion=1", "continue=x&resourceVersion=0",
    "continue=x&resourceVersionMatch=Exact", "timeoutSeconds=1", "timeoutSeconds=x", "timeoutSeconds=-1", "timeoutSeconds=0", "sendInitialEvents=true", "sendInitialEvents=false", "allowWatchBookmarks=true", "allowWatchBookmarks=x",
    "watch=false", "watch=0", "labelSelector=", "fieldSelector=", "pretty=true", "unknown=x", "limit=1&limit=2", "sendInitialEvents=true&resourceVersionMatch=NotOlderThan", "sendInitialEvents=", "includeObject=x", "includeObject=Object", "shardSelector=x",
)  # fmt: skip
WATCHES = (
    "", "resourceVersion=0", "resourceVersion={0.metadata.resourceVersion}", "resourceVersion=1", "resourceVersion=x", "resourceVersion=99999999", "resourceVersion=-1", "resourceVersionMatch=Exact",
    "resourceVersionMatch=NotOlderThan", "sendInitialEvents=true", "sendInitialEvents=false", "sendInitialEvents=true&resourceVersionMatch=NotOlderThan", "sendInitialEvents=false&resourceVersionMatch=NotOlderThan",
    "sendInitialEvents=true&resourceVersionMatch=Exact", "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true", "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=0",
    "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion={2.metadata.resourceVersion}", "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=even%3Dtrue",
    "sendInitialEvents=x&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true", "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=x", "sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=0", "sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion={0.metadata.resourceVersion}",
    "limit=2", "continue=x", "labelSelector=even%3Dtrue", "fieldSelector=metadata.name%3Dm1", "fieldSelector=metadata.name%3Dm1&resourceVersion={0.metadata.resourceVersion}", "labelSelector=x%20y", "fieldSelector=x%3Dy", "resourceVersion={0.metadata.resourceVersion}&labelSelector=even%3Dtrue",
    "timeoutSeconds=x", "timeoutSeconds=-1", "resourceVersion=0&resourceVersionMatch=NotOlderThan", "resourceVersion=0&resourceVersionMatch=Exact",
)  # fmt: skip


def _five(path: str = MAPS) -> list[Step]:
    """Five ConfigMaps m0 … m4; every other one is labelled even."""
    return [
        post(
            path,
            config_map(
                f"m{n}", {"n": str(n)}, labels={"even": "true", "app": "a", "n": str(n)} if n % 2 == 0 else {"app": "b"}
            ),
        )
        for n in range(MANY)
    ]


def _watched(*query: str, accept: str = "application/json") -> list[Step]:
    """What has happened when the watch begins: five maps, one changed, one relabelled out of the selection, one gone."""
    changes = [
        patch(f"{MAPS}/m1", {"data": {"x": "y"}}),
        patch(f"{MAPS}/m2", {"metadata": {"labels": {"even": None}}}),
        delete(f"{MAPS}/m4"),
    ]
    ends = [f"{MAPS}?watch=1&{q}{'' if 'timeoutSeconds' in q else '&timeoutSeconds=1'}" for q in query]
    return [*_five(), *changes, *(get(end, accept=accept) for end in ends)]


CONVERSATIONS: dict[str, list[Step]] = {
    "list: label selectors": [*_five(), *(get(f"{MAPS}?labelSelector={quote(text)}", accept=PARTIALS) for text in LABELS)],
    "list: field selectors": [*_five(), *(get(f"{MAPS}?fieldSelector={quote(text, safe='{}')}", accept=PARTIALS) for text in FIELDS)],
    "list: parameters": [*_five(), get(MAPS), *(get(f"{MAPS}?{query}", accept=PARTIALS) for query in COMBINATIONS)],
    "get: parameters": [*_five(), get(MAPS), *(get(f"{MAPS}/m1?{query}", accept=PARTIAL) for query in COMBINATIONS)],
    "list: pages": [
        *_five(), get(f"{MAPS}?limit=2"), delete(f"{MAPS}/m3"), post(MAPS, config_map("m5")), get(f"{MAPS}?limit=2&continue={{5.metadata.continue}}"),
        get(f"{MAPS}?limit=2&continue={{8.metadata.continue}}"), get(f"{MAPS}?continue={{5.metadata.continue}}"), get(f"{MAPS}?limit=1&continue={{5.metadata.continue}}&labelSelector=even"),
        get(f"{MAPS}?limit=2&continue={{5.metadata.continue}}&resourceVersion=1"), get(f"{MAPS}?limit=2&continue={{5.metadata.continue}}&resourceVersion=0"), get(f"{MAPS}?limit=2&continue={{5.metadata.continue}}&resourceVersionMatch=Exact"),
        get(f"{MAPS}?limit=2&resourceVersion=0"), get(f"{MAPS}?limit=2", accept=TABLE), get(f"{MAPS}?limit=2", accept=PARTIALS), get(f"{SECRETS}?limit=2&continue={{5.metadata.continue}}"), get(f"{MAPS}?limit=2&continue=!{{5.metadata.continue}}"),
    ],
    "list: other kinds' fields": [
        post(SECRETS, {"metadata": {"name": "s"}, "type": "a"}), get(f"{SECRETS}?fieldSelector=type%3Da", accept=PARTIALS), get(f"{SECRETS}?fieldSelector=type!%3Da", accept=PARTIALS), get(f"{LEASES}?fieldSelector=spec.x%3Dy"),
        get("/apis/apps/v1/namespaces/{ns}/replicasets?fieldSelector=status.replicas%3D0"), get("/apis/apps/v1/namespaces/{ns}/deployments?fieldSelector=status.replicas%3D0"), get(f"{JOBS}?fieldSelector=status.successful%3D0"), get(f"{EVENTS}?fieldSelector=involvedObject.name%3Dx,reason!%3Dy"), get(f"{EVENTS}?fieldSelector=x%3Dy"),
        get("/api/v1/namespaces?fieldSelector=status.phase%3DActive,metadata.name%3D{ns}", accept=PARTIALS), get("/api/v1/namespaces?fieldSelector=name%3D{ns}", accept=PARTIALS), get("/api/v1/namespaces?fieldSelector=metadata.name%3D{ns}", accept=TABLE), get(ACCOUNTS, accept=TABLE), get(LEASES, accept=TABLE), get(EVENTS, accept=TABLE), get(JOBS, accept=TABLE), get(SECRETS, accept=TABLE),
        get("/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles", accept=TABLE), get("/apis/apps/v1/namespaces/{ns}/deployments", accept=TABLE), get("/apis/apps/v1/namespaces/{ns}/replicasets", accept=TABLE), get(SECRETS, accept=YAML), get(MAPS, accept=YAML),
    ],
    **{f"watch: {query}": _watched(query) for query in WATCHES},
    **{f"watch: accept {accept}": _watched("", accept=accept) for accept in (TABLE, PARTIAL, PARTIALS, YAML, "application/json;stream=watch", f"{TABLE},application/json", "application/yaml,application/json", "text/plain", "application/cbor", f"{PROTOBUF};stream=watch")},
    **{f"watch: Tables, {query}": _watched(query, accept=TABLE) for query in ("includeObject=None&resourceVersion={0.metadata.resourceVersion}", "includeObject=Object", "includeObject=Nope", "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true")},
    **{f"watch: {path}": [*_five(), get(f"{path}{'&' if '?' in path else '?'}timeoutSeconds=1")] for path in ("/api/v1/watch/namespaces/{ns}/configmaps", "/api/v1/watch/namespaces/{ns}/configmaps/m1", "/api/v1/namespaces/{ns}/configmaps/m1?watch=1", "/api/v1/namespaces/{ns}/configmaps/m1?watch=1&fieldSelector=metadata.name%3Dm2",
                                      "/api/v1/namespaces/{ns}/configmaps?watch", "/api/v1/namespaces/{ns}/configmaps?watch=", "/api/v1/namespaces/{ns}/configmaps?watch=nonsense", "/api/v1/namespaces/none/configmaps?watch=1")},
}  # fmt: skip
