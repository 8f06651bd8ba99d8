"""Which of upstream's specs a run takes: named groups, and what no run takes, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NEVER = (r"\[Feature:SCTP", r"\[Slow\]", r"\[Serial\]", r"\[Disruptive\]")
NETWORK = (
    *(r"\[Feature:IPv6DualStack\]", r"\[sig-network\] Services ", r"\[sig-network\] Networking Granular Checks"),
    *(r"\[sig-network\] EndpointSlice", r"\[sig-network\] Endpoints", r"\[sig-network\] HostPort", r"\[sig-network\] DNS "),
    *(r"\[sig-network\] Proxy ", r"\[sig-network\] .*(ServiceCIDR|IPAddress)", r"\[sig-network\] Ingress"),
    r"\[sig-network\] .*[Ss]ession affinity",
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
    r"Networking Granular Checks: Services.*should (function for node-Service|update endpoints: http)",
    r"\[sig-network\] Services should (serve a basic endpoint|be able to change the type from ClusterIP to ExternalName|have session affinity work for service with type clusterIP|be able to create a functioning NodePort)",
    r"\[Feature:IPv6DualStack\] should (create|have|be able)",
    r"\[sig-network\] (EndpointSlice|Ingress API|IngressClass API|HostPort|DNS should provide DNS for services)",
)
SUITES: Mapping[str, Suite] = {
    "network": Suite(NETWORK),
    "dualstack": Suite((r"\[Feature:IPv6DualStack\]",), (r"SCTP",)),
    "quick": Suite(QUICK),
    "conformance": Suite(CONFORMANCE),
}


def suite(name: str, focus: str = "") -> Suite:
    """A named one, or that of a regular expression."""
    return Suite((focus,)) if focus else SUITES[name]
