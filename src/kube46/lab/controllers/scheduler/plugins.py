"""The forms that filters and scores have: a filter says why a pod cannot be on a node, a score how good a node is.

Each is made for one pod first, from all of the cluster, and then asked about each node. Pure.
Source: kubernetes/pkg/scheduler/framework (`FilterPlugin`, `ScorePlugin`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kube46.api.objects import Pod
    from kube46.lab.controllers.scheduler.places import Cluster, Place

HIGHEST = 100  # of what a score gives


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a node is not possible; `final` where that stays so however many pods are taken away."""

    reasons: tuple[str, ...]
    final: bool = False
    filter: str = ""


Check = Callable[["Place"], Refusal | None]


@dataclass(frozen=True, slots=True)
class Filter:
    """`prepare` is None where the filter has nothing to say about the pod."""

    name: str
    prepare: Callable[[Pod, Cluster], Check | None]


@dataclass(frozen=True, slots=True)
class Score:
    """`rate` gives each of the places 0 to 100, or None where the score has nothing to say about the pod."""

    name: str
    weight: int
    rate: Callable[[Pod, Cluster, Sequence[Place]], Sequence[int] | None]


def highest_first(found: Sequence[float]) -> list[int]:
    """Scales so that the most gets the highest score."""
    most = max(found, default=0)
    return [int(HIGHEST * value / most) if most else 0 for value in found]


def lowest_first(found: Sequence[float]) -> list[int]:
    """Scales so that 0 gets the highest score and the most gets none."""
    return [HIGHEST - value for value in highest_first(found)]
