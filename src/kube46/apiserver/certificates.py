"""A certificate authority in a directory, and the certificates it issues (ECDSA P-256).

Files are named as kubeadm names them: ca.crt, ca.key. Keys are readable by their owner only.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kube46.apiserver import files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

CA_DAYS, LEAF_DAYS = 3650, 365
BACKDATE = timedelta(minutes=5)  # clocks of clients may be behind


def new_key() -> ec.EllipticCurvePrivateKey:
    """A P-256 private key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as PKCS #8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read; replaces it whole, and is on disk when this returns."""
    files.write(path, content, 0o600)


def _name(common_name: str, organizations: Iterable[str] = ()) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    start = datetime.now(UTC).replace(microsecond=0) - BACKDATE
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=sign, crl_sign=sign, content_commitment=False, key_encipherment=not sign,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA that can sign: `certificate_pem` is what clients trust."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The CA's own certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @classmethod
    def load_or_create(cls, directory: Path, name: str = "kubernetes") -> Authority:
        """The CA of a directory; made at first use. Raises ValueError when its key is not an ECDSA one."""
        certificate, key = directory / "ca.crt", directory / "ca.key"
        if certificate.exists() and key.exists():
            loaded = serialization.load_pem_private_key(key.read_bytes(), None)
            if not isinstance(loaded, ec.EllipticCurvePrivateKey):
                message = f"{key}: is not an ECDSA key: remove it and {certificate}, or name another directory"
                raise ValueError(message)
            return cls(x509.load_pem_x509_certificate(certificate.read_bytes()), loaded)
        made = cls.create(name)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(key, key_pem(made.key))
        files.write(certificate, made.certificate_pem, 0o666)
        return made

    @classmethod
    def create(cls, name: str = "kubernetes") -> Authority:
        """A new CA, kept nowhere."""
        key, subject = new_key(), _name(name)
        builder = _builder(subject, subject, key.public_key(), CA_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_usage(sign=True), critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    def issue(
        self,
        common_name: str,
        organizations: Iterable[str] = (),
        dns_names: Iterable[str] = (),
        ip_addresses: Iterable[str] = (),
        *,
        server: bool = False,
        client: bool = False,
    ) -> tuple[bytes, bytes]:
        """A certificate and its key, both PEM; a client's common name is its user, organizations are its groups."""
        key = new_key()
        builder = _builder(_name(common_name, organizations), self.certificate.subject, key.public_key(), LEAF_DAYS)
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns_names]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ip_addresses]
        usages = [ExtendedKeyUsageOID.SERVER_AUTH] * server + [ExtendedKeyUsageOID.CLIENT_AUTH] * client
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(authority, critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(sign=False), critical=True)
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM), key_pem(key)
