"""kube46 check: the connectivity matrix of a stand-alone cluster."""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence

import click

from kube46.addresses.families import Family
from kube46.check.junit import as_junit
from kube46.check.matrix import Report, as_json, as_table
from kube46.check.picture import as_svg
from kube46.check.runner import CheckError, Settings, check
from kube46.cli import completing
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig, ConfigError
from kube46.kubernetes.errors import KubernetesError
from kube46.lab import cluster, endings, privileges, starting
from kube46.lab.paths import Paths
from kube46.lab.prober import LabProber
from kube46.lab.settings import BadSettings


def run_check(
    name: str, families: Sequence[Family] = (), *, progress: Callable[[str], None] = lambda _: None
) -> Report:
    """Checks the stand-alone cluster `name`. Raises CheckError, ConfigError and KubernetesError."""

    async def run() -> Report:
        config = ClusterConfig.load(Paths(name).kubeconfig("admin"))
        async with Client(config, component="check") as client:
            return await check(client, LabProber(Paths(name)), Settings(families=tuple(families)), progress)

    return asyncio.run(run())


def coloured() -> bool:
    """Whether to colour what goes to standard output: on a terminal, unless NO_COLOR says otherwise."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def families_of(_: click.Context, __: click.Parameter, value: str) -> tuple[Family, ...]:
    """The value of `--families`. Raises click.BadParameter."""
    names = {"ipv4": Family.IPV4, "ipv6": Family.IPV6}
    given = [part.strip().lower() for part in value.split(",") if part.strip()]
    for part in given:
        if part not in names:
            raise click.BadParameter(f"{part!r} is no family, write ipv4, ipv6 or both with a comma")
    return tuple(dict.fromkeys(names[part] for part in given))


@click.command(epilog="Exit status: 0 all cells passed, 1 some failed, 2 the check could not be made.")
@completing.cluster_name
@click.option("--families", default="", callback=families_of, help="ipv4, ipv6 or both; default: all the cluster has.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "junit", "svg"]),
    default="table",
    show_default=True,
    help="The form.",
)
def command(name: str, families: tuple[Family, ...], output: str) -> None:
    """Check connectivity over both families and print the matrix.

    From each node, a pod on each node, and the outside: pods, Services, node ports, names, hairpin, UDP, large packets.
    A tick means that the right pod answered this very question, over the right family, and saw the right client.
    """
    with endings.told():
        privileges.become_root()
        if not cluster.is_running(starting.existing(name)):
            raise BadSettings(f"--name {name}: is stopped, start it with `kube46 up --name {name}`")
    try:
        report = run_check(name, families, progress=lambda text: click.echo(text, err=True))
    except (CheckError, ConfigError, KubernetesError) as error:
        click.echo(f"kube46: {error}", err=True)
        sys.exit(2)
    written = {"json": as_json, "junit": as_junit, "svg": as_svg}.get(output)
    click.echo(written(report) if written else as_table(report, colour=coloured()))
    sys.exit(0 if report.passed else 1)
