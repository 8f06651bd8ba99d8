"""Which ReplicaSets a Deployment has, what marks them, and which are history: pure.

Source: kubernetes/pkg/controller/deployment/{sync.go,util/deployment_util.go}.
"""

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from kube46.api.objects import Deployment, ReplicaSet
from kube46.api.resources import DEPLOYMENTS
from kube46.lab.controllers.deployments import rolling
from kube46.lab.controllers.owners import reference

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
NOT_COPIED = (REVISION, rolling.DESIRED, rolling.MOST, "kubectl.kubernetes.io/last-applied-configuration")
SAFE = "bcdfghjklmnpqrstvwxz2456789"
DEFAULT_HISTORY = 10


def template_hash(template: dict[str, Any], collisions: int) -> str:
    """A short name for a template: FNV-1a over its canonical JSON, in letters that spell no words.

    Its value differs from upstream's, which hashes Go's own print of the template; nothing compares the two.
    """
    text = json.dumps(template, sort_keys=True, separators=(",", ":")) + (str(collisions) if collisions else "")
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join(SAFE[int(digit) % len(SAFE)] for digit in str(value))


def same_template(deployment: Deployment, owned: ReplicaSet) -> bool:
    """Whether the ReplicaSet is of the Deployment's template, the hash label aside."""
    return deployment.spec.template == _without_hash(owned.spec.template)


def current(deployment: Deployment, owned: Iterable[ReplicaSet]) -> ReplicaSet | None:
    """The ReplicaSet of the template; the oldest, should there be several."""
    same = [one for one in owned if same_template(deployment, one)]
    return min(same, key=lambda one: (one.metadata.creation_timestamp or "", one.metadata.name), default=None)


def new_set(deployment: Deployment, owned: Iterable[ReplicaSet], replicas: int) -> dict[str, Any]:
    """The ReplicaSet to create for the Deployment's template."""
    spec = deployment.spec
    value = template_hash(spec.template, deployment.status.collision_count or 0)
    template = dict(spec.template)
    meta = template.get("metadata") or {}
    labels = {**(meta.get("labels") or {}), HASH_LABEL: value}
    template["metadata"] = {**meta, "labels": labels}
    selector: dict[str, Any] = msgspec.to_builtins(spec.selector)
    selector["matchLabels"] = {**spec.selector.match_labels, HASH_LABEL: value}
    return {
        "metadata": {
            "name": f"{deployment.metadata.name}-{value}",
            "namespace": deployment.metadata.namespace,
            "labels": labels,
            "annotations": {**annotations(deployment, next_revision(owned)), **rolling.counts(deployment)},
            "ownerReferences": [msgspec.to_builtins(reference(DEPLOYMENTS, deployment))],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec.min_ready_seconds,
            "selector": selector,
            "template": template,
        },
    }


def annotations(deployment: Deployment, revision: int) -> dict[str, str]:
    """Annotations of the current ReplicaSet; `kubectl rollout history` and `undo` read the revision."""
    kept = {k: v for k, v in deployment.metadata.annotations.items() if k not in NOT_COPIED}
    return {**kept, REVISION: str(revision)}


def revision_of(owned: ReplicaSet) -> int:
    """Which of the Deployment's templates this was; 0 when unknown."""
    text = owned.metadata.annotations.get(REVISION, "")
    return int(text) if text.isdecimal() else 0


def next_revision(owned: Iterable[ReplicaSet]) -> int:
    """One more than any that there was."""
    return max(map(revision_of, owned), default=0) + 1


def obsolete(deployment: Deployment, old: Iterable[ReplicaSet]) -> list[ReplicaSet]:
    """The oldest empty ReplicaSets beyond `revisionHistoryLimit`."""
    limit = deployment.spec.revision_history_limit
    limit = DEFAULT_HISTORY if limit is None else limit
    empty = [
        one
        for one in old
        if not one.spec.replicas
        and not rolling.has_pods(one)
        and one.status.observed_generation >= one.metadata.generation
        and not one.metadata.deletion_timestamp
    ]
    count = len(list(old)) - limit
    return sorted(empty, key=revision_of)[: max(0, count)]


def _without_hash(template: dict[str, Any]) -> dict[str, Any]:
    meta = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH_LABEL}
    meta.pop("labels", None)
    if labels:
        meta["labels"] = labels
    return {**template, "metadata": meta}
