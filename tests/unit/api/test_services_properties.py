"""What holds for every Service, however it is made."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kube46.addresses.families import Family
from kube46.api.services import addresses, carry, defaults, families, immutable, reading, sync, validation, wipe

CLUSTERS = ([Family.IPV4], [Family.IPV6], list(Family), [Family.IPV6, Family.IPV4])
ADDRESS = {Family.IPV4: "10.96.1.1", Family.IPV6: "fd00:10:96::101"}
ports = st.lists(
    st.fixed_dictionaries(
        {"port": st.integers(1, 65535), "name": st.from_regex("[a-z][a-z0-9]{0,8}", fullmatch=True)},
        optional={
            "protocol": st.sampled_from(["TCP", "UDP", "SCTP"]),
            "targetPort": st.sampled_from([0, 8080, "web", ""]),
        },
    ),
    min_size=1,
    max_size=3,
    unique_by=(lambda port: port["name"], lambda port: port["port"]),
)
specs = st.fixed_dictionaries(
    {"ports": ports},
    optional={
        "type": st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"]),
        "selector": st.just({"app": "x"}),
        "ipFamilyPolicy": st.sampled_from(["SingleStack", "PreferDualStack", "RequireDualStack"]),
        "ipFamilies": st.sampled_from([["IPv4"], ["IPv6"], ["IPv4", "IPv6"], ["IPv6", "IPv4"]]),
        "clusterIP": st.sampled_from(["None", ""]),
        "sessionAffinity": st.sampled_from(["None", "ClientIP", ""]),
        "externalIPs": st.sampled_from([[], ["203.0.113.5"]]),
        "externalTrafficPolicy": st.sampled_from(["Cluster", "Local"]),
    },
)


def created(spec: dict[str, Any], cluster: list[Family]) -> dict[str, Any] | None:
    """The Service as stored, or None if it is refused."""
    service = {"metadata": {"name": "a", "namespace": "b"}, "spec": copy.deepcopy(spec)}
    defaults.default(service)
    body = service["spec"]
    sync.on_create(body)
    if families.initialise(body, None, cluster):
        return None
    addresses.place(body, {family: ADDRESS[family] for family in addresses.on_create(body)})
    if body["type"] != "ClusterIP":
        for number, port in enumerate(body["ports"]):
            port["nodePort"] = 30000 + number
    if body["type"] == "LoadBalancer" and body["externalTrafficPolicy"] == "Local":
        body["healthCheckNodePort"] = 31000
    return None if validation.errors(service) else service


def updated(sent: dict[str, Any], stored: dict[str, Any], cluster: list[Family]) -> dict[str, Any] | list[Any]:
    """The Service after an update, or the errors of its refusal."""
    service = copy.deepcopy(sent)
    defaults.default(service)
    spec, old = service["spec"], stored["spec"]
    carry.allocated_values(spec, old)
    sync.on_update(spec, old)
    if errors := families.initialise(spec, old, cluster):
        return errors
    wanted, _ = addresses.on_update(spec, old)
    addresses.place(spec, {family: asked or ADDRESS[family] for family, asked in wanted.items()})
    wipe.type_dependent_fields(service, stored)
    return immutable.errors(spec, old) + validation.errors(service, stored) or service


@given(specs)
def test_defaulting_is_idempotent(spec: dict[str, Any]) -> None:
    """Defaulting what has been defaulted changes nothing."""
    once: dict[str, Any] = {"spec": copy.deepcopy(spec)}
    defaults.default(once)
    twice = copy.deepcopy(once)
    defaults.default(twice)
    assert twice == once


@given(specs, st.sampled_from(CLUSTERS))
@settings(max_examples=300)
def test_families_and_addresses_belong_together(spec: dict[str, Any], cluster: list[Family]) -> None:
    """A stored Service has one or two distinct families; a headful one an address of each, in the same order."""
    service = created(spec, cluster)
    if service is None:
        return
    found = service["spec"]["ipFamilies"]
    assert 1 <= len(found) == len(set(found)) <= 2
    assert (len(found) == 1) or service["spec"]["ipFamilyPolicy"] != "SingleStack"
    if service["spec"]["clusterIP"] != "None":
        assert set(found) <= set(map(str, cluster))
        assert service["spec"]["clusterIPs"] == [ADDRESS[Family(family)] for family in found]
        assert service["spec"]["clusterIP"] == service["spec"]["clusterIPs"][0]


@given(specs, st.sampled_from(CLUSTERS))
@settings(max_examples=300)
def test_update_as_read_changes_nothing(spec: dict[str, Any], cluster: list[Family]) -> None:
    """Who writes back what they read changes nothing and is never refused."""
    stored = created(spec, cluster)
    if stored is not None:
        assert updated(stored, stored, cluster) == stored


@given(specs, st.sampled_from(CLUSTERS))
@settings(max_examples=300)
def test_old_client_keeps_the_second_family(spec: dict[str, Any], cluster: list[Family]) -> None:
    """A client that knows only `clusterIP` edits a label without losing families or addresses (X-4).

    Headless Services have no addresses to tell their families: Kubernetes gives them the default ones again.
    """
    stored = created(spec, cluster)
    if stored is None or stored["spec"]["clusterIP"] == "None":
        return
    sent = copy.deepcopy(stored)
    for key in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        sent["spec"].pop(key)
    after = updated(sent, stored, cluster)
    assert isinstance(after, dict)
    for key in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        assert after["spec"][key] == stored["spec"][key]


@given(specs, st.sampled_from(CLUSTERS), st.sampled_from([*CLUSTERS, "ExternalName"]))
@settings(max_examples=300)
def test_primary_address_never_changes(spec: dict[str, Any], cluster: list[Family], change: Any) -> None:
    """No update of policy or families changes the primary address of a headful Service."""
    stored = created(spec, cluster)
    if stored is None or stored["spec"]["clusterIP"] == "None" or change == "ExternalName":
        return
    sent = copy.deepcopy(stored)
    sent["spec"]["ipFamilies"] = [str(family) for family in change]
    sent["spec"]["ipFamilyPolicy"] = "SingleStack" if len(change) == 1 else "PreferDualStack"
    after = updated(sent, stored, cluster)
    if isinstance(after, dict):
        assert after["spec"]["clusterIPs"][0] == stored["spec"]["clusterIPs"][0]
        assert after["spec"]["ipFamilies"][0] == stored["spec"]["ipFamilies"][0]


@given(specs, st.sampled_from(CLUSTERS))
def test_stored_services_read_as_they_are(spec: dict[str, Any], cluster: list[Family]) -> None:
    """Read defaulting finds nothing to do on what this server stores, so lists need no decoding."""
    stored = created(spec, cluster)
    if stored is not None:
        assert reading.complete(copy.deepcopy(stored), cluster[0]) is False


def test_services_from_before_2020_get_families() -> None:
    """A Service stored without families shows those of its addresses (R-1, R-2)."""
    old = {"spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "selector": {"a": "b"}}}
    assert reading.complete(old, Family.IPV4)
    assert old["spec"]["clusterIPs"] == ["10.0.0.1"]
    assert old["spec"]["ipFamilies"] == ["IPv4"]
    headless: dict[str, Any] = {"spec": {"type": "ClusterIP", "clusterIP": "None"}}
    assert reading.complete(headless, Family.IPV6)
    assert headless["spec"]["ipFamilies"] == ["IPv6", "IPv4"]
    assert headless["spec"]["ipFamilyPolicy"] == "RequireDualStack"
