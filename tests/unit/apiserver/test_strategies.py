"""The rules of kinds behind the real storage: what is taken and given back with each commit."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube46.addresses.families import Family, Prefix, family_of
from kube46.api.allocation import NodePorts
from kube46.apiserver import bootstrap, deletes
from kube46.apiserver.defaultrange import DefaultRange
from kube46.apiserver.deleteoptions import DeleteOptions
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.negotiation import Form
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.storage import Store
from kube46.apiserver.strategies import STRATEGIES, service_addresses, strategies
from kube46.apiserver.views import View
from kube46.apiserver.writes import Call, Registry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DUAL: tuple[Prefix, ...] = (ip_network("10.96.0.0/28"), ip_network("fd00:10:96::/124"))
PORTS = range(30000, 30008)


class Cluster:
    """A storage with its rules and default objects, as a server starts it."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def call(self, name: str, plural: str = "services", **more: Any) -> Call:
        """A request about one object."""
        kind = BY_PLURAL[plural]
        return Call(kind, name, "default" if kind.namespaced else "", **more)

    async def create(self, name: str, *, dry_run: bool = False, **spec: Any) -> dict[str, Any]:
        """POST a Service."""
        body = {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}
        return await self.registry.create(self.call(name, dry_run=dry_run), body)

    async def update(self, name: str, *, dry_run: bool = False, **spec: Any) -> dict[str, Any]:
        """PUT a Service without resourceVersion."""
        body = {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}
        return (await self.registry.update(self.call(name, dry_run=dry_run), body))[0]

    async def delete(self, name: str, plural: str = "services") -> None:
        """DELETE an object."""
        await deletes.delete(self.registry, self.call(name, plural), DeleteOptions())

    def objects(self, plural: str) -> list[dict[str, Any]]:
        """All objects of a kind."""
        return list(self.registry.store.begin().list(plural))

    def check(self) -> None:
        """Every address has one owner that lists it; the indexes in memory say what the objects say."""
        services = self.objects("services")
        owners = {ip: s["metadata"]["name"] for s in services for ip in s["spec"].get("clusterIPs", ()) if ip != "None"}
        assert len(owners) == sum(len([ip for ip in s["spec"].get("clusterIPs", ()) if ip != "None"]) for s in services)
        records = {o["metadata"]["name"]: o["spec"]["parentRef"]["name"] for o in self.objects("ipaddresses")}
        assert records == owners
        txn = self.registry.store.begin()
        taken = service_addresses.taken(txn)
        for family, prefix in ((family_of(prefix), prefix) for prefix in DUAL):
            assert {str(a) for a in prefix if int(a) in taken[family]} == {
                ip for ip in owners if family_of(ip) is family
            }
        ports: list[int] = []
        for service in services:
            held = {port["nodePort"] for port in service["spec"].get("ports", ()) if "nodePort" in port}
            ports += held | {service["spec"].get("healthCheckNodePort", 0)} - {0}
        assert len(ports) == len(set(ports))
        pool = txn.memory("node ports", lambda _: NodePorts(PORTS))
        assert {port for port in PORTS if port in pool.taken} == set(ports)


def run(test: Callable[[Cluster], Awaitable[None]], path: Path, ranges: tuple[Prefix, ...] = DUAL) -> None:
    """Run a test on a fresh storage, or on the one that an earlier run left at the path."""

    async def inner() -> None:
        store = Store(path / "data.db")
        store.start()
        try:
            registry = Registry(store, STRATEGIES, ranges, PORTS)
            address = ip_address("192.0.2.1" if ranges[0].version == 4 else "2001:db8::1")
            await bootstrap.prepare(registry, bootstrap.Cluster(ranges, address, 6443))
            await test(Cluster(registry))
        finally:
            await asyncio.to_thread(store.close)

    asyncio.run(inner())


