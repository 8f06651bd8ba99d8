"""Services: what there is to say about them."""

from __future__ import annotations

from typing import Any

from cluster.conversations.drawing import Topic, fields

Json = Any
V4, V6 = ("10.96.0.20", "10.96.0.21", "10.96.0.22"), ("fd00:10:96::20", "fd00:10:96::21", "fd00:10:96::22")
ODD = (
    "", "None", "10.96.0.0", "10.96.0.1", "10.96.255.255", "10.97.0.1", "192.0.2.1", "fd00:10:96::", "fd00:10:96::1",
    "fd00:10:96::ffff", "2001:db8::1", "FD00:10:96::20", "fd00:10:96:0:0:0:0:20", "10.96.0.020", "::ffff:10.96.0.20",
    "10.96.0.300", "x", "10.96.0.20/32", " 10.96.0.20", "fe80::1%eth0", "None ",
)  # fmt: skip
IPS = (*V4, *V4, *V6, *V6, *ODD)
PAIRS = (
    [V4[0]], [V6[0]], [V4[0], V6[0]], [V6[0], V4[0]], [V4[1], V6[1]], ["None"], ["None", V4[0]], [V4[0], "None"],
    [V4[0], V4[1]], [V6[0], V6[1]], [V4[0], V6[0], V4[1]], [], [""], [V4[0], ""], ["", V6[0]], ["x"], ["10.96.0.1"],
    ["10.96.0.020"], ["FD00:10:96::20"], [V4[0], "FD00:10:96::20"], [V4[0], "x"], ["::ffff:10.96.0.20"],
    [V4[0], V6[2]],
)  # fmt: skip
FAMILIES = (
    ["IPv4"], ["IPv6"], ["IPv4", "IPv6"], ["IPv6", "IPv4"], [], ["IPv4", "IPv4"], ["IPv5"], ["ipv4"],
    ["IPv4", "IPv6", "IPv4"], [""], ["IPv4", "IPv6", "IPv5"],
)  # fmt: skip
GOOD_POLICIES = ("SingleStack", "PreferDualStack", "RequireDualStack")
TYPES = ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
PORTS: tuple[Json, ...] = (
    [{"port": 80}], [], [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}], [{}], None,
    [{"port": 53, "name": "u", "protocol": "UDP"}, {"port": 53, "name": "t", "protocol": "TCP"}],
    [{"port": 80, "nodePort": 30011}], [{"port": 8080, "targetPort": "web"}], [{"port": 80, "name": "c"}],
    [{"port": 80, "name": "a", "nodePort": 30011}, {"port": 81, "name": "b", "nodePort": 30012}],
    [{"port": 80, "name": "a", "nodePort": 30011}, {"port": 81, "name": "b", "nodePort": 30011}],
    [{"port": 80, "name": "b", "nodePort": 30011}, {"port": 80, "name": "a"}],
    [{"port": 53, "name": "u", "protocol": "UDP", "nodePort": 30012}, {"port": 53, "name": "t"}],
    [{"port": 53, "name": "u", "protocol": "UDP", "nodePort": 30012}, {"port": 53, "name": "t", "nodePort": 30013}],
    [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}], [{"port": 80}, {"port": 81}],
    [{"port": 80, "name": "a"}, {"port": 81, "name": "a"}], [{"port": 81, "name": "b"}, {"port": 80, "name": "a"}],
    [{"port": 80, "name": "a"}, {"port": 81, "name": "b", "protocol": "SCTP"}, {"port": 82, "name": "c"}],
)  # fmt: skip
NODE_PORTS = (0, 30011, 30012, 30013, 30000, 29999, 32768, 1, -1, 65536, 8080, 30011, "30011", 30011.0)
ADDRESSES = (
    ["192.0.2.7"], ["192.0.2.7", "2001:db8::7"], [], ["2001:DB8::7"], ["127.0.0.1"], ["0.0.0.0"], ["::"], ["::1"],
    ["169.254.1.1"], ["fe80::1"], ["224.0.0.1"], ["ff02::1"], ["x"], [""], ["192.0.2.07"], ["::ffff:192.0.2.7"],
    ["192.0.2.7", "192.0.2.7"],
)  # fmt: skip
CIDRS = (
    ["192.0.2.0/24"], ["192.0.2.0/24", "2001:db8::/32"], [], [" 192.0.2.0/24 "], ["192.0.2.1/24"], ["2001:DB8::/32"],
    ["x"], [""], ["192.0.2.0"], ["192.0.2.0/33"], ["192.0.02.0/24"], ["192.0.2.0/024"], ["::ffff:192.0.2.0/120"],
    ["0.0.0.0/0"],
)  # fmt: skip
AFFINITIES = ({"clientIP": {"timeoutSeconds": 10}}, {"clientIP": {}}, {}, {"clientIP": {"timeoutSeconds": 0}})
EXTERNAL_NAMES = ("example.com", "example.com.", "", "Bad_Name", "1.2.3.4", "a" * 64 + ".b", ".", "x..y", None)
SELECTORS = ({"app": "x"}, {}, None, {"app": "y", "tier": "z"}, {"Bad Key": "x"}, {"app": "bad value"}, {"a": 1})
SECOND: tuple[Json, ...] = (
    {"port": 81, "name": "b"}, {"port": 53, "protocol": "UDP", "name": "b"}, {"name": "b", "port": 80}, {"port": 80},
)  # fmt: skip
OFTEN = fields(
    "spec",
    {
        "ipFamilyPolicy": GOOD_POLICIES, "ipFamilies": FAMILIES, "clusterIP": IPS, "clusterIPs": PAIRS, "type": TYPES,
        "ports": PORTS, "externalTrafficPolicy": ("Local", "Cluster"), "ports.0.nodePort": NODE_PORTS,
    },
)  # fmt: skip
SPEC = fields(
    "spec",
    {
        "ipFamilyPolicy": (*GOOD_POLICIES, "Bad", "", None),
        "ipFamilies.0": ("IPv4", "IPv6", "x"),
        "ipFamilies.1": ("IPv4", "IPv6"),
        "clusterIP": ("None", "", V4[0], V6[0]),
        "clusterIPs.0": IPS,
        "clusterIPs.1": IPS,
        "type": (*TYPES, "Bad", "", None),
        "ports.0.port": (80, 81, 0, -1, 65535, 65536, "80", 10250, 80.0, 2147483648),
        "ports.0.name": ("a", "b", "", "UPPER", "a" * 64, "-a", "a.b", 1),
        "ports.0.protocol": ("TCP", "UDP", "SCTP", "tcp", "", None),
        "ports.0.targetPort": (80, 0, "web", "", "80", "a--b", "a" * 16, "-x", 70000, -1, "Web", None, 1.5, True),
        "ports.0.appProtocol": ("http", "kubernetes.io/h2c", "", "bad value", "Ä", None),
        "ports.1": SECOND,
        "ports.1.nodePort": NODE_PORTS,
        "ports.1.port": (81, 80, 0),
        "ports.1.name": ("a", "b", "c", ""),
        "selector": SELECTORS,
        "selector.app": ("x", "y", ""),
        "sessionAffinity": ("ClientIP", "None", "ClientIP", "None", "Bad", "", None),
        "sessionAffinityConfig": (*AFFINITIES, None, {"clientIP": None}),
        "sessionAffinityConfig.clientIP.timeoutSeconds": (1, 0, -1, 86400, 86401, 10800, "1", None),
        "externalTrafficPolicy": ("Local", "Bad", "", None),
        "internalTrafficPolicy": ("Local", "Cluster", "Bad", "", None),
        "healthCheckNodePort": (30020, 30021, 30020, 0, 30011, 40000, -1, 65536, 80, None, "30020"),
        "allocateLoadBalancerNodePorts": (True, False, True, False, None, "true"),
        "loadBalancerClass": ("example.com/lb", "internal", "Bad/Name/X", "", None, "a b"),
        "loadBalancerIP": ("192.0.2.9", "", "x", "2001:DB8::9", "192.0.2.09", "::ffff:192.0.2.9", None),
        "loadBalancerSourceRanges": CIDRS,
        "loadBalancerSourceRanges.0": ("192.0.2.0/24", "2001:db8::/64", "y"),
        "externalIPs": ADDRESSES,
        "externalIPs.0": ("192.0.2.8", "x", "2001:db8::8"),
        "externalName": EXTERNAL_NAMES,
        "trafficDistribution": ("PreferClose", "PreferSameZone", "PreferSameNode", "Bad", "", None),
        "publishNotReadyAddresses": (True, False, None, "yes"),
    },
)
DIRECTIVES: tuple[Json, ...] = (
    [{"port": 80, "$patch": "delete"}], [{"$patch": "replace"}, {"port": 81, "name": "b"}], [{"port": 80, "$patch": "bad"}],
    [{"port": 80, "name": "a"}, {"$patch": "delete", "port": 81}], [{"$patch": "delete"}], [{"port": 82, "name": "c"}, {"port": 80}],
)  # fmt: skip
REST = fields(
    "spec",
    {
        "ports": DIRECTIVES,
        "$setElementOrder/ports": ([{"port": 81}, {"port": 80}], [{"port": 80}], [], [{"name": "a"}], {}),
        "$retainKeys": (["ports", "type"], [], "ports"),
        "$deleteFromPrimitiveList/clusterIPs": ([V4[0]], ["x"]),
        "$deleteFromPrimitiveList/externalIPs": (["192.0.2.7"], []),
        "$patch": ("replace", "delete", "merge", "bad"),
    },
) + fields(
    "",
    {
        "spec": ({}, None, {"ports": [{"port": 80}]}, {"type": "ExternalName", "externalName": "a.b"}, [], "x"),
        "status": ({}, None, {"loadBalancer": {"ingress": [{"ip": "192.0.2.5"}]}}, {"conditions": []}),
        "metadata.annotations.service~kubernetes~io/topology-mode": ("Auto", "Disabled", ""),
        "metadata.annotations.service~kubernetes~io/topology-aware-hints": ("Auto", "auto", "Disabled"),
        "metadata.annotations.service~beta~kubernetes~io/load-balancer-source-ranges": (
            "192.0.2.0/24", "x", "", " ", "192.0.2.0/24, 2001:db8::/32", "192.0.2.0/24,",
        ),
    },
)  # fmt: skip

