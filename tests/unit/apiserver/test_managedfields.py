"""Field sets, and what writes make of an object's managers."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.apiserver.managedfields import merging, sets, values
from kube46.apiserver.managedfields.managers import (
    APPLY,
    UPDATE,
    Conflicts,
    Manager,
    Managers,
    applied,
    read,
    updated,
    written,
)  # fmt: skip

Object = dict[str, Any]
DEPLOYMENT = merging.of_kind("apps", "v1", "Deployment")
SERVICE = merging.of_kind("", "v1", "Service")
KUBECTL = Manager("kubectl-create", UPDATE, "apps/v1")
ALICE, BOB = Manager("alice", APPLY, "v1"), Manager("bob", APPLY, "v1")


def deployment(**spec: Any) -> Object:
    """As kubectl create makes it."""
    container = {"name": "c", "image": "nginx", "resources": {}}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    whole = {"selector": {"matchLabels": {"app": "web"}}, "strategy": {}, "template": template, "replicas": 1, **spec}
    return {"metadata": {"name": "web", "labels": {"app": "web"}}, "spec": whole, "status": {}}


def service(*ports: Object, **more: Any) -> Object:
    """A Service to apply."""
    return {"metadata": {"name": "s"}, "spec": {"ports": list(ports), **more}}


def fields(managers: Managers, manager: Manager) -> Object:
    """FieldsV1 of a manager."""
    return sets.to_json(managers[manager].fields)


def test_what_a_create_owns() -> None:
    """Everything given, containers that were not there among it, as a real server writes it for kubectl create."""
    managers = updated({}, deployment(), {}, KUBECTL, "t", DEPLOYMENT)
    assert fields(managers, KUBECTL) == {
        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {
                    "f:containers": {'k:{"name":"c"}': {".": {}, "f:image": {}, "f:name": {}, "f:resources": {}}}
                },
            },
        },
    }


def test_what_an_apply_owns() -> None:
    """Leaves and items; a port without protocol is the TCP port."""
    _, managers = applied(None, service({"port": 80}, selector={"a": "b"}), {}, ALICE, "t", SERVICE, force=False)
    assert fields(managers, ALICE) == {
        "f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}}, "f:selector": {}},
    }


def test_unknown_fields_are_named() -> None:
    """A field that the type does not have."""
    with pytest.raises(values.UnknownField, match=r"^\.spec\.prots: field not declared in schema$"):
        applied(None, {"spec": {"prots": []}}, {}, ALICE, "t", SERVICE, force=False)


def test_conflicts_and_force() -> None:
    """Another's field can't be changed, unless forced: then it changes hands; the same value is shared."""
    first, managers = applied(None, service({"port": 80}, type="ClusterIP"), {}, ALICE, "t", SERVICE, force=False)
    other = service({"port": 80}, type="NodePort", sessionAffinity="None")
    with pytest.raises(Conflicts) as conflict:
        applied(first, other, managers, BOB, "u", SERVICE, force=False)
    assert conflict.value.message == 'Apply failed with 1 conflict: conflict with "alice": .spec.type'
    merged, after = applied(first, other, managers, BOB, "u", SERVICE, force=True)
    assert (merged["spec"]["type"], merged["spec"]["sessionAffinity"]) == ("NodePort", "None")
    assert "f:type" not in fields(after, ALICE)["f:spec"]
    assert fields(after, BOB)["f:spec"].keys() == {"f:ports", "f:sessionAffinity", "f:type"}
    _, shared = applied(first, service(type="ClusterIP"), managers, BOB, "u", SERVICE, force=False)
    assert all("f:type" in fields(shared, manager)["f:spec"] for manager in (ALICE, BOB))


def test_nobody_owns_what_a_write_resets() -> None:
    """A status that is sent with the object is merged and dropped: it is not owned, but makes the apply a change."""
    live, reset = service({"port": 80, "protocol": "TCP"}), {"f:status": sets.leaf()}
    live["status"] = {"loadBalancer": {}}
    managers = updated({}, live, {}, BOB, "t", SERVICE, reset)
    assert fields(managers, BOB).keys() == {"f:spec"}
    again = service({"port": 80})
    _, same = applied(live, again, managers, ALICE, "u", SERVICE, force=False, reset=reset)
    assert same[ALICE].time == ""
    more = {**again, "status": {"conditions": [{"type": "x"}]}}
    _, touched = applied(live, more, managers, ALICE, "u", SERVICE, force=False, reset=reset)
    assert (touched[ALICE].fields, touched[ALICE].time) == (same[ALICE].fields, "u")


def test_repeated_items_are_one_field() -> None:
    """Items with the same keys are owned together; one that is left is owned field by field again."""
    one, other = {"type": "Ready", "status": "True"}, {"type": "Ready", "status": "False"}
    twice = {"metadata": {}, "status": {"conditions": [one, other]}}
    managers = updated({}, twice, {}, BOB, "t", SERVICE)
    assert fields(managers, BOB)["f:status"]["f:conditions"] == {".": {}, 'k:{"type":"Ready"}': {}}
    once = {"metadata": {}, "status": {"conditions": [one]}}
    after = updated(twice, once, managers, ALICE, "u", SERVICE)
    owned = fields(after, ALICE)["f:status"]["f:conditions"]
    assert owned == {'k:{"type":"Ready"}': {".": {}, "f:status": {}, "f:type": {}}}
    swapped = {"metadata": {}, "status": {"conditions": [other, one]}}
    assert fields(updated(twice, swapped, managers, ALICE, "u", SERVICE), ALICE) == {
        "f:status": {"f:conditions": {'k:{"type":"Ready"}': {}}}
    }


def test_a_null_key_is_a_key() -> None:
    """A port whose protocol is null is not the TCP port."""
    _, managers = applied(None, service({"port": 80, "protocol": None}), {}, ALICE, "t", SERVICE, force=False)
    key = 'k:{"port":80,"protocol":null}'
    assert fields(managers, ALICE)["f:spec"]["f:ports"][key] == {".": {}, "f:port": {}, "f:protocol": {}}


def test_null_over_nothing_changes() -> None:
    """Null for an empty object is another value, for one with something in it none."""
    live: Object = {"metadata": {}, "status": {"loadBalancer": {}}}
    assert values.merge(live, {"status": None}, SERVICE) == live
    assert values.merge({"status": {}}, {"status": None}, SERVICE) == {"status": None}


def test_names_in_conflicts() -> None:
    """A manager's name is quoted as Go does it: printable characters are no escapes."""
    assert str(Manager("ä\n", "Update", "v1")) == '"ä\\n" using v1'


