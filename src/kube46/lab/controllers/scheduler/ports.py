"""Whether the ports of a node that a pod takes are free: pure.

Source: kubernetes/pkg/scheduler/framework/plugins/nodeports, pkg/scheduler/framework/types.go (`HostPortInfo`).
"""

from kube46.api.objects import Pod
from kube46.lab.controllers.scheduler.demands import HostPort, host_ports
from kube46.lab.controllers.scheduler.places import Cluster, Place
from kube46.lab.controllers.scheduler.plugins import Check, Refusal

# The unspecified address of either family takes the port on every address: a dual-stack socket on :: takes both.
ANY_ADDRESS = ("", "0.0.0.0", "::")
TAKEN = Refusal(("node(s) didn't have free ports for the requested pod ports",))


def taken(pod: Pod, cluster: Cluster) -> Check | None:
    """Filter: another pod has one of the ports."""
    wanted = host_ports(pod)
    if not wanted:
        return None

    def check(place: Place) -> Refusal | None:
        return TAKEN if any(_clash(port, other) for port in wanted for other in place.ports) else None

    return check


def _clash(one: HostPort, other: HostPort) -> bool:
    same_address = one[2] == other[2] or one[2] in ANY_ADDRESS or other[2] in ANY_ADDRESS
    return one[:2] == other[:2] and same_address
