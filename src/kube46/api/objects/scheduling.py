"""Where a pod may run: tolerations, affinities, spread."""

from kube46.api.objects.meta import LabelSelector, LabelSelectorRequirement, Value


class Toleration(Value, frozen=True):
    """spec.tolerations[] of a pod; no `effect` means every effect, no `toleration_seconds` means for ever."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class NodeSelectorTerm(Value, frozen=True):
    """nodeSelectorTerms[]: requirements on a node's labels and fields, all of which must hold."""

    match_expressions: tuple[LabelSelectorRequirement, ...] = ()
    match_fields: tuple[LabelSelectorRequirement, ...] = ()


class NodeSelector(Value, frozen=True):
    """A selector of nodes: one of its terms must hold."""

    node_selector_terms: tuple[NodeSelectorTerm, ...] = ()


class PreferredNode(Value, frozen=True):
    """nodeAffinity.preferredDuringScheduling…[]: a node that matches is worth `weight` more."""

    weight: int = 0
    preference: NodeSelectorTerm = NodeSelectorTerm()


class NodeAffinity(Value, frozen=True):
    """affinity.nodeAffinity."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredNode, ...] = ()


class PodAffinityTerm(Value, frozen=True):
    """Pods to be near or far from, where near means nodes with the same value of the label `topology_key`."""

    label_selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    namespace_selector: LabelSelector | None = None
    topology_key: str = ""
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()


class PreferredPods(Value, frozen=True):
    """preferredDuringScheduling…[] of a pod affinity."""

    weight: int = 0
    pod_affinity_term: PodAffinityTerm = PodAffinityTerm()


class PodAffinity(Value, frozen=True):
    """affinity.podAffinity and affinity.podAntiAffinity."""

    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = ()
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredPods, ...] = ()


class Affinity(Value, frozen=True):
    """spec.affinity of a pod."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class SpreadConstraint(Value, frozen=True):
    """topologySpreadConstraints[]: how much the numbers of pods in two domains may differ."""

    max_skew: int = 1
    topology_key: str = ""
    when_unsatisfiable: str = "DoNotSchedule"
    label_selector: LabelSelector | None = None
    min_domains: int | None = None
    node_affinity_policy: str = "Honor"
    node_taints_policy: str = "Ignore"
    match_label_keys: tuple[str, ...] = ()
