"""CertificateSigningRequests: who asks is noted by the server, approval and certificate go by their own subresources.

Source: k8s.io/kubernetes pkg/registry/certificates/certificates/strategy.go, pkg/apis/certificates/validation.
"""

from __future__ import annotations

import base64
import binascii
import copy
from typing import TYPE_CHECKING, Any

from cryptography import x509

from kube46.api import certificates, names
from kube46.api.errors import go_quote
from kube46.apiserver import statuses
from kube46.apiserver.strategies import signing
from kube46.apiserver.strategies.stored import Stored
from kube46.apiserver.transactions import now

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object


class SigningRequests(Stored):
    """Nothing signs: `kubectl certificate approve` marks a request, and whoever wants to sign writes /status."""

    name_rule = staticmethod(names.path_segment)

    def __init__(self) -> None:
        super().__init__("CertificateSigningRequest", "signed: kube46 has no signers")

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """The user is who asks, whatever the body says; nobody brings an approval along."""
        spec = obj.setdefault("spec", {})
        for name in ("username", "uid", "groups", "extra"):
            spec.pop(name, None)
        user = ctx.user
        groups = [*user.groups, *(["system:authenticated"] if "system:authenticated" not in user.groups else [])]
        spec.update(username=user.name, groups=groups, **({"uid": user.uid} if user.uid else {}))
        if user.extra:
            spec["extra"] = {name: list(values) for name, values in user.extra.items()}
        obj["status"] = {}

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        """The request stays; /approval changes conditions only, /status all but approvals."""
        new["spec"] = copy.deepcopy(old["spec"])
        if not ctx.subresource:
            return
        status, before = new.setdefault("status", {}), old.get("status") or {}
        _permitted(status, before, old["spec"].get("signerName") or "", ctx)
        _date(status.get("conditions") or [], before.get("conditions") or [])
        if ctx.subresource == "approval":
            new["status"] = {k: v for k, v in before.items() if k != "conditions"}
            if status.get("conditions"):
                new["status"]["conditions"] = status["conditions"]

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of the request."""
        return certificates.errors(obj, _problem(obj["spec"].get("request")))

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """What a write to the object or to /approval may not do."""
        return certificates.update_errors(new, old, ctx.subresource)

    def status_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """What a write to /status may not do."""
        return certificates.update_errors(new, old, "status")

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Once, when it is asked for."""
        return super().warnings(new, old) if old is None else []


def _permitted(status: Object, before: Object, signer: str, ctx: Context) -> None:
    """Refuse with 403 who may not `approve`, or `sign`, for the signer."""
    verb = "approve" if ctx.subresource == "approval" else "sign"
    changed = any(status.get(name) != before.get(name) for name in ("certificate", "conditions"))
    if (changed or verb == "approve") and not signing.may(ctx, verb, signer):
        text = f"user not permitted to {verb} requests with signerName {go_quote(signer)}"
        raise statuses.forbidden(ctx.kind, ctx.name, text)


def _problem(request: str | None) -> str:
    """Why the bytes are no request; "" for a good one."""
    try:
        data = base64.b64decode(request or "")
    except binascii.Error:
        return certificates.NO_PEM
    if not data.lstrip().startswith(b"-----BEGIN CERTIFICATE REQUEST-----"):
        return certificates.NO_PEM
    try:
        if not x509.load_pem_x509_csr(data).is_signature_valid:
            return "x509: ECDSA verification failure"
    except ValueError as error:
        return f"asn1: structure error: {error}"
    return ""


def _date(conditions: list[dict[str, Any]], before: list[dict[str, Any]]) -> None:
    """Times of new and changed conditions."""
    for condition in conditions:
        condition["lastUpdateTime"] = condition.get("lastUpdateTime") or now()
        if not condition.get("lastTransitionTime"):
            same = [c for c in before if all(c.get(key) == condition.get(key) for key in ("type", "status"))]
            times = [c["lastTransitionTime"] for c in same if c.get("lastTransitionTime")]
            condition["lastTransitionTime"] = times[0] if times else now()
