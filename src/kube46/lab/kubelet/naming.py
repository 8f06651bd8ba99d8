"""A pod's /etc/resolv.conf and /etc/hosts (pure). Source: pkg/kubelet/network/dns, kubelet_pods.go."""

from collections.abc import Iterable
from dataclasses import dataclass

from kube46.lab.kubelet.manifests import DnsConfig, HostAlias, ReadPod

HOSTS_HEADER = """# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
fe00::\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""
MAX_NAMESERVERS = 3


@dataclass(frozen=True, slots=True)
class Resolver:
    """The three parts of a resolv.conf."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def text(self) -> str:
        """The file's content."""
        lines = ["search " + " ".join(self.searches)] if self.searches else []
        lines += [f"nameserver {address}" for address in self.nameservers[:MAX_NAMESERVERS]]
        lines += ["options " + " ".join(self.options)] if self.options else []
        return "\n".join(lines) + "\n"


def parse_resolver(text: str) -> Resolver:
    """The node's own resolv.conf; the last `search` counts."""
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        match line.split("#")[0].split(";")[0].split():
            case ["nameserver", address, *_]:
                servers.append(address)
            case ["search", *names]:
                searches = names
            case ["options", *values]:
                options += values
    return Resolver(tuple(servers), tuple(searches), tuple(options))


def resolver(pod: ReadPod, cluster_dns: tuple[str, ...], cluster_domain: str, node: Resolver) -> Resolver:
    """The pod's resolver by dnsPolicy, with dnsConfig added: its servers and searches after, its options over."""
    policy = pod.spec.dns_policy
    if policy == "ClusterFirst" and pod.spec.host_network:
        policy = "Default"
    if policy in ("ClusterFirst", "ClusterFirstWithHostNet") and cluster_dns:
        domains = (f"{pod.metadata.namespace}.svc.{cluster_domain}", f"svc.{cluster_domain}", cluster_domain)
        base = Resolver(cluster_dns, (*domains, *node.searches), ("ndots:5",))
    elif policy == "None":
        base = Resolver()
    else:
        base = node
    return _with(base, pod.spec.dns_config)


def _with(base: Resolver, config: DnsConfig) -> Resolver:
    options = {o.partition(":")[0]: o for o in base.options}
    options |= {o.name: f"{o.name}:{o.value}" if o.value else o.name for o in config.options}
    return Resolver(
        _unique((*base.nameservers, *config.nameservers)),
        _unique((*base.searches, *config.searches)),
        tuple(options.values()),
    )


def hosts(pod_ips: Iterable[str], hostname: str, domain_name: str, aliases: Iterable[HostAlias]) -> str:
    """/etc/hosts of a pod with its own network: one line an address, whatever its family (B-14)."""
    names = f"{domain_name}\t{hostname}" if domain_name and domain_name != hostname else hostname
    return HOSTS_HEADER + "".join(f"{address}\t{names}\n" for address in pod_ips) + _alias_lines(aliases)


def host_network_hosts(node: str, aliases: Iterable[HostAlias]) -> str:
    """/etc/hosts of a pod on the node's network: the node's own, and the aliases."""
    return "# Kubernetes-managed hosts file (host network).\n" + node + _alias_lines(aliases)


def _alias_lines(aliases: Iterable[HostAlias]) -> str:
    lines = "".join(f"{alias.ip}\t{chr(9).join(alias.hostnames)}\n" for alias in aliases)
    return f"\n# Entries added by HostAliases.\n{lines}" if lines else ""


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
