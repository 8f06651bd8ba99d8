# ruff: noqa: E501 – tables of cases are read across
"""CertificateSigningRequests: what may be asked, approved and signed."""

from __future__ import annotations

from typing import Any

import pytest

from kube46.api import certificates

GOOD = {"request": "", "signerName": "example.com/sign", "usages": ["client auth"]}
YES, NO = ({"type": kind, "status": "True"} for kind in ("Approved", "Denied"))


def request(*conditions: Any, certificate: str = "", **spec: Any) -> dict[str, Any]:
    """A request, with changes."""
    status = {"conditions": list(conditions), **({"certificate": certificate} if certificate else {})}
    return {"spec": {**GOOD, **spec}, "status": status}


@pytest.mark.parametrize(("spec", "text"), [
    ({"usages": []}, "spec.usages: Required value"),
    ({"usages": ["any", "any"]}, 'spec.usages[1]: Duplicate value: "any"'),
    ({"signerName": ""}, "spec.signerName: Required value"),
    ({"signerName": "a"}, "spec.signerName: Invalid value: \"a\": must be a fully qualified domain and path of the form 'example.com/signer-name'"),
    ({"signerName": "a/b"}, 'spec.signerName: Invalid value: "a": should be a domain with at least two segments separated by dots'),
    ({"expirationSeconds": 599}, "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)"),
])  # fmt: skip
def test_new_ones(spec: dict[str, Any], text: str) -> None:
    """Each mistake of a new request."""
    assert [error.text for error in certificates.errors(request(**spec))] == [text]


@pytest.mark.parametrize(("old", "new", "subresource", "text"), [
    (request(), request(YES), "approval", ""),
    (request(), request(YES), "status", 'status.conditions: Forbidden: updates may not add a condition of type "Approved"'),
    (request(YES), request(), "approval", 'status.conditions: Forbidden: updates may not remove a condition of type "Approved"'),
    (request(), request(YES, NO), "approval", 'status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'),
    (request(YES), request(YES, certificate="eA=="), "status", ""),
    (request(YES), request(YES, certificate="eA=="), "approval", "status.certificate: Forbidden: updates may not set certificate content"),
    (request(certificate="eA=="), request(certificate="eQ=="), "status", "status.certificate: Forbidden: updates may not modify existing certificate content"),
    (request(), request({"type": "Approved", "status": "False"}), "approval", 'status.conditions[0].status: Unsupported value: "False": supported values: "True"'),
])  # fmt: skip
def test_updates(old: Any, new: Any, subresource: str, text: str) -> None:
    """Approvals go by /approval, certificates by /status, and neither is taken back."""
    assert [error.text for error in certificates.update_errors(new, old, subresource)] == ([text] if text else [])
