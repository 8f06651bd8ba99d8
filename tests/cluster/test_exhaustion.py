"""Small ranges to their end on both servers: bands, refusals, dry runs, and what a deletion frees."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from cluster.pairs import MERGE, Configuration, Pair

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2

SERVICES, CIDRS = "/api/v1/namespaces/default/services", "/apis/networking.k8s.io/v1/servicecidrs"
NETWORKS = ("10.96.0.0", "fd00:10:96::")


def post(pair: Pair, name: str, query: str = "", **spec: Any) -> None:
    """A new Service."""
    pair.ask("POST", SERVICES + query, {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}})


def in_use(client: httpx2.Client) -> Any:
    """The addresses that have records, as numbers: they are all of a range, whoever chose them."""
    items = client.get("/apis/networking.k8s.io/v1/ipaddresses").json()["items"]
    return sorted(int(ip_address(one["metadata"]["name"])) for one in items)


def given(client: httpx2.Client) -> int:
    """How many addresses Services have: the real server now and then loses the record of one that was just freed."""
    return sum(len(one["spec"].get("clusterIPs", ())) for one in client.get("/api/v1/services").json()["items"])


def chosen(text: str) -> bool:
    """All but node ports and addresses that a server may choose."""
    return not text.startswith(("10.96.0.", "fd00:10:96::", "3000")) or text in NETWORKS or text == "10.96.0.1"


def test_to_the_end(tmp_path: Path) -> None:
    """A /29, a /124 and four node ports are given away wholly and no further; all answers are alike."""
    pair = Pair(tmp_path, chosen)
    with pair.running(Configuration("10.96.0.0/29,fd00:10:96::/124", ports="30000-30003")):
        for address in ("10.96.0.0", "10.96.0.7", "fd00:10:96::", "fd00:10:96::10", "10.96.0.8", "10.96.0.1"):
            post(pair, "refused", clusterIP=address)
            post(pair, "refused", "?dryRun=All", clusterIP=address)
        post(pair, "broadcast", clusterIP="fd00:10:96::f")  # is no broadcast address in IPv6
        for number in range(6):  # the fifth is one too many
            post(pair, f"four-{number}", type="NodePort" if number < 5 else "ClusterIP")
        pair.compare("four", lambda client: len(in_use(client)))
        for number in range(15):
            post(pair, f"six-{number}", ipFamilies=["IPv6"])
        pair.compare("all", in_use)
        post(pair, "more", ipFamilies=["IPv6"])
        post(pair, "more", "?dryRun=All", ipFamilies=["IPv6"])
        post(pair, "more", "?dryRun=All", type="NodePort")
        post(pair, "more", clusterIP="10.96.0.1")
        post(pair, "headless", clusterIP="None")
        pair.ask("PATCH", f"{SERVICES}/four-0", {"spec": {"ipFamilyPolicy": "PreferDualStack"}}, MERGE)
        pair.ask("PATCH", f"{SERVICES}/four-5", {"spec": {"type": "NodePort"}}, MERGE)
        pair.ask(
            "PATCH", f"{SERVICES}/four-1", {"spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}}, MERGE
        )
        pair.ask("DELETE", f"{SERVICES}/four-1")
        pair.ask("DELETE", f"{SERVICES}/six-3")
        pair.ask("PATCH", f"{SERVICES}/four-5", {"spec": {"type": "NodePort"}}, MERGE)
        pair.ask("PATCH", f"{SERVICES}/four-0", {"spec": {"ipFamilyPolicy": "PreferDualStack"}}, MERGE)
        post(pair, "again", type="NodePort")
        post(pair, "after")
        pair.compare("in use", given)
        pair.ask("POST", CIDRS, {"metadata": {"name": "more"}, "spec": {"cidrs": ["10.97.0.0/28"]}})
        pair.compare("ready", lambda client: client.get(f"{CIDRS}/more").json()["spec"])
    assert not pair.differences, "\n".join(map(str, pair.differences))
