"""When the change began that a slice's update carries out: the annotation last-change-trigger-time.

Source: kubernetes/staging/src/k8s.io/endpointslice/util/trigger_time_tracker.go. Times are RFC 3339 in UTC, whole
seconds, as the API server writes them, and therefore compare as text.
"""

from collections.abc import Iterable

from kube46.api.objects import Pod, Service

Key = tuple[str, str]

ANNOTATION = "endpoints.kubernetes.io/last-change-trigger-time"


class TriggerTimes:
    """What was seen of each Service at its last sync."""

    def __init__(self) -> None:
        self._seen: dict[Key, dict[str, str]] = {}

    def since_last(self, service: Service, pods: Iterable[Pod]) -> str:
        """The earliest time at which something changed since the last call for this Service; "" when nothing did."""
        born = service.metadata.creation_timestamp or ""
        now = {pod.metadata.name: time for pod in pods if (time := _ready_changed(pod))}
        now[""] = born
        before = self._seen.get(service.key)
        self._seen[service.key] = now
        if before is None:
            return born
        return min((time for name, time in now.items() if time > before.get(name, "")), default="")

    def forget(self, key: Key) -> None:
        """The Service is gone."""
        self._seen.pop(key, None)


def _ready_changed(pod: Pod) -> str:
    return next((c.last_transition_time or "" for c in pod.status.conditions if c.type == "Ready"), "")
