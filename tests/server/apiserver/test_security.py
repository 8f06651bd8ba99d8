"""Who is let in, as whom, and what they may do."""

import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from kube46.apiserver.certificates import Authority, key_pem, new_key
from kube46.apiserver.tokens import InvalidToken, Signer, Subject
from server.running import Server


def whoami(client: httpx2.Client) -> dict[str, object]:
    return whoami_as(client, {})


def whoami_as(client: httpx2.Client, headers: dict[str, str]) -> dict[str, object]:
    body = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    answer = client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    info: dict[str, object] = answer.json()["status"]["userInfo"]
    return info


def test_anonymous(server: Server) -> None:
    """Who has no credentials is system:anonymous, whom only health and version are for; wrong tokens are refused."""
    with server.client(token="") as nobody:
        for path in ("/healthz", "/livez", "/readyz", "/version"):
            assert nobody.get(path).status_code == 200
        for path in ("/api", "/api/v1/pods", "/metrics", "/openapi/v2", "/"):
            answer = nobody.get(path)
            assert answer.status_code == 403
            assert 'User "system:anonymous" cannot' in answer.json()["message"]
    tokens = [("Bearer wrong", 401), ("bearer a.b.c", 401), ("Bearer", 200), ("Basic YWRtaW46YWRtaW4=", 200)]
    for header, code in tokens:  # what is no bearer token is no credential, upstream too
        with server.client(token="") as nobody:
            assert nobody.get("/healthz", headers={"authorization": header}).status_code == code


def test_token_file(server: Server) -> None:
    """A token of the file is its user, in its groups and among the authenticated."""
    with server.client() as admin:
        info = whoami(admin)
    assert info == {"username": "admin", "groups": ["system:masters", "system:authenticated"], "uid": "admin"}


@pytest.mark.parametrize(
    ("token", "method", "path", "code"),
    [
        ("strangertoken", "GET", "/api/v1/namespaces/default/pods", 403),
        ("strangertoken", "GET", "/api", 200),
        ("strangertoken", "GET", "/logs", 403),
        ("nodetoken", "GET", "/api/v1/services", 200),
        ("nodetoken", "POST", "/api/v1/namespaces/default/services", 403),
        ("nodetoken", "DELETE", "/api/v1/namespaces/default/services/kubernetes", 403),
        ("nodetoken", "DELETE", "/api/v1/nodes", 403),
        ("nodetoken", "GET", "/api/v1/secrets", 403),
        ("nodetoken", "GET", "/api/v1/namespaces/default/configmaps", 403),
        ("controllertoken", "GET", "/api/v1/secrets", 200),
        ("controllertoken", "DELETE", "/api/v1/namespaces/default/configmaps/c", 403),
        ("controllertoken", "POST", "/api/v1/namespaces", 403),
    ],
)
def test_rights(server: Server, token: str, method: str, path: str, code: int) -> None:
    """Each identity may do what its program needs and nothing else."""
    with server.client(token) as client:
        assert client.request(method, path, json={} if method == "POST" else None).status_code == code


def test_texts_of_refusals(server: Server) -> None:
    """Refusals read as kube-apiserver's."""
    with server.client("strangertoken") as client:
        listing = client.get("/api/v1/namespaces/default/pods").json()
        one = client.get("/apis/apps/v1/namespaces/default/deployments/d/status").json()
        cluster = client.get("/api/v1/nodes").json()
    who = 'User "stranger" cannot'
    where = 'in API group "" in the namespace "default"'
    assert listing["message"] == f'pods is forbidden: {who} list resource "pods" {where}'
    assert one["message"].startswith(f'deployments.apps "d" is forbidden: {who} get resource "deployments/status"')
    assert cluster["message"].endswith('in API group "" at the cluster scope')
    assert listing["details"] == {"kind": "pods"}


def test_impersonation(server: Server) -> None:
    """Masters may act as others (kubectl --as), nobody else may."""
    with server.client() as admin:
        assert whoami_as(admin, {"impersonate-user": "bob", "impersonate-group": "devs"}) == {
            "username": "bob",
            "groups": ["devs", "system:authenticated"],
        }
        assert admin.get("/api/v1/pods", headers={"impersonate-user": "bob"}).status_code == 403
        robot = {"impersonate-user": "system:serviceaccount:default:robot"}
        assert whoami_as(admin, robot)["groups"] == [
            "system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated",
        ]  # fmt: skip
    with server.client("nodetoken") as node:
        answer = node.get("/api/v1/pods", headers={"impersonate-user": "admin"})
        assert answer.status_code == 403
        assert 'cannot impersonate-on:user-info:list resource "pods"' in answer.json()["message"]