def test_addresses_come_and_go_with_the_service(tmp_path: Path) -> None:
    """A dual-stack Service has two IPAddress objects from its creation to its deletion."""

    async def test(cluster: Cluster) -> None:
        made = await cluster.create("a", ipFamilyPolicy="RequireDualStack", selector={"a": "b"})
        first, second = made["spec"]["clusterIPs"]
        records = {o["metadata"]["name"]: o for o in cluster.objects("ipaddresses")}
        assert records[first]["metadata"]["labels"]["ipaddress.kubernetes.io/ip-family"] == "IPv4"
        assert records[second]["spec"] == {"parentRef": {"resource": "services", "namespace": "default", "name": "a"}}
        cluster.check()
        await cluster.update("a", ipFamilyPolicy="SingleStack", selector={"a": "b"})
        assert second not in {o["metadata"]["name"] for o in cluster.objects("ipaddresses")}
        cluster.check()
        await cluster.delete("a")
        assert {o["metadata"]["name"] for o in cluster.objects("ipaddresses")} == {"10.96.0.1"}
        cluster.check()

    run(test, tmp_path)


def test_what_readers_see_of_a_service(tmp_path: Path) -> None:
    """A Service without families, and an ExternalName with a policy, are shown otherwise than they are stored."""

    async def test(cluster: Cluster) -> None:
        rules, kind = strategies(DUAL)["services"], BY_PLURAL["services"]
        call = cluster.call("a", subresource="status")
        body = {
            "metadata": {"name": "a"},
            "spec": {"clusterIP": "None", "clusterIPs": ["None"], "ports": [{"port": 80}]},
        }
        await cluster.registry.update(call, body)  # creates it, as upstream does
        await cluster.create("b")
        await cluster.create("c", type="ExternalName", externalName="a.b", internalTrafficPolicy="Local")
        await cluster.create("d", type="ExternalName", externalName="a.b")
        of_old = {"clusterIP": "10.96.0.9", "type": "ExternalName", "externalName": "a.b"}
        await cluster.registry.update(
            cluster.call("e", subresource="status"), {"metadata": {"name": "e"}, "spec": of_old}
        )
        stored = {obj["metadata"]["name"]: obj for obj in cluster.objects("services")}
        plain = {name: rules.shown_as_stored(msgspec.json.encode(obj)) for name, obj in stored.items()}
        assert plain == {"a": False, "b": True, "c": False, "d": True, "e": False, "kubernetes": True}
        assert "ipFamilies" not in stored["a"]["spec"]
        assert stored["c"]["spec"]["internalTrafficPolicy"] == "Local"
        shown = {name: json.loads(View(kind, rules, Form()).one(msgspec.json.encode(stored[name]))) for name in "abcde"}
        assert shown["a"]["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
        assert "internalTrafficPolicy" not in shown["c"]["spec"]
        assert shown["e"]["spec"]["clusterIPs"] == ["10.96.0.9"]
        assert [shown[name]["spec"] for name in "bd"] == [stored[name]["spec"] for name in "bd"]

    run(test, tmp_path)


def test_the_own_service_comes_back(tmp_path: Path) -> None:
    """After `kubectl delete all --all`, `kubernetes.default` has its address and endpoints again."""

    async def test(cluster: Cluster) -> None:
        kinds = ("services", "endpoints", "endpointslices")
        before = {kind: cluster.objects(kind)[0] for kind in kinds}
        for kind in reversed(kinds):
            await cluster.delete("kubernetes", kind)
        assert not any(cluster.objects(kind) for kind in kinds)
        told = bootstrap.Cluster(DUAL, ip_address("192.0.2.1"), 6443)
        with suppress(TimeoutError):
            keeper = DefaultRange(cluster.registry, DUAL)
            await asyncio.wait_for(bootstrap.keep(cluster.registry, told, keeper, 0.001), 0.2)
        for kind, obj in before.items():
            assert {**cluster.objects(kind)[0], "metadata": {}} == {**obj, "metadata": {}}
        cluster.check()

    run(test, tmp_path)


def test_refused_requests_take_nothing(tmp_path: Path) -> None:
    """A Service that fails after its addresses were taken leaves neither objects nor marks."""

    async def test(cluster: Cluster) -> None:
        for spec in ({"type": "NodePort", "sessionAffinity": "x"}, {"type": "NodePort", "ports": [{"port": 0}]}):
            with pytest.raises(StatusError, match="is invalid"):
                await cluster.create("a", ipFamilyPolicy="PreferDualStack", **spec)
            cluster.check()
        with pytest.raises(StatusError, match="provided IP is already allocated"):
            await cluster.create("a", clusterIP="10.96.0.1")
        cluster.check()

    run(test, tmp_path)


def test_dry_run_takes_nothing(tmp_path: Path) -> None:
    """A dry run shows the network address and port 32769, and changes nothing (A-12, N-9)."""

    async def test(cluster: Cluster) -> None:
        made = await cluster.create("a", dry_run=True, type="NodePort", ipFamilyPolicy="RequireDualStack")
        assert made["spec"]["clusterIPs"] == ["10.96.0.0", "fd00:10:96::"]
        assert made["spec"]["ports"][0]["nodePort"] == 32769
        with pytest.raises(StatusError, match=r"not in the valid range\. The range of valid IPs is 10\.96\.0\.0/28"):
            await cluster.create("a", dry_run=True, clusterIP="192.0.2.9")
        cluster.check()

    run(test, tmp_path)


def test_a_full_range(tmp_path: Path) -> None:
    """When the last address is gone the answer is upstream's 500; a deletion makes room again."""

    async def test(cluster: Cluster) -> None:
        for number in range(13):
            await cluster.create(f"s{number}")
        with pytest.raises(StatusError) as refused:
            await cluster.create("more")
        text = 'Internal error occurred: failed to allocate a serviceIP for Service "more": range is full'
        assert (refused.value.code, refused.value.message) == (500, text)
        await cluster.delete("s5")
        await cluster.create("more")
        cluster.check()

    run(test, tmp_path)


def test_an_address_that_a_user_blocked(tmp_path: Path) -> None:
    """An IPAddress of somebody else keeps its address from being allocated, until it is deleted."""

    async def test(cluster: Cluster) -> None:
        parent = {"resource": "gateways", "group": "example.com", "name": "g"}
        body = {"metadata": {"name": "10.96.0.9"}, "spec": {"parentRef": parent}}
        await cluster.registry.create(cluster.call("10.96.0.9", "ipaddresses"), body)
        for number in range(12):
            made = await cluster.create(f"s{number}")
            assert made["spec"]["clusterIP"] != "10.96.0.9"
        with pytest.raises(StatusError, match="range is full"):
            await cluster.create("more")
        await cluster.delete("10.96.0.9", "ipaddresses")
        assert (await cluster.create("more"))["spec"]["clusterIP"] == "10.96.0.9"
        cluster.check()

    run(test, tmp_path)


def test_restart_remembers(tmp_path: Path) -> None:
    """After a restart addresses and ports in use are known, also those of a family that is no longer configured."""

    async def first(cluster: Cluster) -> None:
        await cluster.create("a", type="NodePort", clusterIP="10.96.0.7", ipFamilyPolicy="PreferDualStack")

    async def second(cluster: Cluster) -> None:
        with pytest.raises(StatusError, match="already allocated"):
            await cluster.create("b", clusterIP="10.96.0.7")
        service = cluster.registry.store.begin().get("services", "a", "default")
        assert service is not None
        taken = service["spec"]["ports"][0]["nodePort"]
        with pytest.raises(StatusError, match="provided port is already allocated"):
            await cluster.create("b", type="NodePort", ports=[{"port": 1, "nodePort": taken}])
        cluster.check()

    async def narrowed(cluster: Cluster) -> None:
        await cluster.delete("a")
        left = {o["metadata"]["name"] for o in cluster.objects("ipaddresses")} - {"10.96.0.1"}
        assert [family_of(name) for name in left] == [Family.IPV6]

    run(first, tmp_path)
    run(second, tmp_path)
    run(narrowed, tmp_path, DUAL[:1])


def test_an_extra_service_cidr_is_used_at_once(tmp_path: Path) -> None:
    """A second ServiceCIDR gives addresses as soon as it is there; one that is not ready gives none (A-10)."""

    async def test(cluster: Cluster) -> None:
        for number in range(13):
            await cluster.create(f"s{number}")
        body = {"metadata": {"name": "more"}, "spec": {"cidrs": ["10.97.0.0/29"]}}
        await cluster.registry.create(cluster.call("more", "servicecidrs"), body)
        made = await cluster.create("more")
        assert ip_address(made["spec"]["clusterIP"]) in ip_network("10.97.0.0/29")

    run(test, tmp_path)


V4, V6 = DUAL[:1], DUAL[1:]
NEITHER = (
    'Service "a" is invalid: [spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured '
    'for dual-stack services, spec.ipFamilies[1]: Invalid value: "IPv6": not configured on this cluster]'
)
GONE = 'Service "a" is invalid: spec.ipFamilies[0]: Invalid value: "IPv4": not configured on this cluster'
E5 = r"is invalid: spec.clusterIPs\[1\]: Invalid value: .*: IPv6 is not configured on this cluster"
E4 = r"is invalid: spec.ipFamilies\[1\]: Invalid value: .IPv6.: not configured on this cluster"


@pytest.mark.parametrize(
    ("before", "policy", "after", "drop", "outcome"),
    [
        (V4, "SingleStack", DUAL, (), ["IPv4"]),
        (V4, "PreferDualStack", DUAL, (), ["IPv4"]),
        (V4, "PreferDualStack", DUAL, ("clusterIPs",), ["IPv4"]),
        (V4, "PreferDualStack", DUAL, ("ipFamilies",), ["IPv4", "IPv6"]),
        (V4, "PreferDualStack", DUAL, ("ipFamilyPolicy",), ["IPv4", "IPv6"]),
        (DUAL, "PreferDualStack", V4, (), ["IPv4", "IPv6"]),
        (DUAL, "PreferDualStack", V4, ("ipFamilies",), E5),
        (DUAL, "PreferDualStack", V4, ("ipFamilyPolicy",), E4),
        (DUAL, "RequireDualStack", V4, (), NEITHER),
        (V4, "SingleStack", V6, (), GONE),
        (V4, "PreferDualStack", V6, (), ["IPv4"]),
        (DUAL, "RequireDualStack", DUAL[::-1], (), ["IPv4", "IPv6"]),
    ],
)
def test_cluster_switched_between_families(
    tmp_path: Path, before: Any, policy: str, after: Any, drop: tuple[str, ...], outcome: Any
) -> None:
    """A restart with other ranges: reads are unchanged, updates give what the table of 1.10 says."""
    read: dict[str, Any] = {}

    async def first(cluster: Cluster) -> None:
        read.update(await cluster.create("a", ipFamilyPolicy=policy, selector={"a": "b"}))

    async def second(cluster: Cluster) -> None:
        stored = cluster.registry.store.begin().get("services", "a", "default")
        assert stored is not None
        assert stored["spec"] == read["spec"]
        spec = {key: value for key, value in stored["spec"].items() if key not in drop}
        if isinstance(outcome, list):
            changed = await cluster.update("a", **spec)
            assert changed["spec"]["ipFamilies"] == outcome
            assert changed["spec"]["clusterIPs"][0] == read["spec"]["clusterIPs"][0]
        else:
            with pytest.raises(StatusError) as refused:
                await cluster.update("a", **spec)
            assert outcome == refused.value.message or re.search(outcome, refused.value.message)

    run(first, tmp_path, before)
    run(second, tmp_path, after)


policies = st.sampled_from(["SingleStack", "PreferDualStack", "RequireDualStack"])
types = st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"])
steps = st.tuples(
    st.sampled_from(["create", "create", "update", "update", "delete"]),
    st.sampled_from("abcd"),
    st.fixed_dictionaries(
        {"ipFamilyPolicy": policies, "type": types},
        optional={
            "clusterIP": st.sampled_from(["None", "10.96.0.5", "fd00:10:96::5"]),
            "ports": st.lists(
                st.fixed_dictionaries(
                    {"port": st.sampled_from([1, 2]), "name": st.sampled_from(["x", "y"])},
                    optional={"nodePort": st.sampled_from([30001, 30002])},
                ),
                max_size=2,
            ),
            "externalTrafficPolicy": st.just("Local"),
            "selector": st.just({"a": "b"}),
            "dry_run": st.booleans(),
        },
    ),
)


@given(st.lists(steps, max_size=15))
@settings(max_examples=40)
def test_nothing_is_ever_owned_twice_or_lost(listed: list[tuple[str, str, dict[str, Any]]]) -> None:
    """Whatever clients do, refused or not: objects, records and indexes agree after each request."""

    async def test(cluster: Cluster) -> None:
        for verb, name, given_spec in listed:
            spec = dict(given_spec)
            if spec["type"] == "ExternalName":
                spec = {"type": "ExternalName", "externalName": "example.com", "dry_run": spec.get("dry_run", False)}
            try:
                if verb == "delete":
                    await cluster.delete(name)
                else:
                    await getattr(cluster, verb)(name, **spec)
            except StatusError as error:
                assert error.code in (404, 409, 422, 500)
                assert (
                    error.code != 500
                    or "full" in error.message
                    or "NodePort" in error.message
                    or (error.message.startswith("duplicate nodePort"))
                )
            cluster.check()

    with tempfile.TemporaryDirectory() as directory:
        run(test, Path(directory))


@pytest.mark.parametrize(
    ("name", "problems"),
    [
        ("ok", ""),
        ("a.b", "must not contain dots"),
        ("a" * 64, "must be no more than 63 characters"),
        ("a." + "b" * 70, "must be no more than 63 characters must not contain dots"),
    ],
)
def test_names_that_hosts_get(name: str, problems: str) -> None:
    """A new Pod or what makes pods is told that its name is no label; DaemonSets and StatefulSets are not."""
    pod: dict[str, Any] = {"metadata": {}, "spec": {}}
    made = {"metadata": {"name": name}, "spec": {"template": pod, "jobTemplate": {"spec": {"template": pod}}}}
    for plural in ("pods", "deployments", "replicasets", "replicationcontrollers", "jobs", "cronjobs", "daemonsets"):
        rules = strategies(DUAL)[plural]
        found = [text for text in rules.warnings(made, None) if "hostname" in text]
        assert [text.endswith(f"a DNS label is recommended: [{problems}]") for text in found] == (
            [True] if problems and plural != "daemonsets" else []
        )
        assert not rules.warnings(made, made)


def test_pods_of_runtime_classes(tmp_path: Path) -> None:
    """A pod gets its class's overhead when it is made, and is forbidden when it names a class that is not there."""

    async def test(cluster: Cluster) -> None:
        overhead = {"podFixed": {"cpu": "10m"}}
        call = cluster.call("light", "runtimeclasses")
        await cluster.registry.create(call, {"metadata": {"name": "light"}, "handler": "x", "overhead": overhead})
        spec = {"containers": [{"name": "main", "image": "host"}], "runtimeClassName": "light"}
        made = await cluster.registry.create(cluster.call("a", "pods"), {"metadata": {"name": "a"}, "spec": spec})
        assert made["spec"]["overhead"] == {"cpu": "10m"}
        body = {"metadata": {"name": "b"}, "spec": {**spec, "runtimeClassName": "heavy"}}
        with pytest.raises(StatusError, match='pods "b" is forbidden: pod rejected: RuntimeClass "heavy" not found'):
            await cluster.registry.create(cluster.call("b", "pods"), body)

    run(test, tmp_path)
