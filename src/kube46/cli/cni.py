"""kube46 cni: the CNI plugins of a node."""

from pathlib import Path

import click

from kube46.cni.installation import install
from kube46.cni.settings import SOCKET

BIN_DIRECTORY = Path("/opt/kube46/cni/bin")


@click.group()
def command() -> None:
    """Install the CNI plugins."""


@command.command("install")
@click.option(
    "--bin-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=BIN_DIRECTORY,
    show_default=True,
    help="Where to.",
)
@click.option(
    "--socket", type=click.Path(path_type=Path), default=SOCKET, show_default=True, help="The agent's socket."
)
def install_command(bin_dir: Path, socket: Path) -> None:
    """Write the plugins' executables, one a plugin."""
    try:
        for path in install(bin_dir, socket=socket):
            click.echo(path)
    except ValueError as error:
        raise click.UsageError(f"--bin-dir {bin_dir}: {error}") from error
    except OSError as error:
        raise click.UsageError(f"--bin-dir {bin_dir}: {error.filename}: {error.strerror}") from error
