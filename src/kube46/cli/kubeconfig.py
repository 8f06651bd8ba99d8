"""`kube46 kubeconfig`."""

import json

import click
import yaml

from kube46.lab import endings, privileges, starting


@click.command()
@click.option("--name", default=starting.DEFAULT_NAME, show_default=True, help="Name of the cluster.")
def command(name: str) -> None:
    """Print a cluster's kubeconfig."""
    with endings.told():
        privileges.become_root()
        paths = starting.existing(name)
        click.echo(yaml.safe_dump(json.loads(paths.kubeconfig("admin").read_text()), sort_keys=False), nl=False)
