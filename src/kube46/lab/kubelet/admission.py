"""Whether a pod may begin on this node: the ports of the node that it takes must be free. Pure.

The scheduler looks first; a pod that names its node by itself comes past it.
Source: pkg/kubelet/lifecycle/predicate.go, pkg/kubelet/kubelet.go (`HandlePodAdditions`, `rejectPod`).
"""

from collections.abc import Iterable

import msgspec

from kube46.api.objects import PodSpec
from kube46.api.pods import hostports
from kube46.lab.kubelet.manifests import Pod

PORTS = "NodePorts"  # the reason
MESSAGE = f"Predicate {PORTS} failed: {hostports.TAKEN}"


def in_order(pods: Iterable[Pod]) -> list[Pod]:
    """Who comes first is let in first: those that were before, then by age."""
    return sorted(
        pods,
        key=lambda pod: ("startTime" not in pod.status, pod.metadata.creation_timestamp or "", pod.metadata.uid),
    )


def refused(pod: Pod, others: Iterable[Pod]) -> str:
    """Why a pod is not let in beside the others, "" when it is. One that was let in before stays."""
    wanted = _ports(pod)
    if not wanted or "startTime" in pod.status:
        return ""
    return MESSAGE if hostports.clash(wanted, [port for other in others for port in _ports(other)]) else ""


def _ports(pod: Pod) -> list[hostports.HostPort]:
    """What of a spec that can't be read is nobody's port: such a pod doesn't start."""
    try:
        return hostports.of(msgspec.convert(pod.spec, PodSpec))
    except msgspec.ValidationError:
        return []
