"""Kinds that nothing acts on are stored with a warning."""

import base64
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from server.running import Server

MANIFESTS = {
    "NetworkPolicy": ("networking.k8s.io/v1", {"podSelector": {}, "policyTypes": ["Ingress"]}),
}


def kubectl(server: Server, namespace: str, *arguments: str, text: str = "") -> tuple[int, str]:
    """Status and all output."""
    done = server.try_kubectl("-n", namespace, *arguments, stdin=text)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("kind", MANIFESTS)
def test_stored_and_warned(server: Server, namespace: str, kind: str) -> None:
    """Manifests that bring such an object are applied, and kubectl shows that it does nothing."""
    version, spec = MANIFESTS[kind]
    text = json.dumps({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": spec})
    code, output = kubectl(server, namespace, "apply", "-f", "-", text=text)
    assert (code, f"Warning: {kind} x: stored, not enforced" in output) == (0, True), output
    assert "x" in kubectl(server, namespace, "get", kind)[1]
    assert kubectl(server, namespace, "describe", kind)[0] == 0


def test_autoscale_says_that_nothing_scales(server: Server, namespace: str) -> None:
    """`kubectl autoscale` makes the object, in both versions, and says that nothing acts on it."""
    kubectl(server, namespace, "create", "deployment", "web", "--image=host")
    code, output = kubectl(server, namespace, "autoscale", "deployment/web", "--max=3", "--cpu=50%")
    assert (code, "HorizontalPodAutoscaler web: stored, not acted on" in output) == (0, True), output
    old = json.loads(
        kubectl(server, namespace, "get", "horizontalpodautoscalers.v1.autoscaling", "web", "-o", "json")[1]
    )
    assert old["spec"]["targetCPUUtilizationPercentage"] == 50
    assert "cpu: <unknown>/50%" in kubectl(server, namespace, "get", "hpa")[1]


def test_certificates_are_approved_but_not_signed(server: Server, namespace: str) -> None:
    """A request notes who asks; approving it is a right of its own subresource; nobody signs it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "me")])
    pem = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    encoded = base64.b64encode(pem.public_bytes(Encoding.PEM)).decode()
    spec = {"request": encoded, "signerName": "example.com/x", "usages": ["client auth"], "username": "somebody"}
    version = "certificates.k8s.io/v1"
    body = {"apiVersion": version, "kind": "CertificateSigningRequest", "metadata": {"name": namespace}, "spec": spec}
    code, output = kubectl(server, namespace, "create", "-f", "-", text=json.dumps(body))
    assert (code, "stored, not signed" in output) == (0, True), output
    assert kubectl(server, namespace, "certificate", "approve", namespace)[0] == 0
    row = kubectl(server, namespace, "get", "csr", namespace)[1].splitlines()[-1].split()
    assert (row[2], row[3], row[5]) == ("example.com/x", "admin", "Approved")


def test_quotas_count_nothing(server: Server, namespace: str) -> None:
    """Nobody counts what a quota would count: its columns are empty, as without a controller on kube-apiserver."""
    kubectl(server, namespace, "create", "quota", "q", "--hard=pods=3,limits.cpu=2")
    lines = kubectl(server, namespace, "get", "quota")[1].splitlines()
    assert lines[0].split() == ["NAME", "REQUEST", "LIMIT", "AGE"]
    assert len(lines[1].split()) == 2