def test_several_conflicts() -> None:
    """One line a field, by manager."""
    live = deployment()
    managers = updated({}, live, {}, KUBECTL, "t", DEPLOYMENT)
    with pytest.raises(Conflicts) as conflict:
        applied(live, {"spec": {"replicas": 2, "paused": True}, "metadata": {"labels": {"app": "x"}}}, managers, ALICE,
                "u", DEPLOYMENT, force=False)  # fmt: skip
    assert conflict.value.message == (
        'Apply failed with 2 conflicts: conflicts with "kubectl-create" using apps/v1:\n'
        "- .metadata.labels.app\n- .spec.replicas"
    )
    assert [cause["field"] for cause in conflict.value.causes] == [".metadata.labels.app", ".spec.replicas"]


def test_the_order_of_conflicts() -> None:
    """What is directly below comes before what is deeper, ports by number."""
    ports = [{"port": port, "name": f"p{port}"} for port in (443, 80)]
    live = service(*ports, type="NodePort", selector={"b": "x"})
    owned = applied(None, live, {}, ALICE, "t", SERVICE, force=False)[1]
    other = service(*({**port, "name": "q"} for port in ports), type="ClusterIP", selector={"b": "y"})
    with pytest.raises(Conflicts) as conflict:
        applied(live, other, owned, BOB, "u", SERVICE, force=False)
    assert [cause["field"] for cause in conflict.value.causes] == [
        ".spec.selector", ".spec.type", '.spec.ports[port=80,protocol="TCP"].name',
        '.spec.ports[port=443,protocol="TCP"].name',
    ]  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [["f:b", "f:a", 'k:{"port":443}', 'k:{"port":80}', 'k:{"port":"x"}', 'v:"b"', "v:10", "v:9", "v:true", "v:null"]],
)
def test_the_order_of_elements(given: list[str]) -> None:
    """Names, keys, values: numbers by size and before texts."""
    tree = {element: sets.leaf() for element in given}
    assert list(sets.paths(tree)) == [
        ".a", ".b", "[port=80]", "[port=443]", '[port="x"]', "[=9]", "[=10]", '[="b"]', "[=true]", "[=null]",
    ]  # fmt: skip


