"""Certificates as files: bundles chosen, joined and ordered; keys, requests and the files of what is issued."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from kube46.api import pem
from kube46.api.objects import ClusterTrustBundle, Meta
from kube46.api.objects.certificates import ClusterTrustBundleSpec
from kube46.lab.kubelet import credentials, trust
from kube46.lab.kubelet.environment import Context
from kube46.lab.kubelet.manifests import (
    BundleSource,
    CertificateSource,
    PodSpec,
    ProjectedVolume,
    Projection,
    ReadPod,
    Volume,
)
from kube46.lab.kubelet.security import ConfigError
from kube46.lab.kubelet.volumes import NOT_ISSUED, File, payload, trusts

BLOCK = {name: pem.encoded(pem.CERTIFICATE, name.encode() * 40).decode() for name in "abc"}
SOURCE = CertificateSource(
    signer_name="a.b/c", key_type="ED25519", credential_bundle_path="both", certificate_chain_path="d/chain"
)


def bundle(name, text, signer="", **labels):
    """A ClusterTrustBundle."""
    spec = ClusterTrustBundleSpec(signer_name=signer, trust_bundle=text)
    return ClusterTrustBundle(metadata=Meta(name=name, labels=labels), spec=spec)


BUNDLES = {
    one.metadata.name: one
    for one in (
        bundle("plain", BLOCK["a"]),
        bundle("x:y:1", BLOCK["a"] + BLOCK["b"], "x/y", live="yes"),
        bundle("x:y:2", BLOCK["b"] + BLOCK["c"], "x/y", live="no"),
        bundle("z:y:1", BLOCK["c"], "z/y", live="yes"),
    )
}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (BundleSource(name="plain"), "a"),
        (BundleSource(name="no", optional=True), ""),
        (BundleSource(signer_name="x/y", label_selector={}), "abc"),
        (BundleSource(signer_name="x/y", label_selector={"matchLabels": {"live": "yes"}}), "ab"),
        (BundleSource(signer_name="x/y", optional=True), ""),
        (BundleSource(name="no"), None),
        (BundleSource(signer_name="x/y"), None),
        (BundleSource(signer_name="q/q", label_selector={}), None),
    ],
)
def test_sources_choose(source, names):
    """By name or by signer and labels; without a selector nothing; what is missing stops the pod unless optional."""
    if names is None:
        with pytest.raises(ConfigError, match=r"not found|matched zero ClusterTrustBundles"):
            trust.content(source, BUNDLES)
        return
    found = [block.content[:1].decode() for block in pem.blocks(trust.content(source, BUNDLES).decode())]
    assert sorted(found) == sorted(names)


@given(st.lists(st.lists(st.binary(min_size=1, max_size=90), max_size=4), max_size=4), st.binary(max_size=4))
def test_anchors_are_each_once_in_an_order_of_their_own(bundles, salt):
    """The result holds every certificate once, and does not depend on the order of bundles."""
    texts = ["\n".join(f"# {pem.encoded(pem.CERTIFICATE, one).decode()}" for one in some) for some in bundles]
    texts = [text.replace("# -----", "#\n-----") for text in texts]
    made = trust.anchors(texts, salt)
    assert made == trust.anchors(reversed(texts), salt)
    found = [block.content for block in pem.blocks(made.decode())]
    assert sorted(found) == sorted({one for some in bundles for one in some})


@given(st.binary(max_size=300))
def test_blocks_are_read_as_written(content):
    """A block that was written is read with the same bytes, whatever stands around it."""
    text = f"before\n{pem.encoded('A B', content).decode()}after"
    assert [(block.kind, block.content) for block in pem.blocks(text)] == [("A B", content)]


@pytest.mark.parametrize("kind", [kind for kind in credentials.MAKERS if kind != "RSA4096"])
def test_keys_and_requests_belong_together(kind):
    """Every kind of key signs an empty request."""
    key, request = credentials.make(kind)
    asked = x509.load_der_x509_csr(request)
    assert asked.is_signature_valid and not list(asked.subject) and not list(asked.extensions)
    halves = (load_pem_private_key(key, None).public_key(), asked.public_key())
    assert len({half.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for half in halves}) == 1


def test_a_kind_of_key_that_is_not_known_is_refused():
    """A newer API server may let in what this kubelet can't make."""
    with pytest.raises(ValueError, match='unknown key type "DSA"'):
        credentials.make("DSA")


def test_a_certificate_is_files_once_it_is_issued():
    """Until then, and after a refusal, the volume says why there is none."""
    sources = (
        Projection(cluster_trust_bundle=BundleSource(name="plain", path="ca")),
        Projection(pod_certificate=SOURCE),
    )
    volume = Volume(name="v", projected=ProjectedVolume(sources=sources, default_mode=0o640))
    spec = PodSpec(volumes=(volume,))
    context = Context(pod=ReadPod(Meta(), spec), bundles=BUNDLES)
    assert trusts(spec) and list(credentials.sources(spec)) == [(("v", 1), SOURCE)]
    with pytest.raises(ConfigError, match=NOT_ISSUED):
        payload(volume, context, {})
    issued = {("v", 1): credentials.Credential(b"key", b"chain", 0, 0)}
    found = payload(volume, Context(pod=context.pod, bundles=BUNDLES, issued=issued), {})
    assert found == {
        "ca": File(BLOCK["a"].encode(), 0o640),
        "both": File(b"keychain", 0o640, private=True),
        "d/chain": File(b"chain", 0o640, private=True),
    }
    refused = Context(pod=context.pod, bundles=BUNDLES, issued=issued, refused={("v", 1): "was denied"})
    with pytest.raises(ConfigError, match="was denied"):
        payload(volume, refused, {})
