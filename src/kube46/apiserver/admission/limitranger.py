"""LimitRanger: containers get what they don't ask for, and pods and claims are as their namespace's LimitRanges want.

Source: k8s.io/kubernetes plugin/pkg/admission/limitranger/admission.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.api import limitranges
from kube46.apiserver import statuses
from kube46.apiserver.admission.attributes import CREATE, UPDATE
from kube46.apiserver.admission.plugin import Plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kube46.apiserver.admission.attributes import Attributes
    from kube46.apiserver.admission.plugin import Parts
    from kube46.apiserver.strategy import Object, Transaction
    from kube46.apiserver.writes import Call

PLURAL = "limitranges"


class LimitRanger(Plugin):
    """An update is judged where amounts can change: by a pod's /resize, and of claims."""

    def __init__(self, parts: Parts) -> None:
        self._store = parts.store

    def active(self) -> bool:
        """Whether there is any LimitRange."""
        return self._store.held(PLURAL)

    def concerns(self, call: Call) -> bool:
        """Whether one lies where a pod or claim is written."""
        return _judged(call.kind.resource, call.subresource) and self._store.holds(PLURAL, call.namespace)

    def admit(self, asked: Attributes, txn: Transaction) -> None:
        """Fill in what a pod's containers don't say."""
        for one in _ranges(asked, txn):
            if asked.kind.resource == "pods" and asked.object is not None:
                limitranges.fill(asked.object, one)

    def validate(self, asked: Attributes, txn: Transaction) -> None:
        """Refuse with 403 what is too small or too big."""
        for one in _ranges(asked, txn):
            if asked.object is not None and (text := limitranges.refusal(asked.kind.resource, asked.object, one)):
                raise statuses.forbidden(asked.kind, asked.name, text)


def _judged(resource: str, subresource: str) -> bool:
    return (resource == "pods" and subresource in ("", "resize")) or (
        resource == "persistentvolumeclaims" and not subresource
    )


def _ranges(asked: Attributes, txn: Transaction) -> Iterator[Object]:
    """The LimitRanges that a write has to do with; what is on its way out is left alone."""
    resource, subresource = asked.kind.resource, asked.subresource
    if asked.operation not in (CREATE, UPDATE) or not _judged(resource, subresource):
        return
    if resource == "pods" and (asked.operation == UPDATE) is not (subresource == "resize"):
        return
    if asked.old is None or not asked.old["metadata"].get("deletionTimestamp"):
        yield from txn.list(PLURAL, asked.namespace)
