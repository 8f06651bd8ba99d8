"""Requests of attackers and of careless clients: each is refused with Kubernetes' errors, and nobody else suffers."""

import base64
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patience import patient
from server.running import Server, connect

CORE = "/api/v1/namespaces/default"
MAPS, PODS = f"{CORE}/configmaps", f"{CORE}/pods"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"
JSON, YAML = "application/json", "application/yaml"
MERGE, OPERATIONS, STRATEGIC = (f"application/{kind}-patch+json" for kind in ("merge", "json", "strategic-merge"))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that must not have been surprised, by the end of this module, by anything that was asked of it."""
    running = Server(tmp_path_factory.mktemp("target")).start()
    with running.client() as api:
        assert api.post(MAPS, json={"metadata": {"name": "m"}, "data": {"a": "x" * 1000}}).status_code == 201
    yield running
    assert running.stop() == 0
    log = (running.directory / "log").read_text()
    assert "Traceback" not in log, log[-4000:]


@pytest.fixture
def admin(target: Server) -> Iterator[httpx2.Client]:
    """The administrator at that server."""
    with target.client() as client:
        yield client


def pod(name: str, node: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"nodeName": node, "containers": [{"name": "c", "image": "host"}]}}


HUGE = "9" * 5000


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (f"resourceVersion={HUGE}", 400),
        (f"resourceVersion={2**64}", 400),
        ("resourceVersion=%D9%A3", 400),
        ("resourceVersion=-1", 400),
        (f"limit={HUGE}", 400),
        ("limit=1e3", 400),
        *((f"watch=true&timeoutSeconds={text}", 400) for text in ("nan", "inf", "1e400", "0.5", HUGE, "%D9%A3")),
        ("watch=true&timeoutSeconds=-1", 200),
        (f"watch=true&resourceVersion={HUGE}", 500),
        *(
            (f"limit=1&continue={base64.urlsafe_b64encode(token).decode()}", 400)
            for token in (
                b"[]", b"\xff\xff", b'{"rv":"1","start":""}', b'{"rv":99999999999999999999,"start":""}', b"[" * 9000,
            )
        ),
        ("limit=1&continue=%00", 400),
        ("labelSelector=" + ",".join(["!a"] * 2000), 400),
        ("labelSelector=" + "a." * 20000 + "/x", 400),
        ("fieldSelector=" + ",".join(["metadata.name!=a"] * 2000), 400),
        ("&".join(["a=b"] * 10000), 200),
        ("%ff=%ff&labelSelector=%ff", 400),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_absurd_queries(admin: httpx2.Client, query: str, code: int) -> None:
    """Numbers beyond 64 bits, tokens that were tampered with, selectors of thousands of terms: 400, and at once."""
    started = time.monotonic()
    assert admin.get(f"{MAPS}?{query}", timeout=patient(5)).status_code == code
    assert time.monotonic() - started < patient(2)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        (JSON, b'{"metadata":{"name":"deep"},"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}", 400),
        (JSON, b'{"metadata":{"name":"deep"},"data":' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}", 400),
        (JSON, b'{"metadata":{"name":"n"},"x":' + b"9" * 100_000 + b"}", 400),
        (JSON, b'{"metadata":{"name":"n"},"x":[' + b'{"a":1},' * 300_000, 400),
        (JSON, b"\xff\xfe\x00", 400),
        (JSON, b"[]", 400),
        (JSON, b'{"metadata":[]}', 400),
        (YAML, BOMB.encode(), 400),
        (YAML, b"&a [*a]", 400),
        (YAML, b'data: {a: "\\ud800"}', 400),
        (YAML, b"metadata: {name: y\xff}", 400),
        ("application/vnd.kubernetes.protobuf", b"k8s\x00" + bytes(range(256)) * 8, 400),
        ("application/vnd.kubernetes.protobuf", b"k8s\x00", 400),
        ("text/html", b"<html>", 415),
    ],
    ids=lambda value: str(value)[:30],
)
def test_absurd_bodies(admin: httpx2.Client, kind: str, body: bytes, code: int) -> None:
    """Depth, endless aliases, halves of characters, broken protobuf: refused within a second."""
    started = time.monotonic()
    answer = admin.post(MAPS, content=body, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["kind"]) == (code, "Status")
    assert time.monotonic() - started < patient(2)


def test_halves_of_characters(admin: httpx2.Client) -> None:
    """Bytes that are no UTF-8 and lone surrogates are stored as U+FFFD, as Go does; pairs stay what they are."""
    body = b'{"metadata":{"name":"halves"},"data":{"a":"\\ud800","b":"\xff","c":"\\ud83d\\ude00"}}'
    made = admin.post(MAPS, content=body, headers={"content-type": JSON})
    assert made.status_code == 201, made.text
    assert admin.get(f"{MAPS}/halves").json()["data"] == {"a": "\ufffd", "b": "\ufffd", "c": "\U0001f600"}


def test_nothing_as_a_value(admin: httpx2.Client) -> None:
    """null where base64 belongs is no bytes."""
    made = admin.post(f"{CORE}/secrets", json={"metadata": {"name": "nil"}, "data": {"a": None}})
    assert made.json()["data"] == {"a": ""}
    made = admin.post(MAPS, json={"metadata": {"name": "nil"}, "binaryData": {"a": None}})
    assert made.json()["binaryData"] == {"a": ""}


@pytest.mark.parametrize(
    ("kind", "patch", "code"),
    [
        (OPERATIONS, [{"op": "copy", "from": "/data", "path": f"/data/k{n}"} for n in range(60)], 413),
        (OPERATIONS, [{"op": "test", "path": "/data/a", "value": ""}] * 10_001, 413),
        (OPERATIONS, [{"op": "add", "path": "/metadata/finalizers", "value": []},
                      {"op": "test", "path": f"/metadata/finalizers/{HUGE}", "value": 1}], 422),
        (OPERATIONS, [{"op": "replace", "path": "", "value": []}], 422),
        (OPERATIONS, [{"op": "remove", "path": "/metadata"}], 400),
        (OPERATIONS, [None, 5], 400),
        (MERGE, {"metadata": None}, 400),
        (MERGE, {"metadata": []}, 422),
        (MERGE, {"metadata": {"name": "other"}}, 400),
        (STRATEGIC, {"metadata": {"$patch": "delete"}}, 400),
        (STRATEGIC, {"data": {"$retainKeys": 5}}, 400),
        (STRATEGIC, {"metadata": {"ownerReferences": [{"uid": "u", "controller": 1}]}}, 422),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_absurd_patches(admin: httpx2.Client, kind: str, patch: object, code: int) -> None:
    """Copies that double a document, places beyond 64 bits, patches that take the object's identity away."""
    answer = admin.patch(f"{MAPS}/m", content=json.dumps(patch), headers={"content-type": kind})
    assert (answer.status_code, answer.json()["kind"]) == (code, "Status"), answer.text
    assert admin.get(f"{MAPS}/m").json()["data"] == {"a": "x" * 1000}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ('{"gracePeriodSeconds":1e300}', 400),
        ('{"gracePeriodSeconds":"5"}', 400),
        (f'{{"gracePeriodSeconds":{HUGE}}}', 400),
        ('{"preconditions":[1]}', 400),
        ('{"dryRun":5}', 400),
        ('{"propagationPolicy":"Sideways"}', 422),
        ("[" * 100_000, 400),
        ('{"gracePeriodSeconds":9223372036854775807}', 200),
    ],
    ids=lambda value: str(value)[:40],
)
def test_absurd_deletes(admin: httpx2.Client, options: str, code: int) -> None:
    """DeleteOptions of wrong types are refused; a grace of ages is a date that can be written down."""
    admin.post(PODS, json=pod("doomed", "n"))
    answer = admin.request("DELETE", f"{PODS}/doomed", content=options, headers={"content-type": JSON})
    assert answer.status_code == code, answer.text
    if code == 200:
        assert answer.json()["metadata"]["deletionTimestamp"].endswith("Z")


