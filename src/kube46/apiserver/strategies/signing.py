"""Who may `approve`, `sign` and `attest` for a signer of certificates: RBAC on the imagined resource `signers`.

Source: k8s.io/kubernetes pkg/certauthorization.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.api.rbac.rules import MASTERS, Asked
from kube46.apiserver.strategies.rbac import bindings

if TYPE_CHECKING:
    from kube46.apiserver.strategy import Context


def may(ctx: Context, verb: str, signer: str) -> bool:
    """Whether the user may do this for the signer, by its name or by its domain's `domain/*`."""
    user = ctx.user
    if MASTERS in user.groups:
        return True
    rights = bindings(ctx)
    names = (signer, f"{signer.partition('/')[0]}/*")
    asked = (Asked(verb, "certificates.k8s.io", "signers", name=name) for name in names)
    return any(rights.allows(user.name, user.groups, one) for one in asked)
