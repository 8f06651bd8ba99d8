"""Certificates in volumes: bundles of trusted authorities, and certificates that a signer issues to a pod."""

import base64
import datetime
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from kernel.kubelet.conftest import container, wait
from kernel.kubelet.test_pods import output, phase
from kube46.api import pem

pytestmark = [pytest.mark.root, pytest.mark.timeout(60)]
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
HOUR = datetime.timedelta(hours=1)


def certificate(key, public, *, authority):
    """A certificate for a public key, signed by `key`."""
    begin = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    built = (
        x509.CertificateBuilder(NAME, NAME, public, x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + HOUR)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    return built.sign(key, hashes.SHA256())


def authority():
    """A fresh authority's certificate in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return certificate(key, key.public_key(), authority=True).public_bytes(Encoding.PEM).decode()


def bundle(node, name, text, signer="", **labels):
    """Make a ClusterTrustBundle."""
    spec = {"trustBundle": text} | ({"signerName": signer} if signer else {})
    kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "ClusterTrustBundle"}
    body = kind | {"metadata": {"name": name, "labels": labels}, "spec": spec}
    node.kubectl("apply", "-f", "-", input=json.dumps(body))


def mounted(*sources, **fields):
    """The fields of a pod that mounts these sources at /m."""
    volume = {"name": "v", "projected": {"sources": list(sources)}}
    return {"volumes": [volume]} | fields


def showing(script):
    """A container that runs a script and sleeps on, the volume mounted at /m."""
    return [container("main", "sh", "-c", f"{script}; sleep 1000", volumeMounts=[{"name": "v", "mountPath": "/m"}])]


def contents(text):
    """The certificates of a text, as a set."""
    return {block.content for block in pem.blocks(text)}


def test_bundles_are_files_and_follow_their_objects(node):
    """By name, by signer and labels, each certificate once, empty when optional; a change reaches a running pod."""
    one, two, three = authority(), authority(), authority()
    bundle(node, "cert-plain", f"junk\n{one}more junk\n{two}")
    bundle(node, "cert.test:ca:a", one, "cert.test/ca", live="yes")
    bundle(node, "cert.test:ca:b", one + three, "cert.test/ca", live="yes")
    bundle(node, "cert.test:ca:c", two, "cert.test/ca", live="no")
    live = {"signerName": "cert.test/ca", "labelSelector": {"matchLabels": {"live": "yes"}}}
    sources = [
        {"name": "cert-plain", "path": "named"},
        live | {"path": "selected"},
        {"signerName": "cert.test/ca", "labelSelector": {}, "path": "all"},
        {"signerName": "cert.test/ca", "optional": True, "path": "none"},
        {"name": "cert-no", "optional": True, "path": "missing"},
    ]
    wrapped = [{"clusterTrustBundle": source} for source in sources]
    node.apply("c-trust", **mounted(*wrapped), containers=showing("true"))
    node.until("c-trust", phase("Running"))

    def read(name):
        return node.kubectl("exec", "c-trust", "--", "cat", f"/m/{name}").stdout

    assert contents(read("named")) == contents(one + two) and "junk" not in read("named")
    assert contents(read("selected")) == contents(one + three) and read("selected").count("BEGIN") == 2
    assert contents(read("all")) == contents(one + two + three)
    assert (read("none"), read("missing")) == ("", "")
    assert node.kubectl("exec", "c-trust", "--", "stat", "-Lc", "%a", "/m/named").stdout == "644\n"
    bundle(node, "cert-plain", three)
    wait(lambda: contents(read("named")) == contents(three) or None, "the new bundle", 15)


def test_a_missing_bundle_holds_its_pod_up(node):
    """The pod waits with kubelet's words, and starts once the bundle is there."""
    named = {"clusterTrustBundle": {"name": "cert-late", "path": "x"}}
    chosen = {"clusterTrustBundle": {"signerName": "cert.test/none", "labelSelector": {}, "path": "x"}}
    node.apply("c-late", **mounted(named), containers=showing("true"))
    node.apply("c-none", **mounted(chosen), containers=showing("true"))
    words = 'MountVolume.SetUp failed for volume "v" : '
    missing = 'while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io "cert-late" not found'
    none = "combination of signerName and labelSelector matched zero ClusterTrustBundles"
    for name, text in (("c-late", missing), ("c-none", none)):
        event = ("FailedMount", words + text)
        wait(lambda name=name, event=event: event in node.events(name) or None, f"the Event of {name}", 15)
        state = node.pod(name)["status"]["containerStatuses"][0]["state"]
        assert state["waiting"]["reason"] == "ContainerCreating"
    bundle(node, "cert-late", authority())
    node.until("c-late", phase("Running"))


def requests(node, pod):
    """The PodCertificateRequests of a pod."""
    found = json.loads(node.kubectl("get", "podcertificaterequests", "-o", "json").stdout)["items"]
    return [one for one in found if one["spec"]["podName"] == pod]


def answer(node, request, kind, **status):
    """End a request, as a signer does."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {"type": kind, "status": "True", "reason": "Test", "message": "said so", "lastTransitionTime": now}
    body = json.dumps({"status": {"conditions": [condition], **status}})
    name = request["metadata"]["name"]
    node.kubectl("patch", "podcertificaterequest", name, "--subresource=status", "--type=merge", "-p", body)


def test_a_pod_has_its_certificate(node):
    """The kubelet asks with its pod's names and the author's words, waits, and mounts key and chain together."""
    node.kubectl("create", "serviceaccount", "c-signed")
    source = {
        "signerName": "cert.test/pods",
        "keyType": "ECDSAP384",
        "maxExpirationSeconds": 7200,
        "credentialBundlePath": "both",
        "keyPath": "key",
        "certificateChainPath": "chain",
        "userAnnotations": {"cert.test/path": "/here"},
    }
    fields = mounted({"podCertificate": source}, serviceAccountName="c-signed", automountServiceAccountToken=False)
    node.apply("c-pod", **fields, containers=showing("cat /m/both"))
    request = wait(lambda: requests(node, "c-pod"), "the request", 15)[0]
    spec, meta = request["spec"], node.pod("c-pod")["metadata"]
    assert (spec["podUID"], spec["serviceAccountName"], spec["nodeName"]) == (meta["uid"], "c-signed", "enode")
    assert (spec["maxExpirationSeconds"], spec["unverifiedUserAnnotations"]) == (7200, {"cert.test/path": "/here"})
    waiting = ("FailedMount", 'MountVolume.SetUp failed for volume "v" : credential bundle is not issued yet')
    wait(lambda: waiting in node.events("c-pod") or None, "the Event", 15)

    public = x509.load_der_x509_csr(base64.b64decode(spec["stubPKCS10Request"])).public_key()
    issued = certificate(ec.generate_private_key(ec.SECP256R1()), public, authority=False)
    times = {
        "notBefore": issued.not_valid_before_utc,
        "beginRefreshAt": issued.not_valid_before_utc + HOUR / 2,
        "notAfter": issued.not_valid_after_utc,
    }
    told = {name: time.strftime("%Y-%m-%dT%H:%M:%SZ") for name, time in times.items()}
    chain = issued.public_bytes(Encoding.PEM).decode()
    answer(node, request, "Issued", certificateChain=f"said before\n{chain}", **told)
    node.until("c-pod", phase("Running"))
    whole = wait(lambda: (text := output(node, "c-pod")).count("END") == 2 and text, "the output", 15)
    key, _, rest = whole.partition("-----END PRIVATE KEY-----\n")
    mine = load_pem_private_key(f"{key}-----END PRIVATE KEY-----\n".encode(), None).public_key()
    assert mine.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == public.public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    assert rest == chain
    parts = node.kubectl("exec", "c-pod", "--", "sh", "-c", "cat /m/key /m/chain; stat -Lc %a /m/key").stdout
    assert parts == f"{whole}600\n"


def test_a_refused_certificate_is_told(node):
    """Denied for good: the pod says why, and no second request is made."""
    node.kubectl("create", "serviceaccount", "c-denied")
    source = {"signerName": "cert.test/pods", "keyType": "ED25519", "keyPath": "key"}
    fields = mounted({"podCertificate": source}, serviceAccountName="c-denied", automountServiceAccountToken=False)
    node.apply("c-no", **fields, containers=showing("true"))
    request = wait(lambda: requests(node, "c-no"), "the request", 15)[0]
    answer(node, request, "Denied")
    past = 'PodCertificateRequest was permanently denied: reason="Test" message="said so"'
    event = ("FailedMount", f'MountVolume.SetUp failed for volume "v" : {past}')
    wait(lambda: event in node.events("c-no") or None, "the Event", 15, lambda: node.explain("c-no"))
    assert "Denied" in [reason for reason, _ in node.events("c-no")]
    assert len(requests(node, "c-no")) == 1
