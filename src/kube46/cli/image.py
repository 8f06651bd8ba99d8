"""`kube46 image`: load, list, rm."""

import os
import sys
from contextlib import suppress
from pathlib import Path

import click
import msgspec
from click.shell_completion import CompletionItem

from kube46.lab import endings, privileges
from kube46.lab.images import loading, usage
from kube46.lab.images.listing import lines, size_text, table
from kube46.lab.images.store import Store
from kube46.lab.progress import Progress


@click.group()
def command() -> None:
    """Load container images from archives, list and remove them; all clusters of the machine have them."""


def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of images, as far as the user who completes may see them."""
    with suppress(OSError):
        return [CompletionItem(name) for name in sorted(Store().read().names) if name.startswith(incomplete)]
    return []


@command.command()
@click.argument("archive", type=click.Path(allow_dash=True), metavar="FILE|DIRECTORY|-")
@click.option(
    "--as", "names", multiple=True, metavar="NAME[:TAG]", help="Instead of the archive's own names; repeatable."
)
def load(archive: str, names: tuple[str, ...]) -> None:
    """Load what `docker save`, `podman save`, buildah or skopeo wrote: a docker-archive, or an OCI layout.

    `docker save IMAGE | kube46 image load -`
    """
    with endings.told():
        if archive == "-" and sys.stdin.isatty():
            raise click.UsageError("standard input is a terminal: pipe an archive into it, or name a file")
        path = archive if archive == "-" else str(Path(archive).absolute())
        privileges.become_root()
        progress, store = Progress(stream=sys.stderr, environment=os.environ), Store()
        for image in loading.load(path, names, store, progress.tick):
            progress.clear()
            id, size = image.image.id.removeprefix("sha256:")[:12], size_text(image.image.size)
            for name in image.names:
                click.echo(f"loaded {name}  {id}  {size}")
            if image.devices:
                text = f"{image.devices} device nodes were left out: a container's /dev is made anew for it"
                click.echo(f"kube46: {text}", err=True)
        store.sweep(usage.in_use)


@command.command("list")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="The form."
)
def list_(output: str) -> None:
    """List the machine's images."""
    with endings.told():
        privileges.become_root()
        found = lines(Store().read(), usage.in_use())
        click.echo(msgspec.json.format(msgspec.json.encode(found)) if output == "json" else table(found))


@command.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME|ID...", shell_complete=complete)
def rm(names: tuple[str, ...]) -> None:
    """Remove images by name or ID; one that a pod runs is kept, and says so."""
    with endings.told():
        privileges.become_root()
        for name in Store().remove(names, usage.in_use):
            click.echo(f"removed {name}")
