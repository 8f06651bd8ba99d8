"""Feature gates: which there are, in which stage, and what `--feature-gates` makes of them. Pure.

Texts and the spelling of stages are those of k8s.io/component-base featuregate; the history of IPv6DualStack is that of
KEP-563: alpha and off in 1.16 to 1.20, beta and on in 1.21, stable and locked in 1.23, gone since 1.25.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DUAL_STACK = "IPv6DualStack"
TRUE, FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


class Stage(StrEnum):
    """As metrics spell it; a stable feature has no stage there."""

    ALPHA = "ALPHA"
    BETA = "BETA"
    STABLE = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """One feature; a locked one keeps its default."""

    stage: Stage
    default: bool = True
    locked: bool = True


# What of the real server's gates is always on here is locked: there is no code without it.
GATES: dict[str, Gate] = {
    "AuthorizePodWebsocketUpgradeCreatePermission": Gate(Stage.BETA),
    "ConstrainedImpersonation": Gate(Stage.BETA),
    DUAL_STACK: Gate(Stage.STABLE, locked=False),
    "InPlacePodVerticalScaling": Gate(Stage.STABLE),
    "PreferSameTrafficDistribution": Gate(Stage.STABLE),
    "RelaxedServiceNameValidation": Gate(Stage.STABLE),
    "ServiceAccountNodeAudienceRestriction": Gate(Stage.BETA),
    "ServiceAccountTokenJTI": Gate(Stage.STABLE),
    "ServiceAccountTokenNodeBinding": Gate(Stage.STABLE),
    "WatchList": Gate(Stage.BETA),
}
# what IPv6DualStack once was, by the name of the stage
ONCE = {
    "alpha": Gate(Stage.ALPHA, default=False, locked=False),
    "beta": Gate(Stage.BETA, locked=False),
    "stable": Gate(Stage.STABLE),
}
GROUPS = {"AllAlpha": Stage.ALPHA, "AllBeta": Stage.BETA}


class BadGates(ValueError):
    """The value of --feature-gates can't be used; the message is component-base's."""


@dataclass(frozen=True, slots=True)
class Features:
    """All gates as they are set for one run."""

    gates: tuple[tuple[str, Gate], ...]
    values: tuple[tuple[str, bool], ...]

    def enabled(self, name: str) -> bool:
        """Whether a feature is on. Raises KeyError for one that is not known."""
        return dict(self.values)[name]


def known(dual_stack: str = "") -> dict[str, Gate]:
    """The gates, IPv6DualStack in the stage that it once had, or without one stable and yet free."""
    return GATES | ({DUAL_STACK: ONCE[dual_stack]} if dual_stack else {})


def parse(texts: Iterable[str] = (), dual_stack: str = "") -> Features:
    """The features that `NAME=true,OTHER=false` (once or several times) sets. Raises BadGates."""
    gates, asked = known(dual_stack), {}
    for pair in (pair.strip() for text in texts for pair in text.split(",")):
        if not pair:
            continue
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not equals:
            raise BadGates(f"missing bool value for {name}")
        if value not in TRUE + FALSE:
            text = f'strconv.ParseBool: parsing "{value}": invalid syntax'
            raise BadGates(f"invalid value of {name}={value}, err: {text}")
        asked[name] = value in TRUE
    return Features(tuple(gates.items()), tuple(_set(gates, asked).items()))


def _set(gates: Mapping[str, Gate], asked: Mapping[str, bool]) -> dict[str, bool]:
    values = {name: gate.default for name, gate in gates.items()}
    for group, stage in GROUPS.items():
        if group in asked:
            values |= {name: asked[group] for name, gate in gates.items() if gate.stage is stage and not gate.locked}
    for name, value in asked.items():
        if name in GROUPS:
            continue
        if name not in gates:
            raise BadGates(f"unrecognized feature gate: {name}")
        gate = gates[name]
        if gate.locked and value is not gate.default:
            told = (str(flag).lower() for flag in (value, gate.default))
            raise BadGates("cannot set feature gate {} to {}, feature is locked to {}".format(name, *told))
        values[name] = value
    return values


def described() -> list[str]:
    """A line a gate, as --help lists them."""
    stages = {Stage.ALPHA: "ALPHA", Stage.BETA: "BETA", Stage.STABLE: "GA"}
    groups = {name: replace(GATES[DUAL_STACK], stage=stage, default=False) for name, stage in GROUPS.items()}
    return [
        f"{name}=true|false ({stages[gate.stage]} - default={str(gate.default).lower()})"
        for name, gate in sorted({**groups, **GATES}.items())
        if not gate.locked
    ]