def status_of(server: Server, path: str, token: str = "") -> int:
    """The status of an answer to a path sent as it is."""
    head = f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    head += f"authorization: Bearer {token}\r\n" if token else ""
    with connect(server) as raw:
        raw.sendall(f"{head}\r\n".encode())
        return int(raw.recv(100).split()[1])


@pytest.mark.parametrize(
    ("path", "nobody", "known"),
    [
        ("/healthz/../api/v1/secrets", 403, 404),
        ("/healthz/%2e%2e/api/v1/secrets", 403, 404),
        ("/healthz%2f..%2fapi/v1/secrets", 403, 404),
        ("/version/../../etc/passwd", 403, 200),  # what follows /version is not looked at
        (f"{MAPS}/..%2fdefault%2fm", 403, 404),
        (f"{MAPS}/%ff", 403, 404),
        ("/api/v1/namespaces/default%2fx/configmaps", 403, 200),
        ("/openapi/v3/..%2f..%2fetc%2fpasswd", 403, 404),
        ("/api/v1/configmaps/m", 403, 404),
    ],
)
def test_paths(target: Server, path: str, nobody: int, known: int) -> None:
    """No spelling of a path gets past authentication, nor out of the object that it names."""
    assert (status_of(target, path), status_of(target, path, "admintoken")) == (nobody, known)


