"""Where a volume for a claim that waits for no pod is made, and which class claims get that name none: pure."""

from collections.abc import Iterable, Mapping

import msgspec

from kube46.api.objects import Node
from kube46.api.storage import classes
from kube46.api.storage_objects import PersistentVolume, StorageClass

HOSTNAME = "kubernetes.io/hostname"


def choose(kind: StorageClass, nodes: Iterable[Node], made: Mapping[str, int]) -> str:
    """The node that can have a volume of the class and has the fewest; "" when there is none."""
    fit = [node.metadata.name for node in nodes if ready(node) and allowed(kind, node)]
    return min(fit, key=lambda name: (made.get(name, 0), name), default="")


def ready(node: Node) -> bool:
    """Whether the node takes new work."""
    well = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
    return well and not node.spec.unschedulable and not node.metadata.deletion_timestamp


def allowed(kind: StorageClass, node: Node) -> bool:
    """Whether one of the class's topologies holds for the node; no topologies allow every one."""
    terms = kind.allowed_topologies
    return not terms or any(
        bool(term.match_label_expressions)
        and all(node.metadata.labels.get(one.key) in one.values for one in term.match_label_expressions)
        for term in terms
    )


def node_of(volume: PersistentVolume) -> str:
    """The node that a provisioned volume lies on; "" when its affinity names none."""
    affinity = volume.spec.node_affinity
    terms = affinity.required.node_selector_terms if affinity and affinity.required else ()
    found = [one.values[0] for term in terms for one in term.match_expressions if one.key == HOSTNAME and one.values]
    return found[0] if found else ""


def default_class(kinds: Iterable[StorageClass]) -> str:
    """The name of the default class, "" when there is none."""
    return classes.default_class(msgspec.to_builtins(kind) for kind in kinds)
