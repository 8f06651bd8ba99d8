"""One step of the admission chain.

Source: k8s.io/apiserver pkg/admission/interfaces.go (MutationInterface, ValidationInterface).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kube46.apiserver.admission.attributes import Attributes
    from kube46.apiserver.authorization import Authorizer
    from kube46.apiserver.catalog import Catalog
    from kube46.apiserver.storage import Store
    from kube46.apiserver.strategy import Transaction
    from kube46.apiserver.webhooks.calls import Caller
    from kube46.apiserver.writes import Call, Registry


@dataclass(frozen=True, slots=True)
class Parts:
    """What plugins are made of."""

    store: Store
    catalog: Catalog
    authorizer: Authorizer
    registry: Registry
    caller: Caller


class Plugin:
    """This base admits everything.

    A write is tried in passes (`passes`), so that both phases may run several times for one request: what they leave
    behind must be in the transaction, which is thrown away with its pass. They never block and never await.
    """

    asks = False  # whether it may raise `passes.Question`

    def active(self) -> bool:
        """Whether there is anything to do at all at this moment; asked at each write, so it must be cheap."""
        return True

    def concerns(self, call: Call) -> bool:
        """Whether a write may be any of its business; asked of those that are active, at each write, so cheap, too."""
        return True

    def admit(self, asked: Attributes, txn: Transaction) -> None:
        """The mutating phase: may change `asked.object`; raises StatusError to refuse."""

    def validate(self, asked: Attributes, txn: Transaction) -> None:
        """The validating phase, of the object as it is to be written; raises StatusError to refuse."""
