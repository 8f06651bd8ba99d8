"""`kube46 status`."""

import click
import msgspec

from kube46.cli import completing
from kube46.lab import endings, listing, privileges


@click.command()
@click.option("--name", shell_complete=completing.clusters, help="Only the cluster of that name.")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="The form."
)
def command(name: str | None, output: str) -> None:
    """Show clusters, their nodes and parts."""
    with endings.told():
        privileges.become_root()
        lines = listing.clusters(name)
        click.echo(msgspec.json.format(msgspec.json.encode(lines)) if output == "json" else listing.text(lines))
