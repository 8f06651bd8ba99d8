"""Between the write path and the admission chain: objects are shown in their version and taken back as bodies are.

Source: k8s.io/apiserver pkg/endpoints/handlers/{create,update,delete}.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kube46.apiserver import applying, told_empty, updates
from kube46.apiserver.admission import passes
from kube46.apiserver.admission.attributes import CREATE, DELETE, UPDATE, Attributes
from kube46.apiserver.admission.chain import Chain
from kube46.apiserver.transactions import copied

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kube46.apiserver.kinds import Kind
    from kube46.apiserver.transactions import Txn
    from kube46.apiserver.writes import Call, Registry

Object = dict[str, Any]
SYSTEM = ("uid", "creationTimestamp", "generation")  # what a new object gets when it is admitted


class Gate:
    """Where the registry's writes meet admission; the server's own writes pass none."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.chain = Chain()

    def concerns(self, call: Call) -> bool:
        """Whether this write has to be admitted by anybody at this moment."""
        return call.options is not None and self.chain.concerns(call)

    def asks(self, call: Call) -> bool:
        """Whether somebody outside may have to be asked about it."""
        return call.options is not None and self.chain.asks(call)

    def shown(self, kind: Kind, obj: Object | None) -> Object | None:
        """A copy of an object in the form of its version."""
        if obj is None:
            return None
        made = {"kind": kind.kind, "apiVersion": kind.api_version, **copied(obj)}
        self._registry.strategy(kind).served(made)
        return made

    def decoded(self, kind: Kind, obj: Object) -> Object:
        """What somebody has changed, read and defaulted as a body that comes in; raises StatusError 500."""
        made = {"kind": kind.kind, "apiVersion": kind.api_version, **applying.settled(obj, kind, obj)}
        strategy = self._registry.strategy(kind)
        strategy.default(made)
        strategy.served(made)
        return made

    def mutated(self, call: Call, new: Object, old: Object | None, txn: Txn) -> Object:
        """What the mutating phase makes of an object to be stored; what the server decides stays its decision."""
        if call.form is not None and old is not None:
            asked = _asked(call, UPDATE, call.form.shown(new), call.form.shown(old))
            self.chain.admit(asked, txn)
            call.form.taken(new, asked.object or {})
            return new
        if old is None:
            self._registry.strategy(call.kind).admit(new, self._registry.context(call, txn))
        asked = _asked(call, UPDATE if old else CREATE, self.shown(call.kind, new), self.shown(call.kind, old))
        assert asked.object is not None
        hidden = (*SYSTEM, *(("name",) if call.unnamed else ())) if old is None else ()
        _wipe(asked.object["metadata"], hidden)
        before = copied(asked.object)
        self.chain.admit(asked, txn)
        if asked.object == before:
            return new
        made = self.decoded(call.kind, asked.object)
        told_empty.drop(made)
        _wipe(made, ("kind", "apiVersion"))
        strategy = self._registry.strategy(call.kind)
        strategy.default(made)
        meta = made.setdefault("metadata", {})
        for name in hidden:
            if name in new["metadata"] and not (name == "name" and meta.get("name")):
                meta[name] = new["metadata"][name]
        updates.check_namespace(call, meta)
        updates.merge_owners(call, meta, late=True)
        if old is not None:
            made = updates.carry_over(call, made, old)
            updates.keep_deletion(made["metadata"], old["metadata"])
            return made
        call.name = str(meta.get("name") or "")
        if call.kind.has_status and not strategy.keeps_status_on_create:
            _wipe(made, ("status",))
            made |= {} if call.kind.custom else {"status": {}}
        return made

    def validate(self, call: Call, new: Object, old: Object | None, txn: Txn) -> None:
        """The validating phase of an object to be stored."""
        shown = self.shown(call.kind, new), self.shown(call.kind, old)
        if call.form is not None and old is not None:
            shown = call.form.shown(new), call.form.shown(old)
        self.chain.validate(_asked(call, UPDATE if old else CREATE, *shown, name=call.name), txn)

    def delete(self, call: Call, old: Object, txn: Txn) -> None:
        """Both phases of a deletion."""
        asked = _asked(call, DELETE, None, self.shown(call.kind, old))
        self.chain.admit(asked, txn)
        self.chain.validate(asked, txn)

    async def admitted(self, call: Call, body: Object, operation: str = CREATE) -> Object:
        """Both phases for what is sent to a subresource, or opened, and not itself stored; what became of it."""
        if not self.concerns(call):
            return body

        def step(sent: Object, txn: Txn) -> Object:
            asked = _asked(call, operation, sent, None)
            self.chain.admit(asked, txn)
            self.chain.validate(asked, txn)
            return asked.object or {}

        made, txn = await passes.settled(self._registry.store, call, body, step)
        await self._registry.finish(call, txn)
        call.round = None
        return made


def _asked(call: Call, operation: str, new: Object | None, old: Object | None, *, name: str = "") -> Attributes:
    """A write as admission sees it."""
    assert call.options is not None
    name = name or ("" if call.unnamed else call.name)
    namespace = name if call.kind.resource == "namespaces" else call.namespace  # each is within itself
    subresource = "scale" if call.scales else call.subresource
    return Attributes(
        call.kind, operation, name, namespace, subresource, call.user, call.dry_run, new, old, call.options, call.round,
        call.warnings,
    )  # fmt: skip


def _wipe(meta: Object, names: Iterable[str]) -> None:
    for name in names:
        meta.pop(name, None)