INGRESS: tuple[Json, ...] = (
    [{"ip": "192.0.2.5"}], [{"ip": "192.0.2.5"}, {"ip": "2001:db8::5"}], [{"hostname": "lb.example.com"}], [], None,
    [{}], [{"ip": "192.0.2.5", "ipMode": "Proxy"}], [{"ip": "192.0.2.5", "ipMode": "VIP"}], [{"ipMode": "VIP"}],
    [{"ip": "192.0.2.5", "ipMode": "Bad"}], [{"hostname": "1.2.3.4"}], [{"hostname": "Bad_Host"}], [{"ip": "x"}],
    [{"ip": "192.0.2.05"}], [{"ip": "2001:DB8::5"}], [{"ip": ""}], [{"ip": "192.0.2.5", "ports": []}],
    [{"ip": "192.0.2.5", "ports": [{"port": 80, "protocol": "TCP"}]}], [{"ip": "192.0.2.5", "ports": [{"port": 80}]}],
    [{"ip": "192.0.2.5", "ports": [{"port": 80, "protocol": "TCP", "error": "Bad"}]}],
    [{"ip": "192.0.2.5", "ports": [{"port": 0, "protocol": "X"}]}],
)  # fmt: skip
CONDITION = {
    "type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z", "reason": "Good", "message": "m",
}  # fmt: skip
CONDITIONS: tuple[Json, ...] = (
    [CONDITION], [CONDITION, {**CONDITION, "type": "Other"}], [CONDITION, CONDITION], [], [{}],
    [{**CONDITION, "reason": ""}], [{**CONDITION, "status": "Bad"}], [{**CONDITION, "reason": "1 bad"}],
    [{**CONDITION, "type": ""}], [{**CONDITION, "observedGeneration": -1}], [{"type": "Ready", "status": "True"}],
)  # fmt: skip
STATUS = fields(
    "status",
    {
        "loadBalancer.ingress": INGRESS,
        "loadBalancer.ingress.0.ip": ("192.0.2.5", "192.0.2.6", "x", "2001:db8::5", ""),
        "loadBalancer.ingress.0.ipMode": ("VIP", "Proxy", "Bad", None),
        "loadBalancer.ingress.0.hostname": ("a.example.com", "", "Bad_"),
        "loadBalancer": ({}, None, {"ingress": [{"ip": "192.0.2.5"}]}),
        "conditions": CONDITIONS,
        "": ({}, None, {"surplus": 1}),
    },
)


