"""Which of upstream's specs a run takes: named groups, and what no run takes, with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NEVER = (r"\[Feature:SCTP", r"\[Slow\]", r"\[Serial\]", r"\[Disruptive\]")
BOTH = r"\[Feature:IPv6DualStack\]"  # for clusters of both families alone
NETWORK = (
    BOTH,
    *(
        rf"\[sig-network\] {words}"
        for words in (
            *("Services ", "Networking Granular Checks", "EndpointSlice", "Endpoints", "HostPort", "DNS ", "Proxy "),
            *(".*(ServiceCIDR|IPAddress)", "Ingress", ".*[Ss]ession affinity"),
        )
    ),
)
CONFORMANCE = tuple(
    rf"\[sig-{sig}\].*\[Conformance\]" for sig in ("network", "apps", "api-machinery", "auth", "node", "cli")
)


@dataclass(frozen=True)
class Suite:
    """What ginkgo is told: regular expressions of spec texts to take and to leave."""

    focus: tuple[str, ...]
    skip: tuple[str, ...] = NEVER

    def flags(self) -> list[str]:
        """As ginkgo takes them; each flag may be repeated, and any match counts."""
        return [*(f"--focus={text}" for text in self.focus), *(f"--skip={text}" for text in self.skip)]


QUICK = (
    r"\[Feature:IPv6DualStack\] should (create|have|be able)",
    r"Networking Granular Checks: Services should function for node-Service",
    *(
        rf"\[sig-network\] {words}"
        for words in (
            *("Services should serve a basic endpoint", "Services should be able to change the type from ClusterIP"),
            *(
                "Services should have session affinity work for service",
                "Services should be able to create a f",
            ),
            *("EndpointSlice", "Ingress", "HostPort", "DNS should provide DNS for services", "ServiceCIDR"),
        )
    ),
)
SUITES: Mapping[str, Suite] = {
    "network": Suite(NETWORK),
    "dualstack": Suite((r"\[Feature:IPv6DualStack\]",), (r"SCTP",)),
    "quick": Suite(QUICK),
    "conformance": Suite(CONFORMANCE),
}


def suite(name: str, families: str, focus: str = "") -> Suite:
    """A named one, or that of a regular expression, of specs that apply to clusters of those families."""
    found = Suite((focus,)) if focus else SUITES[name]
    return found if "," in families else replace(found, skip=(*found.skip, BOTH))


def applies(spec: str, families: str) -> bool:
    """Whether a spec is meant for clusters of those families."""
    return "," in families or re.search(BOTH, spec) is None