@pytest.mark.parametrize("name", ["a%2Fb", "..", "%2e%2e", "a%00", "A", "a" * 300])
def test_names(admin: httpx2.Client, name: str) -> None:
    """An object that a PUT would create can't have a name that is none."""
    answer = admin.put(f"{LEASES.format('default')}/{name}", json={"metadata": {}})
    assert answer.status_code in (400, 404, 405, 422), answer.text


def test_address_of_a_kubelet(admin: httpx2.Client) -> None:
    """A node may claim to listen where nobody can: its pods' logs are refused by name, and that is all."""
    status: dict[str, Any] = {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}
    status["daemonEndpoints"] = {"kubeletEndpoint": {"Port": 700_000}}
    admin.post("/api/v1/nodes", json={"metadata": {"name": "liar"}, "status": status})
    admin.post(PODS, json=pod("logged", "liar"))
    for host in ("127.0.0.1", "x..\xff" * 50):
        status["addresses"][0]["address"] = host
        headers = {"content-type": MERGE}
        assert admin.patch("/api/v1/nodes/liar/status", json={"status": status}, headers=headers).status_code == 200
        assert 'Get "https://' in admin.get(f"{PODS}/logged/log").json()["message"]


def test_reading_is_not_running(target: Server, admin: httpx2.Client) -> None:
    """exec, attach and port-forward by GET, as WebSocket clients open them, need more than the right to read."""
    admin.post(PODS, json=pod("victim", "n"))
    accounts = f"{CORE}/serviceaccounts"
    admin.post(accounts, json={"metadata": {"name": "reader"}})
    role = {"kind": "ClusterRole", "name": "view"}
    subjects = [{"kind": "ServiceAccount", "name": "reader", "namespace": "default"}]
    bound = {"metadata": {"name": "reader"}, "roleRef": role, "subjects": subjects}
    assert admin.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", json=bound).status_code == 201
    token = admin.post(f"{accounts}/reader/token", json={"spec": {}}).json()["status"]["token"]
    for credential in (token, "nodetoken", "controllertoken"):
        with target.client(credential) as client:
            assert client.get(f"{PODS}/victim").status_code == (200 if credential == token else 403)
            for stream in ("exec", "attach", "portforward"):
                headers = {"connection": "Upgrade", "upgrade": "websocket"}
                assert client.get(f"{PODS}/victim/{stream}?command=sh", headers=headers).status_code == 403
            asked = {"verb": "get", "resource": "pods", "subresource": "exec", "namespace": "default"}
            review = client.post(
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json={"spec": {"resourceAttributes": asked}}
            )
            assert review.json()["status"]["allowed"] is False


