"""Create, update and patch: steps in Kubernetes' order (semantics S1.1.1, S1.1.2), rules by the strategies.

Each write computes its change on the event loop without waiting, then waits for the disk. So no other request can come
between reading an object and staging its successor, and a patch never meets a conflict of its own making.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from kube46.api import errors
from kube46.api.rbac.rules import MASTERS
from kube46.apiserver import statuses, told_empty, updates
from kube46.apiserver.admission import passes
from kube46.apiserver.admission.gate import Gate
from kube46.apiserver.customresources import conversions
from kube46.apiserver.customresources.conversions import Conversions
from kube46.apiserver.customresources.kinds import CustomKind
from kube46.apiserver.kinds import BY_PLURAL, Kind, stored_as
from kube46.apiserver.managedfields import clientside
from kube46.apiserver.managedfields import writing as managedfields
from kube46.apiserver.noderestriction import admit
from kube46.apiserver.strategy import Context, Object, Strategy, Transaction, User
from kube46.apiserver.transactions import copied, now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kube46.addresses.families import Prefix
    from kube46.apiserver.storage import Store
    from kube46.apiserver.transactions import Txn


T = TypeVar("T")
# what a request can't set on a new object
WIPED = ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")


class Form(Protocol):
    """A part of an object that is written by way of another kind: its Scale."""

    def shown(self, obj: Object) -> Object:
        """What stands for an object."""

    def taken(self, obj: Object, shown: Object) -> None:
        """Put what became of it into the object."""


@dataclass(slots=True)
class Call:
    """One write: what it aims at and under which conditions."""

    kind: Kind
    name: str = ""
    namespace: str = ""
    subresource: str = ""
    user: User = field(default_factory=lambda: User("system:apiserver", (MASTERS,)))
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)
    manager: str = "kube-apiserver"  # who owns the fields that are written
    force: bool = False  # of an apply: take fields from their owners
    scales: bool = False  # through /scale
    emptied: bool = False  # something empty was written, of a kind whose generation counts that
    check_create: Callable[[], None] | None = None  # refuses who may update, but not create what is missing
    options: Callable[[], Object] | None = None  # of the request; without one the write is the server's own
    round: passes.Round | None = None  # what is asked of webhooks, while there are any
    form: Form | None = None  # what admission sees in the object's place
    stale: bool = False  # what is stored is in another version than objects are stored in now
    unnamed: bool = False  # the request names none: the name is generated, or of a collection that is deleted


class Registry:
    """The stored objects behind their kinds' rules."""

    def __init__(
        self,
        store: Store,
        strategies: Mapping[str, Strategy],
        service_ranges: tuple[Prefix, ...] = (),
        node_ports: range = range(30000, 32768),
        *,
        dual_stack: bool = True,
    ) -> None:
        self.store = store
        self.gate, self.conversions = Gate(self), Conversions()
        self._strategies = strategies
        self._base = strategies.get("*", Strategy())
        self._resolved: dict[tuple[str, str, str], Strategy] = {}  # group, version, plural → rules
        self._ranges, self._node_ports, self._dual_stack = service_ranges, node_ports, dual_stack

    def strategy(self, kind: Kind) -> Strategy:
        """The rules of a kind."""
        if isinstance(kind, CustomKind):
            return kind.rules
        place = (kind.group, kind.version, kind.plural)
        found = self._resolved.get(place)
        if found is None:
            names = (f"{kind.qualified}/{kind.version}", kind.qualified, kind.plural, "*")
            found = next((self._strategies[name] for name in names if name in self._strategies), self._base)
            self._resolved[place] = found
        return found

    def context(self, call: Call, txn: Txn) -> Context:
        """What the hooks of this write are given."""
        return Context(
            txn, call.kind, call.name, call.namespace, call.subresource, call.dry_run, call.user, self._ranges,
            self._node_ports, self._dual_stack,
        )  # fmt: skip

    async def settle(self, call: Call, body: T, step: Callable[[T, Txn], Object]) -> Object:
        """Run a write's step in a transaction and commit it; again with the answers where webhooks are asked."""
        if self.gate.asks(call) or conversions.asks(call.kind):
            made, txn = await passes.settled(self.store, call, body, step)
        else:
            with self.store.begin() as txn:
                made = step(body, txn)
        await self.finish(call, txn)
        return made

    async def finish(self, call: Call, txn: Txn) -> None:
        """Commit, or throw a dry run away."""
        if call.dry_run:
            txn.abandon()
        else:
            await self.store.commit(txn)

    def view(self, call: Call, obj: Object) -> Object:
        """An object as its writer is answered."""
        shown = {"kind": call.kind.kind, "apiVersion": call.kind.api_version, **obj}
        if call.subresource != "status":
            self.strategy(call.kind).on_read(shown)
        return shown

    # Create

    async def create(self, call: Call, obj: Object) -> Object:
        """Store a new object and return it; with generateName, another suffix is tried when one is taken."""
        meta = obj.setdefault("metadata", {})
        updates.check_namespace(call, meta)
        generate = meta.get("generateName") if not meta.get("name") else None
        self.strategy(call.kind).default(obj)  # which knows no generated name yet
        told_empty.drop(obj if generate else {})  # copies don't know them
        again = copied(obj) if generate else obj
        for attempt in range(8 if generate else 1):
            body = copied(again) if attempt else obj
            if generate:
                body["metadata"]["name"] = self.strategy(call.kind).generate_name(generate)
            call.unnamed = bool(generate)
            try:
                made = await self.settle(call, body, partial(self._post, call))
            except statuses.StatusError as error:
                if error.reason != "AlreadyExists" or not generate or attempt == 7:
                    raise
            else:
                return self.view(call, made)
        raise AssertionError

    def _post(self, call: Call, body: Object, txn: Txn) -> Object:
        revision = str(body["metadata"].get("resourceVersion") or "")
        return self.stage(call, body, txn, posted=True, revision=revision)

    def stage(
        self, call: Call, obj: Object, txn: Txn, *, applied: bool = False, posted: bool = False, revision: str = ""
    ) -> Object:
        """The steps of a create within a transaction; `revision` is what the body of a POST has for one.

        What nobody may set belongs to who sets it by a PUT, as upstream takes it away later there.
        """
        kind, strategy, meta = call.kind, self.strategy(call.kind), obj["metadata"]
        call.name = str(meta.get("name") or "")
        if kind.namespaced:
            meta["namespace"] = call.namespace
            self._check_namespace_lives(call, txn)
        if not posted:  # which are defaulted before they get a name
            strategy.default(obj)
        _wipe(meta, WIPED if posted else ())
        _wipe(meta, () if call.dry_run else ("resourceVersion",))  # a dry run shows it as sent
        updates.merge_owners(call, meta)
        uid = str(uuid.uuid4()) if call.round is None else call.round.uid
        meta.update(uid=uid, creationTimestamp=now(), **({"generation": 1} if kind.generation else {}))
        if call.subresource and not applied:  # owned is what was sent of the status, though a create drops it
            self._note(call, obj, None, strategy.blank)
        if kind.has_status and not strategy.keeps_status_on_create:
            obj["status"] = {}
            if kind.custom:
                del obj["status"]
        if not call.subresource and not applied:
            self._note(call, obj, None, strategy.blank)
        told_empty.drop(obj)
        _wipe(meta, () if posted else WIPED[1:])
        if kind.resource == "namespaces":
            _fill_namespace(obj)
        if call.name:
            admit(call.user, kind, call.subresource, call.name, obj, None, txn)
        if asking := self.gate.concerns(call):
            obj = self.gate.mutated(call, obj, None, txn)
        context = self.context(call, txn)
        strategy.prepare_create(obj, context)
        call.name = call.name or str(obj["metadata"].get("name") or "")
        problems = strategy.validate_create(obj, context)
        if not call.name and not problems:
            problems = [errors.required("metadata.name", "name or generateName is required")]
        if problems:
            raise statuses.invalid(kind, call.name, problems)
        call.warnings += strategy.warnings(obj, None)
        self._check_new(call, obj, txn, revision, asking=asking)
        return obj if call.dry_run else self._written(call, obj, txn.create)

    def _check_new(self, call: Call, obj: Object, txn: Txn, revision: str, *, asking: bool) -> None:
        """What may keep a valid object from being stored."""
        if call.check_create:
            call.check_create()
        if asking:
            self.gate.validate(call, obj, None, txn)
        if not call.dry_run and revision.isdecimal() and int(revision):
            raise statuses.StatusError(500, "", "resourceVersion should not be set on objects to be created")
        self._check_free(call, txn)

    def _note(self, call: Call, new: Object, old: Object | None, blank: Object | None = None) -> None:
        """Note in a written object who owns its fields, which have the names of the version that was sent."""
        strategy = self.strategy(call.kind)
        if not strategy.converts:
            managedfields.note(call, new, old, blank)
            return
        shown, meta = _as_served(strategy, new), new["metadata"]
        managedfields.note(call, shown, _as_served(strategy, old), blank)
        meta.pop("managedFields", None)
        if entries := shown["metadata"].get("managedFields"):
            meta["managedFields"] = entries

    def _check_free(self, call: Call, txn: Txn) -> None:
        """Refuse with 409 a name that is taken, also by an object on its way out."""
        taken = txn.get(call.kind.resource, call.name, call.namespace)
        if taken is not None:
            refusal = statuses.already_exists(stored_as(call.kind.resource), call.name)
            if taken["metadata"].get("deletionTimestamp"):
                refusal.message = f"object is being deleted: {refusal.message}"
            raise refusal

    def _check_namespace_lives(self, call: Call, txn: Txn) -> None:
        namespace = txn.get("namespaces", call.namespace)
        if namespace is None:
            raise statuses.not_found(BY_PLURAL["namespaces"], call.namespace)
        if namespace["metadata"].get("deletionTimestamp"):
            where = f"namespace {call.namespace}"
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"{where} is being terminated",
                "field": "metadata.namespace",
            }
            text = f"unable to create new content in {where} because it is being terminated"
            raise statuses.forbidden(call.kind, call.name, text, [cause])

    # Update

    async def update(self, call: Call, obj: Object) -> tuple[Object, bool]:
        """Replace an object (or create it, where its kind allows); returns it and whether it was created."""
        meta = obj.setdefault("metadata", {})
        updates.check_namespace(call, meta)
        updates.check_name(call, meta)
        updates.merge_owners(call, meta)  # and says so, whatever comes of the update
        created = False

        def put(body: Object, txn: Txn) -> Object:
            nonlocal created
            old = self._current(call, txn)
            created = old is None
            if not created or self._creates(call):
                uid = body["metadata"].get("uid") or ""
                updates.check_uid(call, uid, "" if old is None else old["metadata"]["uid"])
            return self._replace_or_create(call, body, old, txn)

        return self.view(call, await self.settle(call, obj, put)), created

    def check_there(self, call: Call) -> None:
        """Refuse with 404 an apply of a part of what is missing, before its config is looked at."""
        if call.subresource and not self._creates(call):
            with self.store.begin() as txn:
                if not txn.exists(call.kind.resource, call.name, call.namespace):
                    raise statuses.not_found(call.kind, call.name)

    def _creates(self, call: Call) -> bool:
        """Whether an update of what is missing creates it: then one of its status does, too, as upstream."""
        return self.strategy(call.kind).create_on_update and call.subresource in ("", "status")

    def _replace_or_create(self, call: Call, obj: Object, old: Object | None, txn: Txn) -> Object:
        if old is not None:
            return self.replace(call, obj, old, txn)
        if not self._creates(call):
            raise statuses.not_found(call.kind, call.name)
        updates.revision(obj["metadata"])
        return self.stage(call, obj, txn)

    async def change(self, call: Call, edit: Callable[[Object], Object]) -> Object:
        """Apply a function (a patch) to a copy of the stored object and store the result."""

        def patch(_: None, txn: Txn) -> Object:
            old = self._current(call, txn)
            if old is None:
                raise statuses.not_found(call.kind, call.name)
            current = {"kind": call.kind.kind, "apiVersion": call.kind.api_version, **copied(old)}
            self.strategy(call.kind).served(current)
            new = edit(current)
            updates.check_namespace(call, new.setdefault("metadata", {}))
            updates.check_name(call, new["metadata"])
            return self.replace(call, new, old, txn)

        return self.view(call, await self.settle(call, None, patch))

    async def change_directly(self, call: Call, *edits: Callable[[Object], Object | None]) -> Object:
        """Change a copy of the stored object in place, past its kind's rules (bindings), and store the result.

        A pod that is bound stays of its generation: nobody wants it otherwise than before.
        """
        with self.store.begin() as txn:
            obj = txn.get(call.kind.resource, call.name, call.namespace)
            if obj is None:
                raise statuses.not_found(call.kind, call.name)
            before = copied(obj)
            for edit in edits:
                edit(obj)
            if call.kind.plural != "pods":
                _count(call, obj, before)
            self._put(call, obj, before, self.context(call, txn), txn)
        await self.finish(call, txn)
        return self.view(call, obj)

    async def apply(self, call: Call, config: Object, settle: Callable[[Object], Object]) -> tuple[Object, bool]:
        """Server-side apply of a config, created where there is no object; returns it and whether it was created.

        `settle` checks what was merged against the kind's schema.
        """
        created = False

        def merge(config: Object, txn: Txn) -> Object:
            nonlocal created
            old = self._current(call, txn)
            created = old is None
            return self._apply(call, config, old, settle, txn)

        return self.view(call, await self.settle(call, config, merge)), created

    def _apply(
        self, call: Call, config: Object, old: Object | None, settle: Callable[[Object], Object], txn: Txn
    ) -> Object:
        if old is None and call.subresource and not self._creates(call):
            raise statuses.not_found(call.kind, call.name)
        strategy = self.strategy(call.kind)
        obj = managedfields.apply(call, config, _as_served(strategy, old), strategy.blank)
        if call.manager == clientside.MANAGER:
            clientside.remember(obj, config)
        obj = settle(obj if old is not None else {**config, **obj})
        if old is None and (uid := config["metadata"].get("uid")):
            text = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise statuses.conflict(call.kind, call.name, text)
        updates.check_namespace(call, obj["metadata"])
        updates.check_name(call, obj["metadata"])
        if old is None:
            updates.revision(obj["metadata"])
            return self.stage(call, obj, txn, applied=True)
        return self.replace(call, obj, old, txn, applied=True)

    def _current(self, call: Call, txn: Txn) -> Object | None:
        """What is stored, in the version that is asked for."""
        return self.conversions.current(call, txn.get(call.kind.resource, call.name, call.namespace))

    def _written(self, call: Call, obj: Object, write: Callable[[str, Object], Object]) -> Object:
        """Store an object, in the version that is stored; returns it in the one that is asked for."""
        stored = write(call.kind.resource, self.conversions.stored(call, obj))
        obj["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"]
        return obj

    def replace(self, call: Call, new: Object, old: Object, txn: Txn, *, applied: bool = False) -> Object:
        """The steps of an update within a transaction; an update that changes nothing writes nothing."""
        kind, strategy = call.kind, self.strategy(call.kind)
        new.pop("kind", None)
        new.pop("apiVersion", None)
        strategy.default(new)
        updates.merge_owners(call, new["metadata"], late=True)  # those of an update are merged already
        stored = old["metadata"]["resourceVersion"]
        updates.check_revision(call, new["metadata"], stored, unconditional=strategy.unconditional_update)
        new = updates.carry_over(call, new, old)
        if not applied:
            self._note(call, new, old)
        updates.keep_deletion(new["metadata"], old["metadata"])
        call.emptied = told_empty.drop(new) and kind.kind in told_empty.EXACT
        admit(call.user, kind, call.subresource, call.name, new, old, txn)
        if asking := self.gate.concerns(call):
            new = self.gate.mutated(call, new, old, txn)
        context = self.context(call, txn)
        strategy.prepare_update(new, old, context)
        problems = strategy.validate_update(new, old, context)
        if problems:
            raise statuses.invalid(kind, call.name, problems)
        _count(call, new, old)
        if call.subresource:
            call.warnings += strategy.status_warnings(new) if call.subresource == "status" else []
        else:
            call.warnings += strategy.warnings(new, old)
        if asking:
            self.gate.validate(call, new, old, txn)
        return self._put(call, new, old, context, txn)

    def report(self, plural: str, new: Object, old: Object, txn: Transaction) -> None:
        """Write another object's status along with what is being written, as the server itself."""
        meta = old["metadata"]
        call = Call(BY_PLURAL[plural], meta["name"], meta.get("namespace", ""), "status")
        self.replace(call, new, old, cast("Txn", txn))

    def _put(self, call: Call, new: Object, old: Object, context: Context, txn: Txn) -> Object:
        meta = new["metadata"]
        meta["resourceVersion"] = old["metadata"]["resourceVersion"]
        if meta.get("deletionTimestamp") and self.may_go(call.kind, new):
            txn.delete(call.kind.resource, call.name, call.namespace)
            self.strategy(call.kind).after_delete(new, context)
            return new
        if not call.dry_run:
            meta.pop("selfLink", None)  # is never stored
        if not call.stale and (new == old or managedfields.same_but_for_times(new, old)):
            return old
        return new if call.dry_run else self._written(call, new, txn.update)

    def may_go(self, kind: Kind, obj: Object) -> bool:
        """Whether an object that is being deleted has nothing more to wait for."""
        meta = obj["metadata"]
        if meta.get("finalizers"):
            return False
        if kind.resource == "namespaces":
            return not (obj.get("spec") or {}).get("finalizers")
        return not meta.get("deletionGracePeriodSeconds")


def _as_served(strategy: Strategy, obj: Any) -> Any:
    """A stored object, if there is one, in the form of the version that is asked for."""
    if obj is None or not strategy.converts:
        return obj
    made = copied(obj)
    strategy.served(made)
    return made


def _wipe(meta: Object, names: Iterable[str]) -> None:
    for name in names:
        meta.pop(name, None)


def _fill_namespace(obj: Object) -> None:
    """What NamespaceStrategy and the label defaulting of namespaces put into a new one."""
    meta = obj["metadata"]
    meta["labels"] = {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": meta.get("name", "")}
    obj["status"] = {"phase": "Active"}


def _count(call: Call, new: Object, old: Object) -> None:
    """Give what is desired otherwise than before another generation."""
    kind, meta = call.kind, new["metadata"]
    counted = kind.generation and call.subresource != "status" and kind.plural != "priorityclasses"  # which stay at 1
    if counted and (call.emptied or updates.desire(kind, new) != updates.desire(kind, old)):
        meta["generation"] = int(meta.get("generation", 0)) + 1
