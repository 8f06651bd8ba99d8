"""`kube46 kubeconfig`."""

import json

import click
import yaml

from kube46.cli import completing
from kube46.lab import endings, privileges, starting


@click.command()
@completing.cluster_name
def command(name: str) -> None:
    """Print a cluster's kubeconfig."""
    with endings.told():
        privileges.become_root()
        paths = starting.existing(name)
        click.echo(yaml.safe_dump(json.loads(paths.kubeconfig("admin").read_text()), sort_keys=False), nl=False)
