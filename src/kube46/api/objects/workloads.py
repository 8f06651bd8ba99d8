"""What makes pods: ReplicaSets, ReplicationControllers, Deployments."""

from typing import Any

from kube46.api.objects.meta import Condition, LabelSelector, Object, Value


class RollingUpdate(Value, frozen=True):
    """rollingUpdate of a strategy: numbers, or shares such as `25%`; `partition` is of StatefulSets."""

    max_unavailable: int | str | None = None
    max_surge: int | str | None = None
    partition: int = 0


class DeploymentStrategy(Value, frozen=True):
    """spec.strategy of a Deployment: `RollingUpdate` or `Recreate`."""

    type: str = "RollingUpdate"
    rolling_update: RollingUpdate | None = None


class WorkloadSpec(Value, frozen=True):
    """spec of a ReplicaSet or Deployment; the template is kept whole, as JSON."""

    replicas: int = 1
    min_ready_seconds: int = 0
    selector: LabelSelector = LabelSelector()
    template: dict[str, Any] = {}
    strategy: DeploymentStrategy = DeploymentStrategy()
    paused: bool = False
    revision_history_limit: int | None = None
    progress_deadline_seconds: int | None = None


class WorkloadStatus(Value, frozen=True):
    """status of a ReplicaSet or Deployment."""

    replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    updated_replicas: int = 0
    unavailable_replicas: int = 0
    fully_labeled_replicas: int = 0
    terminating_replicas: int | None = None
    collision_count: int | None = None
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()


class ReplicaSet(Object, frozen=True):
    """apps/v1 ReplicaSet."""

    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()


class ReplicationControllerSpec(Value, frozen=True):
    """spec of a ReplicationController: the selector is a plain map."""

    replicas: int = 1
    min_ready_seconds: int = 0
    selector: dict[str, str] = {}
    template: dict[str, Any] = {}


class ReplicationController(Object, frozen=True):
    """v1 ReplicationController."""

    spec: ReplicationControllerSpec = ReplicationControllerSpec()
    status: WorkloadStatus = WorkloadStatus()


class Deployment(Object, frozen=True):
    """apps/v1 Deployment."""

    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()
