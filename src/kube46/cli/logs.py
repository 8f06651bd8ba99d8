"""`kube46 logs`."""

import click

from kube46.cli import completing
from kube46.lab import cluster, endings, logs, privileges, starting
from kube46.lab.settings import BadSettings


@click.command()
@completing.cluster_name
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.argument("part", required=False, shell_complete=completing.parts)
def command(name: str, follow: bool, part: str | None) -> None:
    """Show the log of PART (apiserver, kubelet-node1, supervisor, …), or of all parts."""
    with endings.told():
        privileges.become_root()
        paths = starting.existing(name)
        settings = cluster.kept_settings(paths)
        files = logs.files(settings, paths, part) if settings else {}
        if not any(path.exists() for path in files.values()):
            raise BadSettings(f"--name {name}: is stopped and has no logs, start it with `kube46 up --name {name}`")
        prefix = {label: "" if part else f"{label}: " for label in files}
        for label, path in files.items():
            for line in logs.written(path):
                click.echo(prefix[label] + line)
        if follow:
            labels = list(files)
            for index, line in logs.followed(list(files.values())):
                click.echo(prefix[labels[index]] + line)
