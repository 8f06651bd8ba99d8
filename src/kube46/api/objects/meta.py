"""What all objects have: metadata, owners, conditions, selectors; see the package."""

import msgspec


def api_name(field: str) -> str:
    """`pod_cidrs` → `podCIDRs`: camel case, with the API's upper-case initialisms."""
    first, *rest = field.rstrip("_").split("_")
    capital = {"ip": "IP", "ips": "IPs", "cidr": "CIDR", "cidrs": "CIDRs", "fqdn": "FQDN", "pid": "PID", "ipc": "IPC"}
    return first + "".join(capital.get(word, word.capitalize()) for word in rest)


class Value(msgspec.Struct, rename=api_name, frozen=True, omit_defaults=True):
    """A part of an API object."""


class OwnerReference(Value, frozen=True):
    """metadata.ownerReferences[]."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False
    block_owner_deletion: bool = False


class Meta(Value, frozen=True):
    """metadata."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    generate_name: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()


class Object(Value, kw_only=True, frozen=True):
    """A whole API object; `key` is its place in a cache."""

    metadata: Meta = Meta()

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name); the namespace is "" for cluster-scoped objects."""
        return self.metadata.namespace, self.metadata.name


class Condition(Value, frozen=True):
    """status.conditions[] of nodes, pods and others. `status` is True, False or Unknown, and always written."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None
    last_heartbeat_time: str | None = None
    last_update_time: str | None = None
    observed_generation: int | None = None


class LabelSelectorRequirement(Value, frozen=True):
    """selector.matchExpressions[]."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class LabelSelector(Value, frozen=True):
    """A selector of workloads: labels and expressions, all of which must hold."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()
