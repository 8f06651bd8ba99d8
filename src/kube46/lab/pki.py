"""A cluster's keys, certificates, tokens and kubeconfigs: made once, kept in its state directory."""

import base64
import os
import secrets
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kube46.addresses.families import bracketed
from kube46.api.rbac.rules import MASTERS
from kube46.apiserver.certificates import Authority
from kube46.lab import identities, kubeconfigs, rules, upstreamparts
from kube46.lab.listeners import LOOPBACK
from kube46.lab.paths import Paths
from kube46.lab.settings import Settings


def ensure(settings: Settings, paths: Paths, port: int) -> None:
    """Make what is missing. Each file appears whole or not at all. Raises OSError."""
    for directory in (paths.pki, paths.kubeconfig("admin").parent):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = Authority.load_or_create(paths.pki)
    _certificates(settings, paths.pki, authority)
    _front(paths.pki)
    if settings.upstream:
        _of_upstream(paths.pki)
    if not (paths.pki / "sa.key").exists():
        key = ec.generate_private_key(ec.SECP256R1())
        # kube-apiserver takes no PKCS #8 here
        write(paths.pki / "sa.key", key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    tokens = _tokens(settings, paths)
    underlay = bracketed(rules.node_addresses(settings, rules.CP)[0], rules.SECURE_PORT)
    ca = base64.b64encode((paths.pki / "ca.crt").read_bytes()).decode()
    servers = {"admin": bracketed(LOOPBACK[0], port)}
    for identity, token in tokens.items():
        context = kubeconfigs.context_name(settings.name)
        server = f"https://{servers.get(identity, underlay)}"
        document = kubeconfigs.document(context, server, ca, token)
        write(paths.kubeconfig(identity), msgspec.json.format(msgspec.json.encode(document)))


def write(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 as a whole."""
    fresh = path.with_name(path.name + ".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(data)
    fresh.replace(path)


def server_names() -> tuple[str, ...]:
    """The DNS names of the API server's certificate."""
    service = ("kubernetes", "default", "svc", *rules.CLUSTER_DOMAIN.split("."))
    return ("localhost", *(".".join(service[:length]) for length in (1, 2, 3, len(service))))


def _certificates(settings: Settings, directory: Path, authority: Authority) -> None:
    """Issued anew at each start: they are valid for a year, the authority for ten."""
    own = rules.node_addresses(settings, rules.CP)
    addresses = (*LOOPBACK, *own, *rules.api_addresses(settings))
    server = authority.issue("kube-apiserver", dns_names=server_names(), ip_addresses=addresses, server=True)
    _keep(directory, "apiserver", server)
    client = authority.issue("kube-apiserver-kubelet-client", (MASTERS,), client=True)
    _keep(directory, "apiserver-kubelet-client", client)
    for node in settings.node_names:
        kubelet = authority.issue(
            f"system:node:{node}",
            ("system:nodes",),
            dns_names=(node,),
            ip_addresses=rules.node_addresses(settings, node),
            server=True,
        )
        _keep(directory, f"kubelet-{node}", kubelet)


def _front(pki: Path) -> None:
    """What the API server shows to API servers that are added to it: of an authority that signs nothing else."""
    front = pki / upstreamparts.FRONT
    front.mkdir(mode=0o700, exist_ok=True)
    authority = Authority.load_or_create(front, "front-proxy-ca")
    _keep(front, "client", authority.issue("front-proxy-client", client=True))


def _of_upstream(pki: Path) -> None:
    """What kube-apiserver and etcd show each other."""
    store = pki / upstreamparts.STORE
    store.mkdir(mode=0o700, exist_ok=True)
    authority = Authority.load_or_create(store)
    _keep(store, "client", authority.issue("kube-apiserver-etcd-client", client=True))
    own = authority.issue("etcd", ip_addresses=(upstreamparts.ETCD_ADDRESS,), server=True, client=True)
    _keep(store, "server", own)  # etcd is a client of its own, too


def _keep(directory: Path, name: str, issued: tuple[bytes, bytes]) -> None:
    certificate, key = issued
    write(directory / f"{name}.key", key)
    write(directory / f"{name}.crt", certificate)


def _tokens(settings: Settings, paths: Paths) -> dict[str, str]:
    """identity → token; kube-apiserver's file has `token,user,uid,"group,group"`. New identities are added."""
    users = identities.users(settings)
    lines = paths.tokens.read_text().splitlines() if paths.tokens.exists() else []
    tokens = {line.split(",")[1]: line.split(",")[0] for line in lines}
    missing = [who for who in users.values() if who.user not in tokens]
    if missing:
        tokens |= {who.user: secrets.token_urlsafe(32) for who in missing}
        lines += [f'{tokens[who.user]},{who.user},{who.user},"{who.group}"' for who in missing]
        write(paths.tokens, ("\n".join(lines) + "\n").encode())
    return {identity: tokens[who.user] for identity, who in users.items()}
