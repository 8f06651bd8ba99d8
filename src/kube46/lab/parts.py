"""The processes of a cluster: what the supervisor starts, where, with which arguments. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kube46.lab import rules, upstreamparts
from kube46.lab.controllers import names
from kube46.lab.paths import Paths
from kube46.lab.settings import NODE_PREFIX_LENGTH, Settings

NOBODY = 65534
# Rank 0 is warmed first; what runs below it ends after all others.
STORE, SERVER = -1, 0
BESIDES = "127.0.0.1:10259"  # of our loops' health, where kube-controller-manager has port 10257; kube-scheduler's
MAX_PODS = 250  # of a node: what the /24 of an IPv4 node range has addresses for
KUBE46 = "kube46"  # a part whose program this is runs in a fork of the supervisor's interpreter


@dataclass(frozen=True, slots=True)
class Part:
    """One supervised process. `rank`: started upwards, stopped downwards. `listens`: is handed the API's sockets."""

    name: str
    place: str
    argv: tuple[str, ...]
    log: Path
    rank: int
    listens: bool = False


def parts(settings: Settings, paths: Paths, owner: int = NOBODY) -> tuple[Part, ...]:
    """All processes that the supervisor keeps alive, in the order of their start.

    `owner`: the uid that pods run as which name none; root's pods are nobody's.
    """
    found = [
        *_servers(settings, paths),
        Part("named-outside", rules.OUTSIDE_PLACE, _named(), paths.log(rules.OUTSIDE_PLACE, "named-outside"), 1),
        _at_cp(paths, "controllers", _controllers(settings, paths), 1),
    ]
    for node in settings.node_names:
        found.append(Part(f"agent-{node}", node, _agent(settings, paths, node), paths.log(node, f"agent-{node}"), 2))
        found.append(
            Part(
                f"kubelet-{node}",
                node,
                _kubelet(settings, paths, node, owner or NOBODY),
                paths.log(node, f"kubelet-{node}"),
                3,
            )
        )
    return tuple(sorted(found, key=lambda part: part.rank))


def _servers(settings: Settings, paths: Paths) -> tuple[Part, ...]:
    """The API server: kube46's, or the real one with what it needs."""
    programs = settings.upstream
    if programs is None:
        return (_at_cp(paths, "apiserver", _apiserver(settings, paths), SERVER, listens=True),)
    relay = (KUBE46, "relay", rules.node_addresses(settings, rules.CP)[0], str(rules.SECURE_PORT))
    kubeconfig = str(paths.kubeconfig("kube-controller-manager"))
    manager = upstreamparts.kube_controller_manager(programs, settings, paths)
    waiting = (KUBE46, "await-api", "--kubeconfig", kubeconfig, "--", *manager)
    return (
        _at_cp(paths, "etcd", upstreamparts.etcd(programs, paths), STORE),
        _at_cp(paths, "kube-apiserver", upstreamparts.kube_apiserver(programs, settings, paths), SERVER),
        _at_cp(paths, "relay", relay, SERVER, listens=True),
        _at_cp(paths, "kube-controller-manager", waiting, 1),
    )


def _at_cp(paths: Paths, name: str, argv: tuple[str, ...], rank: int, *, listens: bool = False) -> Part:
    return Part(name, rules.CP, argv, paths.log(rules.CP, name), rank, listens)


