"""kube46 agent: a node's parts in one process."""

from ipaddress import ip_address
from pathlib import Path

import click

from kube46.addresses import prefixes
from kube46.agent.run import PARTS, Settings, run
from kube46.cli.daemon import serve
from kube46.controllers import health
from kube46.kubernetes.config import ClusterConfig, ConfigError

RESOLV_CONF = Path("/etc/resolv.conf")


def _items(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _prefixes(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    try:
        return tuple(str(prefixes.parse(text)) for text in _items(value))
    except ValueError as error:
        raise click.BadParameter(f"{error}: give prefixes such as 10.244.0.0/16,fd00:10:244::/56") from error


def _addresses(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    try:
        return tuple(str(ip_address(text)) for text in _items(value))
    except ValueError as error:
        raise click.BadParameter(f"{error}: give addresses such as 192.0.2.53,2001:db8::53") from error


def _parts(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    for name in _items(value):
        if name not in PARTS:
            raise click.BadParameter(f"{name!r} is no part: choose from {', '.join(PARTS)}")
    return _items(value)


def _service(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, str]:
    namespace, _, name = value.partition("/")
    if not namespace or not name or "/" in name:
        raise click.BadParameter(f"{value!r} is not NAMESPACE/NAME")
    return namespace, name


def _address(_: click.Context, __: click.Parameter, value: str) -> str:
    if value in ("", "0"):
        return ""
    try:
        health.parse(value)
    except health.BadAddress as error:
        raise click.BadParameter(f"{value!r} is no address and port, write it as [::]:10256, or '' for none") from error
    return value


def _system_servers() -> tuple[str, ...]:
    """The node's own name servers, but those on loopback: a forwarder there would be ourselves or unreachable."""
    words = [line.split() for line in RESOLV_CONF.read_text().splitlines()] if RESOLV_CONF.exists() else []
    named = [line[1].partition("%")[0] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return tuple(text for text in named if not ip_address(text).is_loopback)


@click.command()
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Default: KUBECONFIG, ~/.kube/config, in-cluster.")
@click.option("--node-name", required=True, help="The name of this node's Node object.")
@click.option("--parts", default=",".join(PARTS), show_default=True, callback=_parts, help="The parts to run.")
@click.option("--cluster-cidr", default="", callback=_prefixes, help="The pods' address ranges, one a family.")
@click.option("--cluster-domain", default="cluster.local", show_default=True, help="The zone of the cluster's names.")
@click.option(
    "--dns-service",
    default="kube-system/kube-dns",
    show_default=True,
    callback=_service,
    help="The DNS Service: NAMESPACE/NAME.",
)
@click.option("--dns-forwarders", default="", callback=_addresses, help="Default: those of /etc/resolv.conf.")
@click.option(
    "--bind-address", default="[::]:10256", show_default=True, callback=_address,
    help="Of /healthz, /readyz and /metrics, over HTTP; '' switches them off.",
)  # fmt: skip
def command(
    kubeconfig: Path | None,
    node_name: str,
    parts: tuple[str, ...],
    cluster_cidr: tuple[str, ...],
    cluster_domain: str,
    dns_service: tuple[str, str],
    dns_forwarders: tuple[str, ...],
    bind_address: str,
) -> None:
    """Run this node's parts: CNI plugins and routes, the Service proxy, cluster DNS."""
    try:
        config = ClusterConfig.load(kubeconfig)
    except ConfigError as error:
        raise click.UsageError(f"--kubeconfig: {error}") from error
    servers = dns_forwarders or _system_servers()
    settings = Settings(node_name, parts, cluster_cidr, cluster_domain, dns_service, servers, bind_address)
    serve(run(settings, config))
