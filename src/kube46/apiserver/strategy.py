"""What is particular to a kind of object on the write path: the hooks that the server calls, and what they may use.

The server calls, inside one transaction that is committed whole or not at all:

    create:  default → metadata filled → prepare_create → validate_create → warnings → write → on_read for the answer
    update:  default → resourceVersion checked → prepare_update → validate_update → warnings → write → on_read
    delete:  delete hooks only on real removal (no finalizer left, grace over): after_delete

All hooks work on plain JSON objects (dict) and may change `obj`/`new` in place; `old` must not be changed. Hooks are
synchronous and never block: state they need is in memory behind `ctx.txn`. A hook refuses at once by raising
`StatusError` (`statuses.invalid(kind, name, errors)` for a 422 that stands alone); `validate_*` collect instead.
A dry run is the same call, its transaction is thrown away at the end.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kube46.addresses.families import Prefix
    from kube46.api.errors import FieldError
    from kube46.apiserver.kinds import Kind

__all__ = ["Context", "Object", "StatusError", "Strategy", "Transaction", "User"]

Object = dict[str, Any]
T = TypeVar("T")


class Transaction(Protocol):
    """Other objects, read and written in the same atomic commit as the request's own.

    Reads see everything written before, also by requests whose commit is still under way.
    """

    def get(self, plural: str, name: str, namespace: str = "") -> Object | None:
        """A fresh copy of an object, or None."""

    def exists(self, plural: str, name: str, namespace: str = "") -> bool:
        """Whether there is such an object (no decoding: cheap)."""

    def list(self, plural: str, namespace: str = "") -> Iterator[Object]:
        """Fresh copies of all objects, by key; decodes each: use `reserved` pools where speed matters."""

    def create(self, plural: str, obj: Object) -> Object:
        """Add an object, without its kind's hooks; fills uid, creationTimestamp; raises StatusError 409."""

    def update(self, plural: str, obj: Object) -> Object:
        """Replace an object, without its kind's hooks."""

    def delete(self, plural: str, name: str, namespace: str = "") -> bool:
        """Remove an object at once, without its kind's hooks; False if there was none."""

    def reserve(self, pool: str, name: str, owner: str) -> bool:
        """Take `name` of a durable pool (`"nodeports", "30080", "default/web"`); False if it is taken."""

    def release(self, pool: str, name: str) -> None:
        """Give `name` back; nothing happens if it is free."""

    def reserved(self, pool: str) -> Mapping[str, str]:
        """name → owner of everything taken in a pool (a view: O(1) membership, don't keep it)."""

    def memory(self, name: str, build: Callable[[Transaction], T]) -> T:
        """An object that lives as long as the server's storage, made by `build` at first use: an index of objects.

        Change it along with the objects and register the reverse with `undo`. After a failed commit it is dropped.
        """

    def undo(self, callback: Callable[[], None]) -> None:
        """Call back, newest first, if this transaction is not committed (dry run, refused request)."""


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Context:
    """What a hook may know and use beside the object itself."""

    txn: Transaction
    kind: Kind
    name: str  # as in the URL or, on create, metadata.name (after generateName)
    namespace: str  # "" for cluster-scoped kinds
    subresource: str = ""  # "", "status", "scale", "finalize", …
    dry_run: bool = False
    user: User = field(default_factory=lambda: User(""))
    service_ranges: tuple[Prefix, ...] = ()  # --service-cluster-ip-range, primary first
    node_ports: range = range(30000, 32768)  # --service-node-port-range
    dual_stack: bool = True  # the feature gate IPv6DualStack


class Strategy:
    """The rules of one kind; this base is the generic default and accepts everything.

    `create_on_update`: PUT to a missing name creates (Services, S1.1.1).
    `unconditional_update`: an update may come without metadata.resourceVersion.
    `converts`: `served` changes the form, so that owners of fields name others than are stored.
    `blank`: what Go prints of an object that nobody has filled in: nobody owns such fields for creating them so.
    `bare_status`: a GET of /status shows what is stored, without `on_read`.
    `keeps_status_on_create`: a POST may bring `status` (nodes, B-5); otherwise it is dropped.
    """

    create_on_update: bool = False
    unconditional_update: bool = True
    keeps_status_on_create: bool = False
    bare_status: bool = False
    blank: ClassVar[Object] = {}
    converts = False

    def generate_name(self, base: str) -> str:
        """A name for metadata.generateName: at most 63 characters, ending in five that avoid vowels and look-alikes."""
        return base[:58] + "".join(secrets.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(5))

    def default(self, obj: Object) -> None:
        """Static defaulting: of each body that comes in and of the result of each patch."""

    def admit(self, obj: Object, ctx: Context) -> None:
        """Put in what Kubernetes' own admission plugins put into a new object, so that others' see it, too.

        Only called where there are others; `prepare_create` does the same afterwards, of what they have made of it.
        """

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """Normalise and allocate before a create; the server has already dropped `status` of kinds that have one."""

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        """Carry over, allocate, release before an update.

        For `ctx.subresource == ""` the server has already put the stored `status` into `new`; for `"status"` it has
        replaced everything but `status` and metadata's labels, annotations, finalizers, ownerReferences by the stored.
        """

    def validate_create(self, obj: Object, ctx: Context) -> list[FieldError]:
        """Every error, in the order Kubernetes lists them, those of metadata first."""
        return []

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        """Every error of an update; `ctx.subresource` says of which."""
        return []

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        """Texts for `Warning: 299 -` headers of a create (old is None) or update."""
        return []

    def status_warnings(self, new: Object) -> list[str]:
        """The same of a write to /status; other subresources have none."""
        return []

    def served(self, obj: Object) -> None:
        """Bring a stored object into the form of its version, where that is another one; `default` brings it back."""

    def on_read(self, obj: Object) -> None:
        """Change the view of a stored object: gets, lists and watches decode each that is not `shown_as_stored`.

        Not called for answers of `/status`. Prefer storing what readers shall see.
        """

    def shown_as_stored(self, value: bytes) -> bool:
        """Whether an object needs no `on_read`, by a look at its JSON; only asked of kinds that have one."""
        return False

    def prepare_delete(self, obj: Object) -> bool:
        """Put into the object what its end has to wait for; whether that changed it."""
        return False

    def after_delete(self, obj: Object, ctx: Context) -> None:
        """Release what the object held; called in the transaction that really removes it."""
