"""Writes that wait for answers from outside: what was admitted is what is written, by chance and clock, too."""

from __future__ import annotations

import asyncio
import contextlib
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from kube46.apiserver import deletes
from kube46.apiserver.admission.chain import Chain
from kube46.apiserver.admission.passes import Question
from kube46.apiserver.admission.plugin import Plugin
from kube46.apiserver.admission.webhooks import MutatingWebhooks
from kube46.apiserver.deleteoptions import DeleteOptions
from kube46.apiserver.kinds import BY_PLURAL
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.storage import Store
from kube46.apiserver.strategies import STRATEGIES
from kube46.apiserver.writes import Call, Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from kube46.apiserver.admission.attributes import Attributes
    from kube46.apiserver.strategy import Transaction

Object = dict[str, Any]
V4, V6 = "10.96.0.0/16", "fd00:10:96::/112"


class Asking(Plugin):
    """Asks somebody who takes a moment, and notes all that is asked; `meanwhile` happens while it waits, once."""

    asks = True

    def __init__(self, meanwhile: Callable[[], Awaitable[object]] | None = None, refuse: str = "") -> None:
        self.asked: list[tuple[str, Object | None, Object | None]] = []
        self._meanwhile, self._refuse = meanwhile, refuse

    def _wait(self, step: str, asked: Attributes) -> None:
        assert asked.round is not None
        key = step, asked.reinvoked, asked.name, msgspec.json.encode([asked.object, asked.old])
        if key in asked.round.answers:
            return
        answers, seen = asked.round.answers, msgspec.json.decode(key[3])

        async def ask() -> None:
            self.asked.append((step, *seen))
            await asyncio.sleep(0)
            if self._meanwhile is not None:
                happens, self._meanwhile = self._meanwhile, None
                await happens()
            answers[key] = True

        raise Question(ask)

    def admit(self, asked: Attributes, txn: Transaction) -> None:
        self._wait("admit", asked)

    def validate(self, asked: Attributes, txn: Transaction) -> None:
        self._wait("validate", asked)
        if self._refuse:
            raise StatusError(403, "Forbidden", self._refuse)


