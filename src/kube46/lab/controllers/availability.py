"""When pods that are ready become available by waiting: `minReadySeconds`."""

from collections.abc import Iterable
from datetime import datetime

from kube46.api.objects import Pod
from kube46.lab.controllers import clock
from kube46.lab.controllers.replicasets.rules import available, ready_since


def next_available(pods: Iterable[Pod], least: int, now: datetime) -> float | None:
    """Seconds until one more pod is available; None when none becomes so by waiting."""
    waits = [
        least - clock.seconds_since(ready_since(pod), now)
        for pod in pods
        if pod.status.ready and not available(pod, least, now)
    ]
    return max(min(waits), 0.1) if waits else None
