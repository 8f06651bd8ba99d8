"""What the workers of all pods of a node share: settings, drivers, sources and the node's facts."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kube46.kubernetes.client import Client
from kube46.lab.hostpaths import READ_ONLY, HostPath, allowed
from kube46.lab.kubelet import naming, resizing
from kube46.lab.kubelet.announcing import Announcer
from kube46.lab.kubelet.cgroups import Cgroups
from kube46.lab.kubelet.directories import Root
from kube46.lab.kubelet.images import Catalogue
from kube46.lab.kubelet.manifests import PodSpec
from kube46.lab.kubelet.places import Grounds
from kube46.lab.kubelet.resizing import Pending
from kube46.lab.kubelet.settings import Settings
from kube46.lab.kubelet.signers import Signers
from kube46.lab.kubelet.sources import Sources

if TYPE_CHECKING:
    from kube46.lab.kubelet.podstate import PodState

SANDBOXES_AT_A_TIME = 8


@dataclass(slots=True)
class Workshop:
    """One a kubelet."""

    settings: Settings
    client: Client
    sources: Sources
    signers: Signers
    events: Announcer
    images: Catalogue
    allocatable: Mapping[str, str]
    cgroups: Cgroups
    root: Root = field(init=False)
    pods: Callable[[], Iterable["PodState"]] = tuple  # all of the node
    # Sandboxes made at a time. Of many pods that come at once the first then run while the last still wait; all
    # together would each be as late as the last.
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SANDBOXES_AT_A_TIME))

    def __post_init__(self) -> None:
        self.root = Root(self.settings.root_dir)

    def room(self, whose: "PodState", wanted: PodSpec) -> Pending | None:
        """Why a pod can't have the amounts of `wanted` beside the node's other pods; None when it can."""
        others = (resizing.demand(one.pod.spec) for one in self.pods() if one is not whose and one.active)
        return resizing.verdict(wanted, others, self.allocatable)

    def grounds(self, labels: Mapping[str, str]) -> Grounds:
        """What pods may mount of this machine now; `labels` are the node's. Raises OSError."""
        settings = self.settings
        roots = [HostPath(text.removesuffix(READ_ONLY), text.endswith(READ_ONLY)) for text in settings.host_path_roots]
        mend = "kube46 kubelet --host-path-root DIR"
        if settings.host_path_file:
            roots += allowed(settings.host_path_file)
            mend = f"kube46 up --name {settings.host_path_file.parent.name} --allow-host-path DIR"
        return Grounds(tuple(roots), self.root.provisioned, settings.node_name, labels, mend)

    def resolver(self) -> naming.Resolver:
        """The node's own resolv.conf, read anew for each pod."""
        try:
            return naming.parse_resolver(Path("/etc/resolv.conf").read_text())
        except OSError:
            return naming.Resolver()
