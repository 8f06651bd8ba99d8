# ruff: noqa: E501 – tables of cases are read across
"""The cases that `main.go` answers: by hand where a rule has edges, at random (with a fixed seed) where it has breadth."""

from __future__ import annotations

import json
import random
from typing import Any

SERVICE = {"metadata": {"name": "a", "labels": {"x": "y"}}, "spec": {"selector": {"a": "b"}, "clusterIPs": ["10.0.0.1"], "ports": [
    {"name": "a", "port": 80, "protocol": "TCP"}, {"name": "b", "port": 81, "protocol": "UDP"}, {"name": "c", "port": 82}]}}  # fmt: skip
POD = {"metadata": {"name": "p", "finalizers": ["f/1", "f/2", "f/3"]}, "spec": {
    "containers": [{"name": n, "image": n, "env": [{"name": "E", "value": "1"}, {"name": "F", "value": "2"}], "args": ["x", "y"]} for n in "abcd"],
    "tolerations": [{"key": "k"}], "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "hostPath": {"path": "/"}}]}}  # fmt: skip
DEPLOYMENT = {
    "metadata": {"name": "d"},
    "spec": {
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
        "selector": {"matchLabels": {"a": "b"}},
    },
}

DECODE = {
    ("v1", "Service"): [
        "{}", "null", '{"spec":null}', '{"spec":{"ports":null}}', '{"spec":{"ports":[null]}}', '{"spec":{"ports":[{}]}}', '{"spec":[]}', '{"spec":"x"}', '{"spec":1}',
        '{"spec":{"ports":{}}}', '{"spec":{"ports":[{"port":"80"}]}}', '{"spec":{"ports":[{"port":80.5}]}}', '{"spec":{"ports":[{"port":1e2}]}}',
        '{"spec":{"ports":[{"port":99999999999}]}}', '{"spec":{"ports":[{"port":-1}]}}', '{"spec":{"ports":[{"port":true}]}}', '{"spec":{"ports":[{"targetPort":"http"}]}}',
        '{"spec":{"ports":[{"targetPort":true}]}}', '{"spec":{"ports":[{"targetPort":{}}]}}', '{"spec":{"ports":[{"targetPort":1.5}]}}', '{"spec":{"ports":[{"targetPort":null}]}}',
        '{"spec":{"clusterIPs":{"a":1}}}', '{"spec":{"clusterIPs":"x"}}', '{"spec":{"clusterIPs":[1]}}', '{"spec":{"clusterIPs":[]}}', '{"spec":{"clusterIPs":[null,"a"]}}',
        '{"spec":{"ipFamilies":[true]}}', '{"spec":{"type":5}}', '{"spec":{"type":""}}', '{"spec":{"ipFamilyPolicy":""}}', '{"spec":{"ipFamilyPolicy":[]}}',
        '{"spec":{"allocateLoadBalancerNodePorts":false}}', '{"spec":{"allocateLoadBalancerNodePorts":"no"}}', '{"spec":{"publishNotReadyAddresses":false}}',
        '{"spec":{"selector":{"a":1}}}', '{"spec":{"selector":{"a":null}}}', '{"spec":{"selector":["a"]}}', '{"spec":{"sessionAffinityConfig":{}}}',
        '{"spec":{"sessionAffinityConfig":{"clientIP":{"timeoutSeconds":null}}}}', '{"foo":1}', '{"Spec":{}}', '{"spec":{"foo":{"bar":1}}}', '{"spec":{"ports":[{"a":1},{"port":1,"b":2}]}}',
        '{"spec":{"type":"a","type":"b"}}', '{"spec":{},"spec":{"type":"x"}}', '{"metadata":{"labels":{"a":"b","a":"c"}}}', '{"foo":1,"foo":2}', '{"metadata":{"name":5}}',
        '{"metadata":{"creationTimestamp":5}}', '{"metadata":{"creationTimestamp":"x"}}', '{"metadata":{"creationTimestamp":null}}', '{"metadata":{"creationTimestamp":"2024-01-02T03:04:05.678+02:00"}}',
        '{"metadata":{"deletionTimestamp":"2024-01-02T03:04:05Z","deletionGracePeriodSeconds":0,"generation":0}}', '{"metadata":{"managedFields":[{"manager":"m","fieldsV1":{"f:a":{}}}]}}',
        '{"metadata":{"ownerReferences":[{"name":"x","controller":false}]}}', '{"metadata":[]}', '{"metadata":{"annotations":{}}}', '{"status":{"loadBalancer":{"ingress":[{"ip":"1.1.1.1","ports":null}]}}}',
        '{"spec":{"foo":1,"ports":[{"port":"x"}]}}', '{"spec":{"type":1,"clusterIPs":2}}',
        '{"kind":1}', '[]', '"x"', "5", "true", "", " ", "{", '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1}}', "nope", "{a:1}", "{'a':1}", '{"a":01}', '{"a":1.}', '{"a":-}', '{"a":1e}', '{"a":"\\x"}',
        '{"a":"\\u12g4"}', '{"a":"\x01"}', '{"a":tru}', '{"a":nul', "[1,]", "[1 2]", '{"a" 1}', '{"a":1 "b":2}', "{,}", '{"a":"é', '"', "\t\n{}\n", '{"a":.5}', '{"a":+1}', '{"a":NaN}',
    ],
    ("v1", "Pod"): [
        '{"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"1000m","memory":1073741824}}}]}}', '{"spec":{"containers":[{"resources":{"limits":{"cpu":"x"}}}]}}',
        '{"spec":{"containers":[{"resources":{"limits":{"cpu":true}}}]}}', '{"spec":{"containers":[{"resources":{"limits":{"cpu":null}}}]}}', '{"spec":{"volumes":[{"name":"a","emptyDir":{}}]}}',
        '{"spec":{"volumes":[{"name":"a","emptyDir":{"sizeLimit":"0.5Gi"}},{"name":"b","configMap":{"name":"c"}}]}}', '{"spec":{"volumes":[{"emptyDir":1}]}}',
        '{"spec":{"containers":[{"livenessProbe":{"httpGet":{"port":"x"}}}]}}', '{"spec":{"containers":[{"envFrom":[{"configMapRef":{"name":"x"}}],"env":[{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"p"}}}]}]}}',
        '{"spec":{"priority":0,"hostNetwork":false,"securityContext":{},"terminationGracePeriodSeconds":0}}', '{"spec":{"containers":[]}}', '{"spec":{"nodeSelector":{}}}',
        '{"status":{"podIPs":[{"ip":"1.1.1.1"}],"containerStatuses":[{"name":"a","state":{"running":{"startedAt":"2024-01-02T03:04:05Z"}}}]}}', '{"spec":{"tolerations":[{"tolerationSeconds":1.0}]}}',
    ],
    ("v1", "Node"): ["{}", '{"spec":{"unschedulable":false,"podCIDRs":["a"]}}', '{"status":{"capacity":{"cpu":"2000m"},"conditions":[{"type":"Ready","status":"True"}]}}'],
    ("v1", "Secret"): ['{"data":{"a":"AP8D"}}', '{"data":{"a":"A"}}', '{"data":{"a":"@@@@"}}', '{"data":{"a":"AA=="}}', '{"data":{"a":"AA="}}', '{"data":{"a":"AAAA@"}}', '{"data":{"a":1}}',
                       '{"data":{"a":null}}', '{"data":{"a":"AP\\n8D"}}', '{"immutable":false}'],
    ("v1", "Event"): ["{}", '{"eventTime":"2024-01-02T03:04:05.123456Z"}', '{"eventTime":"2024-01-02T03:04:05Z"}', '{"eventTime":"2024-01-02T03:04:05.1234567+01:00","count":1}', '{"series":{}}'],
    ("v1", "ConfigMap"): ['{"data":{"a":"b"},"binaryData":{"c":"AA=="}}', '{"data":{"a":{}}}'],
    ("v1", "Namespace"): ["{}", '{"spec":{"finalizers":["kubernetes"]},"status":{"phase":"Active"}}'],
    ("v1", "ServiceAccount"): ['{"automountServiceAccountToken":false}'],
    ("apps/v1", "Deployment"): ["{}", '{"spec":{"replicas":0}}', '{"spec":{"strategy":{"rollingUpdate":{"maxSurge":"25%"}}}}', '{"spec":{"replicas":"1"}}', '{"spec":{"template":{"spec":{"containers":[{"foo":1}]}}}}'],
    ("discovery.k8s.io/v1", "EndpointSlice"): ["{}", '{"endpoints":[{"addresses":["1.1.1.1"],"conditions":{"ready":false}}],"ports":[{"port":0,"name":""}]}', '{"endpoints":[{}]}', '{"ports":[]}'],
    ("networking.k8s.io/v1", "Ingress"): ["{}", '{"spec":{"defaultBackend":{"resource":{"kind":"a","name":"b"}}}}', '{"spec":{"rules":[{"host":"a","http":{"paths":[{"path":"/"}]}}]}}'],
    ("networking.k8s.io/v1", "NetworkPolicy"): ["{}", '{"spec":{"ingress":[{}],"egress":[]}}'],
    ("networking.k8s.io/v1", "IPAddress"): ["{}"],
    ("authentication.k8s.io/v1", "TokenRequest"): ["{}", '{"spec":{"audiences":["a"],"expirationSeconds":0}}'],
}  # fmt: skip

QUANTITIES = ["0", "1", "1000", "1500", "1000m", "1500m", "0.5", ".5", "5.", "1.5Gi", "1024Mi", "1023Ki", "1Ki", "512", "1e3", "1E3", "1E", "1e-3", "-1", "+1", "-0", "0.0001m", "1n", "1u", "0.1n", "1000000k", "1Ei",
              "9223372036854775807", "9223372036854775808", "1.25Ki", "0.3Ki", "1000Ki", "1e19", "12e6", "x", "", "1x", "1 ", "1mm", "--1", "1.1.1", "1KiB", "0m", "0Ki", "100M", "2048Ti", "1e", "10000e3", "123456789012345678901234567890"]  # fmt: skip
TIMES = ["2024-01-02T03:04:05Z", "2024-01-02T03:04:05+02:00", "2024-01-02T03:04:05.9Z", "2024-01-02", "2024-01-02T03:04:05", "x", "2024-13-02T03:04:05Z", "2024-01-32T03:04:05Z", "2024-02-30T03:04:05Z",
         "2024-01-02T25:04:05Z", "2024-01-02T03:60:05Z", "2024-01-02T03:04:60Z", "2024-01-02T03:04:05Zx", "2024-01-02 03:04:05Z", "", "2024-01-02T03:04:05.123456Z", "2024-01-02T03:04:05.12Z",
         "2024-01-02T03:04:05.1234567Z", "0001-01-01T00:00:00Z", "2024-01-02T03:04:05+2:00", "24-01-02T03:04:05Z", "2024-01-02T3:04:05Z", "2024-00-02T03:04:05Z", "2024-01-02T03:04:05,5Z"]  # fmt: skip
DURATIONS = ["-5s", "-2s", "-1s", "0s", "999ms", "1s", "119s", "120s", "121s", "599s", "600s", "601s", "179m59s", "180m", "181m", "7h59m59s", "8h", "47h59m", "48h", "49h", "191h59m", "192h", "500h", "17519h", "17520h",
             "17544h", "20000h", "70079h", "70080h", "100000h"]  # fmt: skip
JSON_PATCHES = [
    [{"op": "add", "path": "/a", "value": 1}], [{"op": "add", "path": "/l/1", "value": 9}], [{"op": "add", "path": "/l/-", "value": 9}], [{"op": "add", "path": "/l/4", "value": 9}],
    [{"op": "add", "path": "/l/-1", "value": 9}], [{"op": "add", "path": "/l/x", "value": 9}], [{"op": "add", "path": "/m/n/o", "value": 9}], [{"op": "add", "path": "", "value": {}}],
    [{"op": "add", "path": "a", "value": {}}], [{"op": "add", "path": "/z~1y", "value": 2}], [{"op": "add", "path": "/q~0q", "value": 2}], [{"op": "remove", "path": "/o"}],
    [{"op": "remove", "path": "/none"}], [{"op": "remove", "path": "/l/0"}], [{"op": "remove", "path": "/l/9"}], [{"op": "remove", "path": "/l/-1"}], [{"op": "remove", "path": "/l/x"}],
    [{"op": "remove", "path": "/x/y"}], [{"op": "replace", "path": "/none", "value": 1}], [{"op": "replace", "path": "/l/1", "value": 1}], [{"op": "replace", "path": "/l/3", "value": 1}],
    [{"op": "replace", "path": "", "value": {"b": 1}}], [{"op": "replace", "path": "", "value": 1}], [{"op": "replace", "path": "/o/p/q", "value": 1}], [{"op": "move", "from": "/o", "path": "/p"}],
    [{"op": "move", "from": "/none", "path": "/p"}], [{"op": "move", "from": "/l/0", "path": "/l/2"}], [{"op": "move", "path": "/l/2"}], [{"op": "move", "from": "/o", "path": "/o/p/x"}],
    [{"op": "copy", "from": "/o", "path": "/p"}], [{"op": "copy", "from": "/none", "path": "/p"}], [{"op": "copy", "from": "/l/9", "path": "/p"}], [{"op": "copy", "from": "/o", "path": "/x/y"}],
    [{"op": "test", "path": "/s", "value": "t"}], [{"op": "test", "path": "/s", "value": "u"}], [{"op": "test", "path": "/none", "value": None}], [{"op": "test", "path": "/none"}],
    [{"op": "test", "path": "/n", "value": None}], [{"op": "test", "path": "/i", "value": 1}], [{"op": "test", "path": "/i", "value": True}], [{"op": "test", "path": "/o", "value": {"p": {"q": 1}}}],
    [{"op": "test", "path": "/l/9", "value": 1}], [{"op": "test", "path": "/x/y", "value": 1}], [{"op": "test", "path": "/l", "value": [1, 2, 3]}], [{"op": "bogus", "path": "/a"}], [{"path": "/a"}],
    [{"op": "add", "value": 1}], [{"op": "add", "path": 5, "value": 1}], [{"op": "remove"}], [{"op": "replace", "value": 1}], [{"op": "test"}], [{"op": "copy", "path": "/a"}], [{"op": "copy", "from": "/o"}],
    [{"op": "move", "from": "/o"}], [{"op": "add", "path": "/a", "value": None}], [{"op": "add", "path": "/a"}], [{"op": "replace", "path": "/o"}], [{"op": 1, "path": "/a"}], [],
    [{"op": "add", "path": "/n/x", "value": 1}], [{"op": "add", "path": "/s/x", "value": 1}],
]  # fmt: skip
MERGES = [
    {"o": None},
    {"o": {"p": None}},
    {"o": 1},
    {"l": {"a": None, "b": 1}},
    {"new": {"a": None, "b": {"c": None}}},
    {"l": [None, {"a": None}]},
    {"o": [{"a": None}]},
    {},
    {"n": {"a": None}},
    {"s": {"x": None}},
    [],
    [1],
    None,
    1,
    "x",
]
STRATEGIC = {
    "Service": [
        {"metadata": {"labels": {"x": None, "z": "1"}}}, {"spec": {"ports": [{"port": 81, "name": "q"}]}}, {"spec": {"ports": [{"port": 83}]}}, {"spec": {"ports": [{"port": 81, "$patch": "delete"}]}},
        {"spec": {"ports": [{"$patch": "replace"}, {"port": 9}]}}, {"spec": {"ports": [{"$patch": "replace"}]}}, {"spec": {"ports": [{"name": "x"}]}}, {"spec": {"ports": []}}, {"spec": {"ports": None}},
        {"spec": {"ports": [{"port": 1, "$patch": "bogus"}]}}, {"spec": {"ports": [{"port": 1, "$patch": "merge"}]}}, {"spec": {"$patch": "replace", "type": "x"}}, {"spec": {"$patch": "delete"}},
        {"spec": {"$patch": "bogus"}}, {"spec": {"$setElementOrder/ports": [{"port": 82}, {"port": 80}, {"port": 81}]}}, {"spec": {"$setElementOrder/ports": [{"port": 82}, {"port": 9}, {"port": 80}], "ports": [{"port": 9}, {"port": 81, "$patch": "delete"}]}},
        {"spec": {"$setElementOrder/ports": [{"port": 80}], "ports": [{"port": 9}]}}, {"spec": {"$setElementOrder/ports": [{"x": 80}]}}, {"spec": {"$setElementOrder/ports": {}}}, {"spec": {"$setElementOrder/none": []}},
        {"spec": {"clusterIPs": ["a", "b"]}}, {"spec": {"clusterIPs": []}}, {"spec": {"$retainKeys": ["type"], "type": "x"}}, {"spec": {"$retainKeys": ["type"], "selector": {}}}, {"spec": {"$retainKeys": "x"}},
        {"spec": "x"}, {"spec": []}, {"spec": None}, {"foo": 1}, {"foo": {"a": 1}}, {"metadata": {"labels": {"x": {"a": 1}}}}, {"metadata": {"labels": "x"}}, {"spec": {"selector": {"a": None, "$patch": "replace", "c": "d"}}},
        {"spec": {"ports": ["a"]}}, {"spec": {"ports": [[1]]}}, {"spec": {"ports": [None]}}, {"spec": {"externalIPs": [{"$patch": "delete"}, "a"]}}, {"status": {"loadBalancer": {"ingress": [{"ip": "1", "hostname": None}]}}},
        {"$patch": "delete"}, {"$patch": "replace", "metadata": {"name": "b"}}, {"spec": {"ports": {"port": 1}}},
    ],
    "Pod": [
        {"metadata": {"finalizers": ["f/4"]}}, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["f/2"]}}, {"metadata": {"$setElementOrder/finalizers": ["f/3", "f/1"], "$deleteFromPrimitiveList/finalizers": ["f/2"]}},
        {"metadata": {"$setElementOrder/finalizers": ["f/4", "f/3"], "finalizers": ["f/4"]}}, {"metadata": {"finalizers": ["f/1", "f/1"]}}, {"metadata": {"$deleteFromPrimitiveList": ["f/2"]}}, {"metadata": {"$deleteFromPrimitiveList/none": ["x"]}},
        {"spec": {"containers": [{"name": "b", "image": "new", "env": [{"name": "E", "$patch": "delete"}, {"name": "G", "value": "3"}], "args": ["z"]}]}}, {"spec": {"containers": [{"name": "z"}, {"name": "c", "image": None}]}},
        {"spec": {"$setElementOrder/containers": [{"name": "d"}, {"name": "a"}], "containers": [{"name": "d", "image": "q"}]}}, {"spec": {"tolerations": [{"key": "z"}]}},
        {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}, "emptyDir": None}]}}, {"spec": {"volumes": [{"name": "w", "hostPath": {"type": "Directory"}}]}},
        {"spec": {"volumes": [{"$patch": "delete", "name": "v"}, {"$patch": "delete", "name": "none"}]}}, {"spec": {"containers": [{"name": "e", "env": [{"name": "X", "$patch": "delete"}, {"name": "Y"}]}]}},
        {"spec": {"containers": [{"name": "b", "$patch": "replace"}, {"name": "q"}]}}, {"metadata": {"ownerReferences": [{"uid": "1"}]}}, {"metadata": {"managedFields": []}},
        {"spec": {"$setElementOrder/containers": [{"name": "d"}, {"name": "x"}, {"name": "b"}], "containers": [{"name": "x"}, {"name": "a", "$patch": "delete"}]}},
    ],
    "Deployment": [
        {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}, {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}, {"spec": {"selector": {"matchLabels": {"c": "d"}}}},
        {"spec": {"template": {"metadata": {"labels": {"a": None, "b": "c"}}}}}, {"spec": {"replicas": 0}}, {"spec": {"replicas": None}},
    ],
}  # fmt: skip


