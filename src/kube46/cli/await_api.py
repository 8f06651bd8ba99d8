"""`kube46 await-api`: how a cluster's parts start that end without an API server; nobody calls it by hand."""

from pathlib import Path

import click

from kube46.kubernetes.config import ClusterConfig
from kube46.lab import awaiting


@click.command(hidden=True)
@click.option("--kubeconfig", type=click.Path(path_type=Path), required=True, help="How to reach the API server.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def command(kubeconfig: Path, command: tuple[str, ...]) -> None:
    """Become COMMAND, whose program is an absolute path, as soon as the API server is ready."""
    awaiting.run(ClusterConfig.load(kubeconfig), command)
