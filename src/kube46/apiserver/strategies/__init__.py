"""The rules of each kind, joined to the API server's write path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube46.apiserver.strategies.generic import Generic
from kube46.apiserver.strategies.services import Services

if TYPE_CHECKING:
    from kube46.apiserver.strategy import Strategy

STRATEGIES: dict[str, Strategy] = {"*": Generic(), "services": Services()}
