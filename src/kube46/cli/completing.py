"""What a shell may complete that only this machine knows: clusters, their places and parts.

Everybody may complete: nothing is asked of root, and what may not be read completes to nothing.
"""

from __future__ import annotations

import click

from kube46.lab import cluster, starting, supervisor
from kube46.lab.paths import NETNS_ROOT, Paths


def clusters(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The clusters of this machine."""
    return beginning(cluster.names(), incomplete)


def places(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The places of the cluster that was named, while it runs."""
    paths = Paths(context.params["name"])
    found = [path.name for path in paths.run.glob("*") if (NETNS_ROOT / paths.namespace(path.name)).exists()]
    return beginning(sorted(found), incomplete)


def parts(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The parts of the cluster that was named, and their supervisor."""
    report = supervisor.read_report(Paths(context.params["name"]))
    return beginning([*(part.name for part in report.parts), "supervisor"] if report else [], incomplete)


def beginning(words: list[str], incomplete: str) -> list[str]:
    """Those that begin with what was typed."""
    return [word for word in words if word.startswith(incomplete)]


cluster_name = click.option(
    "--name",
    default=starting.DEFAULT_NAME,
    show_default=True,
    is_eager=True,  # read before what is completed below it
    shell_complete=clusters,
    help="Name of the cluster.",
)
