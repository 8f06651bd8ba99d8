"""Which objects a node has to do with, followed through random changes of pods and volumes."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kube46.apiserver.database import Event
from kube46.apiserver.nodegraph import NodeGraph, Ref
from kube46.apiserver.storage import Record, Store

NODES, PODS, SECRETS, VOLUMES = ("n1", "n2"), ("a", "b", "c"), ("s1", "s2"), ("v1", "v2")
pods = st.fixed_dictionaries({
    "node": st.sampled_from(("", *NODES)), "secret": st.sampled_from(SECRETS),
    "claim": st.sampled_from(("", "c1", "c2")),
})  # fmt: skip
volumes = st.fixed_dictionaries({"claim": st.sampled_from(("", "c1", "c2")), "secret": st.sampled_from(SECRETS)})
changes = st.one_of(
    st.tuples(st.just("pods"), st.sampled_from(PODS), st.none() | pods),
    st.tuples(st.just("persistentvolumes"), st.sampled_from(VOLUMES), st.none() | volumes),
    st.just(("forget", "", None)),
)


def body(plural: str, name: str, what: dict[str, Any]) -> bytes:
    """The object as it is stored."""
    if plural == "pods":
        spec: dict[str, Any] = {"volumes": [{"name": "x", "secret": {"secretName": what["secret"]}}]}
        spec |= {"nodeName": what["node"]} if what["node"] else {}
        if what["claim"]:
            spec["volumes"].append({"name": "y", "persistentVolumeClaim": {"claimName": what["claim"]}})
        return json.dumps({"metadata": {"name": name, "namespace": "d"}, "spec": spec}).encode()
    spec = {"csi": {"nodePublishSecretRef": {"namespace": "d", "name": f"of-{what['secret']}"}}}
    spec |= {"claimRef": {"namespace": "d", "name": what["claim"]}} if what["claim"] else {}
    return json.dumps({"metadata": {"name": name}, "spec": spec}).encode()


def expected(state: dict[tuple[str, str], dict[str, Any]], node: str) -> set[Ref]:
    """All that a node is related to, worked out anew."""
    found: set[Ref] = set()
    for (plural, name), what in state.items():
        if plural == "pods" and what["node"] == node:
            found |= {Ref("pods", "d", name), Ref("secrets", "d", what["secret"])}
            if what["claim"]:
                found.add(Ref("persistentvolumeclaims", "d", what["claim"]))
    for (plural, name), what in state.items():
        if plural == "persistentvolumes" and Ref("persistentvolumeclaims", "d", what["claim"]) in found:
            found |= {Ref("persistentvolumes", "", name), Ref("secrets", "d", f"of-{what['secret']}")}
    return found


@settings(max_examples=60)
@given(st.lists(changes, max_size=25))
def test_follows(steps: list[tuple[str, str, dict[str, Any] | None]]) -> None:
    """After any changes, and where the history was trimmed, the graph says what the objects say."""
    store = Store(Path(":memory:"))
    graph, state, revision = NodeGraph(store), {}, 1
    every = {Ref("pods", "d", name) for name in PODS} | {Ref("persistentvolumes", "", name) for name in VOLUMES}
    every |= {Ref("secrets", "d", name) for name in (*SECRETS, *(f"of-{name}" for name in SECRETS))}
    every |= {Ref("persistentvolumeclaims", "d", name) for name in ("c1", "c2")}
    for plural, name, what in steps:
        revision += 1
        if plural == "forget":
            for collection in map(store.collection, ("pods", "persistentvolumes")):
                collection.history.compacted, collection.history._events = revision, []
            continue
        key, collection = f"d/{name}" if plural == "pods" else name, store.collection(plural)
        if what is None:
            if state.pop((plural, name), None) is None:
                continue
            collection.drop(key)
            collection.history.append(Event(revision, "DELETED", key, b"{}", b"{}"))
        else:
            kind = "MODIFIED" if (plural, name) in state else "ADDED"
            state[plural, name] = what
            collection.put(key, Record(revision, body(plural, name, what)))
            collection.history.append(Event(revision, kind, key, body(plural, name, what), None))
        for node in NODES:
            assert {ref for ref in every if graph.related(node, ref)} == expected(state, node)
    store.close()
