"""Restarts of the same data with other Service ranges: both servers answer alike, step by step (semantics 1.10)."""

from __future__ import annotations

import copy
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from cluster.pairs import ADDRESS, MERGE, Configuration, Pair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx2

# So wide that no server chooses an address twice by chance, which the other would not.
V4, V6, W4, W6 = "10.96.0.0/12", "fd00:10:96::/64", "10.112.0.0/12", "fd00:10:97::/64"
SERVICES = "/api/v1/namespaces/default/services"
POLICIES = (None, "SingleStack", "PreferDualStack", "RequireDualStack")
FAMILIES = (None, ["IPv4"], ["IPv6"], ["IPv4", "IPv6"], ["IPv6", "IPv4"])
PORTS = "30000-32767"
NETWORKS = ("10.96.0.0", "10.112.0.0", "fd00:10:96::", "fd00:10:97::")  # what a dry run shows as an address
FIRSTS = ("10.96.0.1", "10.112.0.1", "fd00:10:96::1", "fd00:10:97::1")
SECONDS = 5
HISTORIES = {
    "families come, change places and go": (f"{V4}", f"{V4},{V6}", f"{V6},{V4}", f"{V6}"),
    "IPv6 first": (f"{V6}", f"{V6},{V4}", f"{V6}", f"{V6},{V4}"),
    "from family to family": (f"{V4}", f"{V6}", f"{V4}"),
    "moved": (f"{V4}", f"{W4}", f"{V4}", f"{W4},{V6}"),
    "both moved": (f"{V4},{V6}", f"{W4},{W6}", f"{V4},{W6}", f"{V4},{V6}"),
    "dual and back": (f"{V4},{V6}", f"{V4}", f"{V4},{V6}", f"{V6}", f"{V6},{V4}"),
}


def shapes() -> Iterator[dict[str, Any]]:
    """The specs of new Services: every policy with all families, and those that differ otherwise."""
    common = {"ports": [{"port": 80}], "selector": {"a": "b"}}
    for policy, families in product(POLICIES, FAMILIES):
        chosen = {"ipFamilyPolicy": policy, "ipFamilies": families}
        yield {**common, **{key: value for key, value in chosen.items() if value}}
    for policy in POLICIES[1:]:
        yield {**common, "clusterIP": "None", "ipFamilyPolicy": policy}
        yield {"ports": common["ports"], "clusterIP": "None", "ipFamilyPolicy": policy}
    yield {"type": "ExternalName", "externalName": "example.com"}
    yield {**common, "type": "NodePort", "ipFamilyPolicy": "PreferDualStack"}
    yield {**common, "type": "LoadBalancer", "externalTrafficPolicy": "Local"}


def without(service: Any, *fields: str) -> Any:
    """A Service as a client writes it back that does not know these fields."""
    kept = copy.deepcopy(service)
    kept.get("metadata", {}).pop("managedFields", None)
    for field in fields:
        kept.get("spec", {}).pop(field, None)
    return kept