def test_node_keeps_to_itself(server: Server, api: httpx2.Client) -> None:
    """A node writes its own Node and the pods bound to it only."""
    with server.client("nodetoken") as node:
        answer = node.post("/api/v1/nodes", json={"metadata": {"name": "node2"}})
        assert (
            answer.json()["message"] == 'nodes "node2" is forbidden: node "node1" is not allowed to modify node "node2"'
        )
        assert node.post("/api/v1/nodes", json={"metadata": {"name": "node1"}}).status_code == 201
        pods = "/api/v1/namespaces/default/pods"
        spec = {"nodeName": "node2", "containers": [{"name": "c", "image": "host"}]}
        api.post(pods, json={"metadata": {"name": "foreign"}, "spec": spec})
        api.post(pods, json={"metadata": {"name": "own"}, "spec": {**spec, "nodeName": "node1"}})
        headers = {"content-type": "application/merge-patch+json"}
        patch = {"status": {"phase": "Running"}}
        assert node.patch(f"{pods}/foreign/status", json=patch, headers=headers).status_code == 403
        assert node.patch(f"{pods}/own/status", json=patch, headers=headers).status_code == 200
        assert node.delete(f"{pods}/foreign?gracePeriodSeconds=0").status_code == 403
        assert node.delete(f"{pods}/own?gracePeriodSeconds=0").status_code == 200
        foreign = {"metadata": {"name": "s"}, "spec": {"driver": "a.b", "nodeName": "node2", "pool": {"name": "p"}}}
        assert node.post("/apis/resource.k8s.io/v1/resourceslices", json=foreign).status_code == 403
        certificate = {"nodeName": "node2", "podName": "foreign", "signerName": "a.b/c"}
        body = {"metadata": {"name": "c"}, "spec": certificate}
        path = "/apis/certificates.k8s.io/v1/namespaces/default/podcertificaterequests"
        assert "not the requesting node" in node.post(path, json=body).json()["message"]
        certificate["nodeName"] = "node1"
        body = {"metadata": {"name": "c"}, "spec": certificate}
        assert "names the UID" in node.post(path, json=body).json()["message"]
    api.delete(f"{pods}/foreign?gracePeriodSeconds=0")
    api.delete("/api/v1/nodes/node1")


def bind(api: httpx2.Client, namespace: str, role: str) -> None:
    """Give the account `robot` a ClusterRole in its namespace."""
    body = {
        "metadata": {"name": role}, "roleRef": {"kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "robot"}],
    }  # fmt: skip
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    assert api.post(path, json=body).status_code == 201


def test_service_account(server: Server, api: httpx2.Client, namespace: str) -> None:
    """A ServiceAccount's token works until its pod or account is gone; it may do what roles let it."""
    accounts, pods = f"/api/v1/namespaces/{namespace}/serviceaccounts", f"/api/v1/namespaces/{namespace}/pods"
    api.post(accounts, json={"metadata": {"name": "robot"}})
    spec = {"serviceAccountName": "robot", "nodeName": "n", "containers": [{"name": "c", "image": "host"}]}
    pod = api.post(pods, json={"metadata": {"name": "p"}, "spec": spec}).json()
    bound = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": pod["metadata"]["uid"]}
    made = api.post(f"{accounts}/robot/token", json={"spec": {"boundObjectRef": bound, "expirationSeconds": 3600}})
    assert made.status_code == 201, made.text
    token = made.json()["status"]["token"]
    assert made.json()["status"]["expirationTimestamp"].endswith("Z")
    with server.client(token) as robot:
        info = whoami(robot)
        assert info["username"] == f"system:serviceaccount:{namespace}:robot"
        assert f"system:serviceaccounts:{namespace}" in info["groups"]
        assert info["extra"]["authentication.kubernetes.io/pod-name"] == ["p"]
        services = f"/api/v1/namespaces/{namespace}/services"
        assert robot.get(services).status_code == 403
        bind(api, namespace, "edit")
        assert robot.get(services).status_code == 200
        assert robot.get("/api/v1/services").status_code == 403
        assert robot.get("/api/v1/nodes").status_code == 403
        assert robot.get(f"/api/v1/namespaces/{namespace}/secrets").status_code == 200
        leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        assert robot.post(leases, json={"metadata": {"name": "l"}}).status_code == 201
        roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles"
        assert robot.post(roles, json={"metadata": {"name": "q"}}).status_code == 403
        asked = {"verb": "create", "group": "coordination.k8s.io", "resource": "leases", "namespace": namespace}
        question = {"spec": {"resourceAttributes": asked}}
        answer = robot.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json=question)
        because = f'RBAC: allowed by RoleBinding "edit/{namespace}" of ClusterRole "edit" to ServiceAccount'
        assert answer.json()["status"] == {"allowed": True, "reason": f'{because} "robot/{namespace}"'}
        review = {"spec": {"token": token}}
        status = api.post("/apis/authentication.k8s.io/v1/tokenreviews", json=review).json()["status"]
        assert status["authenticated"] is True
        assert status["user"]["username"] == info["username"]
        api.delete(f"{pods}/p?gracePeriodSeconds=0")
        assert robot.get(services).status_code == 401
    status = api.post("/apis/authentication.k8s.io/v1/tokenreviews", json=review).json()["status"]
    assert not status.get("authenticated")
    assert status["error"] == "[invalid bearer token, service account token has been invalidated]"
    short = api.post(f"{accounts}/robot/token", json={"spec": {"expirationSeconds": 5}})
    assert short.status_code == 422


