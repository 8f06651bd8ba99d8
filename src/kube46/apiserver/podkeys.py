"""The keys of PodCertificateRequests: who asks has the private one, and the certificate is issued for it.

Source: k8s.io/kubernetes pkg/apis/certificates/validation/validation.go (validateStubPKCS10Request,
validateDeprecatedPKIXPublicKey, ValidatePodCertificateRequestStatusUpdate).
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta
from email.errors import HeaderParseError
from email.headerregistry import Address
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from kube46.api import pem
from kube46.api.errors import FieldError, invalid, invalid_unshown, required, too_long

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]

REQUEST, KEY, PROOF, CHAIN = (
    "spec.stubPKCS10Request",
    "spec.pkixPublicKey",
    "spec.proofOfPossession",
    "status.certificateChain",
)
LARGEST_KEY, LARGEST_CHAIN = 10 * 1024, 100 * 1024
CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521", "secp224r1": "P-224"}
GOOD_CURVES = ("P-256", "P-384", "P-521")
SIZES = (3072, 4096)
NEAR, MARGIN, SHORTEST = timedelta(minutes=5), timedelta(minutes=10), timedelta(hours=1)
UNKNOWN = "unknown public key type; supported types are Ed25519, ECDSA, and RSA"
Broken = (ValueError, UnsupportedAlgorithm, TypeError)


def request_errors(spec: Object) -> list[FieldError]:
    """Errors of a new request's key, and of the proof that the asker has the private one."""
    request, key, proof = (decoded(spec, name.partition(".")[2]) for name in (REQUEST, KEY, PROOF))
    if request and not key and not proof:
        return _of_request(request)
    if key and proof and not request:
        return _of_key(key, proof, str(spec.get("podUID") or ""))
    text = "exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set"
    return [invalid_unshown("spec", text)]


def decoded(spec: Object, name: str) -> bytes:
    """The bytes of a field, b"" when it is missing or no base64."""
    try:
        return base64.b64decode(spec.get(name) or "")
    except (binascii.Error, ValueError):
        return b""


def _of_request(data: bytes) -> list[FieldError]:
    if len(data) > LARGEST_KEY:
        return [too_long(REQUEST, LARGEST_KEY)]
    try:
        found = x509.load_der_x509_csr(data)
    except Broken:
        return [invalid_unshown(REQUEST, "must be a valid PKCS#10 CSR")]
    try:
        if problem := _of_kind(found.public_key(), REQUEST, "P256, P384, or P521"):
            return [problem]
        return [] if found.is_signature_valid else [invalid_unshown(REQUEST, "invalid signature")]
    except Broken:
        return [invalid_unshown(REQUEST, UNKNOWN)]


