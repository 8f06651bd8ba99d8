"""What a pod's sandbox is: its name, host name and sysctls, as values (pure)."""

from collections.abc import Iterable

from kube46.lab.kubelet.manifests import ReadPod, Sysctl

# As containerd sets them for pods that have their own network: any port may be bound, and `ping` needs no capability.
DEFAULT_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}
# Namespaced sysctls that can't harm the node. Source: kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster.
SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)


def sysctls(asked: Iterable[Sysctl]) -> dict[str, str]:
    """The sysctls of a pod with its own network: the defaults, then the pod's own."""
    return DEFAULT_SYSCTLS | {s.name: s.value for s in asked if s.name in SAFE_SYSCTLS}


def hostname(pod: ReadPod, node_name: str, cluster_domain: str) -> str:
    """The pod's host name: the node's on the node's network, else spec.hostname or its name, at most 63 octets."""
    if pod.spec.host_network:
        return node_name
    name = (pod.spec.hostname or pod.metadata.name)[:63].rstrip("-.")
    return (domain_name(pod, cluster_domain) or name) if pod.spec.set_hostname_as_fqdn else name


def domain_name(pod: ReadPod, cluster_domain: str) -> str:
    """The pod's fully qualified name, when it has a subdomain: `web-0.web.shop.svc.cluster.local`."""
    if not pod.spec.subdomain or pod.spec.host_network:
        return ""
    name = (pod.spec.hostname or pod.metadata.name)[:63].rstrip("-.")
    return f"{name}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{cluster_domain}"


def netns_name(uid: str) -> str:
    """The name of a pod's network namespace under /run/netns."""
    return f"pod-{uid}"
