"""Where a cluster's things lie on the machine. Pure: nothing is made here."""

from dataclasses import dataclass
from pathlib import Path

STATE_ROOT = Path("/var/lib/kube46")
RUN_ROOT = Path("/run/kube46")
NETNS_ROOT = Path("/run/netns")


@dataclass(frozen=True, slots=True)
class Paths:
    """State (survives stop and reboot, 0700) and runtime files (sockets, logs, namespaces) of one cluster."""

    name: str

    @property
    def state(self) -> Path:
        """All that `stop` keeps."""
        return STATE_ROOT / self.name

    @property
    def run(self) -> Path:
        """All that lives only while the cluster runs."""
        return RUN_ROOT / self.name

    @property
    def settings(self) -> Path:
        """The kept settings; a cluster exists when this file does."""
        return self.state / "cluster.json"

    @property
    def port(self) -> Path:
        """The host's port of the API server, chosen once."""
        return self.state / "port"

    @property
    def pki(self) -> Path:
        """The authority, certificates and keys."""
        return self.state / "pki"

    @property
    def tokens(self) -> Path:
        """Bearer tokens, in kube-apiserver's --token-auth-file form."""
        return self.pki / "tokens.csv"

    @property
    def data(self) -> Path:
        """The API server's database."""
        return self.state / "data" / "state.db"

    @property
    def etcd(self) -> Path:
        """The directory of etcd's data, where kube-apiserver keeps the objects."""
        return self.state / "data" / "etcd"

    @property
    def plugins(self) -> Path:
        """The CNI plugins' executables, of the version that runs: /run may be mounted noexec."""
        return self.state / "cni-bin"

    @property
    def owner(self) -> Path:
        """The uid of who made the cluster."""
        return self.state / "owner"

    @property
    def kubeconfig_note(self) -> Path:
        """Which file of the user's our context was merged into."""
        return self.state / "kubeconfig.json"

    @property
    def cgroup(self) -> str:
        """The control group of the cluster's pods, in every hierarchy."""
        return f"kube46/{self.name}"

    @property
    def host_paths(self) -> Path:
        """The list of the machine's directories that pods may mount (`hostpaths`)."""
        return self.state / "host-paths"

    @property
    def host_path(self) -> Path:
        """The directory that pods may mount and write to unless it is forbidden."""
        return self.state / "hostpath"

    @property
    def parts(self) -> Path:
        """The supervisor's list of what it runs."""
        return self.run / "parts.json"

    @property
    def built(self) -> Path:
        """Written when the namespaces, links and mounts are complete."""
        return self.run / "built"

    @property
    def mount_namespaces(self) -> Path:
        """A tmpfs of private propagation that keeps the places' mount namespaces alive."""
        return self.run / "mnt"

    def kubeconfig(self, identity: str) -> Path:
        """The kubeconfig of an identity of `pki`: `admin`'s by the host's loopback, all others' by the underlay."""
        return self.state / "kubeconfigs" / f"{identity}.kubeconfig"

    def node_state(self, place: str) -> Path:
        """What a node (or the outside) keeps on disk."""
        return self.state / "nodes" / place

    def place_run(self, place: str) -> Path:
        """Sockets and logs of a place."""
        return self.run / place

    def log(self, place: str, part: str) -> Path:
        """A part's log."""
        return self.place_run(place) / f"{part}.log"

    def mount_namespace(self, place: str) -> Path:
        """The bound mount namespace of a place."""
        return self.mount_namespaces / place

    def namespace(self, place: str) -> str:
        """The name of a place's network namespace."""
        return f"k46-{self.name}-{place}"
