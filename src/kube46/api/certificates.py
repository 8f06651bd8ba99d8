"""Errors of CertificateSigningRequests (k8s.io/kubernetes pkg/apis/certificates/validation/validation.go)."""

from __future__ import annotations

from typing import Any

from kube46.api.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from kube46.api.signers import signer_errors

Object = dict[str, Any]

NO_PEM = "PEM block type must be CERTIFICATE REQUEST"
SHORTEST = 600  # seconds
APPROVALS, FINAL = ("Approved", "Denied"), ("Approved", "Denied", "Failed")
USAGES = (
    "signing", "digital signature", "content commitment", "key encipherment", "key agreement", "data encipherment",
    "cert sign", "crl sign", "encipher only", "decipher only", "any", "server auth", "client auth", "code signing",
    "email protection", "s/mime", "ipsec end system", "ipsec tunnel", "ipsec user", "timestamping", "ocsp signing",
    "microsoft sgc", "netscape sgc",
)  # fmt: skip


def errors(obj: Object, problem: str = "") -> list[FieldError]:
    """Every error of a new request; `problem` is what is wrong with its PKCS #10 bytes."""
    spec: Object = obj["spec"]
    found: list[FieldError] = []
    if problem:
        found.append(invalid("spec.request", spec.get("request"), problem))
    usages = spec.get("usages") or []
    if not usages:
        found.append(required("spec.usages"))
    found += [not_supported(f"spec.usages[{n}]", u, USAGES) for n, u in enumerate(usages) if u not in USAGES]
    found += [duplicate(f"spec.usages[{n}]", u) for n, u in enumerate(usages) if u in usages[:n]]
    found += _signer(spec.get("signerName") or "")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < SHORTEST:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        found.append(invalid("spec.expirationSeconds", seconds, text))
    return found + _conditions(obj)


def update_errors(new: Object, old: Object, subresource: str) -> list[FieldError]:
    """What an update may not do: `subresource` is "", "approval" or "status"."""
    found = _conditions(new)
    place = "status.conditions"
    for kind in FINAL:
        before, after = (_of(obj, kind) for obj in (old, new))
        if len(after) < len(before):
            found.append(forbidden(place, f'updates may not remove a condition of type "{kind}"'))
    for kind in APPROVALS if subresource != "approval" else ():
        before, after = (_of(obj, kind) for obj in (old, new))
        if len(after) > len(before):
            found.append(forbidden(place, f'updates may not add a condition of type "{kind}"'))
    issued, wanted = ((obj.get("status") or {}).get("certificate") or "" for obj in (old, new))
    if wanted != issued:
        if subresource != "status":
            found.append(forbidden("status.certificate", "updates may not set certificate content"))
        elif issued:
            found.append(forbidden("status.certificate", "updates may not modify existing certificate content"))
    return found


def _of(obj: Object, kind: str) -> list[Object]:
    return [c for c in (obj.get("status") or {}).get("conditions") or () if c.get("type") == kind]


def _signer(name: str) -> list[FieldError]:
    if name == "kubernetes.io/legacy-unknown":
        return [invalid("spec.signerName", name, "the legacy signerName is not allowed via this API version")]
    return signer_errors(name)


def _conditions(obj: Object) -> list[FieldError]:
    found: list[FieldError] = []
    seen: list[str] = []
    for index, condition in enumerate((obj.get("status") or {}).get("conditions") or ()):
        place, kind, status = f"status.conditions[{index}]", condition.get("type") or "", condition.get("status") or ""
        if not kind:
            found.append(required(f"{place}.type"))
        allowed = ("True",) if kind in FINAL else ("False", "True", "Unknown")
        if not status:
            found.append(required(f"{place}.status"))
        elif status not in allowed:
            found.append(not_supported(f"{place}.status", status, allowed))
        if kind in APPROVALS and set(seen) & (set(APPROVALS) - {kind}):
            text = "Approved and Denied conditions are mutually exclusive"
            found.append(invalid("status.conditions", kind, text))
        if kind in seen:
            found.append(duplicate(f"{place}.type", kind))
        seen.append(kind)
    return found