def test_an_object_of_which_nothing_is_left_is_null() -> None:
    """An empty object stays while it is applied alone; one whose last field goes with an apply is null."""
    ingress = merging.of_kind("networking.k8s.io", "v1", "Ingress")
    first = {"metadata": {"name": "i"}, "spec": {"defaultBackend": {"service": {"name": "web"}}}}
    live, owned = applied(None, first, {}, ALICE, "t", ingress, force=False)
    second = {"metadata": {"name": "i"}, "spec": {"defaultBackend": {"service": {}, "resource": {"name": "t"}}}}
    found, _ = applied(live, second, owned, ALICE, "u", ingress, force=False)
    assert found["spec"] == {"defaultBackend": {"service": None, "resource": {"name": "t"}}}
    alone, _ = applied(None, second, {}, ALICE, "t", ingress, force=False)
    assert alone["spec"] == second["spec"]


def test_what_is_no_longer_applied_goes() -> None:
    """A field or item left out goes if nobody else owns it or anything in it; the others' and defaults stay."""
    config = service({"port": 80, "name": "a"}, {"port": 81, "name": "b"}, externalName="x")
    config["metadata"]["labels"] = {"mine": "1", "both": "1"}
    live, managers = applied(None, config, {}, ALICE, "t", SERVICE, force=False)
    live["metadata"]["uid"] = "u"
    _, managers = applied(live, {"metadata": {"labels": {"both": "1"}}}, managers, BOB, "t", SERVICE, force=False)
    live["spec"]["clusterIP"] = "10.0.0.1"
    merged, managers = applied(live, service({"port": 81, "name": "b"}), managers, ALICE, "u", SERVICE, force=False)
    assert merged["metadata"] == {"name": "s", "uid": "u", "labels": {"both": "1"}}
    assert merged["spec"] == {"ports": [{"port": 81, "name": "b"}], "clusterIP": "10.0.0.1"}
    assert "f:externalName" not in fields(managers, ALICE)["f:spec"]


def test_updates_take_fields_and_drop_what_they_remove() -> None:
    """Who changes a field by PUT or PATCH owns it; a removed one is nobody's."""
    live = deployment()
    managers = updated({}, live, {}, KUBECTL, "t", DEPLOYMENT)
    new = copy.deepcopy(live)
    new["spec"]["replicas"] = 5
    del new["metadata"]["labels"]
    edit = Manager("kubectl-edit", UPDATE, "apps/v1")
    after = updated(live, new, managers, edit, "u", DEPLOYMENT)
    assert fields(after, edit) == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in fields(after, KUBECTL)["f:spec"]
    assert "f:metadata" not in fields(after, KUBECTL)
    assert updated(new, new, after, edit, "v", DEPLOYMENT) == after


