"""Conversations about pods' certificates: requests, their keys and answers, bundles, and the volumes that mount them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cluster.machinery_patches import container, delete, get, patch, post, put

if TYPE_CHECKING:
    from cluster.machinery_player import Step

REQUESTS = "/apis/certificates.k8s.io/v1/namespaces/{ns}/podcertificaterequests"
BUNDLES = "/apis/certificates.k8s.io/v1/clustertrustbundles"
PODS = "/api/v1/namespaces/{ns}/pods"
ELLIPTIC, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
EMPTY, SIGNED = x509.Name([]), hashes.SHA256()
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
BEGIN = datetime.now(UTC).replace(microsecond=0)
UID = "12345678-1234-1234-1234-123456789012"
DAY = 24 * 3600


def asked(key: Any, digest: Any = SIGNED) -> str:
    """A PKCS #10 request of a key, as JSON has it."""
    made = x509.CertificateSigningRequestBuilder().subject_name(EMPTY).sign(key, digest)
    return base64.b64encode(made.public_bytes(Encoding.DER)).decode()


def public(key: Any) -> str:
    """A key's public half, as JSON has it."""
    made = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(made).decode()


def _forged() -> str:
    made = bytearray(base64.b64decode(asked(ELLIPTIC)))
    made[-1] ^= 1
    return base64.b64encode(made).decode()


def _proof(key: Any, *how: Any) -> str:
    return base64.b64encode(key.sign(UID.encode(), *how)).decode()


ED, SMALL, LARGE = ed25519.Ed25519PrivateKey.generate(), *(rsa.generate_private_key(65537, n) for n in (2048, 3072))
ODD, OLD = ec.generate_private_key(ec.SECP224R1()), x25519.X25519PrivateKey.generate()
PSS = padding.PSS(padding.MGF1(SIGNED), padding.PSS.DIGEST_LENGTH)
SPEC: dict[str, Any] = {
    "signerName": "example.com/x", "podName": "p", "podUID": UID, "serviceAccountName": "default",
    "serviceAccountUID": UID, "nodeName": "n", "nodeUID": UID, "stubPKCS10Request": asked(ELLIPTIC),
}  # fmt: skip
BY_KEY: dict[str, Any] = {"stubPKCS10Request": None}
SPECS: tuple[dict[str, Any], ...] = (
    {}, {"signerName": ""}, {"signerName": "x"}, {"signerName": "a/b"}, {"signerName": "A.b/c_d"}, {"signerName": "a.b/c/d"},
    {"podName": ""}, {"podName": "P_"}, {"podUID": ""}, {"podUID": "u" * 129}, {"serviceAccountName": ""}, {"nodeName": "N"},
    {"maxExpirationSeconds": 3599}, {"maxExpirationSeconds": 91 * DAY}, {"maxExpirationSeconds": 91 * DAY + 1},
    {"signerName": "kubernetes.io/x", "maxExpirationSeconds": DAY + 1}, {"signerName": "a.kubernetes.io/x", "maxExpirationSeconds": DAY},
    {"unverifiedUserAnnotations": {"a.b/c": "d"}}, {"unverifiedUserAnnotations": {"c": "d"}}, {"unverifiedUserAnnotations": {"A.b/C D": "d"}},
    {"stubPKCS10Request": None}, {"stubPKCS10Request": "AAAA"}, {"stubPKCS10Request": _forged()}, {"stubPKCS10Request": asked(ED, None)},
    {"stubPKCS10Request": asked(SMALL)}, {"stubPKCS10Request": asked(LARGE)}, {"stubPKCS10Request": asked(ODD)}, {"stubPKCS10Request": "QUFB" * 4096},
    {"pkixPublicKey": public(ELLIPTIC), "proofOfPossession": "AAAA"}, {**BY_KEY, "pkixPublicKey": public(ELLIPTIC), "proofOfPossession": "AAAA"},
    {**BY_KEY, "pkixPublicKey": public(ELLIPTIC), "proofOfPossession": _proof(ELLIPTIC, ec.ECDSA(SIGNED))},
    {**BY_KEY, "pkixPublicKey": public(ED), "proofOfPossession": _proof(ED)}, {**BY_KEY, "pkixPublicKey": public(ED), "proofOfPossession": "AAAA"},
    {**BY_KEY, "pkixPublicKey": public(LARGE), "proofOfPossession": _proof(LARGE, PSS, SIGNED)},
    {**BY_KEY, "pkixPublicKey": public(SMALL), "proofOfPossession": "AAAA"}, {**BY_KEY, "pkixPublicKey": public(ODD), "proofOfPossession": "AAAA"},
    {**BY_KEY, "pkixPublicKey": public(OLD), "proofOfPossession": "AAAA"}, {**BY_KEY, "pkixPublicKey": "AAAA", "proofOfPossession": "AAAA"},
    {"signerName": "", "podName": "", "podUID": "", "stubPKCS10Request": None},
)  # fmt: skip


