"""kube46 controllers: the cluster-wide loops, in one process."""

from pathlib import Path

import click

from kube46.addresses.families import Family
from kube46.cli.daemon import serve
from kube46.controllers import health
from kube46.controllers.endpointslices.settings import Settings as SliceSettings
from kube46.controllers.nodeipam import settings as ipam
from kube46.kubernetes.config import ClusterConfig, ConfigError
from kube46.kubernetes.leases import LEASE, Election
from kube46.lab.controllers import names
from kube46.lab.controllers.run import Settings, run


def _choice(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    try:
        return names.choose(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


MASK = click.IntRange(1, 128)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Default: KUBECONFIG, ~/.kube/config, in-cluster.")
@click.option("--controllers", "chosen", default="*", show_default=True, callback=_choice, help="The loops to run.")
@click.option("--cluster-cidr", default="", help="The pods' ranges, one a family; needed by node-ipam.")
@click.option("--service-cluster-ip-range", default="", help="The Services' ranges: no node gets a block in them.")
@click.option("--node-cidr-mask-size", type=MASK, help="Prefix length of a node's block; one-family clusters only.")
@click.option("--node-cidr-mask-size-ipv4", type=MASK, help="Default: 24.")
@click.option("--node-cidr-mask-size-ipv6", type=MASK, help="Default: 64.")
@click.option(
    "--max-endpoints-per-slice", type=click.IntRange(1, 1000), default=100, show_default=True, help="Of EndpointSlices."
)
@click.option("--root-ca-file", type=FILE, help="Published in each namespace as the ConfigMap kube-root-ca.crt.")
@click.option("--node-monitor-grace-period", type=float, default=40.0, show_default=True, help="Seconds of silence.")
@click.option("--bind-address", default="127.0.0.1:10257", show_default=True, help="Of /metrics, /readyz; 0: none.")
@click.option("--leader-elect", is_flag=True, help="Work only while holding the Lease of --leader-elect-resource-name.")
@click.option(
    "--leader-elect-resource-name", default=LEASE, show_default=True, help="The Lease; another needs another Role."
)
@click.option("--leader-elect-resource-namespace", default="kube-system", show_default=True, help="And its namespace.")
def command(
    kubeconfig: Path | None,
    chosen: tuple[str, ...],
    cluster_cidr: str,
    service_cluster_ip_range: str,
    node_cidr_mask_size: int | None,
    node_cidr_mask_size_ipv4: int | None,
    node_cidr_mask_size_ipv6: int | None,
    max_endpoints_per_slice: int,
    root_ca_file: Path | None,
    node_monitor_grace_period: float,
    bind_address: str,
    leader_elect: bool,
    leader_elect_resource_name: str,
    leader_elect_resource_namespace: str,
) -> None:
    """Run the cluster-wide loops: node CIDRs, EndpointSlices, and what only a stand-alone cluster needs."""
    lengths = {Family.IPV4: node_cidr_mask_size_ipv4, Family.IPV6: node_cidr_mask_size_ipv6}
    try:
        config = ClusterConfig.load(kubeconfig)
        if bind_address != "0":
            health.parse(bind_address)
        blocks = None
        if "node-ipam" in chosen:
            blocks = ipam.settings(
                cluster_cidr, lengths, any_length=node_cidr_mask_size, service_ranges=service_cluster_ip_range
            )
    except ConfigError as error:
        raise click.UsageError(f"--kubeconfig: {error}") from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    settings = Settings(
        chosen,
        blocks,
        SliceSettings(max_endpoints_per_slice),
        root_ca_file.read_text() if root_ca_file else "",
        node_monitor_grace_period,
        bind_address,
        Election(leader_elect_resource_name, leader_elect_resource_namespace) if leader_elect else None,
    )
    serve(run(settings, config))