def test_node_tokens(server: Server, api: httpx2.Client, namespace: str) -> None:
    """A node gets tokens only for the pods that run on it."""
    accounts, pods = f"/api/v1/namespaces/{namespace}/serviceaccounts", f"/api/v1/namespaces/{namespace}/pods"
    api.post(accounts, json={"metadata": {"name": "robot"}})
    uids = {}
    for node in ("node1", "node2"):
        spec = {"serviceAccountName": "robot", "nodeName": node, "containers": [{"name": "c", "image": "host"}]}
        made = api.post(pods, json={"metadata": {"name": node}, "spec": spec})
        assert made.status_code == 201
        uids[node] = made.json()["metadata"]["uid"]
    with server.client("nodetoken") as kubelet:
        codes = {}
        for pod in ("node1", "node2", ""):
            bound = {"kind": "Pod", "apiVersion": "v1", "name": pod, "uid": uids.get(pod)}
            spec = {"boundObjectRef": bound} if pod else {}
            codes[pod] = kubelet.post(f"{accounts}/robot/token", json={"spec": spec}).status_code
    assert codes == {"node1": 201, "node2": 403, "": 403}


def test_signatures() -> None:
    """Tokens of other keys, changed tokens, expired ones and those for others are refused."""
    signer, subject = Signer(key_pem(new_key())), Subject("n", "robot", "uid-1", "pod", "p", "uid-2", "node1")
    token, expires = signer.sign(subject, (), 600)
    found, claims = signer.verify(token)
    assert found == subject
    assert claims["exp"] == expires
    assert abs(expires - time.time() - 600) < 2
    head, body, signature = token.split(".")
    for forged in (
        f"{head}.{body[:-2]}AA.{signature}",
        f"{head}.{body}.{signature[:-4]}AAAA",
        "a.b",
        "",
        f"{head}.{body}.",
    ):
        with pytest.raises(InvalidToken):
            signer.verify(forged)
    with pytest.raises(InvalidToken):
        Signer(key_pem(new_key())).verify(token)
    with pytest.raises(InvalidToken, match="audience"):
        signer.verify(token, ("vault",))
    with pytest.raises(InvalidToken, match="expired"):
        signer.verify(signer.sign(subject, (), -60)[0])


def test_client_certificates(tmp_path: Path, server_factory: Callable[..., Server]) -> None:
    """A certificate's common name is the user, its organizations are the groups; foreign ones don't get in."""
    authority = Authority.load_or_create(tmp_path / "clients")
    running = server_factory(flags=("--client-ca-file", str(tmp_path / "clients" / "ca.crt")))
    for name, issuer in (("good", authority), ("bad", Authority.create())):
        certificate, key = issuer.issue("alice", ("system:masters", "devs"), client=True)
        (tmp_path / f"{name}.crt").write_bytes(certificate)
        (tmp_path / f"{name}.key").write_bytes(key)
    context = running.tls()
    context.load_cert_chain(tmp_path / "good.crt", tmp_path / "good.key")
    with httpx2.Client(base_url=running.url, verify=context, trust_env=False) as client:
        info = whoami(client)
        assert info["username"] == "alice"
        assert info["groups"] == ["system:masters", "devs", "system:authenticated"]
        for token in ("strangertoken", "wrong"):  # as upstream, the certificate is looked at first
            assert whoami_as(client, {"authorization": f"Bearer {token}"})["username"] == "alice"
    context = running.tls()
    context.load_cert_chain(tmp_path / "bad.crt", tmp_path / "bad.key")
    with (
        httpx2.Client(base_url=running.url, verify=context, trust_env=False) as client,
        pytest.raises(httpx2.TransportError),
    ):
        client.get("/api")


def test_authority_is_kept(tmp_path: Path) -> None:
    """A CA is made once; its key and those of certificates can be read by their owner only."""
    first = Authority.load_or_create(tmp_path / "pki")
    again = Authority.load_or_create(tmp_path / "pki")
    assert first.certificate_pem == again.certificate_pem
    assert (tmp_path / "pki" / "ca.key").stat().st_mode & 0o777 == 0o600