def _apiserver(settings: Settings, paths: Paths) -> tuple[str, ...]:
    pki = paths.pki
    return (
        KUBE46,
        "apiserver",
        *_flag("--data", paths.data),
        *_flag("--service-cluster-ip-range", _joined(settings.service_cidrs)),
        *_flag("--advertise-address", rules.node_addresses(settings, rules.CP)[0]),
        *_flag("--secure-port", rules.SECURE_PORT),
        *(_flag("--feature-gates", settings.feature_gates) if settings.feature_gates else ()),
        *_flag("--token-auth-file", paths.tokens),
        *_flag("--tls-cert-file", pki / "apiserver.crt"),
        *_flag("--tls-private-key-file", pki / "apiserver.key"),
        *_flag("--client-ca-file", pki / "ca.crt"),
        *_flag("--service-account-signing-key-file", pki / "sa.key"),
        *_flag("--kubelet-certificate-authority", pki / "ca.crt"),
        *_flag("--kubelet-client-certificate", pki / "apiserver-kubelet-client.crt"),
        *_flag("--kubelet-client-key", pki / "apiserver-kubelet-client.key"),
        *_flag("--proxy-client-cert-file", pki / upstreamparts.FRONT / "client.crt"),
        *_flag("--proxy-client-key-file", pki / upstreamparts.FRONT / "client.key"),
        *_flag("--requestheader-client-ca-file", pki / upstreamparts.FRONT / "ca.crt"),
    )


def _controllers(settings: Settings, paths: Paths) -> tuple[str, ...]:
    masks = [
        item
        for family in settings.families
        for item in _flag(f"--node-cidr-mask-size-{family.value.lower()}", NODE_PREFIX_LENGTH[family])
    ]
    upstream = settings.upstream
    return (
        KUBE46,
        "controllers",
        *_flag("--kubeconfig", paths.kubeconfig("controllers")),
        *_flag("--cluster-cidr", _joined(settings.pod_cidrs)),
        *_flag("--service-cluster-ip-range", _joined(settings.service_cidrs)),
        *masks,
        *_flag("--controllers", _joined(upstream.loops if upstream else names.ALL)),
        *(_flag("--bind-address", BESIDES) if upstream else ()),
        *_flag("--root-ca-file", paths.pki / "ca.crt"),
    )


def _agent(settings: Settings, paths: Paths, node: str) -> tuple[str, ...]:
    return (
        KUBE46,
        "agent",
        *_flag("--kubeconfig", paths.kubeconfig(f"agent-{node}")),
        *_flag("--node-name", node),
        *_flag("--parts", "cni,proxy,dns"),
        *_flag("--cluster-cidr", _joined(settings.pod_cidrs)),
        *_flag("--cluster-domain", rules.CLUSTER_DOMAIN),
        *_flag("--dns-forwarders", _joined(rules.resolver_addresses(settings))),
    )


def _kubelet(settings: Settings, paths: Paths, node: str, owner: int) -> tuple[str, ...]:
    return (
        KUBE46,
        "kubelet",
        *_flag("--kubeconfig", paths.kubeconfig(node)),
        *_flag("--node-name", node),
        *_flag("--node-ip", _joined(rules.node_addresses(settings, node))),
        *_flag("--cluster-dns", _joined(rules.dns_addresses(settings))),
        *_flag("--cluster-domain", rules.CLUSTER_DOMAIN),
        *_flag("--client-ca-file", paths.pki / "ca.crt"),
        *_flag("--tls-cert-file", paths.pki / f"kubelet-{node}.crt"),
        *_flag("--tls-private-key-file", paths.pki / f"kubelet-{node}.key"),
        *_flag("--root-dir", "/var/lib/kubelet"),
        *_flag("--default-uid", owner),
        *_flag("--cgroup-root", f"{paths.cgroup}/{node}"),
        *_flag("--max-pods", MAX_PODS),
        *_flag("--host-path-file", paths.host_paths),
        "--provision-volumes",
        *_flag("--provisioner-kubeconfig", paths.kubeconfig(f"provisioner-{node}")),
        *_flag("--cni-bin-dir", f"{paths.plugins}:/opt/kube46/cni/bin:/opt/cni/bin"),
    )


def _named() -> tuple[str, ...]:
    """In the foreground, logging to standard error, as the user that Debian made for it."""
    return ("named", "-g", "-n", "1", "-u", "bind", "-c", "/var/cache/bind/named.conf")


def _flag(name: str, value: object) -> tuple[str, str]:
    return name, str(value)


def _joined(values: Iterable[str]) -> str:
    return ",".join(values)
