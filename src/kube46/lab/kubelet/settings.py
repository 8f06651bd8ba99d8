"""What `kube46 kubelet` is told on its command line."""

from dataclasses import dataclass
from pathlib import Path

from kube46.addresses.families import Family, by_family, family_of
from kube46.lab.images.store import STORE


class SettingsError(ValueError):
    """A flag that can't be used; the message names it and the mend."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The kubelet's settings; the flags' names are kubelet's."""

    node_name: str
    node_ips: tuple[str, ...]
    root_dir: Path = Path("/var/lib/kubelet")
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    client_ca_file: Path | None = None
    tls_cert_file: Path | None = None
    tls_private_key_file: Path | None = None
    port: int = 10250
    default_uid: int = 65534
    max_pods: int = 110
    node_labels: tuple[tuple[str, str], ...] = ()
    cni_conf_dir: Path = Path("/etc/cni/net.d")
    cni_bin_dirs: tuple[Path, ...] = (Path("/opt/kube46/cni/bin"), Path("/opt/cni/bin"))
    image_dir: Path | None = Path("/etc/kube46/images.d")
    image_store: Path = STORE
    cgroup_root: str = ""  # the group below which those of the pods are; "": kube46/NODE
    pod_max_pids: int = 4096  # processes of one pod
    host_path_roots: tuple[str, ...] = ()  # DIR or DIR:ro
    provision_volumes: bool = False  # make PersistentVolumes on the own disk; takes rights that nodes elsewhere lack
    host_path_file: Path | None = None  # more of them, a line each, which may change
    sync_frequency: float = 60.0  # seconds between looks at the objects that volumes are made of

    def __post_init__(self) -> None:
        try:
            families = [family_of(address) for address in self.node_ips]
        except ValueError as error:
            raise SettingsError(f"--node-ip: {error}") from error
        if len(families) not in (1, 2) or len(set(families)) != len(families):
            # Upstream's words (semantics B-7).
            raise SettingsError("--node-ip must contain either a single IP or a dual-stack pair of IPs")
        if any(address in ("0.0.0.0", "::") for address in self.node_ips):
            raise SettingsError("--node-ip: dual-stack node IP cannot include '0.0.0.0' or '::'")
        if ".." in self.cgroup_root.split("/"):
            raise SettingsError(f"--cgroup-root: {self.cgroup_root!r} must not contain '..'")
        if bool(self.tls_cert_file) != bool(self.tls_private_key_file):
            raise SettingsError("--tls-cert-file and --tls-private-key-file must be given together")

    @property
    def cgroup(self) -> str:
        """The node's control group."""
        return self.cgroup_root.strip("/") or f"kube46/{self.node_name}"

    @property
    def family_order(self) -> tuple[Family, Family]:
        """The node's primary family, then the other: the order of a pod's addresses (semantics B-11)."""
        primary = family_of(self.node_ips[0])
        return primary, primary.other

    @property
    def host_ips(self) -> tuple[str, ...]:
        """The node's first address of each family (semantics B-10)."""
        return tuple(by_family(self.node_ips).values())
