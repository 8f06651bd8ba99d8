"""Rights on both API servers: default roles, refusals and their words, reviews, old clients."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from cluster.upstream import Upstream
from kube46.apiserver.certificates import new_key
from server.apiserver import oldclients
from server.running import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

RBAC, AUTHORIZATION = "/apis/rbac.authorization.k8s.io/v1", "/apis/authorization.k8s.io/v1"
AUTHENTICATION, CORE = "/apis/authentication.k8s.io/v1", "/api/v1/namespaces"
KINDS = ("clusterroles", "clusterrolebindings", "roles", "rolebindings")
OWN = {"uid", "resourceVersion", "creationTimestamp", "managedFields", "time"}
UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}")
Pair = tuple[Server, Upstream]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """kube46's server and the real one as kubeadm configures it."""
    ours = Server(tmp_path_factory.mktemp("ours")).start()
    try:
        flags = ("--enable-admission-plugins=NodeRestriction",)
        theirs = Upstream(tmp_path_factory.mktemp("theirs"), flags=flags).start()
        yield ours, theirs
        theirs.stop()
    finally:
        ours.stop()


def plain(value: Any) -> Any:
    """JSON without what each server makes of its own."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items() if name not in OWN}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return UID.sub("UID", value) if isinstance(value, str) else value


def ask(server: Server, token: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Status and body of one answer."""
    with server.client(token) as client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = client.request(method, path, json=body, headers=named)
        kind = answer.headers.get("content-type", "")
        return answer.status_code, plain(answer.json()) if "json" in kind else answer.text


def same(pair: Pair, token: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """The answer, which must be that of both."""
    ours, theirs = (ask(server, token, method, path, body, **headers) for server in pair)
    assert ours == theirs, (token, method, path, body, headers)
    return ours


def test_default_roles(pair: Pair) -> None:
    """All default roles and bindings are the same objects; roles that gather others hold what their parts do."""
    for kind in KINDS:
        ours, theirs = (ask(server, "admintoken", "GET", f"{RBAC}/{kind}")[1]["items"] for server in pair)
        for obj in (*ours, *theirs):
            if "aggregationRule" in obj:
                obj.pop("rules")  # kube-apiserver leaves that to a controller
        key = lambda obj: (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])  # noqa: E731
        assert {key(obj): obj for obj in ours} == {key(obj): obj for obj in theirs}


PATHS = (
    "/", "/foo", "/metrics", "/logs", "/livez/ping", "/openid/v1/jwks", "/api/v1/secrets", "/api/v1/xyz",
    "/apis/a.b/v1/namespaces/q/xyz/n/sub", "/api/v1/pods", "/api/v1/nodes", "/api/v1/nodes/other",
    "/api/v1/namespaces/x", "/api/v1/namespaces/x/status", f"{CORE}/default/secrets/x",
    f"{CORE}/default/secrets?fieldSelector=metadata.name%3Dy", f"{CORE}/default/pods/x/exec?command=a",
    f"{CORE}/default/serviceaccounts/default", "/apis/coordination.k8s.io/v1/leases",
    "/apis/coordination.k8s.io/v1/namespaces/default/leases/x", "/apis/storage.k8s.io/v1/csinodes/node2",
)  # fmt: skip


@pytest.mark.parametrize("token", ["nodetoken", "strangertoken", "", "wrong"])
def test_refusals(pair: Pair, token: str) -> None:
    """Who may not is told so in the same words, before it is told whether there is such a thing."""
    for path in PATHS:
        same(pair, token, "GET", path)
        if token in ("nodetoken", "strangertoken") and path.startswith("/api") and "csinodes" not in path:
            for method in ("DELETE", "PATCH"):
                same(pair, token, method, path.partition("?")[0], {})
    same(pair, token, "GET", "/api/v1/pods", None, authorization="Basic YWRtaW46YWRtaW4=")


@pytest.mark.parametrize("token", ["strangertoken", "controllertoken"])
def test_impersonation(pair: Pair, token: str) -> None:
    """Each header needs its right; the first one that lacks is told."""
    bob = {"impersonate_user": "bob"}
    for headers in (
        bob, bob | {"impersonate_group": "g"}, bob | {"impersonate_uid": "7"}, {"impersonate_group": "g"},
        bob | {"impersonate_extra_a.b%2fc": "v"}, {"impersonate_uid": "u"}, {"impersonate_user": "system:node:n1"},
        {"impersonate_user": "system:serviceaccount:default:a"}, {"impersonate_user": "system:anonymous"},
    ):  # fmt: skip
        same(pair, token, "GET", "/api/v1/nodes/q", None, **headers)
    unknown = {"impersonate_group": "system:unauthenticated"}
    for headers in (bob, bob | unknown, {"impersonate_user": "system:anonymous"}):
        same(pair, "admintoken", "POST", f"{AUTHENTICATION}/selfsubjectreviews", {}, **headers)