def test_an_account_stays_what_it_is(target: Server, admin: httpx2.Client) -> None:
    """A ServiceAccount makes no tokens, pods, rights or others' identities for itself; its token dies with it."""
    accounts = f"{CORE}/serviceaccounts"
    admin.post(accounts, json={"metadata": {"name": "climber"}})
    token = admin.post(f"{accounts}/climber/token", json={"spec": {}}).json()["status"]["token"]
    with target.client(token) as climber:
        assert climber.post(f"{accounts}/climber/token", json={"spec": {}}).status_code == 403
        assert climber.post(PODS, json=pod("p")).status_code == 403
        assert climber.get("/api/v1/secrets?fieldSelector=metadata.namespace=default").status_code == 403
        assert climber.get("/api/v1/namespaces/kube-system/secrets").status_code == 403
        for header in ("impersonate-user", "impersonate-group"):
            assert climber.get("/api/v1/pods", headers={header: "system:masters"}).status_code in (400, 403)
        assert climber.get("/api/v1/pods").status_code == 403
        admin.delete(f"{accounts}/climber")
        assert climber.get("/api/v1/pods").status_code == 401
        admin.post(accounts, json={"metadata": {"name": "climber"}})  # another of the same name
        assert climber.get("/api/v1/pods").status_code == 401


def test_a_group_needs_a_user(admin: httpx2.Client) -> None:
    """An administrator who impersonates a group only is not served as administrator by mistake."""
    for header in ("impersonate-group", "impersonate-uid", "impersonate-extra-scopes"):
        assert admin.get(MAPS, headers={header: "x"}).status_code == 400


def test_a_node_writes_its_own_only(target: Server, admin: httpx2.Client) -> None:
    """A node's Lease, and to its agent the slices of its name server, are its own; others' are out of reach."""
    slice_ = {"addressType": "IPv4", "endpoints": [], "ports": []}
    label = {"kubernetes.io/service-name": "kube-dns"}
    target.grant()
    admin.post(LEASES.format("kube-system"), json={"metadata": {"name": "kube46-controllers"}})
    with target.client("agenttoken") as agent:
        for namespace, name, labels, code in (
            ("kube-system", "kube-dns-node1-ipv4", label, 201),
            ("kube-system", "kube-dns-node1-ipv6", {"kubernetes.io/service-name": "web"}, 403),
            ("kube-system", "kube-dns-node1-2-ipv4", label, 403),
            ("kube-system", "web-x", label, 403),
            ("default", "kube-dns-node1-ipv4", label, 403),
        ):
            body = {"metadata": {"name": name, "labels": labels}, **slice_}
            assert agent.post(SLICES.format(namespace), json=body).status_code == code, (namespace, name)
        assert agent.delete(f"{SLICES.format('default')}/kubernetes").status_code == 403
        assert agent.get("/api/v1/secrets").status_code == 403
    with target.client("nodetoken") as node:
        assert node.post(SLICES.format("kube-system"), json={"metadata": {"name": "x"}, **slice_}).status_code == 403
        own = LEASES.format("kube-node-lease")
        assert node.post(own, json={"metadata": {"name": "node1"}}).status_code == 201
        assert node.post(own, json={"metadata": {"name": "node2"}}).status_code == 403
        stolen = {"spec": {"holderIdentity": "me"}}
        answer = node.patch(
            f"{LEASES.format('kube-system')}/kube46-controllers", json=stolen, headers={"content-type": MERGE}
        )
        assert answer.status_code == 403
        assert node.post(f"{CORE}/secrets", json={"metadata": {"name": "s"}}).status_code == 403