PUTS: tuple[tuple[str, ...], ...] = (
    (), ("ipFamilyPolicy",), ("ipFamilies",), ("clusterIPs",), ("clusterIP", "clusterIPs"),
    ("ipFamilyPolicy", "ipFamilies"), ("ipFamilyPolicy", "ipFamilies", "clusterIPs", "clusterIP"),
)  # fmt: skip
PATCHES: tuple[dict[str, Any], ...] = (
    {"metadata": {"labels": {"touched": "yes"}}},
    *({"spec": {"ipFamilyPolicy": policy}} for policy in POLICIES[1:]),
    {"spec": {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv6"]}},
    {"spec": {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6", "IPv4"]}},
    {"spec": {"ipFamilyPolicy": "SingleStack", "ipFamilies": None, "clusterIPs": None}},
    {"spec": {"type": "NodePort"}},
    {"spec": {"type": "ExternalName", "externalName": "example.com"}},
    {"spec": {"type": "ClusterIP", "externalName": None}},
)


def rehearse(pair: Pair, path: str) -> None:
    """Every change as a dry run."""
    read = pair.ask("GET", path)
    dry = f"{path}?dryRun=All"
    for fields in PUTS:
        pair.ask_each("PUT", dry, (without(read[0], *fields), without(read[1], *fields)))
    for body in PATCHES:
        pair.ask("PATCH", dry, body, MERGE)
    pair.ask("DELETE", dry)


def change(pair: Pair, path: str, number: int) -> None:
    """One change of a Service, which is another one for each number; the last is its deletion."""
    read = pair.ask("GET", path)
    pair.ask("PATCH", path, PATCHES[0], MERGE)
    number %= len(PUTS) + len(PATCHES)
    if number < len(PUTS):
        fields = PUTS[number]
        ours, real = (without(one, *fields) for one in read)
        for one in (ours, real):
            one["metadata"].pop("resourceVersion", None)
        pair.ask_each("PUT", path, (ours, real))
    elif number < len(PUTS) + len(PATCHES) - 1:
        pair.ask("PATCH", path, PATCHES[number - len(PUTS) + 1], MERGE)
    else:
        pair.ask("DELETE", path)


def owners(client: httpx2.Client, refused: set[str]) -> Any:
    """Which Service each address in use belongs to; labels say the family.

    Of a refused Service, upstream leaks the first family's address when the second is the one that fails (A-11).
    """
    items = client.get("/apis/networking.k8s.io/v1/ipaddresses").json()["items"]
    found = [[one["spec"]["parentRef"]["name"], sorted(one["metadata"]["labels"].values())] for one in items]
    return sorted((one for one in found if one[0] not in refused), key=str)


def events(client: httpx2.Client, refused: set[str]) -> Any:
    """What was told, but for leaks, and what upstream tells by mistake while its caches lag behind its own writes."""
    told = set()
    for one in client.get("/api/v1/events").json()["items"]:
        about, message = one["involvedObject"], one["message"]
        late = "is not allocated; repairing" in message or "the object has been modified" in message
        leak = "appears to have leaked" in message and any(f"default/{name} " in message for name in refused)
        if not late and not leak:
            told.add((about["kind"], one["reason"], message, about["name"]))
    return sorted(map(list, told), key=lambda one: ADDRESS.sub("", str(one)))


def own(client: httpx2.Client) -> Any:
    """`kubernetes.default` with its endpoints, and the ranges."""
    paths = {
        "slices": "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes",
        "endpoints": "/api/v1/namespaces/default/endpoints/kubernetes",
        "service": f"{SERVICES}/kubernetes",
        "ranges": "/apis/networking.k8s.io/v1/servicecidrs",
    }
    return {name: client.get(path).json() for name, path in paths.items()}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One history by default, with --long all of them."""
    names = list(HISTORIES) if metafunc.config.getoption("--long") else list(HISTORIES)[:1]
    metafunc.parametrize("history", [HISTORIES[name] for name in names], ids=names)


@pytest.mark.timeout(600)
def test_the_same_history(tmp_path: Path, history: tuple[str, ...], request: pytest.FixtureRequest) -> None:
    """At each start with other ranges, reads, changes, new Services, deletions, records and Events are alike."""
    thorough = request.config.getoption("--long")
    pair = Pair(tmp_path, lambda text: text in NETWORKS or text in FIRSTS or text.startswith(("192.0.2.", "2001:")))
    refused: set[str] = set()
    for start, ranges in enumerate(history):
        pair.where = f"start {start} with {ranges}"
        with pair.running(Configuration(ranges)):
            stored = pair.ask("GET", SERVICES)[1]["items"]
            pair.compare("own objects", own, SECONDS)
            names = [one["metadata"]["name"] for one in stored if one["metadata"]["name"] != "kubernetes"]
            for number, name in enumerate(names):
                if thorough:
                    rehearse(pair, f"{SERVICES}/{name}")
                if thorough or number % 2 == start % 2:
                    change(pair, f"{SERVICES}/{name}", number + 5 * start)
            for number, spec in enumerate(shapes()):
                name = f"s{start}-{number}"
                made = pair.ask("POST", SERVICES, {"metadata": {"name": name}, "spec": spec})
                if made[1]["kind"] == "Status":
                    refused.add(name)
            pair.ask("GET", SERVICES)
            pair.compare("owners", lambda client: owners(client, refused), SECONDS)
            pair.compare("events", lambda client: events(client, refused), SECONDS)
    assert not pair.differences, "\n".join(map(str, pair.differences))