def _service(**spec: Json) -> Json:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {}, "spec": {"ports": [{"port": 80}], **spec}}


APP = {"app": "x"}
BASES = (
    _service(selector=APP),
    *(_service(selector=APP, ipFamilyPolicy=policy) for policy in GOOD_POLICIES),
    _service(selector=APP, type="NodePort"),
    _service(selector=APP, type="LoadBalancer"),
    _service(type="NodePort", ipFamilyPolicy="PreferDualStack"),
    _service(type="LoadBalancer", externalTrafficPolicy="Local"),
    _service(type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=30020),
    _service(type="LoadBalancer", allocateLoadBalancerNodePorts=False),
    _service(type="LoadBalancer", loadBalancerClass="example.com/lb", ipFamilyPolicy="PreferDualStack"),
    _service(type="ExternalName", externalName="example.com"),
    _service(clusterIP="None"),
    _service(clusterIP="None", selector=APP),
    _service(clusterIP="None", selector=APP, ipFamilyPolicy="PreferDualStack"),
    _service(clusterIP=V4[0]),
    _service(clusterIP=V6[0]),
    _service(ipFamilies=["IPv4"]),
    _service(ipFamilies=["IPv6"]),
    _service(ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy="RequireDualStack"),
    _service(ipFamilies=["IPv6", "IPv4"], ipFamilyPolicy="PreferDualStack"),
    _service(externalIPs=["192.0.2.7"]),
    _service(clusterIP=V4[0], clusterIPs=[V4[0], V6[0]], ipFamilyPolicy="PreferDualStack"),
    _service(type="NodePort", ports=[{"port": 80, "name": "a", "nodePort": 30011}, {"port": 81, "name": "b"}]),
    _service(
        sessionAffinity="ClientIP", ports=[{"port": 53, "name": "u", "protocol": "UDP"}, {"port": 53, "name": "t"}]
    ),
)

SERVICES = Topic(
    "services",
    "/api/v1/namespaces/conversation/services",
    BASES,
    (*OFTEN, *OFTEN, *SPEC, *REST),
    names=("app", "app", "app", "app", "app", "db", "Bad_Name"),
    status=STATUS,
    queries=(
        "fieldSelector=spec.type=ClusterIP",
        "fieldSelector=spec.clusterIP=None",
        "fieldSelector=spec.clusterIP=10.96.0.20",
        "fieldSelector=spec.type!=NodePort,metadata.namespace=conversation",
        "fieldSelector=spec.bad=1",
        "limit=1",
    ),
    weight=8,
    afterwards=("/api/v1/namespaces/conversation/endpoints",),
)
