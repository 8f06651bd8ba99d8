"""ClusterTrustBundles: their names begin with their signer's, and they hold certificates of authorities.

Source: k8s.io/kubernetes pkg/apis/certificates/validation, pkg/apis/core/validation/names.go.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from cryptography import x509

from kube46.api.errors import FieldError, go_quote, invalid, too_long
from kube46.api.signers import bundle_name_problems, signer_errors
from kube46.apiserver import statuses
from kube46.apiserver.strategies import signing
from kube46.apiserver.strategies.generic import Generic
from kube46.apiserver.strategies.rbac import given

if TYPE_CHECKING:
    from kube46.api.metadata import NameRule
    from kube46.apiserver.strategy import Context, Object

BUNDLE = "spec.trustBundle"
LARGEST = 1 << 20  # characters
BLOCK = re.compile(r"-----BEGIN ([^\n]*?)-----\n(.*?)\n?-----END \1-----[ \t\r]*(?:\n|$)", re.DOTALL)
UNSHOWN = "<value omitted>"


class TrustBundles(Generic):
    """Whoever speaks for a signer may `attest` for it; kubelets mount the bundles."""

    unconditional_update = False

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """Refuse with 403 who may not speak for the signer."""
        _attest(obj, ctx)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        """The same, but for what the garbage collector changes."""
        if given(new) != given(old):
            _attest(new, ctx)

    def naming(self, obj: Object) -> NameRule:
        """With a signer, `domain:path:` begins the name."""
        signer = obj["spec"].get("signerName") or ""
        return lambda name: bundle_name_problems(name, signer)

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


def _attest(obj: Object, ctx: Context) -> None:
    signer = obj["spec"].get("signerName") or ""
    if signer and not signing.may(ctx, "attest", signer):
        text = f"user not permitted to attest for signerName {go_quote(signer)}"
        raise statuses.forbidden(ctx.kind, ctx.name, text)


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
