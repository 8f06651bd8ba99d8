"""A pod's certificate as a value: a key, the request that proves who has it, and the files of what was issued (pure).

Source: k8s.io/kubernetes pkg/kubelet/podcertificate, pkg/volume/projected; KEP-4317.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kube46.api import pem
from kube46.lab.kubelet.manifests import CertificateSource, PodSpec

Place = tuple[str, int]  # a volume's name, and the source's number in it
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
MAKERS: dict[str, Callable[[], Key]] = {
    "RSA3072": lambda: rsa.generate_private_key(65537, 3072),
    "RSA4096": lambda: rsa.generate_private_key(65537, 4096),
    "ECDSAP256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ECDSAP384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ECDSAP521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ED25519": ed25519.Ed25519PrivateKey.generate,
}


@dataclass(frozen=True, slots=True)
class Credential:
    """A key and its chain, in PEM; when to ask for another, and when this one ends, seconds since 1970."""

    key: bytes
    chain: bytes
    refresh: float
    end: float


def sources(spec: PodSpec) -> Iterator[tuple[Place, CertificateSource]]:
    """The certificates that a pod mounts."""
    for volume in spec.volumes:
        for number, source in enumerate(volume.projected.sources if volume.projected else ()):
            if source.pod_certificate:
                yield (volume.name, number), source.pod_certificate


def make(kind: str) -> tuple[bytes, bytes]:
    """A new key (PKCS #8 in PEM) and an otherwise empty request that it signed (PKCS #10). Takes seconds for RSA.

    Raises ValueError for a kind of key that is not known.
    """
    if kind not in MAKERS:
        raise ValueError(f'unknown key type "{kind}"')
    key = MAKERS[kind]()
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, digest)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return text, request.public_bytes(Encoding.DER)


def cleaned(chain: str) -> bytes:
    """The chain's certificates, with nothing between them."""
    return b"".join(pem.encoded(pem.CERTIFICATE, block.content) for block in pem.blocks(chain))


def files(source: CertificateSource, credential: Credential) -> dict[str, bytes]:
    """What a pod finds where."""
    wanted = {
        source.credential_bundle_path: credential.key + credential.chain,
        source.key_path: credential.key,
        source.certificate_chain_path: credential.chain,
    }
    return {path: content for path, content in wanted.items() if path}
