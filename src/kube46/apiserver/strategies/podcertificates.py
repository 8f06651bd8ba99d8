"""PodCertificateRequests: made by kubelets, answered once by whoever may `sign` for their signer.

Source: k8s.io/kubernetes pkg/registry/certificates/podcertificaterequest/strategy.go.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kube46.api import podcertificates
from kube46.api.errors import forbidden, go_quote
from kube46.apiserver import podkeys
from kube46.apiserver.strategies import signing
from kube46.apiserver.strategies.generic import Generic

if TYPE_CHECKING:
    from kube46.api.errors import FieldError
    from kube46.apiserver.strategy import Context, Object


class PodCertificates(Generic):
    """The request never changes, and its end is for good."""

    unconditional_update = False

    def default(self, obj: Object) -> None:
        """Static defaulting."""
        podcertificates.default(obj)

    def create_errors(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Errors of what the request says, then of its key."""
        return podcertificates.errors(obj["spec"]) + podkeys.request_errors(obj["spec"])

    def update_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Only metadata may change."""
        return podcertificates.change_errors(new, old)

    def status_errors(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Errors of an answer; who may sign is asked last, as upstream does."""
        status, before = new.get("status") or {}, old.get("status") or {}
        found = podcertificates.condition_errors(status)
        if found:
            return found
        ending = podcertificates.ending_errors(status, before)
        found = podkeys.issue_errors(status, old["spec"], datetime.now(UTC)) if ending is None else ending
        signer = old["spec"]["signerName"]
        if found or status == before or signing.may(ctx, "sign", signer):
            return found
        text = f'User {go_quote(ctx.user.name)} is not permitted to "sign" for signer {go_quote(signer)}'
        return [forbidden("spec.signerName", text)]