def emit(op: str, given: Any = "", patch: Any = "", kind: str = "", api_version: str = "") -> None:
    """One case."""
    texts = [value if isinstance(value, str) else json.dumps(value) for value in (given, patch)]
    print(json.dumps({"Op": op, "Kind": kind, "APIVersion": api_version, "In": texts[0], "Patch": texts[1]}))


def random_orders(rng: random.Random) -> list[dict[str, Any]]:
    """Patches of a list by merge key with an order: the part of the algorithm with the most turns."""
    made = []
    for _ in range(60):
        names = rng.sample("abcdefgh", rng.randint(1, 5))
        changes: list[dict[str, Any]] = [{"name": n, "image": n * 2} for n in names if rng.random() < 0.6]
        changes += [{"name": n, "$patch": "delete"} for n in "abcd" if n not in names and rng.random() < 0.3]
        patch: dict[str, Any] = {"containers": changes}
        if rng.random() < 0.7:
            patch["$setElementOrder/containers"] = [{"name": n} for n in names]
        made.append({"spec": patch})
    return made


def main() -> None:
    """Print all cases."""
    for (api_version, kind), bodies in DECODE.items():
        for body in bodies:
            emit("decode", body, kind=kind, api_version=api_version)
    for text in QUANTITIES:
        emit("quantity", json.dumps(text))
    for text in TIMES:
        emit("time", json.dumps(text))
        emit("microtime", json.dumps(text))
    for text in DURATIONS:
        emit("duration", text)
    document = {"l": [1, 2, 3], "o": {"p": {"q": 1}}, "s": "t", "n": None, "i": 1}
    for operations in JSON_PATCHES:
        emit("jsonpatch", document, json.dumps(operations))
    for merge in MERGES:
        emit("merge", document, json.dumps(merge))
    documents = {"Service": SERVICE, "Pod": POD, "Deployment": DEPLOYMENT}
    patches = {**STRATEGIC, "Pod": STRATEGIC["Pod"] + random_orders(random.Random(46))}
    for kind, changes in patches.items():
        for change in changes:
            emit("strategic", documents[kind], change, kind, "apps/v1" if kind == "Deployment" else "v1")


if __name__ == "__main__":
    main()
