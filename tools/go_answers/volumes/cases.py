# ruff: noqa: E501 – tables of cases are read across
"""The cases that `main.go` answers: PersistentVolumes, claims and classes, created and changed, one fault or edge each."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]
GONE = object()

CLAIM: Object = {
    "metadata": {"name": "data", "namespace": "default"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
NODE_TERM = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["node1"]}]}
VOLUME: Object = {
    "metadata": {"name": "disk"},
    "spec": {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/srv/data", "type": ""},
    },
}
LOCAL: Object = {
    "metadata": {"name": "disk"},
    "spec": {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "local": {"path": "/srv/data"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [NODE_TERM]}},
    },
}
CLASS: Object = {"metadata": {"name": "fast"}, "provisioner": "example.com/disk"}
BOUND = {
    "status.phase": "Bound",
    "status.capacity": {"storage": "1Gi"},
    "spec.volumeName": "disk",
    "spec.storageClassName": "fast",
}


def changed(base: Object, changes: Object) -> Object:
    """A copy with the fields at dotted paths set, or taken away where the value is GONE."""
    made = copy.deepcopy(base)
    for path, value in changes.items():
        *way, last = (
            path.split(".")
            if not path.startswith("metadata.annotations/")
            else ["metadata", "annotations", path.partition("/")[2]]
        )
        place = made
        for step in way:
            place = place.setdefault(step, {})
        if value is GONE:
            place.pop(last, None)
        else:
            place[last] = value
    return made


CLAIMS: list[Object] = [
    {}, {"spec.accessModes": GONE}, {"spec.accessModes": ["ReadWriteOnce", "Nope"]}, {"spec.accessModes": ["ReadWriteOncePod"]},
    {"spec.accessModes": ["ReadWriteOncePod", "ReadWriteMany"]}, {"spec.resources": GONE}, {"spec.resources": {"requests": {"storage": "0"}}},
    {"spec.resources": {"requests": {"storage": "-1Gi"}}}, {"spec.resources": {"requests": {"cpu": "1"}}}, {"spec.resources": {"requests": {"storage": "1500m"}}},
    {"spec.storageClassName": ""}, {"spec.storageClassName": "Bad_Name"}, {"spec.volumeMode": "Block"}, {"spec.volumeMode": "Nope"}, {"spec.volumeMode": ""},
    {"spec.selector": {"matchLabels": {"a": "b"}}}, {"spec.selector": {"matchLabels": {"-a": "b"}}}, {"spec.selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
    {"spec.selector": {"matchExpressions": [{"key": "a", "operator": "Is", "values": ["x"]}]}},
    {"spec.dataSource": {"kind": "PersistentVolumeClaim", "name": "other"}}, {"spec.dataSource": {"kind": "Pod", "name": "other"}}, {"spec.dataSource": {"kind": "PersistentVolumeClaim", "name": ""}},
    {"spec.dataSourceRef": {"kind": "Pod", "name": "x"}}, {"spec.dataSourceRef": {"apiGroup": "a.b", "kind": "Pod", "name": ""}}, {"spec.dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "x", "namespace": "other"}},
    {"spec.dataSource": {"kind": "PersistentVolumeClaim", "name": "a"}, "spec.dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "b"}},
    {"metadata.name": "Bad_Name"}, {"metadata.name": "a.b"}, {"spec.volumeName": "disk"}, {"status.phase": "Bound"}, {"spec.volumeAttributesClassName": "Bad_"},
    {"spec.accessModes": [], "spec.resources": {"requests": {}}},
]  # fmt: skip
VOLUMES: list[Object] = [
    {}, {"spec.accessModes": GONE}, {"spec.accessModes": ["Nope"]}, {"spec.accessModes": ["ReadWriteOncePod", "ReadWriteOnce"]}, {"spec.capacity": GONE}, {"spec.capacity": {"cpu": "1"}},
    {"spec.capacity": {"storage": "0"}}, {"spec.capacity": {"storage": "-1Gi"}}, {"spec.capacity": {"storage": "1Gi", "cpu": "1"}}, {"spec.persistentVolumeReclaimPolicy": "Delete"}, {"spec.persistentVolumeReclaimPolicy": "Recycle"},
    {"spec.persistentVolumeReclaimPolicy": "Nope"}, {"spec.hostPath": GONE}, {"spec.hostPath": {"path": ""}}, {"spec.hostPath": {"path": "/a/../b"}}, {"spec.hostPath": {"path": "/a", "type": "Nope"}},
    {"spec.hostPath": {"path": "/"}, "spec.persistentVolumeReclaimPolicy": "Recycle"}, {"spec.local": {"path": "/x"}}, {"spec.hostPath": GONE, "spec.local": {"path": "/x"}}, {"spec.hostPath": GONE, "spec.local": {"path": ""}},
    {"spec.hostPath": GONE, "spec.local": {"path": "/a/.."}}, {"spec.storageClassName": "Bad_"}, {"spec.volumeMode": "Block"}, {"spec.volumeMode": "Nope"}, {"spec.nodeAffinity": {}}, {"spec.nodeAffinity": {"required": {}}},
    {"spec.nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In"}]}]}}}, {"spec.nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "", "operator": "Is"}]}]}}},
    {"spec.nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Gt", "values": []}, {"key": "a", "operator": "Exists", "values": ["x"]}]}]}}},
    {"spec.nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a", "b"]}, {"key": "b", "operator": "Exists"}]}]}}},
    {"spec.nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["_bad_"]}]}]}}},
    {"metadata.name": "Bad_Name"}, {"spec.claimRef": {"name": "data", "namespace": "default"}}, {"spec.nfs": {"server": "s", "path": "/p"}}, {"status.phase": "Bound"}, {"metadata.annotations/volume.beta.kubernetes.io/mount-options": "ro"},
    {"spec.volumeAttributesClassName": "gold"}, {"spec.volumeAttributesClassName": ""},
]  # fmt: skip
CLASSES: list[Object] = [
    {}, {"provisioner": GONE}, {"provisioner": "Bad Name"}, {"reclaimPolicy": "Retain"}, {"reclaimPolicy": "Recycle"}, {"volumeBindingMode": "WaitForFirstConsumer"}, {"volumeBindingMode": "Nope"}, {"volumeBindingMode": ""},
    {"parameters": {"a": "b"}}, {"parameters": {"": "b"}}, {"allowVolumeExpansion": True}, {"metadata.name": "Bad_"}, {"mountOptions": ["ro"]}, {"reclaimPolicy": ""},
    {"allowedTopologies": [{"matchLabelExpressions": [{"key": "zone", "values": ["a"]}]}]}, {"allowedTopologies": [{"matchLabelExpressions": [{"key": "zone", "values": []}, {"key": "zone", "values": ["a", "a"]}]}]},
    {"allowedTopologies": [{"matchLabelExpressions": [{"key": "-z", "values": ["a"]}]}, {"matchLabelExpressions": [{"key": "-z", "values": ["a"]}]}]},
]  # fmt: skip
POD: Object = {"metadata": {"name": "p", "namespace": "default"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
SMALL = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
POD_VOLUMES: list[Object] = [
    {"ephemeral": {}}, {"ephemeral": {"volumeClaimTemplate": {"spec": {}}}}, {"ephemeral": {"volumeClaimTemplate": {"metadata": {"labels": {"-": "x"}, "name": "no"}, "spec": SMALL}}}, {"ephemeral": {"volumeClaimTemplate": {"spec": SMALL}}},
    {"persistentVolumeClaim": {}}, {"persistentVolumeClaim": {"claimName": "Bad_"}}, {"hostPath": {"path": "x"}}, {"hostPath": {"path": "/x", "type": "Nope"}}, {"hostPath": {"path": "/x/../y"}}, {"emptyDir": {"sizeLimit": "-1"}}, {"emptyDir": {"medium": "Nope"}},
    {"configMap": {"name": "a", "items": [{"key": "", "path": "x"}]}}, {"configMap": {"name": "a", "items": [{"key": "k", "path": "x", "mode": 1000}]}}, {"configMap": {"name": "a", "defaultMode": 1000}}, {"configMap": {"name": "a", "items": [{"key": "k", "path": "/x"}, {"key": "k", "path": "a/../b"}, {"key": "k", "path": "..a"}]}},
    {"secret": {"secretName": "", "items": [{"key": "k", "path": ""}]}}, {"projected": {"sources": [{}]}}, {"downwardAPI": {"items": [{"path": "x"}]}}, {"downwardAPI": {"items": [{"path": "", "fieldRef": {"fieldPath": "metadata.name"}}, {"path": "/x", "fieldRef": {"fieldPath": "metadata.name"}}]}},
]  # fmt: skip
POD_MOUNTS: list[Object] = [
    {"subPath": "x", "subPathExpr": "y"}, {"subPath": "/x"}, {"subPath": "../x"}, {"subPathExpr": "/y"}, {"recursiveReadOnly": "Enabled"}, {"recursiveReadOnly": "Enabled", "readOnly": True}, {"recursiveReadOnly": "Nope"},
    {"recursiveReadOnly": "IfPossible", "readOnly": True, "mountPropagation": "HostToContainer"}, {"mountPropagation": "Nope"}, {"mountPropagation": "Bidirectional"}, {"mountPath": "a:b"}, {"mountPath": ""}, {"name": "none"},
]  # fmt: skip
TEMPLATES: list[list[Object]] = [
    [{"metadata": {"name": "data"}, "spec": SMALL}], [{"metadata": {"name": "data"}, "spec": {}}], [{"metadata": {"name": "Bad_"}, "spec": {"accessModes": ["x"]}}, {"metadata": {"name": "data"}}], [{"spec": {}}], [{"metadata": {"name": "other"}, "spec": SMALL}],
]  # fmt: skip
SET: Object = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {
                "containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "data", "mountPath": "/d"}]}]
            },
        },
    },
}
# (what is stored, what it becomes)
CLAIM_UPDATES: list[tuple[Object, Object]] = [
    ({}, {"spec.volumeName": "disk"}), ({"spec.volumeName": "disk"}, {"spec.volumeName": "other"}), ({}, {"spec.storageClassName": "fast"}), ({"spec.storageClassName": "fast"}, {"spec.storageClassName": "slow"}),
    ({}, {"spec.resources": {"requests": {"storage": "2Gi"}}}), (BOUND, {"spec.resources": {"requests": {"storage": "2Gi"}}}), (BOUND, {"spec.resources": {"requests": {"storage": "512Mi"}}}), (BOUND, {"spec.volumeName": ""}),
    ({}, {"spec.accessModes": ["ReadWriteMany"]}), ({}, {"spec.accessModes": GONE}), ({}, {"spec.selector": {"matchLabels": {"a": "b"}}}), ({"spec.volumeMode": "Filesystem"}, {"spec.volumeMode": "Block"}),
    ({}, {"metadata.annotations": {"a": "b"}}), ({}, {"metadata.annotations": {"volume.beta.kubernetes.io/storage-class": "x"}}), (BOUND, {"spec.resources": {"requests": {"storage": "2Gi"}, "limits": {"storage": "3Gi"}}}),
    ({"spec.selector": {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]}}, {"spec.selector": {"matchLabels": {"a": "c"}}}), (BOUND, {"spec.accessModes": ["ReadWriteMany"], "spec.storageClassName": "slow"}),
    ({"metadata.annotations": {"volume.beta.kubernetes.io/storage-class": "x"}}, {"spec.storageClassName": "x"}),
]  # fmt: skip
VOLUME_UPDATES: list[tuple[Object, Object]] = [
    ({}, {"spec.claimRef": {"name": "data", "namespace": "default", "uid": "u"}}), ({}, {"spec.hostPath": {"path": "/srv/other"}}), ({}, {"spec.capacity": {"storage": "2Gi"}}), ({}, {"spec.persistentVolumeReclaimPolicy": "Delete"}),
    ({}, {"spec.volumeMode": "Block"}), ({}, {"spec.hostPath": GONE, "spec.local": {"path": "/x"}, "spec.nodeAffinity": {"required": {"nodeSelectorTerms": [NODE_TERM]}}}), ({}, {"spec.storageClassName": "fast"}),
    ({"spec.nodeAffinity": {"required": {"nodeSelectorTerms": [NODE_TERM]}}}, {"spec.nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "Exists"}]}]}}}),
    ({"spec.nodeAffinity": {"required": {"nodeSelectorTerms": [NODE_TERM]}}}, {"spec.nodeAffinity": GONE}), ({}, {"spec.accessModes": []}), ({}, {"spec.nodeAffinity": {"required": {"nodeSelectorTerms": [NODE_TERM]}}}),
]  # fmt: skip
CLASS_UPDATES: list[tuple[Object, Object]] = [
    ({}, {"provisioner": "other"}), ({}, {"parameters": {"a": "b"}}), ({}, {"reclaimPolicy": "Retain"}), ({}, {"volumeBindingMode": "WaitForFirstConsumer"}), ({}, {"allowVolumeExpansion": True}),
    ({}, {"metadata.annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}), ({}, {"provisioner": "other", "reclaimPolicy": "Nope"}), ({"parameters": {"a": "b"}}, {"parameters": {"a": "c"}}), ({}, {"mountOptions": ["ro"]}),
]  # fmt: skip
STATUSES: list[tuple[str, Object, Object]] = [
    ("PersistentVolumeClaim", CLAIM, {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}}), ("PersistentVolumeClaim", CLAIM, {"status": {"phase": "Bound", "capacity": {"storage": "-1Gi"}}}),
    ("PersistentVolumeClaim", CLAIM, {"status": {"allocatedResources": {"foo": "1"}}}), ("PersistentVolume", VOLUME, {"status": {"phase": "Available"}}), ("PersistentVolume", VOLUME, {"status": {"phase": "Pending"}}),
]  # fmt: skip


def cases() -> Iterator[Object]:
    """Every case: `Op` is create, update or status."""
    for kind, base, table in (
        ("PersistentVolumeClaim", CLAIM, CLAIMS),
        ("PersistentVolume", VOLUME, VOLUMES),
        ("PersistentVolume", LOCAL, [{}]),
        ("StorageClass", CLASS, CLASSES),
    ):
        for changes in table:
            yield {"Op": "create", "Kind": kind, "New": changed(base, changes)}
    for source in POD_VOLUMES:
        yield {"Op": "create", "Kind": "Pod", "New": changed(POD, {"spec.volumes": [{"name": "v", **source}]})}
    for mount in POD_MOUNTS:
        mounts = [{"name": "v", "mountPath": "/a", **mount}]
        containers = [{"name": "c", "image": "i", "volumeMounts": mounts}]
        made = changed(POD, {"spec.volumes": [{"name": "v", "emptyDir": {}}], "spec.containers": containers})
        yield {"Op": "create", "Kind": "Pod", "New": made}
    for templates in TEMPLATES:
        yield {"Op": "create", "Kind": "StatefulSet", "New": changed(SET, {"spec.volumeClaimTemplates": templates})}
    for kind, base, pairs in (
        ("PersistentVolumeClaim", CLAIM, CLAIM_UPDATES),
        ("PersistentVolume", VOLUME, VOLUME_UPDATES),
        ("StorageClass", CLASS, CLASS_UPDATES),
    ):
        for before, after in pairs:
            yield {"Op": "update", "Kind": kind, **stored(base, before, after)}
    for kind, base, after in STATUSES:
        yield {"Op": "status", "Kind": kind, **stored(base, {}, after)}


def stored(base: Object, before: Object, after: Object) -> Object:
    """The stored object and the one sent, with what the server has put into both."""
    meta = {
        "metadata.uid": "u-1",
        "metadata.resourceVersion": "7",
        "metadata.creationTimestamp": "2026-01-01T00:00:00Z",
    }
    old = changed(base, {**meta, **before})
    return {"Old": old, "New": changed(old, after)}


if __name__ == "__main__":
    for case in cases():
        print(json.dumps(case))
