"""The legacy Endpoints of a Service, and the EndpointSlices that mirror Endpoints that people write."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.objects import Endpoints, EndpointSlice, Pod, Service
from kube46.controllers.endpoints import rules
from kube46.controllers.mirroring import rules as mirror

Json = dict[str, Any]


def service(**spec: Any) -> Service:
    body = {"selector": {"app": "web"}, "clusterIP": "10.96.0.9", "ipFamilies": ["IPv4"], "ports": PORTS, **spec}
    return msgspec.convert({"metadata": {"name": "web", "namespace": "n", "labels": {"a": "b"}}, "spec": body}, Service)


PORTS = [{"name": "http", "port": 80, "targetPort": 8080}]


def pod(number: int, *, ready: bool = True, going: bool = False, ips: tuple[str, ...] = ("10.0.0.", "fd00::")) -> Pod:
    meta: Json = {"name": f"p{number}", "namespace": "n", "uid": f"u{number}"}
    if going:
        meta["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    held = {"phase": "Running", "podIPs": [{"ip": f"{ip}{number}"} for ip in ips]}
    held["conditions"] = [{"type": "Ready", "status": str(ready)}]
    spec = {"nodeName": "n1", "hostname": "h", "subdomain": "web"}
    return msgspec.convert({"metadata": meta, "spec": spec, "status": held}, Pod)


def shown(body: Json) -> list[tuple[list[str], list[str], list[int]]]:
    return [
        (
            [a["ip"] for a in s.get("addresses", ())],
            [a["ip"] for a in s.get("notReadyAddresses", ())],
            [p["port"] for p in s.get("ports", ())],
        )
        for s in body["subsets"]
    ]


@pytest.mark.parametrize(
    ("one", "pods", "expected"),
    [
        (service(), [pod(1), pod(2, ready=False)], [(["10.0.0.1"], ["10.0.0.2"], [8080])]),
        (service(ipFamilies=["IPv6", "IPv4"]), [pod(1)], [(["fd00::1"], [], [8080])]),
        (service(ipFamilies=["IPv6"]), [pod(1, ips=("10.0.0.",))], []),
        (service(), [pod(1, going=True)], []),
        (service(publishNotReadyAddresses=True), [pod(1, going=True, ready=False)], [(["10.0.0.1"], [], [8080])]),
        (service(clusterIP="None", ports=[]), [pod(1)], [(["10.0.0.1"], [], [])]),
        (service(ports=[{"port": 80, "targetPort": "unknown"}]), [pod(1)], []),
    ],
)
def test_subsets(one: Service, pods: list[Pod], expected: list[Any]) -> None:
    """One family, ready and unready apart, ending ones only where unready ones count."""
    body = rules.wanted(one, pods)
    assert shown(body) == expected
    held = msgspec.convert({"metadata": {"labels": body["metadata"]["labels"]}, "subsets": body["subsets"]}, Endpoints)
    assert rules.same(held, body)


def test_marks() -> None:
    """Labels say whose object it is; an address knows its pod, node and host name."""
    body = rules.wanted(service(clusterIP="None"), [pod(1)], "2026-11-23T12:00:00Z")
    assert body["metadata"]["labels"] == {"a": "b", rules.HEADLESS: "", rules.MANAGED_BY: rules.CONTROLLER}
    address = body["subsets"][0]["addresses"][0]
    assert (address["hostname"], address["nodeName"], address["targetRef"]["uid"]) == ("h", "n1", "u1")


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=5))
def test_no_more_than_fit(sizes: list[tuple[int, int]]) -> None:
    """At most so many addresses, all places used, and no ready one left out for an unready one."""
    subsets = [
        {k: [{"ip": str(n)} for n in range(count)] for k, count in zip(KEYS, size, strict=True) if count}
        for size in sizes
    ]
    kept, cut = rules.truncated([s for s in subsets if s], 40)
    counts = [sum(len(s.get(key, ())) for s in kept) for key in KEYS]
    totals = [sum(size[i] for size in sizes) for i in (0, 1)]
    assert cut == (sum(totals) > 40)
    assert counts == ([min(totals[0], 40), max(0, 40 - totals[0])] if cut else totals)


KEYS = ("addresses", "notReadyAddresses")


def written(subsets: list[Json], **meta: Any) -> Endpoints:
    return msgspec.convert(
        {"metadata": {"name": "web", "namespace": "n", "uid": "e", **meta}, "subsets": subsets}, Endpoints
    )


BOTH = [
    {
        "addresses": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}, {"ip": "x"}],
        "notReadyAddresses": [{"ip": "192.0.2.2"}],
        "ports": [{"port": 80}],
    }
]


def named(slices: list[EndpointSlice]) -> list[EndpointSlice]:
    """As the server stores them."""
    return [
        msgspec.structs.replace(s, metadata=msgspec.structs.replace(s.metadata, name=f"s{n}"))
        for n, s in enumerate(slices)
    ]


def test_mirror_has_both_families_and_rests() -> None:
    """A slice a family, invalid addresses told, and nothing to do the second time; changed annotations are copied."""
    first = mirror.plan(written(BOTH, labels={"l": "1"}), [])
    assert [(s.address_type, len(s.endpoints or ())) for s in first.slices.create] == [("IPv4", 2), ("IPv6", 1)]
    assert [e.conditions.ready for e in first.slices.create[0].endpoints or ()] == [True, False]
    assert [reason for reason, _ in first.notices] == ["InvalidIPAddress"]
    assert first.slices.create[0].metadata.labels[mirror.MANAGED_BY] == mirror.CONTROLLER
    stored = named(first.slices.create)
    again = mirror.plan(written(BOTH, labels={"l": "1"}), stored).slices
    assert (again.create, again.update, again.delete) == ([], [], [])
    noted = mirror.plan(written(BOTH, labels={"l": "1"}, annotations={"x": "y"}), stored).slices
    assert [s.metadata.annotations for s in noted.update] == [{"x": "y"}] * 2
    gone = mirror.plan(written(BOTH[:0], labels={"l": "1"}), stored).slices
    assert len(gone.delete) == 2


@pytest.mark.parametrize(
    ("meta", "selector", "expected"),
    [
        ({}, None, True),
        ({}, {"app": "web"}, False),
        ({}, {}, False),
        ({"labels": {mirror.SKIP: "true"}}, None, False),
        ({"annotations": {mirror.LEADER: "{}"}}, None, False),
    ],
)
def test_what_is_mirrored(meta: Json, selector: Json | None, expected: bool) -> None:
    """Endpoints of Services without a selector, unless they ask not to be."""
    one = service()
    bare = msgspec.structs.replace(one, spec=msgspec.structs.replace(one.spec, selector=selector))
    assert mirror.mirrored(written(BOTH, **meta), bare) is expected
    assert not mirror.mirrored(written(BOTH, **meta), None)
