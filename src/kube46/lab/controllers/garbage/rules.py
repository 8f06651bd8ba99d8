"""Who owns whom, and what follows for one object: pure.

Source: kubernetes/pkg/controller/garbagecollector/{graph_builder.go,garbagecollector.go}.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from kube46.api.objects import Object, OwnerReference
from kube46.api.resources import Resource

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class Node:
    """An object as far as ownership goes."""

    resource: Resource[Object]
    value: Object

    @property
    def uid(self) -> str:
        """The object's uid."""
        return self.value.metadata.uid

    @property
    def owners(self) -> tuple[OwnerReference, ...]:
        """Its owner references."""
        return self.value.metadata.owner_references

    def ends_with(self, finalizer: str) -> bool:
        """Whether it is being deleted and waits for this finalizer."""
        meta = self.value.metadata
        return meta.deletion_timestamp is not None and finalizer in meta.finalizers


class Step(Enum):
    """What is to be done with an object."""

    NOTHING = auto()
    DELETE = auto()
    DELETE_IN_FOREGROUND = auto()
    DROP_OWNERS = auto()
    ORPHAN_DEPENDENTS = auto()
    DELETE_DEPENDENTS = auto()
    FINISH_FOREGROUND = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """A step; `drop` are the uids of the owners to be taken off; `unblock`: its owners are first told not to wait."""

    step: Step
    drop: frozenset[str] = frozenset()
    unblock: bool = False


@dataclass(slots=True)
class Graph:
    """All objects by uid, and each owner's dependents."""

    nodes: dict[str, Node] = field(default_factory=dict)
    dependents: dict[str, set[str]] = field(default_factory=dict)

    def change(self, resource: Resource[Object], old: Object | None, new: Object | None) -> set[str]:
        """Takes a change in; the uids of objects whose case is to be looked at."""
        look: set[str] = set()
        if old and (new is None or new.metadata.uid != old.metadata.uid):
            look |= self._remove(old)
        elif old:
            self._unlink(old)
            look |= {o.uid for o in old.metadata.owner_references}
        if new:
            node = Node(resource, new)
            self.nodes[node.uid] = node
            for owner in node.owners:
                self.dependents.setdefault(owner.uid, set()).add(node.uid)
            if node.owners or node.value.metadata.deletion_timestamp:
                look.add(node.uid)
        return look

    def dependents_of(self, uid: str) -> list[Node]:
        """The objects that name the owner `uid`."""
        return [self.nodes[one] for one in self.dependents.get(uid, ()) if one in self.nodes]

    def affected_by(self, uid: str) -> list[str]:
        """The dependents that an owner's going concerns; those that go already wait for their own, not for it.

        So objects that own each other in a circle don't call each other for ever.
        """
        return [one.uid for one in self.dependents_of(uid) if one.value.metadata.deletion_timestamp is None]

    def owned_by_kinds(self, kinds: Collection[tuple[str, str]]) -> list[str]:
        """The uids of objects that have an owner of one of these groups and kinds."""
        return [
            uid
            for uid, node in self.nodes.items()
            if any((owner.api_version.rpartition("/")[0], owner.kind) in kinds for owner in node.owners)
        ]

    def _remove(self, old: Object) -> set[str]:
        self._unlink(old)
        self.nodes.pop(old.metadata.uid, None)
        return {o.uid for o in old.metadata.owner_references} | self.dependents.get(old.metadata.uid, set())

    def _unlink(self, old: Object) -> None:
        for owner in old.metadata.owner_references:
            names = self.dependents.get(owner.uid, set())
            names.discard(old.metadata.uid)
            if not names:
                self.dependents.pop(owner.uid, None)


def decide(graph: Graph, node: Node, absent: Collection[str]) -> Decision:
    """The step for an object; `absent` are the uids of its owners that the server says are not there."""
    if node.value.metadata.deletion_timestamp is not None:
        return _dying(graph, node)
    owners = {o.uid for o in node.owners}
    waiting = {uid for uid in owners if uid in graph.nodes and graph.nodes[uid].ends_with(FOREGROUND)}
    gone = owners & set(absent)
    if not gone and not waiting:
        return Decision(Step.NOTHING)
    if owners - gone - waiting:
        return Decision(Step.DROP_OWNERS, frozenset(gone | waiting))
    if waiting and graph.dependents.get(node.uid):
        # one of its dependents, which waits for its own, may come to wait for this one: a circle
        circle = any(one.ends_with(FOREGROUND) for one in graph.dependents_of(node.uid))
        return Decision(Step.DELETE_IN_FOREGROUND, unblock=circle)
    return Decision(Step.DELETE)


def unseen_owners(graph: Graph, node: Node) -> list[OwnerReference]:
    """Owners that the graph doesn't have where the reference says; only the server can tell whether they are."""
    return [o for o in node.owners if not _is_there(graph.nodes.get(o.uid), node)]


def propagation(node: Node) -> str:
    """The policy that a deletion of the object keeps to: what its finalizers asked for."""
    finalizers = node.value.metadata.finalizers
    return "Orphan" if ORPHAN in finalizers else "Foreground" if FOREGROUND in finalizers else "Background"


def without(finalizers: Iterable[str], name: str) -> list[str] | None:
    """The finalizers but one, as a merge patch wants them: none is null."""
    return [one for one in finalizers if one != name] or None


def _dying(graph: Graph, node: Node) -> Decision:
    if node.ends_with(ORPHAN):
        return Decision(Step.ORPHAN_DEPENDENTS)
    if node.ends_with(FOREGROUND):
        blocking = [one for one in graph.dependents_of(node.uid) if _blocks(one, node.uid)]
        return Decision(Step.DELETE_DEPENDENTS if blocking else Step.FINISH_FOREGROUND)
    return Decision(Step.NOTHING)


def _blocks(dependent: Node, owner: str) -> bool:
    return any(o.uid == owner and o.block_owner_deletion for o in dependent.owners)


def _is_there(owner: Node | None, node: Node) -> bool:
    return owner is not None and owner.value.metadata.namespace in ("", node.value.metadata.namespace)