def test_patch_and_put_race(target: Server, admin: httpx2.Client) -> None:
    """Of writers that race, each PUT of an old state is a 409 and each patch counts: nothing is lost."""
    admin.post(MAPS, json={"metadata": {"name": "raced"}, "data": {}})

    def patch(number: int) -> None:
        with target.client() as client:
            for turn in range(20):
                body = {"data": {f"patch-{number}-{turn}": ""}}
                assert client.patch(f"{MAPS}/raced", json=body, headers={"content-type": MERGE}).status_code == 200

    def put(number: int) -> None:
        with target.client() as client:
            for turn in range(20):
                code = 409
                while code == 409:
                    held = client.get(f"{MAPS}/raced").json()
                    held["data"] = {**(held.get("data") or {}), f"put-{number}-{turn}": ""}
                    code = client.put(f"{MAPS}/raced", json=held).status_code
                assert code == 200

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(work, number) for work in (patch, put) for number in range(2)]:
            done.result()
    expected = {f"{verb}-{number}-{turn}" for verb in ("patch", "put") for number in range(2) for turn in range(20)}
    assert set(admin.get(f"{MAPS}/raced").json()["data"]) == expected


def test_bytes_after_an_upgrade(target: Server) -> None:
    """A client that asks for an upgrade it does not get, and goes on sending, fills no memory."""
    with connect(target) as flood:
        head = f"GET {MAPS}?watch=true HTTP/1.1\r\nhost: x\r\nauthorization: Bearer admintoken\r\n"
        flood.sendall(f"{head}connection: Upgrade\r\nupgrade: x\r\n\r\n".encode())
        assert b" 200 " in flood.recv(100)
        flood.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 200_000_000:
                sent += flood.send(b"x" * 65536)


def test_empty_lines_do_not_hold_a_connection(server_factory: Callable[..., Server]) -> None:
    """A connection on which only empty lines come is closed in time, also after a request."""
    server = server_factory(prelude="from kube46.apiserver import connections; connections.HEADER_SECONDS = 0.5")
    with connect(server) as idle:
        idle.sendall(b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n")
        time.sleep(0.2)
        idle.sendall(b"\r\n")
        idle.settimeout(5)
        answer = b""
        while part := idle.recv(4096):
            answer += part
        assert answer.startswith(b"HTTP/1.1 200 ")


def test_thousands_of_connections(server_factory: Callable[..., Server]) -> None:
    """The server takes as many connections as its hard limit allows, whatever soft limit it was started with."""
    server = server_factory(wrapper=("sh", "-c", 'ulimit -Sn 64; exec "$@"', "sh"))
    waiting = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(300)]
    try:
        with server.client() as api:
            assert api.get("/readyz").status_code == 200
        assert len(list(Path(f"/proc/{server.pid}/fd").iterdir())) > 300
    finally:
        for sock in waiting:
            sock.close()


WORDS = (
    "", "a", "10.0.0.1", "::1", "fd00:10:96::7", "10.96.0.7/32", "IPv6", "None", "UDP", "2020-01-01T00:00:00Z", "1Gi",
    "ExternalName", "LoadBalancer", "default", "aGk=",
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(), max_size=8),
    st.sampled_from(WORDS),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