def reviewed(**spec: Any) -> dict[str, Any]:
    """A review's body."""
    return {"spec": spec}


def asked(verb: str, resource: str, **more: Any) -> dict[str, Any]:
    """Attributes of a question about a resource."""
    return {"resourceAttributes": {"verb": verb, "resource": resource, **more}}


def test_reviews(pair: Pair) -> None:
    """Questions about rights and tokens have the same answers, reasons and refusals."""
    node: dict[str, Any] = {"user": "system:node:n1", "groups": ["system:nodes"]}
    own = {"fieldSelector": {"rawSelector": "spec.nodeName=n1"}}
    for spec in (
        {"user": "x", **asked("get", "pods")}, {"user": "x", "groups": ["system:masters"], **asked("get", "pods")},
        {**node, **asked("get", "secrets", name="a", namespace="b")}, {**node, **asked("list", "pods", **own)},
        {**node, **asked("list", "pods", fieldSelector={"requirements": [{"key": "a", "operator": "Zap"}]})},
        {"user": "system:kube-scheduler", **asked("get", "pods")}, {"user": "x"}, {}, asked("get", "pods"),
        {"user": "system:kube-controller-manager", **asked("delete", "jobs", group="batch")},
        {"user": "system:serviceaccount:kube-system:job-controller", **asked("create", "pods", namespace="x")},
        {"user": "x", **asked("get", "pods"), "nonResourceAttributes": {"verb": "get", "path": "/"}},
        {"user": "x", **asked("list", "pods", fieldSelector={})},
        {"user": "x", **asked("list", "pods", labelSelector={"rawSelector": "a in"})},
        {"user": "system:node:", "groups": ["system:nodes"], **asked("list", "pods")},
    ):  # fmt: skip
        same(pair, "admintoken", "POST", f"{AUTHORIZATION}/subjectaccessreviews", reviewed(**spec))
        same(pair, "strangertoken", "POST", f"{AUTHORIZATION}/selfsubjectaccessreviews", reviewed(**spec))
        path = f"{AUTHORIZATION}/namespaces/default/localsubjectaccessreviews"
        same(pair, "admintoken", "POST", path, reviewed(**spec))
    for token in ({"token": "nodetoken"}, {"token": "bogus"}, {}, {"token": "nodetoken", "audiences": ["a"]}):
        same(pair, "admintoken", "POST", f"{AUTHENTICATION}/tokenreviews", reviewed(**token))
    for user in ("nodetoken", "strangertoken"):
        path = f"{AUTHORIZATION}/selfsubjectrulesreviews"
        found = [ask(server, user, "POST", path, reviewed(namespace="x"))[1] for server in pair]
        for answer in found:
            for rules in ("resourceRules", "nonResourceRules"):
                answer["status"][rules].sort(key=str)  # kube-apiserver's come in the order of a hash table
        assert found[0] == found[1]


