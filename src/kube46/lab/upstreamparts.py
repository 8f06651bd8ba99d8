"""The processes of a control plane of Kubernetes' own programs, with their arguments. Pure.

Flags as kubeadm gives them, where kube46 has no reason for others; source: cmd/kubeadm/app/phases/controlplane.
"""

from kube46.addresses.families import Family
from kube46.lab import rules
from kube46.lab.controllers import names
from kube46.lab.paths import Paths
from kube46.lab.settings import NODE_PREFIX_LENGTH, Settings
from kube46.lab.upstream import Upstream

# directories of authorities of their own: nobody else's certificate means anything there
FRONT, STORE = "front-proxy", "etcd"
ETCD_ADDRESS = "127.0.0.1"  # the loopback of cp's network namespace, where processes that are not root's live, too
ETCD, ETCD_PEERS = f"https://{ETCD_ADDRESS}:2379", f"https://{ETCD_ADDRESS}:2380"
ISSUER = f"https://kubernetes.default.svc.{rules.CLUSTER_DOMAIN}"


def etcd(programs: Upstream, paths: Paths) -> tuple[str, ...]:
    """One member, reached over cp's loopback only, and only with a certificate of its authority's."""
    pki = paths.pki / STORE
    keys = (f"cert-file={pki / 'server.crt'}", f"key-file={pki / 'server.key'}", f"trusted-ca-file={pki / 'ca.crt'}")
    return (
        programs.etcd,
        f"--data-dir={paths.etcd}",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        f"--listen-peer-urls={ETCD_PEERS}",
        f"--initial-advertise-peer-urls={ETCD_PEERS}",
        f"--initial-cluster=default={ETCD_PEERS}",
        *(f"--{who}{key}" for who in ("", "peer-") for key in (*keys, "client-cert-auth=true")),
    )


def kube_apiserver(programs: Upstream, settings: Settings, paths: Paths) -> tuple[str, ...]:
    """On the addresses and with the keys that kube46's API server would have."""
    pki = paths.pki
    return (
        programs.kube_apiserver,
        f"--etcd-servers={ETCD}",
        f"--etcd-cafile={pki / STORE / 'ca.crt'}",
        f"--etcd-certfile={pki / STORE / 'client.crt'}",
        f"--etcd-keyfile={pki / STORE / 'client.key'}",
        f"--service-cluster-ip-range={','.join(settings.service_cidrs)}",
        f"--bind-address={'::' if Family.IPV6 in settings.families else '0.0.0.0'}",
        f"--secure-port={rules.SECURE_PORT}",
        f"--advertise-address={rules.node_addresses(settings, rules.CP)[0]}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        *([f"--feature-gates={settings.feature_gates}"] if settings.feature_gates else []),
        f"--token-auth-file={paths.tokens}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={pki / 'sa.key'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",  # nodes' names are in nobody's DNS
        # API servers that are added to this one (APIService) know by these that a request comes from here.
        f"--requestheader-client-ca-file={pki / FRONT / 'ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki / FRONT / 'client.crt'}",
        f"--proxy-client-key-file={pki / FRONT / 'client.key'}",
    )


def kube_controller_manager(programs: Upstream, settings: Settings, paths: Paths) -> tuple[str, ...]:
    """All loops but those that kube46 runs; each with its own ServiceAccount's rights."""
    kubeconfig, pki = paths.kubeconfig("kube-controller-manager"), paths.pki
    return (
        programs.kube_controller_manager,
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--controllers={','.join(['*', *(f'-{name}' for loop in programs.loops for name in names.doubles(loop))])}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--service-account-private-key-file={pki / 'sa.key'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        *(() if "node-ipam" in programs.loops else _node_blocks(settings)),
    )


def _node_blocks(settings: Settings) -> tuple[str, ...]:
    return (
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={','.join(settings.pod_cidrs)}",
        f"--service-cluster-ip-range={','.join(settings.service_cidrs)}",
        *(f"--node-cidr-mask-size-{family.value.lower()}={NODE_PREFIX_LENGTH[family]}" for family in settings.families),
    )
