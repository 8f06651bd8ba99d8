"""DaemonSets, StatefulSets, Jobs, CronJobs and their like, with only the fields that kube46's loops use.

A status is kept as JSON: a loop writes it whole, and compares it with what it would write.
"""

from typing import Any

import msgspec

from kube46.api.objects import LabelSelector, Object, RollingUpdate, Value

Json = dict[str, Any]


class UpdateStrategy(Value, frozen=True):
    """spec.updateStrategy: `RollingUpdate` or `OnDelete`."""

    type: str = "RollingUpdate"
    rolling_update: RollingUpdate = RollingUpdate()


class DaemonSetSpec(Value, frozen=True):
    """spec of a DaemonSet; the template is kept whole, as JSON."""

    selector: LabelSelector = LabelSelector()
    template: Json = msgspec.field(default_factory=dict)
    update_strategy: UpdateStrategy = UpdateStrategy()
    min_ready_seconds: int = 0
    revision_history_limit: int = 10


class DaemonSet(Object, frozen=True):
    """apps/v1 DaemonSet."""

    spec: DaemonSetSpec = DaemonSetSpec()
    status: Json = msgspec.field(default_factory=dict)


class Ordinals(Value, frozen=True):
    """spec.ordinals of a StatefulSet: the number of its first pod."""

    start: int = 0


class ClaimRetention(Value, frozen=True):
    """spec.persistentVolumeClaimRetentionPolicy: `Retain` or `Delete`."""

    when_deleted: str = "Retain"
    when_scaled: str = "Retain"


class StatefulSetSpec(Value, frozen=True):
    """spec of a StatefulSet."""

    replicas: int = 1
    selector: LabelSelector = LabelSelector()
    template: Json = msgspec.field(default_factory=dict)
    service_name: str = ""
    pod_management_policy: str = "OrderedReady"
    update_strategy: UpdateStrategy = UpdateStrategy()
    min_ready_seconds: int = 0
    revision_history_limit: int = 10
    ordinals: Ordinals = Ordinals()
    volume_claim_templates: tuple[dict[str, Any], ...] = ()
    persistent_volume_claim_retention_policy: ClaimRetention = ClaimRetention()


class StatefulSet(Object, frozen=True):
    """apps/v1 StatefulSet."""

    spec: StatefulSetSpec = StatefulSetSpec()
    status: Json = msgspec.field(default_factory=dict)


class ControllerRevision(Object, frozen=True):
    """apps/v1 ControllerRevision: a template that there was, as a patch of its owner."""

    data: Json = msgspec.field(default_factory=dict)
    revision: int = 0


class JobSpec(Value, frozen=True):
    """spec of a Job; None of `completions` means until one pod succeeds."""

    parallelism: int = 1
    completions: int | None = None
    completion_mode: str = "NonIndexed"
    backoff_limit: int = 6
    backoff_limit_per_index: int | None = None
    max_failed_indexes: int | None = None
    active_deadline_seconds: int | None = None
    ttl_seconds_after_finished: int | None = None
    suspend: bool = False
    selector: LabelSelector = LabelSelector()
    template: Json = msgspec.field(default_factory=dict)
    pod_replacement_policy: str = "TerminatingOrFailed"
    managed_by: str = ""
    pod_failure_policy: dict[str, Any] | None = None
    success_policy: dict[str, Any] | None = None


class Job(Object, frozen=True):
    """batch/v1 Job."""

    spec: JobSpec = JobSpec()
    status: Json = msgspec.field(default_factory=dict)


class JobTemplate(Value, frozen=True):
    """spec.jobTemplate of a CronJob."""

    metadata: Json = msgspec.field(default_factory=dict)
    spec: Json = msgspec.field(default_factory=dict)


class CronJobSpec(Value, frozen=True):
    """spec of a CronJob."""

    schedule: str = ""
    time_zone: str | None = None
    starting_deadline_seconds: int | None = None
    concurrency_policy: str = "Allow"
    suspend: bool = False
    job_template: JobTemplate = JobTemplate()
    successful_jobs_history_limit: int = 3
    failed_jobs_history_limit: int = 1


class CronJob(Object, frozen=True):
    """batch/v1 CronJob."""

    spec: CronJobSpec = CronJobSpec()
    status: Json = msgspec.field(default_factory=dict)


class BudgetSpec(Value, frozen=True):
    """spec of a PodDisruptionBudget; no selector selects nothing."""

    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    selector: LabelSelector | None = None
    unhealthy_pod_eviction_policy: str | None = None


class PodDisruptionBudget(Object, frozen=True):
    """policy/v1 PodDisruptionBudget."""

    spec: BudgetSpec = BudgetSpec()
    status: Json = msgspec.field(default_factory=dict)
