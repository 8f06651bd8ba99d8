"""Empty lists are told from none until they are stored: generation and owners follow, nothing stored is empty."""

from __future__ import annotations

import asyncio
import json
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from kube46.apiserver import fieldvalidation, told_empty
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.storage import Store
from kube46.apiserver.strategies import STRATEGIES
from kube46.apiserver.writes import Call, Registry

if TYPE_CHECKING:
    from pathlib import Path

Object = dict[str, Any]
POLICY = {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}
SLICE = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.0.1"]}]}


def put(path: Path, plural: str, *writes: tuple[str, Object]) -> list[Object]:
    """The answers to a PUT or POST of each body by each manager, one after the other."""

    async def held() -> list[Object]:
        store = Store(path / "data.db")
        store.start()
        try:
            registry, kind = Registry(store, STRATEGIES, (ip_network("10.96.0.0/16"),)), BY_PLURAL[plural]
            await registry.create(Call(BY_PLURAL["namespaces"], "x"), {"metadata": {"name": "x"}})
            found: list[Object] = []
            for manager, fields in writes:
                body = json.dumps({"metadata": {"name": "a"}, **fields}).encode()
                call, obj = Call(kind, "a", "x", manager=manager), fieldvalidation.decode(body, kind).object
                done = (await registry.update(call, obj))[0] if found else await registry.create(call, obj)
                found.append(json.loads(json.dumps(done)))
            return found
        finally:
            await asyncio.to_thread(store.close)

    return asyncio.run(held())


def owners(obj: Object) -> dict[str, Object]:
    """Who owns what."""
    return {entry["manager"]: entry["fieldsV1"] for entry in obj["metadata"]["managedFields"]}


@pytest.mark.parametrize(
    ("change", "generation"),
    [
        ({}, 1), ({"egress": []}, 2), ({"egress": None}, 1), ({"policyTypes": []}, 1),
        ({"ingress": [{"from": [{"podSelector": {}}], "ports": []}]}, 2), ({"podSelector": {"matchLabels": {}}}, 2),
    ],
)  # fmt: skip
def test_a_policys_generation(tmp_path: Path, change: Object, generation: int) -> None:
    """Each write of an empty list counts, though nothing empty is stored; a default in its place does not."""
    spec = {**POLICY, **change}
    made, second, third = put(tmp_path, "networkpolicies", *(("m", {"spec": one}) for one in (POLICY, spec, spec)))
    assert [second["metadata"]["generation"], third["metadata"]["generation"]] == [generation, 2 * generation - 1]
    assert second["spec"] == third["spec"] == made["spec"]


def test_an_empty_list_within_an_item_takes_the_list(tmp_path: Path) -> None:
    """A list that is owned as a whole goes to who writes something empty into an item; it is stored as it was."""
    item = {"addresses": ["10.1.0.1"], "deprecatedTopology": {}}
    made, second = put(
        tmp_path, "endpointslices", ("first", SLICE), ("second", {**SLICE, "endpoints": [item]}),
    )  # fmt: skip
    assert "f:endpoints" in owners(made)["first"]
    assert "f:endpoints" in owners(second)["second"]
    assert "f:endpoints" not in owners(second)["first"]
    assert second["endpoints"] == made["endpoints"]
    assert second["metadata"]["generation"] == made["metadata"]["generation"]


def test_generated_names(tmp_path: Path) -> None:
    """A create stores nothing empty either."""
    (made,) = put(
        tmp_path, "networkpolicies", ("m", {"metadata": {"generateName": "a-"}, "spec": {**POLICY, "egress": []}})
    )
    assert made["spec"] == {**POLICY, "policyTypes": ["Ingress"]}


def test_only_marked_ones_are_dropped() -> None:
    """An empty object is no empty map."""
    obj = {"a": {}, "b": told_empty.EmptyMap(), "c": [{"d": told_empty.EmptyList(), "e": []}]}
    assert told_empty.drop(obj)
    assert obj == {"a": {}, "c": [{"e": []}]}
    assert not told_empty.drop(obj)
