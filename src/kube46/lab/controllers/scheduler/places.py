"""The cluster as the scheduler sees it: nodes with what their pods take, and crowds of pods alike. No I/O.

Questions about pods are answered without a look at each: pods of one namespace with the same labels are one crowd,
counted by node, and terms of affinity that many pods share are kept once. A pod costs what it has itself.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from kube46.api.objects import LabelSelector, Node, Pod
from kube46.api.pods import hostports
from kube46.lab.controllers.scheduler.demands import ASSUMED, ZERO, Amounts, requests
from kube46.lab.controllers.scheduler.terms import Term, terms_of

Key = tuple[str, str]
Labels = Mapping[str, str]


@dataclass(slots=True)
class Place:
    """A node, and what the pods on it take; `node` is empty while only its pods are known."""

    node: Node = field(default_factory=Node)
    pods: dict[Key, Pod] = field(default_factory=dict)
    ports: Counter[hostports.HostPort] = field(default_factory=Counter)
    requested: Amounts = field(default_factory=dict)
    assumed: Amounts = field(default_factory=dict)

    def count(self, pod: Pod, sign: int) -> None:
        """Counts a pod in (1) or out (-1)."""
        for port in hostports.of(pod.spec):
            self.ports[port] += sign
            if not self.ports[port]:
                del self.ports[port]
        for total, least in ((self.requested, None), (self.assumed, ASSUMED)):
            for name, amount in requests(pod, least).items():
                total[name] = total.get(name, ZERO) + sign * amount


@dataclass(slots=True)
class Crowd:
    """Pods of one namespace with the same labels, by node; those that are being deleted are also counted apart."""

    namespace: str
    labels: Labels
    pods: Counter[str] = field(default_factory=Counter)
    ending: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Cluster:
    """All places by name. `namespaces` has the labels of namespaces; `alike` the selector of a pod's workload."""

    namespaces: Mapping[str, Labels] = field(default_factory=dict)
    alike: Callable[[Pod], LabelSelector | None] = lambda _: None
    places: dict[str, Place] = field(default_factory=dict)
    crowds: dict[str, dict[frozenset[tuple[str, str]], Crowd]] = field(default_factory=dict)
    terms: dict[Term, Counter[str]] = field(default_factory=dict)
    nominated: dict[str, dict[Key, Pod]] = field(default_factory=dict)
    _where: dict[Key, str] = field(default_factory=dict)

    def nodes(self) -> list[Place]:
        """The places whose nodes are known."""
        return [place for place in self.places.values() if place.node.metadata.name]

    def set_node(self, name: str, node: Node | None) -> None:
        """Takes a node in, or forgets it; its pods stay."""
        place = self.places.setdefault(name, Place())
        place.node = node or Node()
        if node is None and not place.pods:
            del self.places[name]

    def node_of(self, key: Key) -> str:
        """The name of the node that the pod counts on; "" when on none."""
        return self._where.get(key, "")

    def add(self, pod: Pod, node: str) -> bool:
        """Counts a pod in on a node, and what was counted of it before out; whether that makes a difference."""
        before = self._where.get(pod.key) == node and self.places[node].pods[pod.key]
        if before and _alike(before, pod):
            self.places[node].pods[pod.key] = pod
            return False
        self.remove(pod.key)
        place = self.places.setdefault(node, Place())
        self._where[pod.key] = node
        place.pods[pod.key] = pod
        self._count(pod, node, 1)
        return True

    def remove(self, key: Key) -> Pod | None:
        """Counts a pod out; the pod, if it was counted."""
        node = self._where.pop(key, None)
        if node is None:
            return None
        place = self.places[node]
        pod = place.pods.pop(key)
        self._count(pod, node, -1)
        if not place.pods and not place.node.metadata.name:
            del self.places[node]
        return pod

    def nominate(self, pod: Pod, node: str) -> None:
        """Notes for which node room is being made for the pod; "" for none."""
        for name, there in list(self.nominated.items()):
            there.pop(pod.key, None)
            if not there:
                del self.nominated[name]
        if node:
            self.nominated.setdefault(node, {})[pod.key] = pod

    def crowds_in(self, namespace: str) -> Iterator[Crowd]:
        """The crowds of a namespace."""
        yield from self.crowds.get(namespace, {}).values()

    @contextmanager
    def without(self, *pods: Pod) -> Iterator[None]:
        """The cluster as if these pods were gone, inside the block."""
        node = {pod.key: self._where[pod.key] for pod in pods}
        for pod in pods:
            self.remove(pod.key)
        try:
            yield
        finally:
            for pod in pods:
                self.add(pod, node[pod.key])

    @contextmanager
    def having(self, node: str, pods: Mapping[Key, Pod]) -> Iterator[None]:
        """The cluster as if these pods were on the node, inside the block."""
        for pod in pods.values():
            self.add(pod, node)
        try:
            yield
        finally:
            for key in pods:
                self.remove(key)

    def _count(self, pod: Pod, node: str, sign: int) -> None:
        self.places[node].count(pod, sign)
        meta = pod.metadata
        alike = self.crowds.setdefault(meta.namespace, {})
        place = frozenset(meta.labels.items())
        crowd = alike.get(place) or alike.setdefault(place, Crowd(meta.namespace, meta.labels))
        _tick(crowd.pods, node, sign)
        if meta.deletion_timestamp:
            _tick(crowd.ending, node, sign)
        if not crowd.pods:
            del alike[place]
            if not alike:
                del self.crowds[meta.namespace]
        for term in terms_of(pod):
            _tick(self.terms.setdefault(term, Counter()), node, sign)
            if not self.terms[term]:
                del self.terms[term]


def _alike(one: Pod, other: Pod) -> bool:
    """Whether both are counted the same way."""
    old, new = one.metadata, other.metadata
    same_end = (old.deletion_timestamp is None) == (new.deletion_timestamp is None)
    return same_end and old.labels == new.labels and one.spec == other.spec


def _tick(counter: Counter[str], name: str, sign: int) -> None:
    counter[name] += sign
    if not counter[name]:
        del counter[name]
