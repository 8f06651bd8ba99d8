"""kube46 kubelet: the stand-in kubelet of a stand-alone cluster's node."""

import asyncio
import os
from ipaddress import ip_address
from pathlib import Path

import click

from kube46.cli.daemon import serve
from kube46.kubernetes.caches import Caches
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig, ConfigError
from kube46.lab.images.store import STORE
from kube46.lab.kubelet.controller import run
from kube46.lab.kubelet.settings import Settings, SettingsError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
DIRECTORY = click.Path(file_okay=False, path_type=Path)


def _addresses(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    try:
        return tuple(str(ip_address(part.strip())) for part in value.split(",") if part.strip())
    except ValueError as error:
        raise click.BadParameter(f"{error}: give addresses such as 10.46.0.11,fd46::11") from error


def _labels(_: click.Context, __: click.Parameter, value: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.partition("=") for part in value.split(",") if part]
    if any(not key or not sign for key, sign, _ in pairs):
        raise click.BadParameter("give labels as key=value,key=value")
    return tuple((key, text) for key, _, text in pairs)


@click.command(short_help="Run the stand-in kubelet of a stand-alone cluster's node.")
@click.option("--kubeconfig", type=FILE, help="How to reach the API server, and who we are.")
@click.option("--node-name", required=True, help="The Node object's name.")
@click.option(
    "--node-ip", required=True, callback=_addresses, help="One address, or one of each family, primary first."
)
@click.option(
    "--root-dir",
    type=DIRECTORY,
    default=Path("/var/lib/kubelet"),
    show_default=True,
    help="Pods' volumes, logs and states.",
)
@click.option("--cluster-dns", default="", callback=_addresses, help="The cluster's DNS addresses.")
@click.option("--cluster-domain", default="cluster.local", show_default=True, help="Searched by pods' resolvers.")
@click.option("--client-ca-file", type=FILE, help="Who signs the certificates of those who may ask for logs and exec.")
@click.option("--tls-cert-file", type=FILE, help="Certificate of the server of logs and exec.")
@click.option("--tls-private-key-file", type=FILE, help="Its key.")
@click.option("--port", type=click.IntRange(1, 65535), default=10250, show_default=True, help="Of that server.")
@click.option(
    "--default-uid", type=click.IntRange(0), default=65534, show_default=True, help="Who pods run as that don't say."
)
@click.option(
    "--max-pods", type=click.IntRange(1), default=110, show_default=True, help="How many pods the node offers to run."
)
@click.option("--node-labels", default="", callback=_labels, help="key=value,… for the Node.")
@click.option(
    "--cni-conf-dir",
    type=DIRECTORY,
    default=Path("/etc/cni/net.d"),
    show_default=True,
    help="CNI configurations: the first counts.",
)
@click.option(
    "--cni-bin-dir", default="/opt/kube46/cni/bin:/opt/cni/bin", show_default=True, help="Directories, colon list."
)
@click.option(
    "--image-dir",
    type=DIRECTORY,
    default=Path("/etc/kube46/images.d"),
    show_default=True,
    help="TOML files that give images commands.",
)
@click.option(
    "--image-store",
    type=DIRECTORY,
    default=STORE,
    show_default=True,
    help="Images that `kube46 image load` has loaded.",
)
@click.option(
    "--sync-frequency",
    type=click.FloatRange(0.1),
    default=60.0,
    show_default=True,
    help="Seconds between looks at ConfigMaps, Secrets and tokens that pods have mounted.",
)
@click.option("--cgroup-root", default="", help="The control group of the node's pods.  [default: kube46/NODE]")
@click.option(
    "--pod-max-pids",
    type=click.IntRange(16),
    default=4096,
    show_default=True,
    help="How many processes a pod may have.",
)
@click.option("--host-path-root", multiple=True, metavar="DIR[:ro]", help="Pods may mount what lies there; repeatable.")
@click.option("--provision-volumes", is_flag=True, help="Make PersistentVolumes of class local-path on this node.")
@click.option("--provisioner-kubeconfig", type=FILE, help="Who makes them.  [default: as --kubeconfig]")
@click.option("--host-path-file", type=click.Path(path_type=Path), help="More of them, a line each; read at each use.")
def command(
    kubeconfig: Path | None,
    node_name: str,
    node_ip: tuple[str, ...],
    root_dir: Path,
    cluster_dns: tuple[str, ...],
    cluster_domain: str,
    client_ca_file: Path | None,
    tls_cert_file: Path | None,
    tls_private_key_file: Path | None,
    port: int,
    default_uid: int,
    max_pods: int,
    node_labels: tuple[tuple[str, str], ...],
    cni_conf_dir: Path,
    cni_bin_dir: str,
    image_dir: Path,
    image_store: Path,
    sync_frequency: float,
    host_path_root: tuple[str, ...],
    cgroup_root: str,
    pod_max_pids: int,
    provision_volumes: bool,
    provisioner_kubeconfig: Path | None,
    host_path_file: Path | None,
) -> None:
    """Run the stand-in kubelet of a stand-alone cluster's node, inside the node's network and mount namespaces."""
    os.umask(0o022)  # whatever the caller's: containers in user namespaces must reach their own directories
    try:
        settings = Settings(
            node_name=node_name,
            node_ips=node_ip,
            root_dir=root_dir,
            cluster_dns=cluster_dns,
            cluster_domain=cluster_domain,
            client_ca_file=client_ca_file,
            tls_cert_file=tls_cert_file,
            tls_private_key_file=tls_private_key_file,
            port=port,
            default_uid=default_uid,
            max_pods=max_pods,
            node_labels=node_labels,
            cni_conf_dir=cni_conf_dir,
            cni_bin_dirs=tuple(Path(part) for part in cni_bin_dir.split(":") if part),
            image_dir=image_dir,
            image_store=image_store,
            host_path_roots=host_path_root,
            provision_volumes=provision_volumes,
            host_path_file=host_path_file,
            sync_frequency=sync_frequency,
            cgroup_root=cgroup_root,
            pod_max_pids=pod_max_pids,
        )
        config = ClusterConfig.load(kubeconfig)
        provisioning = ClusterConfig.load(provisioner_kubeconfig) if provisioner_kubeconfig else config
    except (SettingsError, ConfigError) as error:
        raise click.UsageError(str(error)) from error
    serve(_run(settings, config, provisioning))


async def _run(settings: Settings, config: ClusterConfig, provisioning: ClusterConfig) -> None:
    async with (
        Client(config, component="kubelet") as client,
        Client(provisioning, component="provisioner") as provisioner,
        asyncio.TaskGroup() as group,
    ):
        await run(settings, client, Caches(client, group), provisioner)