def _of_key(data: bytes, proof: bytes, signed: str) -> list[FieldError]:
    for place, value in ((KEY, data), (PROOF, proof)):
        if len(value) > LARGEST_KEY:
            return [too_long(place, LARGEST_KEY)]
    shown = base64.b64encode(data).decode()
    try:
        key = load_der_public_key(data)
    except Broken:
        return [invalid(KEY, shown, "must be a valid PKIX-serialized public key")]
    if not isinstance(key, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        return [invalid(KEY, shown, UNKNOWN)]
    if problem := _of_kind(key, KEY, "P256 or P384"):
        return [problem]
    try:
        _verify(key, proof, signed.encode())
    except InvalidSignature:
        return [invalid_unshown(PROOF, "could not verify proof-of-possession signature")]
    return []


def _verify(key: object, proof: bytes, signed: bytes) -> None:
    match key:
        case ed25519.Ed25519PublicKey():
            key.verify(proof, signed)
        case ec.EllipticCurvePublicKey():
            key.verify(proof, signed, ec.ECDSA(hashes.SHA256()))
        case rsa.RSAPublicKey():
            salted = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
            key.verify(proof, signed, salted, hashes.SHA256())


def _of_kind(key: object, place: str, curves: str) -> FieldError | None:
    """What is wrong with the kind of a key."""
    match key:
        case ed25519.Ed25519PublicKey():
            return None
        case ec.EllipticCurvePublicKey():
            curve = CURVES.get(key.curve.name, key.curve.name)
            text = f"elliptic public keys must use curve {curves}"
            return None if curve in GOOD_CURVES else invalid(place, f"curve {curve}", text)
        case rsa.RSAPublicKey():
            text = "RSA keys must have modulus size 3072 or 4096"
            return None if key.key_size in SIZES else invalid(place, f"{key.key_size}-bit modulus", text)
    return invalid_unshown(place, UNKNOWN)


def issue_errors(status: Object, spec: Object, now: datetime) -> list[FieldError]:
    """Errors of an issued chain: its leaf is for the key that was asked with, and the status tells its times."""
    chain = status.get("certificateChain") or ""
    if len(chain.encode()) > LARGEST_CHAIN:
        return [too_long(CHAIN, LARGEST_CHAIN)]
    found = list(pem.blocks(chain))
    if not found:
        return [invalid(CHAIN, chain, "issued certificate chain must contain at least one certificate")]
    if found[0].kind != pem.CERTIFICATE:
        return [invalid(CHAIN, chain, "issued certificate chain must consist entirely of CERTIFICATE PEM blocks")]
    try:
        leaf = x509.load_der_x509_certificate(found[0].content)
        names = list(_name_errors(leaf))
        same = _bytes_of(leaf.public_key()) == _asked_with(spec)
    except Broken:
        return [invalid(CHAIN, chain, "leaf certificate does not parse as valid X.509")]
    if not same:
        text = "leaf certificate was not issued to the requested public key"
        return [*names, invalid(CHAIN, chain, text)]
    if wrong := [*names, *_missing(status)]:
        return wrong
    problem = _time_error(status, leaf, spec["maxExpirationSeconds"], now) or _rest_error(found[1:], chain)
    return [problem] if problem else []


def _asked_with(spec: Object) -> bytes:
    """The public key of a request that was let in."""
    if request := decoded(spec, "stubPKCS10Request"):
        return _bytes_of(x509.load_der_x509_csr(request).public_key())
    return _bytes_of(load_der_public_key(decoded(spec, "pkixPublicKey")))


def _bytes_of(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _name_errors(leaf: x509.Certificate) -> Iterator[FieldError]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for name in found.get_values_for_type(x509.DNSName):
        if not name:
            yield invalid(CHAIN, name, "leaf certificate should not contain empty DNSName")
        if ".." in name:
            yield invalid(CHAIN, name, "leaf certificate's DNSName should not contain '..'")
        if name.startswith(".") or name.endswith("."):
            yield invalid(CHAIN, name, "leaf certificate's DNSName should not start or end with '.'")
    for mail in found.get_values_for_type(x509.RFC822Name):
        try:
            fine = "@" in Address(addr_spec=mail).addr_spec
        except (HeaderParseError, ValueError, IndexError):
            fine = False
        if not fine:
            yield invalid(CHAIN, mail, "leaf certificate should not contain invalid EmailAddress")


def _missing(status: Object) -> list[FieldError]:
    consistent = "must be present and consistent with the issued certificate"
    texts = {
        "notBefore": consistent,
        "notAfter": consistent,
        "beginRefreshAt": "must be present and in the range [notbefore+10min, notafter-10min]",
    }
    return [required(f"status.{name}", text) for name, text in texts.items() if not status.get(name)]


def _time_error(status: Object, leaf: x509.Certificate, most: int, now: datetime) -> FieldError | None:
    begin, end, refresh = (
        datetime.fromisoformat(status[name]).astimezone(UTC) for name in ("notBefore", "notAfter", "beginRefreshAt")
    )
    life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    shown, leafs = life // timedelta(microseconds=1) * 1000, "time encoded in the leaf certificate"
    too_long_lived = f"leaf certificate lifetime must be <= spec.maxExpirationSeconds ({most})"
    checks = (
        (begin == leaf.not_valid_before_utc, "notBefore", f"must be set to the NotBefore {leafs}"),
        (abs(begin - now) < NEAR, "notBefore", "must be set to within 5 minutes of kube-apiserver's current time"),
        (end == leaf.not_valid_after_utc, "notAfter", f"must be set to the NotAfter {leafs}"),
        (life >= SHORTEST, "", "leaf certificate lifetime must be >= 1 hour"),
        (life <= timedelta(seconds=most), "", too_long_lived),
        (refresh >= begin + MARGIN, "beginRefreshAt", "must be at least 10 minutes after status.notBefore"),
        (refresh <= end - MARGIN, "beginRefreshAt", "must be at least 10 minutes before status.notAfter"),
    )
    for fine, name, text in checks:
        if not fine:
            return invalid(f"status.{name}", status[name], text) if name else invalid(CHAIN, shown, text)
    return None


def _rest_error(blocks: list[pem.Block], chain: str) -> FieldError | None:
    for block in blocks:
        if block.kind != pem.CERTIFICATE:
            return invalid(CHAIN, chain, "issued certificate chain must consist entirely of CERTFICATE PEM blocks")
        try:
            x509.load_der_x509_certificate(block.content)
        except Broken:
            return invalid(CHAIN, chain, "intermediate certificate does not parse as valid X.509")
    return None
