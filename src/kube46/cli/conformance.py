"""kube46 conformance: the gate that a release, or a cluster, passes at a level of KEP-563, or not."""

import asyncio
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import yaml
from click.shell_completion import CompletionItem

from kube46.addresses.families import Family
from kube46.cli.check import coloured, families_of
from kube46.conformance import catalog
from kube46.conformance.careful import Careful
from kube46.conformance.model import Level
from kube46.conformance.report import Report, as_data, as_json, as_junit, as_table
from kube46.conformance.runner import Settings, run
from kube46.kubernetes.config import ClusterConfig, ConfigError
from kube46.kubernetes.errors import KubernetesError

FAILED, UNUSABLE, INTERRUPTED = 1, 2, 130
FORMS = ("table", "json", "yaml", "junit")


def _names(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    found = catalog.promises(Level.GA)
    return [CompletionItem(item.name, help=item.text) for item in found if item.name.startswith(incomplete)]


def _known(_: click.Context, __: click.Parameter, value: Sequence[str]) -> frozenset[str]:
    names = {item.name for item in catalog.promises(Level.GA)}
    for name in value:
        if name not in names:
            raise click.BadParameter(f"{name!r} is no check: `kube46 conformance --list` lists them")
    return frozenset(value)


def _command(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(value))
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no command: {error}") from error
    if words and shutil.which(words[0]) is None:
        raise click.BadParameter(f"there is no program {words[0]!r}")
    return words


async def _run(config: ClusterConfig, settings: Settings) -> Report:
    """The report. Ctrl-C and SIGTERM end it, but not before what was made is taken away."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with Careful(config, component="conformance") as client:
        return await run(client, settings, lambda text: click.echo(text, err=True))


@click.command(epilog="Exit status: 0 the level is passed, 1 a check failed, 2 the gate could not be run.")
@click.option(
    "--kubeconfig", type=click.Path(path_type=Path), help="Default: $KUBECONFIG, ~/.kube/config, or the Pod's."
)
@click.option("--context", help="Of the kubeconfig; default: its current one.")
@click.option(
    "--level", type=click.Choice([str(level) for level in Level]), default="ga", show_default=True, help="Of KEP-563."
)
@click.option(
    "--families",
    default="",
    callback=families_of,
    help="What the cluster's Services must have, default family first; default: what it says.",
)
@click.option("--only", multiple=True, callback=_known, shell_complete=_names, help="A check's name; may be repeated.")
@click.option(
    "--image", default="", help="One with python3, for pods; default: the machine (stand-alone), else python:3-slim."
)
@click.option("--domain", default="cluster.local", show_default=True, help="The cluster's DNS domain.")
@click.option("--no-pods", is_flag=True, help="Start no pods: leave out what only they show.")
@click.option(
    "--disruptive",
    metavar="COMMAND",
    default="",
    callback=_command,
    help="Run this command, which restarts or upgrades parts of the cluster, and check what must endure it.",
)
@click.option("--list", "listed", is_flag=True, help="List the checks of the level, and ask no cluster.")
@click.option("-o", "--output", type=click.Choice(FORMS), default="table", show_default=True, help="The form.")
def command(
    kubeconfig: Path | None,
    context: str | None,
    level: str,
    families: tuple[Family, ...],
    only: frozenset[str],
    image: str,
    domain: str,
    no_pods: bool,
    disruptive: tuple[str, ...],
    listed: bool,
    output: str,
) -> None:
    """Check that a cluster keeps the dual-stack promises of KEP-563, at a level of the feature.

    For any cluster of any vendor. Only a namespace of its own is written to, and it is always removed.
    """
    if listed:
        click.echo(_listing(Level(level)))
        return
    for name in sorted(only - {item.name for item in catalog.promises(Level(level))}):
        raise click.BadParameter(f"{name!r} is no check of level {level}: raise --level", param_hint="--only")
    settings = Settings(
        Level(level), families, only, image=image, domain=domain, pods=not no_pods, disruptive=disruptive
    )
    try:
        report = asyncio.run(_run(ClusterConfig.load(kubeconfig, context), settings))
    except (ConfigError, KubernetesError, ExceptionGroup) as error:
        click.echo(f"kube46: {_sentence(error)}", err=True)
        sys.exit(UNUSABLE)
    except asyncio.CancelledError:
        click.echo("kube46: interrupted, and what was made is removed", err=True)
        sys.exit(INTERRUPTED)
    click.echo(_written(report, output))
    sys.exit(0 if report.passed else FAILED)


def _written(report: Report, output: str) -> str:
    if output == "yaml":
        return yaml.safe_dump(as_data(report), sort_keys=False, allow_unicode=True).rstrip()
    written = {"json": as_json, "junit": as_junit}.get(output)
    return written(report) if written else as_table(report, colour=coloured())


def _listing(level: Level) -> str:
    found = catalog.promises(level)
    width = max(len(item.name) for item in found)
    return "\n".join(f"{item.level:<5}  {item.name:<{width}}  {item.text}" for item in found)


def _sentence(error: Exception) -> str:
    """The first refusal of many that ended side by side."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, ConfigError | KubernetesError):
        raise error
    return str(error)