def test_nodes(pair: Pair) -> None:
    """A node reads what its pods use, and no more; what it writes is looked at."""
    place, merge = f"{CORE}/rights", {"content_type": "application/merge-patch+json"}
    secret = [{"name": "v", "secret": {"secretName": "used"}}]
    spec = {"serviceAccountName": "default", "containers": [{"name": "c", "image": "i"}]}
    for token, method, path, body in (
        ("admintoken", "POST", CORE, {"metadata": {"name": "rights"}}),
        ("admintoken", "POST", f"{place}/serviceaccounts", {"metadata": {"name": "default"}}),
        ("nodetoken", "POST", "/api/v1/nodes", {"metadata": {"name": "node2"}}),
        ("nodetoken", "POST", "/api/v1/nodes", {"metadata": {"name": "node1", "labels": {"x.k8s.io/a": "b"}}}),
        ("nodetoken", "POST", "/api/v1/nodes", {"metadata": {"name": "node1"}}),
        ("admintoken", "POST", f"{place}/secrets", {"metadata": {"name": "used"}}),
        ("admintoken", "POST", f"{place}/secrets", {"metadata": {"name": "other"}}),
    ):
        same(pair, token, method, path, body)
    for name, node, volumes in (("mine", "node1", secret), ("other", "node2", [])):
        body = {"metadata": {"name": name}, "spec": {**spec, "nodeName": node, "volumes": volumes}}
        body["spec"]["automountServiceAccountToken"] = False
        same(pair, "admintoken", "POST", f"{place}/pods", body)
    for path in ("secrets/used", "secrets/other", "configmaps/used", "serviceaccounts/default", "pods/other"):
        same(pair, "nodetoken", "GET", f"{place}/{path}")
    for path, change in (
        (f"{place}/pods/mine/status", {"metadata": {"labels": {"a": "b"}}}),
        (f"{place}/pods/other/status", {"status": {"message": "x"}}),
        ("/api/v1/nodes/node1", {"metadata": {"labels": {"node-restriction.kubernetes.io/a": "b"}}}),
        ("/api/v1/nodes/node1", {"spec": {"taints": []}}),
        ("/api/v1/nodes/node2", {"metadata": {"labels": {"a": "b"}}}),
    ):
        same(pair, "nodetoken", "PATCH", path, change, **merge)
    same(pair, "nodetoken", "DELETE", f"{place}/pods/other")
    new = {"metadata": {"name": "new"}, "spec": {**spec, "nodeName": "node1"}}
    same(pair, "nodetoken", "POST", f"{place}/pods", new)
    same(pair, "nodetoken", "POST", f"{place}/pods/other/eviction", {"metadata": {"name": "other"}})
    same(pair, "nodetoken", "POST", f"{place}/serviceaccounts/default/token", {"spec": {}})


def signing(user: str) -> str:
    """A request for a certificate with that name, in PEM and base64."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(new_key(), hashes.SHA256())
    return base64.b64encode(request.public_bytes(Encoding.PEM)).decode()


def test_certificates_of_nodes(pair: Pair) -> None:
    """A node asks for certificates of its own and of its pods, and publishes its own devices."""
    api, signer = "/apis/certificates.k8s.io/v1", "kubernetes.io/kube-apiserver-client-kubelet"
    requests = {
        "bad": {"signerName": signer, "request": base64.b64encode(b"x").decode()},
        "foreign": {"signerName": signer, "request": signing("system:node:node2")},
        "any": {"signerName": "a.b/c", "request": signing("system:node:node2")},
        "own": {"signerName": signer, "request": signing("system:node:node1")},
    }
    for name, spec in requests.items():
        body = {"metadata": {"name": f"r-{name}"}, "spec": {**spec, "usages": ["client auth"]}}
        answers = [ask(server, "nodetoken", "POST", f"{api}/certificatesigningrequests", body) for server in pair]
        assert answers[0][0] == answers[1][0], name
        assert answers[0][0] == (201 if name in ("any", "own") else 403)
        if name == "foreign":
            assert answers[0] == answers[1]
    for node in ("node2", "node1"):
        devices = {"driver": "a.b", "nodeName": node, "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}}
        body = {"metadata": {"name": f"s-{node}"}, "spec": devices}
        same(pair, "nodetoken", "POST", "/apis/resource.k8s.io/v1/resourceslices", body)


def test_old_clients(pair: Pair) -> None:
    """Clients from before dual-stack are answered alike, and lose the same: next to nothing."""
    told = []
    for server in pair:
        with server.client() as api:
            told.append(oldclients.converse(api, "old"))
    assert told[0] == told[1]
    oldclients.check(told[0])


def test_health_and_issuer(pair: Pair) -> None:
    """Health answers in the same forms; the issuer's documents have the same fields."""
    for path in ("/healthz", "/livez/ping", "/readyz/etcd", "/readyz/none", "/livez?exclude=none"):
        same(pair, "admintoken", "GET", path)
    for path in ("/readyz?verbose", "/livez?verbose&exclude=etcd&exclude=none", "/healthz?verbose=false"):
        texts = [ask(server, "admintoken", "GET", path)[1] for server in pair]
        common = [[line for line in text.splitlines() if "poststart" not in line] for text in texts]
        assert set(common[0]) <= {*common[1], "[+]shutdown ok"}, path
        assert common[0][-1] == common[1][-1], path
    names = {name for text in (ask(pair[0], "admintoken", "GET", "/metrics")[1],) for name in text.split()}
    assert "process_cpu_seconds_total" in names
    for path in ("/.well-known/openid-configuration", "/openid/v1/jwks"):
        ours, theirs = (ask(server, "admintoken", "GET", path)[1] for server in pair)
        assert shape(ours) == shape(theirs), path


