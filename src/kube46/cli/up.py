"""`kube46 up`."""

import os
import sys

import click

from kube46.check.matrix import as_table
from kube46.check.runner import CheckError
from kube46.cli import completing
from kube46.cli.check import coloured, run_check
from kube46.cli.main import NOTHING
from kube46.lab import endings, hostpaths, privileges, starting, upstream
from kube46.lab.progress import Progress
from kube46.lab.settings import Flags


@click.command()
@completing.cluster_name
@click.option("--families", help="ipv4,ipv6 (default), ipv6,ipv4, ipv4 or ipv6; the first is the primary one.")
@click.option("--nodes", type=int, help="Number of nodes (default 2).")
@click.option("--pod-cidr", help="Pods' addresses, one range a family (default 10.244.0.0/16,fd00:10:244::/56).")
@click.option("--service-cidr", help="Services' addresses, one range a family (default 10.96.0.0/16,fd00:10:96::/112).")
@click.option(
    "--api-server",
    type=click.Choice([upstream.OWN, upstream.REAL]),
    help="kube46 (default), or real: kube-apiserver with etcd and kube-controller-manager.",
)
@click.option(
    "--kubernetes",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Where the real one's programs are (default: in PATH).",
)
@click.option(
    "--controllers", metavar="LIST", help="kube46's loops beside kube-controller-manager, which runs all others."
)
@click.option("--feature-gates", metavar="NAME=BOOL,...", help="Passed on to the API server.")
@click.option("--api-port", type=click.IntRange(1, 65535), help="Port of the API server on 127.0.0.1 and ::1.")
@click.option("--allow-host-path", multiple=True, metavar="DIR[:ro]", help="Pods may mount it; repeatable, also later.")
@click.option("--forbid-host-path", multiple=True, metavar="DIR", help="Pods that start from now on may not mount it.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until nodes and DNS are ready.")
@click.option("--check/--no-check", default=True, show_default=True, help="End with the connectivity matrix.")
@click.option("--timings", is_flag=True, help="Print where the time goes.")
def command(
    name: str,
    families: str | None,
    nodes: int | None,
    pod_cidr: str | None,
    service_cidr: str | None,
    api_server: str | None,
    kubernetes: str | None,
    controllers: str | None,
    feature_gates: str | None,
    api_port: int | None,
    allow_host_path: tuple[str, ...],
    forbid_host_path: tuple[str, ...],
    wait: bool,
    check: bool,
    timings: bool,
) -> None:
    """Start a cluster on this machine, or bring a stopped one back."""
    with endings.told(NOTHING):
        privileges.become_root()
        real = upstream.asked(api_server, kubernetes, controllers)
        own = api_server == upstream.OWN
        flags = Flags(families, nodes, pod_cidr, service_cidr, real, own, feature_gates)
        allow = tuple(hostpaths.parse(text, "--allow-host-path") for text in allow_host_path)
        options = starting.Options(name, flags, api_port or 0, wait, allow, forbid_host_path)
        progress = Progress(environment=os.environ)
        started = starting.up(options, progress)
        if started and wait and check:
            _show_matrix(name, progress)
        if timings:
            progress.say("\n" + progress.timings())


def _show_matrix(name: str, progress: Progress) -> None:
    """The matrix of the cluster just started; a cross in it is a failure of `up`."""
    try:
        with progress.step("Matrix"):
            report = run_check(name, progress=progress.tick)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the cluster runs, `kube46 down --name {name}` deletes it") from None
    except CheckError as error:
        sys.stderr.write(f"kube46: the matrix cannot be made: {error}\n")
        sys.exit(endings.FAILED)
    progress.say("\n" + as_table(report, colour=coloured()))
    if not report.passed:
        sys.exit(endings.FAILED)