def request(name: str, spec: dict[str, Any]) -> Step:
    """Make a PodCertificateRequest."""
    whole = {key: value for key, value in (SPEC | spec).items() if value is not None}
    return post(REQUESTS, {"metadata": {"name": name}, "spec": whole})


def chain(
    key: Any = ELLIPTIC,
    *,
    life: timedelta = timedelta(hours=2),
    names: tuple[x509.GeneralName, ...] = (),
    late: int = 0,
) -> str:
    """A certificate in PEM."""
    begin = BEGIN + timedelta(minutes=late)
    made = (
        x509.CertificateBuilder(NAME, NAME, key.public_key(), 7).not_valid_before(begin).not_valid_after(begin + life)
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(OTHER, SIGNED).public_bytes(Encoding.PEM).decode()


def at(minutes: int) -> str:
    """A time after the beginning of the certificates."""
    return (BEGIN + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(kind: str = "Issued", **more: Any) -> dict[str, Any]:
    """A condition."""
    usual = {
        "type": kind,
        "status": "True",
        "reason": "R",
        "message": "m",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    return {key: value for key, value in (usual | more).items() if value is not None}


GOOD: dict[str, Any] = {
    "conditions": [condition()], "certificateChain": chain(), "notBefore": at(0), "beginRefreshAt": at(60), "notAfter": at(120),
}  # fmt: skip
LEAVES = tuple(
    {"certificateChain": text}
    for text in (
        "", "junk", chain().replace("CERTIFICATE", "KEY"), chain(OTHER), chain().replace("M", "N", 3), f"junk\n{chain()}{chain(OTHER)}",
        chain() + chain().replace("CERTIFICATE", "KEY"), chain(names=(x509.DNSName("a..b"),)), chain(names=(x509.DNSName(".a"),)),
        chain(names=(x509.RFC822Name("nobody"),)), chain(names=(x509.DNSName("a.b"), x509.RFC822Name("a@b.c"))),
    )
)  # fmt: skip
STATUSES: tuple[dict[str, Any], ...] = (
    {}, *LEAVES, {"notBefore": None}, {"notAfter": None, "beginRefreshAt": None}, {"notAfter": at(121)}, {"beginRefreshAt": at(9)}, {"beginRefreshAt": at(111)},
    {"certificateChain": chain(life=timedelta(minutes=59)), "notAfter": at(59)}, {"certificateChain": chain(life=timedelta(days=2)), "notAfter": at(2880)},
    {"certificateChain": chain(late=30), "notBefore": at(30), "notAfter": at(150)}, {"conditions": []}, {"conditions": [condition("Denied")]},
    {"conditions": [condition(status="False")]}, {"conditions": [condition("Other")]}, {"conditions": [condition(), condition("Failed")]},
    {"conditions": [condition(reason=None)]}, {"conditions": [condition(reason="a b")]}, {"conditions": [condition(lastTransitionTime=None)]},
)  # fmt: skip
BARE = dict.fromkeys(GOOD)


def answered(name: str, status: dict[str, Any]) -> Step:
    """Answer a request."""
    return patch(f"{REQUESTS}/{name}/status", {"status": status})


BUNDLE: dict[str, Any] = {"clusterTrustBundle": {"name": "b", "path": "a"}}
CERTIFICATE: dict[str, Any] = {"signerName": "a.b/c", "keyType": "ED25519", "keyPath": "k"}
SOURCES: tuple[list[dict[str, Any]], ...] = (
    [BUNDLE], [BUNDLE, BUNDLE], [{"clusterTrustBundle": {"path": "a"}}], [{"clusterTrustBundle": {"name": "", "path": ""}}],
    [{"clusterTrustBundle": {"name": "b", "signerName": "a.b/c", "path": "a"}}], [{"clusterTrustBundle": {"name": "a.b:c:d", "path": "../a"}}],
    [{"clusterTrustBundle": {"name": "a:B", "path": "/a"}}], [{"clusterTrustBundle": {"name": "b", "labelSelector": {}, "path": "a"}}],
    [{"clusterTrustBundle": {"signerName": "x", "labelSelector": {"matchLabels": {"a b": "c"}}, "path": "..a"}}],
    [{"clusterTrustBundle": {"signerName": "a.b/c", "labelSelector": {}, "path": "a"}}], [{"podCertificate": CERTIFICATE}],
    *([{"podCertificate": CERTIFICATE | more}] for more in (
        {"keyType": "RSA2048"}, {"keyType": ""}, {"maxExpirationSeconds": 3599}, {"maxExpirationSeconds": 91 * DAY + 1}, {"keyPath": ""},
        {"keyPath": "../k"}, {"keyPath": "a", "certificateChainPath": "a"}, {"signerName": "kubernetes.io/x", "maxExpirationSeconds": DAY + 1},
        {"userAnnotations": {"x": "y"}}, {"signerName": ""}, {"credentialBundlePath": "a/b", "certificateChainPath": "..x"},
    )),
    [{"podCertificate": CERTIFICATE, **BUNDLE}], [{"configMap": {"name": "c", "items": [{"key": "k", "path": "a"}]}}, BUNDLE],
    [{"secret": {"items": [{"key": "", "path": ""}]}}], [{"serviceAccountToken": {"path": "../t", "expirationSeconds": 5}}],
    [{"serviceAccountToken": {"path": "", "expirationSeconds": 2**33}}], [{"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}}]}}, BUNDLE],
)  # fmt: skip


def mounting(name: str, sources: list[dict[str, Any]]) -> Step:
    """Make a pod that mounts them, without keeping it."""
    volume = {"name": "v", "projected": {"sources": sources}}
    spec = {"containers": [container("c")], "volumes": [volume], "automountServiceAccountToken": False}
    return post(f"{PODS}?dryRun=All", {"metadata": {"name": name}, "spec": spec})


def _kept(answer: dict[str, Any]) -> list[Step]:
    """Whether an answered request can still change."""
    labels = {"metadata": {"labels": {"a": "b"}}}
    return [
        request("r", {}), patch(f"{REQUESTS}/r", labels),
        patch(f"{REQUESTS}/r", {"status": GOOD}), answered("r", {"notBefore": at(0)}), answered("r", answer), answered("r", answer),
        answered("r", {"notBefore": at(1)}), patch(f"{REQUESTS}/r/status", labels), get(f"{REQUESTS}/r/status"), delete(f"{REQUESTS}/r"),
    ]  # fmt: skip


CONVERSATIONS: dict[str, list[Step]] = {
    "certificates: requests": [request(f"r{n}", spec) for n, spec in enumerate(SPECS)],
    "certificates: answers": [step for n, status in enumerate(STATUSES) for step in (request(f"r{n}", {}), answered(f"r{n}", GOOD | status))],
    "certificates: issued for a key": [
        request("r", {**BY_KEY, "pkixPublicKey": public(ELLIPTIC), "proofOfPossession": _proof(ELLIPTIC, ec.ECDSA(SIGNED))}),
        answered("r", GOOD | {"certificateChain": chain(OTHER)}), answered("r", GOOD),
    ],
    "certificates: issued for good": _kept(GOOD),
    "certificates: denied for good": _kept(BARE | {"conditions": [condition("Denied")]}),
    "certificates: without a revision": [
        request("r", {}), put(f"{REQUESTS}/r", {"metadata": {"name": "r"}, "spec": SPEC}), put(f"{REQUESTS}/q", {"metadata": {"name": "q"}, "spec": SPEC}),
    ],
    "certificates: bundles": [
        *(post(f"{BUNDLES}?dryRun=All", {"metadata": {"name": name}, "spec": {"signerName": signer, "trustBundle": "x"}}) for name, signer in (
            ("b", ""), ("a:b", ""), ("a.b:c:d", "a.b/c"), ("d", "a.b/c"), ("a.b:c:D", "a.b/c"), ("d", "x"), ("x:d", "x"), ("d", "a/b"),
        )),
    ],
    "certificates: volumes": [post("/api/v1/namespaces/{ns}/serviceaccounts", {"metadata": {"name": "default"}}), *(mounting(f"p{n}", sources) for n, sources in enumerate(SOURCES))],
}  # fmt: skip
