"""ClusterTrustBundles' names and contents, as upstream takes and refuses them."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from kube46.api.signers import bundle_name_problems
from kube46.apiserver.strategies.trustbundles import bundle_errors


def certificate(*, authority: bool = True) -> str:
    """A fresh certificate in PEM."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    return built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


ONE, OTHER = certificate(), certificate()


@pytest.mark.parametrize(
    ("name", "signer", "text"),
    [
        ("roots", "", ""),
        ("example.org:ca:roots", "example.org/ca", ""),
        ("a:b", "", 'ClusterTrustBundle without signer name must not have ":" in its name'),
        ("roots", "example.org/ca", "ClusterTrustBundle for signerName example.org/ca must be named with prefix"),
        ("example.org:ca:Roots", "example.org/ca", "a lowercase RFC 1123 subdomain"),
    ],
)
def test_names(name: str, signer: str, text: str) -> None:
    """A signer's bundle is named after it, another has no colon."""
    found = bundle_name_problems(name, signer)
    assert bool(found) == bool(text) and text in "".join(found)


@pytest.mark.parametrize(
    ("bundle", "texts"),
    [
        (ONE, []),
        (f"roots:\n{ONE}and\n{OTHER}", []),
        ("", ["at least one trust anchor must be provided"]),
        (ONE + ONE, ["duplicate trust anchor (indices [0 1])"]),
        (ONE + certificate(authority=False), ["entry 1 does not have the CA bit set"]),
        (ONE.replace("CERTIFICATE", "KEY"), ["entry 0 has bad block type: KEY"]),
        (ONE.replace("-----\n", "-----\nA: b\n\n", 1), ["entry 0 has PEM block headers"]),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ["entry 0 does not parse as X.509"]),
    ],
)
def test_bundles(bundle: str, texts: list[str]) -> None:
    """All blocks are certificates of authorities, each once; what is between them is no matter."""
    assert [error.text.rpartition("Invalid value: ")[2] for error in bundle_errors(bundle)] == [
        f'"<value omitted>": {text}' for text in texts
    ]
