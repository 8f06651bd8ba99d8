"""The table's fixed text."""

import re
from pathlib import Path

import pytest

from kube46.addresses.families import Family
from kube46.proxy.layout import FIXED_CHAINS, chains, declarations, marker, pick_chain, pick_rules
from kube46.proxy.settings import NodeView, Settings
from unit.proxy.samples import SETTINGS, VIEW

GOLDEN = Path(__file__).parent / "layout.nft"
PICKS = (
    "service-pick-tcp-2",
    "service-masquerade-udp-3",
    "service-local-sctp-1",
    "nodeport-masquerade-tcp-2",
    "nodeport-pick-sticky10800-udp-2",
)


def written() -> str:
    picks = [f"add rule {name} {rule}" for name in PICKS for rule in pick_rules(name, SETTINGS.mark)]
    return "\n".join([*declarations(SETTINGS), *chains(SETTINGS, VIEW), *picks]) + "\n"


def test_the_text_is_the_reviewed_one() -> None:
    """A change of this file's text that changes a meaning needs a new LAYOUT number: older tables are then replaced."""
    assert written() == GOLDEN.read_text()


def test_both_families_have_the_same_rules() -> None:
    """Line for line the text of IPv6 is that of IPv4 in nft's other words."""
    lines = written().replace("kube46-proxy", "kube-proxy").splitlines()
    words = ((r"\bip6\b", "ip"), ("ipv6", "ipv4"), (r"::1\b", "127.0.0.0/8"), (r"(?<=[a-z])6\b", "4"))
    six = [line for line in lines if re.search(r"\bip6\b|ipv6|[a-z]6\b", line)]
    four = [line for line in lines if re.search(r"\bip\b|ipv4|[a-z]4\b", line) and line not in six]
    for word, other in words:
        six = [re.sub(word, other, line) for line in six]
    assert len(four) > 20
    assert six == four


def test_no_detector_no_masquerading() -> None:
    """A family without pod CIDRs never masquerades towards cluster addresses; masquerade_all always (K-10, K-11)."""

    def masquerading(settings: Settings, pods: tuple[Family, ...]) -> set[str]:
        view = NodeView("n", pods={family: VIEW.pods[family] for family in pods})
        found = re.findall(
            r"services (ip6?) daddr @cluster-ips\d (?:ip6? saddr != @pods\d )?meta mark",
            "\n".join(chains(settings, view)),
        )
        return set(found)

    assert masquerading(SETTINGS, (Family.IPV6,)) == {"ip6"}
    assert masquerading(SETTINGS, ()) == set()
    assert masquerading(Settings("n", masquerade_all=True), ()) == {"ip", "ip6"}


@pytest.mark.parametrize(
    "name",
    [
        "a-pick-tcp-2",
        "service-choose-tcp-2",
        "service-pick-tcp-2x",
        "service-pick-icmp-2",
        "service-pick-hash-tcp-2",
        "service-pick-2",
        "services",
    ],
)
def test_only_our_chains_have_rules(name: str) -> None:
    """A name that no element can refer to is refused."""
    with pytest.raises(ValueError, match=r".+"):
        list(pick_rules(name, 1))


def test_names() -> None:
    """Names say scope, kind and count; settings that change chains change the marker."""
    assert pick_chain("service", "local", "udp", 7, sticky=60) == "service-local-sticky60-udp-7"
    assert marker(Settings("n", masquerade_bit=3)) != marker(SETTINGS)
    assert "services" in FIXED_CHAINS
