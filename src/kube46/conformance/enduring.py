"""GA: what a restart or an upgrade of the cluster's parts must leave as it is. Pure.

Sources: KEP-563 "Rollout, Upgrade and Rollback Planning"; decisions of every proxy: conntrack outlives a rule's maker.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kube46.addresses.families import by_family
from kube46.api import objects
from kube46.check.model import Layout
from kube46.conformance.model import Level, Promise

ROLLOUT = "Rollout, Upgrade and Rollback Planning"
STATE = Promise(
    "restart-addresses",
    Level.GA,
    ROLLOUT,
    "across a restart or an upgrade Services keep addresses and families, nodes their ranges",
    "the API server must not rewrite stored Services; the ranges it is started with must be the old ones, in order",
)
HELD = Promise(
    "restart-connections",
    Level.GA,
    ROLLOUT,
    "connections through Services and between pods outlive a restart of the parts, over each family",
    "the Service proxy must not flush conntrack or its table when it starts or ends; the CNI plugin no routes",
)
AFTER = Promise(
    "restart-traffic",
    Level.GA,
    ROLLOUT,
    "after a restart or an upgrade new connections to pods, cluster IPs and names are answered, over each family",
    "see the logs of the parts that were restarted",
)
PROMISES = (STATE, HELD, AFTER)
HOW = "give --disruptive 'COMMAND' that restarts or upgrades parts of the cluster"

# Holds a TCP connection to each target, asks each of them twice a second, and prints a line a round.
HOLD = """import json, os, socket, time
held, number = {}, 0
for name, host, port in json.loads(os.environ["TARGETS"]):
    for tries_left in reversed(range(40)):  # a Service's rules reach the node a moment after the API has it
        try:
            held[name] = socket.create_connection((host, port), 10).makefile("rwb")
            break
        except OSError as error:
            time.sleep(0.5)
            if not tries_left:
                print(json.dumps({"lost": name, "why": f"it was never made: {error}"}), flush=True)
while True:
    number += 1
    for name, stream in list(held.items()):
        try:
            stream.write(json.dumps({"nonce": str(number), "reply": 64}).encode() + b"\\n")
            stream.flush()
            if json.loads(stream.readline())["nonce"] != str(number):
                raise ValueError("another answer")
        except (OSError, ValueError) as error:
            del held[name]
            print(json.dumps({"lost": name, "why": str(error) or type(error).__name__}), flush=True)
    print(json.dumps({"round": number, "held": sorted(held)}), flush=True)
    time.sleep(0.5)
"""


@dataclass(frozen=True, slots=True)
class State:
    """What must endure: of each Service (by uid) its name and fields, of each node its ranges."""

    services: Mapping[str, tuple[str, Mapping[str, Any]]]
    nodes: Mapping[str, tuple[str, ...]]


def state(services: Iterable[objects.Service], nodes: Iterable[objects.Node]) -> State:
    """The state of a cluster now."""
    found = {}
    for item in services:
        spec = item.spec
        fields = {
            "clusterIPs": spec.cluster_ips,
            "ipFamilies": spec.ip_families,
            "ipFamilyPolicy": spec.ip_family_policy,
            "nodePorts": tuple(port.node_port for port in spec.ports),
        }
        found[item.metadata.uid] = (f"services/{item.metadata.namespace}/{item.metadata.name}", fields)
    return State(found, {node.metadata.name: node.spec.pod_cidrs for node in nodes})


def changed(before: State, after: State) -> list[str]:
    """What is not as it was; what was made or deleted meanwhile is its owner's business."""
    found = [
        f"{name}: {field} was {_said(value)}, is {_said(after.services[uid][1][field])}"
        for uid, (name, fields) in before.services.items()
        if uid in after.services
        for field, value in fields.items()
        if after.services[uid][1][field] != value
    ]
    return found + [
        f"nodes/{name}: podCIDRs was {_said(ranges)}, is {_said(after.nodes[name])}"
        for name, ranges in before.nodes.items()
        if name in after.nodes and after.nodes[name] != ranges
    ]


def _said(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def targets(layout: Layout, addresses: Sequence[str]) -> list[tuple[str, str, int]]:
    """What connections are held to, of each family: a pod, and a Service by these addresses."""
    pod = layout.responders[0]
    return [
        (f"{what} over {family}", found[family], layout.port)
        for what, found in (("a pod", pod.addresses), ("a cluster IP", by_family(addresses)))
        for family in layout.families
    ]


@dataclass(frozen=True, slots=True)
class Held:
    """What a holder's log says: its last round, and why each connection was lost."""

    round: int
    lost: tuple[str, ...]


def heard(log: str) -> Held:
    """The log as far as it is written; its last line may be half."""
    number, lost = 0, []
    for line in log.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        number = said.get("round", number)
        if "lost" in said:
            lost.append(f"the connection to {said['lost']} was lost: {said['why']}")
    return Held(number, tuple(lost))
