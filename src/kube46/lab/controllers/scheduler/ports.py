"""Whether the ports of a node that a pod takes are free: pure.

Source: kubernetes/pkg/scheduler/framework/plugins/nodeports.
"""

from kube46.api.objects import Pod
from kube46.api.pods import hostports
from kube46.lab.controllers.scheduler.places import Cluster, Place
from kube46.lab.controllers.scheduler.plugins import Check, Refusal

TAKEN = Refusal((hostports.TAKEN,))


def taken(pod: Pod, cluster: Cluster) -> Check | None:
    """Filter: another pod has one of the ports."""
    wanted = hostports.of(pod.spec)
    if not wanted:
        return None

    def check(place: Place) -> Refusal | None:
        return TAKEN if hostports.clash(wanted, place.ports) else None

    return check
