"""Who a cluster's programs are to its API server: user, group. Pure.

On each node kubelet, agent and provisioner are users of their own: what one may do, the others need not.
"""

from dataclasses import dataclass

from kube46.api.rbac.rules import MASTERS
from kube46.lab.settings import Settings

NODES, AGENTS, PROVISIONERS = "system:nodes", "kube46:agents", "kube46:provisioners"
MANAGER = "system:kube-controller-manager"
CONTROLLERS = "kube46:controllers"  # our loops, also beside kube-controller-manager


@dataclass(frozen=True, slots=True)
class Identity:
    """A user of the API server, in one group or none."""

    user: str
    group: str = ""


def users(settings: Settings) -> dict[str, Identity]:
    """Every identity, by the name of its kubeconfig."""
    found = {"admin": Identity("kubernetes-admin", MASTERS), "controllers": Identity(CONTROLLERS)}
    if settings.upstream:
        found["kube-controller-manager"] = Identity(MANAGER)
    for node in settings.node_names:
        found[node] = Identity(f"system:node:{node}", NODES)
        found[f"agent-{node}"] = Identity(f"kube46:agent:{node}", AGENTS)
        found[f"provisioner-{node}"] = Identity(f"kube46:provisioner:{node}", PROVISIONERS)
    return found
