"""`kube46 down`."""

import os

import click

from kube46.cli import completing
from kube46.lab import endings, privileges, starting
from kube46.lab.progress import Progress


@click.command()
@completing.cluster_name
def command(name: str) -> None:
    """Stop a cluster and delete all that belongs to it."""
    with endings.told():
        privileges.become_root()
        starting.down(name, Progress(environment=os.environ))
