"""ResourceQuota: what a write takes is charged to its namespace's quotas, in the very transaction that writes it.

Source: k8s.io/apiserver pkg/admission/plugin/resourcequota/{admission,controller}.go.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kube46.api import amounts
from kube46.api.quota import rules
from kube46.api.quota.evaluating import Write
from kube46.apiserver import statuses
from kube46.apiserver.admission.attributes import CREATE, UPDATE
from kube46.apiserver.admission.plugin import Plugin
from kube46.apiserver.transactions import copied

if TYPE_CHECKING:
    from kube46.apiserver.admission.attributes import Attributes
    from kube46.apiserver.admission.plugin import Parts
    from kube46.apiserver.strategy import Transaction
    from kube46.apiserver.writes import Call

PLURAL = "resourcequotas"
CHARGED = frozenset((("pods", "resize"), ("persistentvolumeclaims", "status")))  # of subresources


class ResourceQuota(Plugin):
    """The last of the chain: what others refuse is not charged."""

    def __init__(self, parts: Parts) -> None:
        self._store, self._registry = parts.store, parts.registry

    def active(self) -> bool:
        """Whether there is any quota."""
        return self._store.held(PLURAL)

    def concerns(self, call: Call) -> bool:
        """Whether one lies where something is written that may be charged."""
        if call.subresource and (call.kind.resource, call.subresource) not in CHARGED:
            return False
        return call.kind.namespaced and self._store.holds(PLURAL, call.namespace)

    def validate(self, asked: Attributes, txn: Transaction) -> None:
        """Refuse with 403 what does not fit; else what is used is written, unless for a dry run."""
        counting = rules.evaluator(asked.kind.group, asked.kind.plural)
        if counting is None or asked.object is None or asked.operation not in (CREATE, UPDATE):
            return
        write = Write(asked.object, asked.old, asked.subresource)
        if not asked.kind.namespaced or not counting.handles(write):
            return
        quotas = list(txn.list(PLURAL, asked.namespace))
        try:
            charged = rules.charge(quotas, counting, write, datetime.now(UTC))
        except rules.Refused as refusal:
            raise statuses.forbidden(asked.kind, asked.name, str(refusal)) from None
        for quota in () if asked.dry_run else quotas:
            if (used := charged.get(quota["metadata"]["name"])) is not None:
                status = {**quota["status"], "used": amounts.texts(used)}
                self._registry.report(PLURAL, {**copied(quota), "status": status}, quota, txn)