def test_items_keep_their_order() -> None:
    """The config's order, with the items of others where they stood."""
    live = {"spec": {"ports": [{"port": port, "protocol": "TCP"} for port in (1, 2, 3)]}}
    merged = values.merge(live, service({"port": 3}, {"port": 4}, {"port": 1}), SERVICE)
    assert [port["port"] for port in merged["spec"]["ports"]] == [3, 4, 1, 2]


def test_old_updaters_become_one() -> None:
    """More than ten updaters are not kept apart."""
    managers: Managers = {}
    live: Object = {"metadata": {"labels": {}}}
    for number in range(14):
        new = {"metadata": {"labels": {**live["metadata"]["labels"], f"l{number}": "x"}}}
        by = Manager(f"m{number:02}", UPDATE, "v1")
        managers = updated(live, new, managers, by, f"2026-01-01T00:00:{number:02}Z", SERVICE)
        live = new
    assert len(managers) == 10
    ancient = fields(managers, Manager("ancient-changes", UPDATE, "v1"))["f:metadata"]["f:labels"]
    assert set(ancient) - {"."} == {f"f:l{number}" for number in range(5)}


TREES = st.recursive(
    st.builds(sets.leaf),
    lambda inner: st.dictionaries(st.sampled_from(["f:a", "f:b", 'v:"x"', 'k:{"n":1}']), inner, min_size=1),
    max_leaves=12,
).map(lambda tree: {"f:root": tree})


@given(TREES, TREES)
def test_sets_are_sets(first: sets.Set, second: sets.Set) -> None:
    """Union, difference and intersection are those of the paths; FieldsV1 keeps the set."""
    one, two = set(sets.paths(first)), set(sets.paths(second))
    assert set(sets.paths(sets.union(first, second))) == one | two
    assert set(sets.paths(sets.difference(first, second))) == one - two
    assert set(sets.paths(sets.intersection(first, second))) == one & two
    assert sets.from_json(sets.to_json(first)) == first


LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), max_size=3)
CONFIGS = st.builds(
    lambda labels, ports, kind: {
        "metadata": {"labels": labels} if labels else {},
        "spec": {
            **({"ports": [{"port": port, "name": f"n{port}"} for port in ports]} if ports else {}),
            **({"type": kind} if kind else {}),
        },
    },
    LABELS, st.lists(st.integers(1, 4), unique=True, max_size=3), st.sampled_from(["", "ClusterIP", "NodePort"]),
)  # fmt: skip


def stored(obj: Object) -> Object:
    """As it is stored: nothing in it is null or empty."""
    return {part: {name: value for name, value in (obj[part] or {}).items() if value} for part in obj}


@given(st.lists(st.tuples(st.sampled_from([ALICE, BOB]), CONFIGS), min_size=1, max_size=5))
def test_forced_applies(steps: list[tuple[Manager, Object]]) -> None:
    """After a forced apply the object says what the config says, nobody else owns what it changed, and nothing stays
    that only this manager had applied and does not apply any more; a second time changes nothing.
    """
    live: Object | None = None
    managers: Managers = {}
    for manager, config in steps:
        live, managers = applied(live, config, managers, manager, "t", SERVICE, force=True)
        live = stored(live)
        live["metadata"].setdefault("name", "s")
        assert config["metadata"].get("labels", {}).items() <= (live["metadata"].get("labels") or {}).items()
        wanted = {port["port"] for port in config["spec"].get("ports", ())}
        kept = {port["port"] for port in live["spec"].get("ports") or ()}
        owned = {p for m in managers.values() for p in sets.paths(m.fields)}
        assert wanted <= kept
        assert {f'.spec.ports[port={port},protocol="TCP"]' for port in kept} <= owned
        again, same = applied(live, config, managers, manager, "u", SERVICE, force=False)
        assert stored(again) == live
        assert {who: owned.fields for who, owned in same.items()} == {who: o.fields for who, o in managers.items()}
        assert read(written(managers)) == managers