PORTS = [{"name": "a", "port": 80, "protocol": "TCP", "targetPort": 80, "nodePort": 30000}]
SELECTOR = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "host"}]}}
OBJECTS: dict[str, dict[str, Any]] = {
    f"{CORE}/services": {"spec": {"type": "NodePort", "ports": PORTS, "ipFamilies": ["IPv6"], "clusterIPs": ["::1"],
                                  "ipFamilyPolicy": "PreferDualStack", "selector": {"a": "b"},
                                  "externalIPs": ["1.2.3.4"]}},
    PODS: {"spec": {**TEMPLATE["spec"], "nodeSelector": {"a": "b"}, "tolerations": [{"key": "a"}]},
           "status": {"podIPs": [{"ip": "10.0.0.1"}], "conditions": [{"type": "Ready", "status": "True"}]}},
    MAPS: {"data": {"a": "b"}, "binaryData": {"c": "aGk="}, "immutable": False},
    f"{CORE}/secrets": {"type": "Opaque", "data": {"a": "aGk="}, "stringData": {"b": "c"}},
    f"{CORE}/events": {"involvedObject": {"kind": "Pod", "namespace": "default"}, "reason": "a", "count": 1},
    f"{CORE}/endpoints": {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]},
    "/api/v1/nodes": {"spec": {"podCIDRs": ["10.0.0.0/24"], "taints": [{"key": "a", "effect": "NoSchedule"}]}},
    SLICES.format("default"): {"addressType": "IPv6", "endpoints": [{"addresses": ["::1"]}], "ports": [{"port": 80}]},
    LEASES.format("default"): {"spec": {"holderIdentity": "a", "leaseDurationSeconds": 5}},
    "/apis/networking.k8s.io/v1/servicecidrs": {"spec": {"cidrs": ["10.1.0.0/24", "fd01::/112"]}},
    "/apis/networking.k8s.io/v1/ipaddresses": {"spec": {"parentRef": {"resource": "services", "name": "a"}}},
    "/apis/networking.k8s.io/v1/namespaces/default/ingresses": {"spec": {"rules": [{"host": "a.b"}]}},
    "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies": {"spec": {"podSelector": SELECTOR}},
    "/apis/apps/v1/namespaces/default/deployments": {"spec": {"selector": SELECTOR, "template": TEMPLATE,
                                                              "replicas": 1}},
    "/apis/apps/v1/namespaces/default/replicasets": {"spec": {"selector": SELECTOR, "template": TEMPLATE}},
}  # fmt: skip


def places(node: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """All places of a document."""
    found = [path]
    for key, inner in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        found += places(inner, (*path, key))
    return found


def like(value: Any) -> st.SearchStrategy[Any]:
    """Other values of the same type, which decoding lets through to the rules; containers lose and double parts."""
    match value:
        case bool():
            return st.booleans()
        case int():
            return st.integers(-5, 70_000) | st.integers(-(2**31), 2**31 - 1)
        case str():
            return st.sampled_from(WORDS) | st.text(max_size=8)
        case list():
            return st.lists(st.sampled_from(value), max_size=4) if value else st.just([])
        case dict():
            kept = st.sets(st.sampled_from(sorted(value))) if value else st.just(set())
            return kept.map(lambda names: {name: value[name] for name in names})
    return SCALARS


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A collection, and an object for it in which some places hold what belongs elsewhere or nowhere."""
    path = draw(st.sampled_from(sorted(OBJECTS)))
    obj = json.loads(json.dumps({"metadata": {"generateName": "fuzz-", "labels": {"a": "b"}}, **OBJECTS[path]}))
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(places(obj)[1:]))
        node = obj
        for key in parents:
            node = node[key]
        node[last] = draw(st.one_of(like(node[last]), like(node[last]), st.none(), VALUES))
    return path, obj


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests(), requests())
def test_whatever_is_sent(admin: httpx2.Client, first: tuple[str, dict[str, Any]], second: tuple[str, Any]) -> None:
    """No object, patch or update makes the server fail: it takes them or says why not, and shows what it took."""
    path, obj = first
    made = admin.post(path, content=json.dumps(obj))
    assert made.status_code in (201, 400, 403, 404, 409, 413, 422), made.text
    if made.status_code != 201:
        return
    stored = made.json()
    here = f"{path}/{quote(stored['metadata']['name'], safe='')}"
    changes = {key: value for key, value in second[1].items() if key != "metadata"}
    for kind in (MERGE, STRATEGIC):
        answer = admin.patch(here, content=json.dumps(changes), headers={"content-type": kind})
        assert answer.status_code in (200, 400, 403, 422), answer.text
    answer = admin.put(here, content=json.dumps({**stored, **changes}))
    assert answer.status_code in (200, 400, 403, 409, 422), answer.text
    table = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    assert [admin.get(here, headers=headers).status_code for headers in ({}, table, {"accept": YAML})] == [200] * 3
    assert admin.delete(f"{here}?gracePeriodSeconds=0").status_code == 200
