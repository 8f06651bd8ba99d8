"""PodCertificateRequests: what a request says of its pod, and what may become of it.

What its bytes and the issued certificate say is judged in `apiserver.podkeys`.
Source: k8s.io/kubernetes pkg/apis/certificates/validation/validation.go.
"""

from __future__ import annotations

from typing import Any

from kube46.api import conditions, names
from kube46.api.errors import (
    FieldError,
    each_invalid,
    invalid,
    invalid_unshown,
    not_supported,
    required,
    too_long,
)
from kube46.api.metadata import ANNOTATIONS_LIMIT
from kube46.api.signers import of_kubernetes, signer_errors

Object = dict[str, Any]

SHORTEST, LONGEST, LONGEST_OF_KUBERNETES, USUAL = 3600, 91 * 24 * 3600, 24 * 3600, 24 * 3600  # seconds
LONGEST_UID = 128
KNOWN = ("Issued", "Denied", "Failed")
KEY_TYPES = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")
FIELDS = ("certificateChain", "notBefore", "beginRefreshAt", "notAfter")


def default(obj: Object) -> None:
    """A certificate lives a day at most, unless something else is asked for."""
    spec = obj.setdefault("spec", {})
    if spec.get("maxExpirationSeconds") is None:
        spec["maxExpirationSeconds"] = USUAL


def longest(signer: str) -> int:
    """The longest life that may be asked of a signer, seconds."""
    return LONGEST_OF_KUBERNETES if of_kubernetes(signer) else LONGEST


def errors(spec: Object) -> list[FieldError]:
    """Errors of a new request, but for those of its key."""
    found = signer_errors(spec.get("signerName") or "")
    found += annotation_errors(spec.get("unverifiedUserAnnotations"), "spec.unverifiedUserAnnotations")
    for what in ("pod", "serviceAccount", "node"):
        name, uid = spec.get(f"{what}Name") or "", spec.get(f"{what}UID") or ""
        found += each_invalid(f"spec.{what}Name", name, names.subdomain(name))
        found += [] if uid else [invalid(f"spec.{what}UID", uid, "must not be empty")]
        found += [too_long(f"spec.{what}UID", LONGEST_UID)] if len(uid) > LONGEST_UID else []
    seconds, most = spec["maxExpirationSeconds"], longest(spec.get("signerName") or "")
    if not SHORTEST <= seconds <= most:
        found.append(invalid("spec.maxExpirationSeconds", seconds, f"must be in the range [{SHORTEST}, {most}]"))
    return found


def annotation_errors(annotations: dict[str, str] | None, place: str) -> list[FieldError]:
    """Errors of what a pod's author tells the signer: keys with a domain."""
    found: list[FieldError] = []
    for key in map(str.lower, annotations or {}):
        problems = each_invalid(place, key, names.qualified(key)) if key else [required(place)]
        if not problems and "/" not in key:
            problems = [invalid(place, key, 'must be a domain-prefixed key (such as "acme.io/foo")')]
        found += problems
    size = sum(len(key.encode()) + len(value.encode()) for key, value in (annotations or {}).items())
    return [*found, too_long(place, ANNOTATIONS_LIMIT)] if size > ANNOTATIONS_LIMIT else found


def change_errors(new: Object, old: Object) -> list[FieldError]:
    """A request can't be changed."""
    return [] if new["spec"] == old["spec"] else [invalid("spec", new["spec"], "field is immutable")]


def condition_errors(status: Object) -> list[FieldError]:
    """At most one of the three ends, and it is True."""
    found, ends, place = list[FieldError](), 0, "status.conditions"
    listed = status.get("conditions") or []
    for index, condition in enumerate(listed):  # `conditions.[0]`: upstream writes the dot
        kind, state = condition.get("type") or "", condition.get("status") or ""
        if kind not in KNOWN:
            found.append(not_supported(f"{place}.[{index}].type", kind, KNOWN, in_order=True))
            continue
        ends += 1
        if ends > 1:
            text = 'There may be at most one condition with type "Issued", "Denied", or "Failed"'
            found.append(invalid(f"{place}.[{index}].type", kind, text))
        if state != "True":
            found.append(not_supported(f"{place}.[{index}].status", state, ("True",)))
    return found + conditions.errors(listed, place)


def end_of(status: Object) -> str:
    """Issued, Denied, Failed; "" for a request that waits."""
    listed = status.get("conditions") or ()
    return next((one["type"] for one in listed if one.get("type") in KNOWN and one.get("status") == "True"), "")


def ending_errors(status: Object, before: Object) -> list[FieldError] | None:
    """Errors of a step that isn't the issuing of a certificate; None when it is that."""
    text = ""
    given, had = ({key: value for key, value in one.items() if value} for one in (status, before))
    if end_of(before):
        text = "immutable after PodCertificateRequest is issued, denied, or failed" if given != had else ""
    elif (end := end_of(status)) == "Issued":
        return None
    elif end:
        extra = any(given.get(name) for name in FIELDS)
        text = "non-condition status fields must be empty when denying or failing the PodCertificateRequest"
        text = text if extra else ""
    elif given != had:
        text = 'status is immutable unless transitioning to "Issued", "Denied", or "Failed"'
    return [invalid_unshown("status", text)] if text else []
