"""`kube46 shell`."""

import click

from kube46.cli import completing
from kube46.lab import endings, entering, privileges


@click.command(context_settings={"ignore_unknown_options": True})
@completing.cluster_name
@click.argument("place", shell_complete=completing.places)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
def command(name: str, place: str, argv: tuple[str, ...]) -> None:
    """Enter PLACE (outside, edge, cp or a node), or run a command there and pass its exit status on."""
    with endings.told():
        privileges.become_root()
        entering.enter(name, place, argv)