def shape(value: Any) -> Any:
    """JSON without the texts that differ from key to key and from place to place."""
    if isinstance(value, dict):
        return {name: "" if name in ("jwks_uri", "kid", "x", "y") else shape(part) for name, part in value.items()}
    return [shape(part) for part in value] if isinstance(value, list) else value


def test_create_by_update(pair: Pair) -> None:
    """A PUT or an apply of what is missing asks for `create`, too; Roles and bindings give no right that lacks."""
    every = {"apiGroups": ["*"], "resources": ["*"]}
    role = {"metadata": {"name": "up"}, "rules": [{**every, "verbs": ["update", "patch"]}]}
    binding = {
        "metadata": {"name": "up"},
        "subjects": [{"kind": "User", "name": "updater"}],
        "roleRef": {"kind": "ClusterRole", "name": "up"},
    }
    assert same(pair, "admintoken", "POST", CORE, {"metadata": {"name": "creates"}})[0] == 201
    assert same(pair, "admintoken", "POST", f"{RBAC}/clusterroles", role)[0] == 201
    assert same(pair, "admintoken", "POST", f"{RBAC}/clusterrolebindings", binding)[0] == 201
    found = [ask_to_create(pair) for _ in range(2)]
    for path, (code, _) in found[0].items():
        never = "configmaps/put" in path or "endpointslices" in path  # a PUT of these creates nothing
        assert code == (422 if "bad" in path or "/status" in path else 404 if never else 403), path
    assert found[0] == found[1], "a refused request changed something"
    grant = {"metadata": {"name": "up"}, "rules": [{**every, "verbs": ["update", "patch", "create"]}]}
    same(pair, "admintoken", "PUT", f"{RBAC}/clusterroles/up", grant)
    granted = ask_to_create(pair)
    refused = {path for path, (code, _) in granted.items() if code == 403}
    assert refused == {path for path in granted if "escalates" in path}


def ask_to_create(pair: Pair) -> dict[str, tuple[int, Any]]:
    """What a user is answered who replaces, or applies, objects that are not there."""
    place, rbac = f"{CORE}/creates", f"{RBAC}/namespaces/creates"
    headless = {"clusterIP": "None", "ports": [{"port": 80}]}
    secrets = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]
    admin = {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"}
    replaced: dict[str, dict[str, Any]] = {
        f"{place}/services/s": {"spec": headless},
        f"{place}/services/bad": {"spec": {"ports": [{"port": 0}]}},
        f"{place}/services/s2/status": {"spec": headless},
        f"{place}/services/s3?dryRun=All": {"spec": headless},
        f"{place}/configmaps/put": {},
        f"{place}/events/e": {"involvedObject": {"namespace": "creates"}},
        "/apis/discovery.k8s.io/v1/namespaces/creates/endpointslices/e": {"addressType": "IPv4", "endpoints": []},
        "/apis/coordination.k8s.io/v1/namespaces/creates/leases/l": {"spec": {}},
        f"{rbac}/roles/r": {"rules": None}, f"{rbac}/roles/escalates": {"rules": secrets},
        f"{RBAC}/clusterroles/creates": {"rules": None}, f"{RBAC}/clusterroles/escalates": {"rules": secrets},
        f"{rbac}/rolebindings/escalates": {"roleRef": admin},
        f"{RBAC}/clusterrolebindings/escalates": {"roleRef": admin},
    }  # fmt: skip
    applied: dict[str, dict[str, Any]] = {
        f"{place}/configmaps/c": {"apiVersion": "v1", "kind": "ConfigMap"},
        f"{place}/services/s4": {"apiVersion": "v1", "kind": "Service", "spec": headless},
        f"{rbac}/roles/r2": {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role"},
        f"{rbac}/roles/escalates2": {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": secrets},
        f"{CORE}/creates2": {"apiVersion": "v1", "kind": "Namespace"},
    }
    found: dict[str, tuple[int, Any]] = {}
    user = {"impersonate_user": "updater"}
    for path, body in replaced.items():
        name = path.removesuffix("/status").split("?")[0].split("/")[-1]
        found[path] = same(pair, "admintoken", "PUT", path, {"metadata": {"name": name}, **body}, **user)
    for path, body in applied.items():
        config = {**body, "metadata": {"name": path.split("/")[-1]}}
        media = {"content_type": "application/apply-patch+yaml"}
        found[path] = same(pair, "admintoken", "PATCH", f"{path}?fieldManager=m", config, **user, **media)
    return found
