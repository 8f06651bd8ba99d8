"""Conversations about requests as such: creating, replacing, options, media types, paths and methods."""

from __future__ import annotations

import json
from typing import Any

from cluster.machinery_patches import DEPLOYMENTS, MAPS, config_map, container, delete, deployment, get, post, put
from cluster.machinery_player import JSON, Step

SECRETS, ACCOUNTS = "/api/v1/namespaces/{ns}/secrets", "/api/v1/namespaces/{ns}/serviceaccounts"
LEASES, JOBS = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases", "/apis/batch/v1/namespaces/{ns}/jobs"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles"
YAML, PROTOBUF = "application/yaml", "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIALS = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


def _with(**meta: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}


OWNER = {"apiVersion": "v1", "kind": "X", "name": "y", "uid": "z"}
METADATA = (
    {}, {"name": ""}, {"name": "Upper"}, {"name": "a" * 254}, {"name": "a/b"}, {"name": "."}, {"name": "a_b"}, {"name": 7},
    {"name": "n1", "namespace": "other"}, {"name": "n2", "namespace": ""}, {"name": "n3", "uid": "u"},
    {"name": "n4", "resourceVersion": "1"}, {"name": "n5", "resourceVersion": "0"}, {"name": "n5b", "resourceVersion": "x"},
    {"name": "n6", "generation": 7, "selfLink": "/x", "creationTimestamp": "2020-01-01T00:00:00Z"},
    {"name": "n7", "deletionTimestamp": "2020-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5},
    {"name": "n8", "labels": {"a b": "c"}}, {"name": "n9", "labels": {"a": "b c"}}, {"name": "n10", "labels": {"a/b/c": "d"}},
    {"name": "n11", "labels": {"a": None}}, {"name": "n12", "labels": {"a": 1}}, {"name": "n13", "labels": []},
    {"name": "n14", "labels": {"": "x"}}, {"name": "n15", "labels": {"UP.per/ok": "x"}}, {"name": "n16", "labels": {"/x": "y"}},
    {"name": "n17", "labels": {"x": "y" * 64}}, {"name": "n18", "labels": {"x" * 64: "y"}}, {"name": "n19", "labels": {"p" * 254 + "/x": "y"}},
    {"name": "n20", "annotations": {"a b": "c"}}, {"name": "n21", "annotations": {"Upper/Case": "c"}},
    {"name": "n22", "annotations": {"big": "x" * 262145}},
    {"name": "n23", "finalizers": ["short"]}, {"name": "n24", "finalizers": ["a b/c"]}, {"name": "n25", "finalizers": [""]},
    {"name": "n26", "finalizers": ["orphan", "foregroundDeletion"]}, {"name": "n27", "finalizers": ["a.b/c", "a.b/c"]},
    {"name": "n28", "finalizers": ["orphan"]},
    {"name": "n30", "ownerReferences": [OWNER, OWNER]}, {"name": "n31", "ownerReferences": [{}]},
    {"name": "n32", "ownerReferences": [{**OWNER, "controller": True}, {**OWNER, "uid": "q", "controller": True}]},
    {"name": "n33", "ownerReferences": [{**OWNER, "kind": "Event"}]}, {"name": "n34", "ownerReferences": [{**OWNER, "apiVersion": "a/b/c"}]},
    {"name": "n35", "ownerReferences": [OWNER, {**OWNER, "name": "other"}]},
    {"name": "n36", "managedFields": [{"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {}}}]},
    {"name": "n37", "managedFields": [{"manager": "m", "operation": "Nonsense"}]}, {"name": "n38", "managedFields": [{}]},
    {"name": "n40", "unknown": 1}, {"generateName": "g-"}, {"generateName": "G-"}, {"generateName": "g" * 80}, {"generateName": "-"},
    {"name": "n41", "generateName": "g-"}, {"name": "n42", "creationTimestamp": "nonsense"}, {"name": "n43", "creationTimestamp": None},
    {"name": "n1"}, {"name": "n1"},
)  # fmt: skip

BODIES: tuple[tuple[str, str], ...] = (
    (JSON, ""), (JSON, "null"), (JSON, "[]"), (JSON, "7"), (JSON, '"x"'), (JSON, "{"), (JSON, "{}"), (JSON, "nonsense"),
    (JSON, '{"kind":"ConfigMap"}'), (JSON, '{"apiVersion":"v1"}'), (JSON, '{"metadata":{"name":"bare"}}'),
    (JSON, '{"kind":"Secret","apiVersion":"v1","metadata":{"name":"b1"}}'),
    (JSON, '{"kind":"ConfigMap","apiVersion":"v2","metadata":{"name":"b2"}}'),
    (JSON, '{"kind":"ConfigMap","apiVersion":"apps/v1","metadata":{"name":"b3"}}'),
    (JSON, '{"kind":"configmap","apiVersion":"v1","metadata":{"name":"b4"}}'),
    (JSON, '{"kind":"Nonsense","apiVersion":"v1","metadata":{"name":"b5"}}'),
    (JSON, '{"kind":"ConfigMap","apiVersion":"a/b/c","metadata":{"name":"b6"}}'),
    (JSON, '{"kind":7,"apiVersion":"v1","metadata":{"name":"b7"}}'),
    (JSON, '{"kind":"ConfigMapList","apiVersion":"v1","items":[]}'),
    (JSON, '{"metadata":{"name":"b8"},"data":{"a":"1","a":"2"}}'),
    (JSON, '{"metadata":{"name":"b9"},"data":{"a":"1"},"data":{"b":"2"}}'),
    (JSON, '{"metadata":{"name":"b10"},"Data":{"a":"1"}}'),
    (JSON, '{"metadata":{"name":"b11"},"data":{"a":1}}'), (JSON, '{"metadata":{"name":"b12"},"data":"x"}'),
    (JSON, '{"metadata":"x"}'), (JSON, '{"metadata":[]}'), (JSON, '{"metadata":null}'),
    (JSON, '{"metadata":{"name":"b13"},"data":null,"binaryData":{"a":"!!"}}'),
    (JSON, '{"metadata":{"name":"b14"},"binaryData":{"a":"aGk="},"data":{"a":"x"}}'),
    (JSON, '{"metadata":{"name":"b15"},"immutable":"yes"}'),
    (JSON, '{"metadata":{"name":"b16"}} trailing'), (JSON, '{"metadata":{"name":"b17"}}{"metadata":{"name":"b18"}}'),
    (JSON, "\ufeff{}"), (JSON, " \n\t{\"metadata\":{\"name\":\"b19\"}} \n"),
    (YAML, "metadata:\n  name: y1\ndata:\n  a: b\n"), (YAML, "metadata:\n  name: y2\ndata:\n  a: 1\n"),
    (YAML, "metadata:\n  name: y3\ndata:\n  a: b\n  a: c\n"), (YAML, "metadata: {name: y4}\nmore: 1\n"),
    (YAML, "a: b: c"), (YAML, "- a\n- b\n"), (YAML, ""), (YAML, "plain"), (YAML, "metadata:\n\tname: x\n"),
    (YAML, "metadata: {name: y5}\n---\nmetadata: {name: y6}\n"), (YAML, '{"metadata":{"name":"y7"}}'),
    (YAML, "metadata: {name: y8}\ndata: {on: 'yes', 1: x}\n"), (YAML, "metadata: {name: yes}\n"),
    (YAML, "metadata: {name: y9, creationTimestamp: 2020-01-01}\n"),
    ("text/yaml", "metadata: {name: y10}\n"), ("text/plain", "{}"), ("", '{"metadata":{"name":"t1"}}'),
    ("application/json; charset=utf-8", '{"metadata":{"name":"t2"}}'), ("APPLICATION/JSON", '{"metadata":{"name":"t3"}}'),
    ("application/json;stream=watch", '{"metadata":{"name":"t4"}}'), ("application/*", "{}"), ("*/*", "{}"), ("nonsense", "{}"),
    ("application/cbor", "{}"), (PROTOBUF, "{}"), (PROTOBUF, ""), ("application/merge-patch+json", "{}"), (";", "{}"),
)  # fmt: skip

OPTIONS = (
    "dryRun=All", "dryRun=Nope", "dryRun=", "dryRun=All&dryRun=Nope", "fieldManager=me", "fieldManager=", f"fieldManager={'x' * 129}",
    "fieldManager=%0a", "fieldValidation=Strict", "fieldValidation=Warn", "fieldValidation=Ignore", "fieldValidation=Nope",
    "fieldValidation=", "pretty=true", "pretty=false", "pretty", "pretty=1", "pretty=nonsense", "unknown=1", "force=true",
    "timeout=1s", "timeout=nonsense", "timeout=0s", "timeout=-1s", "dryRun=x&fieldValidation=y&fieldManager=%00",
)  # fmt: skip

REPLACEMENTS = (
    {"metadata": {"name": "m"}, "data": {"a": "2"}}, {"metadata": {"name": "m", "resourceVersion": "{0.metadata.resourceVersion}"}},
    {"metadata": {"name": "m", "resourceVersion": "x"}}, {"metadata": {"name": "m", "resourceVersion": "-1"}},
    {"metadata": {"name": "m", "resourceVersion": "0"}}, {"metadata": {"name": "m", "uid": "other"}},
    {"metadata": {"name": "m", "uid": "{0.metadata.uid}"}}, {"metadata": {"name": "q"}}, {"metadata": {}}, {},
    {"metadata": {"name": "m", "namespace": "q"}}, {"metadata": {"name": "m", "namespace": ""}},
    {"metadata": {"name": "m", "generation": 9}}, {"metadata": {"name": "m", "generation": -1}},
    {"metadata": {"name": "m", "creationTimestamp": "2020-01-01T00:00:00Z"}}, {"metadata": {"name": "m", "selfLink": "/q"}},
    {"metadata": {"name": "m", "deletionTimestamp": "2020-01-01T00:00:00Z"}}, {"metadata": {"name": "m", "deletionGracePeriodSeconds": 7}},
    {"metadata": {"name": "m", "generateName": "q-"}}, {"metadata": {"name": "m", "labels": {"a b": "c"}}},
    {"metadata": {"name": "m", "finalizers": ["a.b/c", "a.b/c"]}}, {"metadata": {"name": "m", "finalizers": ["bad"]}},
    {"metadata": {"name": "m", "ownerReferences": [OWNER, OWNER]}}, {"metadata": {"name": "m", "unknown": 1}, "more": 2},
    {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "m"}}, {"kind": "ConfigMap", "apiVersion": "v3", "metadata": {"name": "m"}},
)  # fmt: skip

ACCEPTS = (
    JSON, YAML, "text/plain", "*/*", "application/*", "text/*", "", "nonsense", "application/json;q=0.1, application/yaml", "application/cbor",
    "application/cbor, application/json", "application/json;as=Nonsense;g=meta.k8s.io;v=v1", "application/json;as=Table;g=meta.k8s.io;v=v9",
    "application/json;as=Table;g=x;v=v1", "application/json;as=Table", "application/json;as=Table;g=meta.k8s.io;v=v1beta1",
    TABLE, f"{TABLE},application/json", f"application/json;as=Nonsense;g=meta.k8s.io;v=v1,{JSON}", PARTIAL, PARTIALS,
    "application/yaml;as=Table;g=meta.k8s.io;v=v1", "application/yaml;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    "application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1", "application/json;stream=watch", "application/json;stream=x",
    "application/json;pretty=1", "application/json;charset=utf-8", "text/html", "application/json;v=v1;g=meta.k8s.io", "application/json;as=List",
)  # fmt: skip

PATHS = (
    "/api/v1/nonsense", "/api/v1/namespaces/{ns}/nonsense", "/api/v2/pods", "/apis/nonsense/v1/x", "/apis/apps/v9/deployments", "/api/v1/", "/api/",
    "/apis/apps/", "/nonsense", "/api/v1/configmaps/x", "/api/v1/namespaces/{ns}/configmaps/x/status", "/api/v1/namespaces/{ns}/configmaps/x/y/z",
    "/api/v1/namespaces/{ns}/namespaces", "/api/v1/namespaces/{ns}/nodes", "/api/v1/namespaces/none/configmaps", "/api/v1/namespaces/{ns}/configmaps/",
    "/api/v1/namespaces//configmaps?fieldSelector=metadata.namespace%3D{ns}", "/api/v1//configmaps", "//api/v1/configmaps", "/api/v1/namespaces/{ns}/configmaps/Upper", "/api/v1/namespaces/{ns}/configmaps/a%2Fb",
    "/api/v1/namespaces/{ns}/configmaps/%20", "/api/v1/watch/namespaces/{ns}/configmaps/none/x", "/api/v1/proxy/namespaces/{ns}/pods/x", "/API/v1", "/api/v1/ConfigMaps",
    "/apis/apps/v1/namespaces/{ns}/deployments/x/scale", "/apis/apps/v1/namespaces/{ns}/deployments/x/nonsense", "/api/v1/namespaces/{ns}/status",
    "/api/v1/namespaces/none", "/api/v1/namespaces/none/status", "/api/v1/namespaces/none/finalize", "/api/v1/componentstatuses/x", "/apis/apps/v1/deployments/x",
)  # fmt: skip


def _large(size: int) -> bytes:
    return json.dumps({"metadata": {"name": "large"}, "data": {"a": "x" * size}}).encode()


CONVERSATIONS: dict[str, list[Step]] = {
    "create: metadata": [post(MAPS, _with(**meta)) for meta in METADATA],
    "create: metadata of others": [
        *(post(path, {"metadata": {"name": name}}) for path in (ACCOUNTS, LEASES, ROLES, SECRETS)
          for name in ("a.b", "Up", "a:b", "a" * 64, "a%b", "..")),
        post("/api/v1/namespaces", {"metadata": {"name": "a.b"}}), post("/api/v1/namespaces", {"metadata": {"name": "Up"}}),
        post("/api/v1/namespaces", {"metadata": {"name": "{ns}"}}), post("/api/v1/namespaces", {"metadata": {"name": "{ns}-x", "namespace": "q"}}),
        post("/api/v1/namespaces", {"metadata": {"name": "{ns}-y", "namespace": "{ns}-y"}}),
        post("/api/v1/namespaces", {"metadata": {"generateName": "{ns}-g-"}}),
        post("/api/v1/namespaces/none/configmaps", _with(name="x")), post("/api/v1/namespaces/none/configmaps", _with(name="Upper")),
        post("/api/v1/configmaps", _with(name="x", namespace="{ns}")), post("/api/v1/configmaps", _with(name="x")),
        post("/api/v1/namespaces//configmaps", _with(name="x")), post(f"{MAPS}/x", _with(name="x")),
    ],
    "create: bodies": [post(MAPS, body, content_type=kind) for kind, body in BODIES],
    "create: bodies, strictly": [post(f"{MAPS}?fieldValidation=Strict", body, content_type=kind) for kind, body in BODIES],
    "create: bodies, leniently": [post(f"{MAPS}?fieldValidation=Ignore", body, content_type=kind) for kind, body in BODIES],
    "create: options": [post(f"{MAPS}?{option}", config_map(f"o{number}")) for number, option in enumerate(OPTIONS)],
    "replace: options": [post(MAPS, config_map("m")), *(put(f"{MAPS}/m?{option}", config_map("m", {"n": str(n)})) for n, option in enumerate(OPTIONS))],
    "delete: options": [
        *(post(MAPS, config_map(f"m{n}")) for n in range(len(OPTIONS))), *(delete(f"{MAPS}/m{n}?{option}") for n, option in enumerate(OPTIONS)),
    ],
    "replace": [post(MAPS, config_map("m", {"a": "1"})), *(put(f"{MAPS}/m", body) for body in REPLACEMENTS), get(f"{MAPS}/m")],
    "replace: owners twice": [
        post(MAPS, config_map("m", ownerReferences=[OWNER, OWNER])), *(put(f"{MAPS}/{name}", config_map(name, ownerReferences=[OWNER, OWNER], **more)) for name, more in (("m", {}), ("none", {}), ("m", {"uid": "x"}), ("m", {"resourceVersion": "1"}))),
        Step("PATCH", f"{MAPS}/m", {"metadata": {"ownerReferences": [OWNER, OWNER, {**OWNER, "uid": "q"}]}}, "application/merge-patch+json"),
    ],
    "replace: bodies": [post(MAPS, config_map("m", {"a": "1"})), *(put(f"{MAPS}/m", body, content_type=kind) for kind, body in BODIES[:12])],
    "replace: what is not there": [
        put(f"{MAPS}/none", config_map("none")), put(f"{MAPS}/none", config_map("other")), put(f"{MAPS}/none", config_map("none", uid="x")),
        put(f"{DEPLOYMENTS}/none", deployment("none")), put(f"{LEASES}/none", {"metadata": {"name": "none"}}),
        put(f"{LEASES}/none2", {"metadata": {"name": "none2", "resourceVersion": "5"}}), put(f"{LEASES}/none3", {"metadata": {"name": "none3", "uid": "x"}}),
        put(f"{ROLES}/none", {"metadata": {"name": "none"}}), put(MAPS, config_map("x")), put("/api/v1/namespaces/none", {"metadata": {"name": "none"}}),
        put(f"{LEASES}/Upper", {"metadata": {"name": "Upper"}}), put("/api/v1/namespaces/none/configmaps/x", config_map("x")),
    ],
    "generation and status": [
        post(DEPLOYMENTS, {**deployment("d"), "status": {"replicas": 3}}), put(f"{DEPLOYMENTS}/d", {**deployment("d", replicas=2), "status": {"replicas": 4}}),
        put(f"{DEPLOYMENTS}/d", deployment("d", replicas=2)), put(f"{DEPLOYMENTS}/d/status", {**deployment("d", replicas=7), "status": {"replicas": 5, "observedGeneration": 1}}),
        put(f"{DEPLOYMENTS}/d/status", {"metadata": {"name": "d", "labels": {"x": "y"}}, "status": {"replicas": -1}}),
        put(f"{DEPLOYMENTS}/d/status", {"metadata": {"name": "d", "labels": {"x": "y"}}, "status": {}}),
        Step("PATCH", f"{DEPLOYMENTS}/d/status", {"spec": {"replicas": 9}, "status": {"replicas": 1}}, "application/merge-patch+json"),
        Step("PATCH", f"{DEPLOYMENTS}/d", {"spec": {"replicas": 9}, "status": {"replicas": 2}}, "application/merge-patch+json"),
        get(f"{DEPLOYMENTS}/d/status"), get(f"{DEPLOYMENTS}/d/scale"), put(f"{DEPLOYMENTS}/d/scale", {"metadata": {"name": "d"}, "spec": {"replicas": 4}}),
        Step("PATCH", f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": 5}}, "application/merge-patch+json"),
        Step("PATCH", f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": -5}}, "application/merge-patch+json"),
        Step("PATCH", f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": "x"}}, "application/merge-patch+json"),
        put(f"{DEPLOYMENTS}/d/scale", {"metadata": {"name": "other"}, "spec": {"replicas": 4}}),
        put(f"{DEPLOYMENTS}/d/scale", {"metadata": {"name": "d", "resourceVersion": "1"}, "spec": {"replicas": 4}}),
        put(f"{DEPLOYMENTS}/none/scale", {"metadata": {"name": "none"}, "spec": {"replicas": 4}}), get(f"{DEPLOYMENTS}/none/scale"), get(f"{DEPLOYMENTS}/d"),
        delete(f"{DEPLOYMENTS}/d/scale"), delete(f"{DEPLOYMENTS}/d/status"), post(f"{DEPLOYMENTS}/d/status", {}), get(f"{DEPLOYMENTS}/d/scale", accept=TABLE),
    ],
    "secrets": [
        post(SECRETS, {"metadata": {"name": "s"}, "stringData": {"a": "b"}, "data": {"c": "ZA=="}}), get(f"{SECRETS}/s"),
        put(f"{SECRETS}/s", {"metadata": {"name": "s"}, "type": "other"}), put(f"{SECRETS}/s", {"metadata": {"name": "s"}, "immutable": True}),
        put(f"{SECRETS}/s", {"metadata": {"name": "s"}, "data": {"c": "ZA=="}}), post(SECRETS, {"metadata": {"name": "t"}, "type": "kubernetes.io/tls"}),
        post(SECRETS, {"metadata": {"name": "u"}, "type": "kubernetes.io/service-account-token"}), post(SECRETS, {"metadata": {"name": "v"}, "data": {"a b": "ZA=="}}),
        post(SECRETS, {"metadata": {"name": "w"}, "type": "kubernetes.io/basic-auth"}), post(SECRETS, {"metadata": {"name": "x"}, "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "{"}}),
        post(SECRETS, {"metadata": {"name": "y"}, "data": {"a": "not base64"}}), post(SECRETS, {"metadata": {"name": "z"}, "data": {"a": "x" * 1400000}}),
    ],
    "accept: one": [post(MAPS, config_map("m", {"a": "1"})), *(get(f"{MAPS}/m", accept=accept) for accept in ACCEPTS), *(get(f"{MAPS}/none", accept=accept) for accept in ACCEPTS[:8])],
    "accept: many": [post(MAPS, config_map("m", {"a": "1"})), *(get(MAPS, accept=accept) for accept in ACCEPTS), *(get(f"{MAPS}?includeObject={i}", accept=TABLE) for i in ("None", "Metadata", "Object", "x", ""))],
    "accept: writing": [*(post(MAPS, config_map(f"m{n}", {"a": "1"}), accept=accept) for n, accept in enumerate(ACCEPTS)), *(delete(f"{MAPS}/m{n}", accept=accept) for n, accept in enumerate(ACCEPTS))],
    "paths": [get(path) for path in PATHS],
    "paths: post": [post(path, {}) for path in PATHS],
    "methods": [
        post(MAPS, config_map("m")), *(Step(method, path) for path in (f"{MAPS}/m", MAPS, "/api/v1/namespaces", "/api/v1/namespaces/{ns}", "/api/v1", "/apis", "/version", "/healthz", "/metrics", "/nonsense", "/")
        for method in ("HEAD", "OPTIONS", "TRACE", "NONSENSE", "POST", "PUT", "PATCH") if not (path == "/metrics" and method == "HEAD")), delete("/api/v1/namespaces"), delete("/api/v1"), delete("/version"),
    ],
    "too large": [post(MAPS, _large(1 << 20)), post(MAPS, _large(3 << 20)), post(MAPS, _large((3 << 20) - 100)), put(f"{MAPS}/large", _large(3 << 20)),
                  Step("PATCH", f"{MAPS}/large", _large(3 << 20), "application/merge-patch+json")],
    "jobs and roles": [
        post(JOBS, {"metadata": {"name": "j"}, "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container("a")]}}}}), get(f"{JOBS}/j", accept=TABLE),
        post(ROLES, {"metadata": {"name": "r:x"}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}), post(ROLES, {"metadata": {"name": "r"}, "rules": [{"verbs": []}]}), get(ROLES),
    ],
}  # fmt: skip
