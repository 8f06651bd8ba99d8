"""ClusterTrustBundles: their names begin with their signer's, and they hold certificates of authorities.

Source: k8s.io/kubernetes pkg/apis/certificates/validation, pkg/apis/core/validation/names.go.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from cryptography import x509

from kube46.api import names
from kube46.api.certificates import signer_errors
from kube46.api.errors import FieldError, invalid, too_long
from kube46.apiserver.strategies.stored import Stored

if TYPE_CHECKING:
    from kube46.api.metadata import NameRule
    from kube46.apiserver.strategy import Context, Object

BUNDLE = "spec.trustBundle"
LARGEST = 1 << 20  # characters
BLOCK = re.compile(r"-----BEGIN ([^\n]*?)-----\n(.*?)\n?-----END \1-----[ \t\r]*(?:\n|$)", re.DOTALL)
UNSHOWN = "<value omitted>"


class TrustBundles(Stored):
    """No kubelet here mounts them."""

    def __init__(self) -> None:
        super().__init__("ClusterTrustBundle", "mounted", unconditional_update=False)

    def naming(self, obj: Object) -> NameRule:
        """With a signer, `domain:path:` begins the name."""
        signer = obj["spec"].get("signerName") or ""
        return lambda name: name_problems(name, signer)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of the signer's name and of the certificates."""
        return _signer(obj) + bundle_errors(obj["spec"].get("trustBundle") or "")

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """A bundle that is not changed is not read again; the signer stays."""
        name, bundle = (new["spec"].get(key) or "" for key in ("signerName", "trustBundle"))
        found = _signer(new)
        found += bundle_errors(bundle) if bundle != (old["spec"].get("trustBundle") or "") else []
        if name != (old["spec"].get("signerName") or ""):
            found.append(invalid("spec.signerName", name, "field is immutable"))
        return found


def name_problems(name: str, signer: str) -> list[str]:
    """What is wrong with the name of a bundle of that signer, or of none."""
    prefix = signer.replace("/", ":") + ":" if signer else ""
    if not signer and ":" in name:
        return ['ClusterTrustBundle without signer name must not have ":" in its name']
    if not name.startswith(prefix):
        return [f"ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"]
    return names.subdomain(name.removeprefix(prefix))


def bundle_errors(bundle: str) -> list[FieldError]:
    """What is wrong with a bundle: all of it must be certificates of authorities, each once."""
    if len(bundle.encode()) > LARGEST:
        return [too_long(BUNDLE, LARGEST)]
    blocks = BLOCK.findall(bundle)
    found = [
        invalid(BUNDLE, UNSHOWN, f"entry {number} {text}")
        for number, (kind, body) in enumerate(blocks)
        if (text := _problem(kind, body))
    ]
    if found or blocks:
        places: dict[str, list[int]] = {}
        for number, (_, body) in enumerate(blocks):
            places.setdefault("".join(body.split()), []).append(number)
        twice = (places_of for places_of in places.values() if len(places_of) > 1)
        texts = (f"duplicate trust anchor (indices [{' '.join(map(str, numbers))}])" for numbers in twice)
        return found or [invalid(BUNDLE, UNSHOWN, text) for text in texts]
    return [invalid(BUNDLE, UNSHOWN, "at least one trust anchor must be provided")]


def _signer(obj: Object) -> list[FieldError]:
    name = obj["spec"].get("signerName") or ""
    return signer_errors(name) if name else []


def _problem(kind: str, body: str) -> str:
    """Why a PEM block is no authority's certificate; "" for a good one."""
    if kind != "CERTIFICATE":
        return f"has bad block type: {kind}"
    if ":" in body:
        return "has PEM block headers"
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(body))
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except (ValueError, binascii.Error):
        return "does not parse as X.509"
    except x509.ExtensionNotFound:
        return "does not have the CA bit set"
    return "" if constraints.value.ca else "does not have the CA bit set"
