"""`kube46 run`."""

import asyncio
import os
import sys
from pathlib import Path

import click
import yaml

from kube46.cli import completing
from kube46.cli.image import complete
from kube46.cli.main import NOTHING
from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.lab import applying, apps, arrivals, cluster, endings, hostpaths, privileges, programs, starting
from kube46.lab.apps import App
from kube46.lab.hostpaths import HostPath
from kube46.lab.paths import Paths
from kube46.lab.progress import Progress
from kube46.lab.settings import BadSettings


class _Run(click.Command):
    """Who forgets `--` is told of it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's. Raises UsageError."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            text = error.format_message().rstrip(".")
            raise click.UsageError(f"{text} (if it is COMMAND's, write -- before COMMAND)", ctx) from error


@click.command(cls=_Run)
@click.argument("name", metavar="NAME")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@click.option("--replicas", type=int, default=1, show_default=True, help="How many pods.")
@click.option("--port", "ports", multiple=True, metavar="NUMBER[/udp]", help="A port that it serves; repeatable.")
@click.option("--expose", is_flag=True, help="Make a Service of all families of the cluster.")
@click.option(
    "--mount",
    "mounts",
    multiple=True,
    type=click.Path(),
    metavar="DIR",
    help="Show a directory, read-only; repeatable.",
)
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE", help="An environment variable; repeatable.")
@click.option(
    "--image",
    default=apps.HOST,
    show_default=True,
    shell_complete=complete,
    help="Another image; COMMAND then is its arguments.",
)
@click.option("--user", type=int, metavar="UID", help="Whom it runs as, by number; nobody, or the image's user, else.")
@click.option("-n", "--namespace", default="default", show_default=True, help="The namespace.")
@click.option(
    "--name",
    "--cluster",
    "cluster_name",
    default=starting.DEFAULT_NAME,
    show_default=True,
    shell_complete=completing.clusters,
    help="Cluster.",
)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until all pods are ready.")
@click.option("--timeout", type=click.FloatRange(1), default=60.0, show_default=True, help="Seconds to wait at most.")
@click.option("-o", "--output", type=click.Choice(["yaml"]), help="Print the manifests, and make nothing.")
def command(
    name: str,
    argv: tuple[str, ...],
    replicas: int,
    ports: tuple[str, ...],
    expose: bool,
    mounts: tuple[str, ...],
    variables: tuple[str, ...],
    image: str,
    user: int | None,
    namespace: str,
    cluster_name: str,
    wait: bool,
    timeout: float,
    output: str | None,
) -> None:
    """Run a program of this machine as pods, in one line; a later run of the same NAME changes them.

    `kube46 run web --replicas 3 --port 8080 --expose --mount . -- python3 -m http.server 8080 --bind ::`
    """
    with endings.told(NOTHING):
        here = str(Path.cwd())
        shown = tuple(dict.fromkeys(_shown(text) for text in mounts))
        if image == apps.HOST:
            for path in shown:
                programs.check_readable(path, user)
        app = apps.check(
            App(
                name=name,
                namespace=namespace,
                image=image,
                command=programs.resolve(argv, shown) if argv and image == apps.HOST else argv,
                replicas=replicas,
                ports=tuple(map(apps.port, ports)),
                expose=expose,
                mounts=shown,
                environment=tuple(map(apps.variable, variables)),
                working_dir=here if any(Path(here).is_relative_to(path) for path in shown) else "",
                user=user,
            )
        )
        if output:
            click.echo(yaml.safe_dump_all(apps.manifests(app), sort_keys=False), nl=False)
            return
        privileges.become_root()
        paths = starting.existing(cluster_name)
        if not cluster.is_running(paths):
            raise BadSettings(f"--name {cluster_name}: is stopped, start it with `kube46 up --name {cluster_name}`")
        progress = Progress(stream=sys.stderr, environment=os.environ)
        try:
            click.echo(asyncio.run(_run(paths, app, progress, timeout if wait else 0)))
        except KeyboardInterrupt:
            removal = applying.removal(app, cluster.context(paths))
            raise KeyboardInterrupt(f"what was made stays, `{removal}` deletes it") from None


def _shown(text: str) -> str:
    if not text:
        raise BadSettings("--mount: is empty, name a directory, such as `--mount .`")
    return hostpaths.parse(os.path.normpath(Path.cwd() / text), "--mount").path


def _allow(paths: Paths, mounts: tuple[str, ...]) -> None:
    """Who may run this may allow paths; what is allowed already, maybe for writing, stays."""
    there = hostpaths.allowed(paths.host_paths)
    new = [HostPath(path, read_only=True) for path in mounts if not any(entry.holds(path) for entry in there)]
    hostpaths.allow(paths.host_paths, new)
    for entry in new:
        click.echo(f"kube46: from now on every pod of the cluster may read {entry.path} (hostPath)", err=True)


async def _run(paths: Paths, app: App, progress: Progress, seconds: float) -> str:
    async with Client(ClusterConfig.load(paths.kubeconfig("admin")), component="run") as client:
        await applying.check(client, app)
        _allow(paths, app.mounts)
        applied = await applying.apply(client, app)
        if seconds:
            with progress.step(f"{app.name}: {app.replicas} ready", f"{app.name}: not ready"):
                await arrivals.wait(client, app, progress.tick, seconds)
    return applying.next_steps(app, applied, cluster.context(paths))