class Labelling(Plugin):
    """Puts a label on what is written, and a status that is not a writer's to set."""

    def admit(self, asked: Attributes, txn: Transaction) -> None:
        if asked.object is not None:
            asked.object["metadata"].setdefault("labels", {})["by"] = "admission"
            asked.object["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}}
            asked.object["madeUp"] = True


@contextlib.asynccontextmanager
async def registry_of(path: Path, *plugins: Plugin) -> AsyncIterator[Registry]:
    """A registry with a namespace, whose writes pass these plugins."""
    store = Store(path / "data.db")
    store.start()
    try:
        ranges = ip_network(V4), ip_network(V6)
        registry = Registry(store, STRATEGIES, ranges)
        await registry.create(Call(BY_PLURAL["namespaces"], "x"), {"metadata": {"name": "x"}})
        cidr: Object = {"metadata": {"name": "kubernetes"}, "spec": {"cidrs": [V4, V6]}}
        await registry.create(Call(BY_PLURAL["servicecidrs"], "kubernetes"), cidr)
        registry.gate.chain = Chain(plugins)
        yield registry
    finally:
        await asyncio.to_thread(store.close)


def call(plural: str, name: str = "a", **more: Any) -> Call:
    """A write as a request makes it."""
    return Call(BY_PLURAL[plural], name, "x", options=dict, **more)


def service(**meta: Any) -> Object:
    return {"metadata": {"name": "a", **meta}, "spec": {"ports": [{"port": 80}], "type": "NodePort"}}


def test_what_was_admitted_is_written(tmp_path: Path) -> None:
    """A Service's addresses, port, uid and times are those that the validating phase was shown; each asked once."""

    async def made() -> tuple[Object, Asking]:
        plugin = Asking()
        async with registry_of(tmp_path, plugin) as registry:
            return await registry.create(call("services"), service()), plugin

    found, plugin = asyncio.run(made())
    assert [step for step, *_ in plugin.asked] == ["admit", "validate"]
    shown = plugin.asked[1][1]
    assert shown is not None
    found["metadata"].pop("resourceVersion")
    assert found == shown and found["spec"]["clusterIPs"]


def test_a_new_object_has_nothing_of_the_server_yet(tmp_path: Path) -> None:
    """The mutating phase of a create sees neither uid nor a generated name; the validating phase sees both."""

    async def made() -> list[tuple[str, Object | None, Object | None]]:
        plugin = Asking()
        async with registry_of(tmp_path, plugin) as registry:
            await registry.create(call("configmaps", ""), {"metadata": {"generateName": "g-"}})
        return plugin.asked

    (_, first, _), (_, second, _) = asyncio.run(made())
    assert first is not None and second is not None
    assert "name" not in first["metadata"] and "uid" not in first["metadata"]
    assert second["metadata"]["name"].startswith("g-") and second["metadata"]["uid"]


def test_what_changes_meanwhile_is_admitted_anew(tmp_path: Path) -> None:
    """A patch whose object is changed while it waits is asked about again, and loses nothing of the change."""

    async def made() -> tuple[Object, Asking]:
        async with registry_of(tmp_path) as registry:
            await registry.create(call("configmaps"), {"metadata": {"name": "a"}, "data": {"n": "0"}})

            async def other() -> None:
                own = Call(BY_PLURAL["configmaps"], "a", "x")
                await registry.change(own, lambda obj: {**obj, "data": {**obj["data"], "other": "1"}})

            plugin = Asking(other)
            registry.gate.chain = Chain((plugin,))
            found = await registry.change(
                call("configmaps"), lambda obj: {**obj, "data": {**obj["data"], "mine": "1"}}
            )  # fmt: skip
            return found, plugin

    found, plugin = asyncio.run(made())
    assert found["data"] == {"n": "0", "other": "1", "mine": "1"}
    assert [step for step, *_ in plugin.asked] == ["admit", "admit", "validate"]
    assert plugin.asked[-1][1] is not None
    assert plugin.asked[-1][1]["data"] == found["data"]


@pytest.mark.parametrize("how", ["create", "update", "delete", "collection"])
def test_a_refusal_changes_nothing(tmp_path: Path, how: str) -> None:
    """What is refused in the end leaves no trace: no object, no address, no change."""

    async def made() -> tuple[dict[str, int], int, int]:
        async with registry_of(tmp_path) as registry:
            if how != "create":
                await registry.create(call("services"), service())
            before = {name: count for name, count in registry.store.counts().items() if count}
            head = registry.store.head
            registry.gate.chain = Chain((Asking(refuse="no"),))
            with pytest.raises(StatusError, match="no"):
                if how == "create":
                    await registry.create(call("services"), service())
                elif how == "update":
                    await registry.change(call("services"), lambda o: {**o, "spec": {**o["spec"], "type": "ClusterIP"}})
                elif how == "delete":
                    await deletes.delete(registry, call("services"), DeleteOptions())
                else:
                    values = [record.value for record in registry.store.collection("services").records.values()]
                    await deletes.delete_all(registry, call("services"), DeleteOptions(), values)
            assert {name: count for name, count in registry.store.counts().items() if count} == before
            return before, head, registry.store.head

    _, before, after = asyncio.run(made())
    assert before == after


def test_mutations_are_read_as_bodies_are(tmp_path: Path) -> None:
    """What admission changes is pruned and defaulted, and changes nothing that a writer may not change."""

    async def made() -> tuple[Object, Object]:
        async with registry_of(tmp_path, Labelling()) as registry:
            first = await registry.create(call("services"), service())
            second, _ = await registry.update(call("services"), service(labels={"own": "1"}))
            return first, second

    first, second = asyncio.run(made())
    assert first["metadata"]["labels"] == {"by": "admission"}
    assert second["metadata"]["labels"] == {"own": "1", "by": "admission"}
    for found in (first, second):
        assert found["status"] == {"loadBalancer": {}} and "madeUp" not in found
    assert second["metadata"]["uid"] == first["metadata"]["uid"]


def test_the_servers_own_writes_ask_nobody(tmp_path: Path) -> None:
    """What no request is behind passes no admission: a webhook that is away can't keep the server from starting."""

    async def made() -> list[Any]:
        plugin = Asking(refuse="no")
        async with registry_of(tmp_path, plugin) as registry:
            await registry.create(Call(BY_PLURAL["configmaps"], "a", "x"), {"metadata": {"name": "a"}})
        return plugin.asked

    assert asyncio.run(made()) == []


def test_warnings_are_told_once(tmp_path: Path) -> None:
    """However many passes a write needs, each warning is told once."""

    async def made() -> list[str]:
        async with registry_of(tmp_path, Asking()) as registry:
            asked = call("configmaps")
            owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
            meta = {"name": "a", "ownerReferences": [owner, dict(owner)]}
            await registry.create(asked, {"metadata": meta})
            return asked.warnings

    assert len(asyncio.run(made())) == 1


@pytest.mark.parametrize(
    ("group", "resource", "plural", "asks"),
    [
        ("", "pods", "services", False), ("apps", "*", "services", False), ("", "services/status", "services", False),
        ("", "services", "services", True), ("*", "*/*", "services", True),
        ("events.k8s.io", "events", "events", True),  # the same objects in their other group
        ("*", "*", "mutatingwebhookconfigurations", False),  # which stay mendable
    ],
)  # fmt: skip
def test_only_what_may_concern_a_webhook_is_tried_in_passes(
    tmp_path: Path, group: str, resource: str, plural: str, asks: bool
) -> None:
    """A webhook costs the writes nothing that its rules can't be about; what they may be about is asked."""

    async def made() -> tuple[bool, bool]:
        async with registry_of(tmp_path) as registry:
            hooks = MutatingWebhooks(registry.store, cast("Any", None))
            registry.gate.chain = Chain((hooks,))
            rule = {"operations": ["*"], "apiGroups": [group], "apiVersions": ["*"], "resources": [resource]}
            config = {"metadata": {"name": "w"}, "webhooks": [{
                "name": "w.example.com", "rules": [rule], "clientConfig": {"url": "https://webhook.invalid"},
                "sideEffects": "None", "admissionReviewVersions": ["v1"],
            }]}  # fmt: skip
            await registry.create(Call(BY_PLURAL["mutatingwebhookconfigurations"], "w"), config)
            asked = call(plural)
            return registry.gate.asks(asked), registry.gate.concerns(asked)

    assert asyncio.run(made()) == (asks, asks)
