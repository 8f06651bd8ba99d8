"""`kube46 forward`."""

import click

from kube46.cli import completing
from kube46.lab import endings, forwarding, forwardrules, privileges


@click.command(epilog="Example: kube46 forward svc/web 8080:80, then open http://localhost:8080.")
@completing.cluster_name
@click.option("-n", "--namespace", default="default", show_default=True, help="Namespace of the target.")
@click.option(
    "--address",
    "addresses",
    multiple=True,
    default=("localhost",),
    show_default=True,
    help="Where to listen: an address of this machine, or localhost for both loopbacks. May be repeated.",
)
@click.argument("target")
@click.argument("ports", nargs=-1, metavar="[[LOCAL:]PORT]...")
def command(name: str, namespace: str, addresses: tuple[str, ...], target: str, ports: tuple[str, ...]) -> None:
    """Let programs of this machine reach TARGET (svc/NAME, pod/NAME or deploy/NAME) until Ctrl-C.

    PORT is the target's own, a number or a name; without any, all its TCP ports are forwarded.
    """
    with endings.told():
        options = forwarding.Options(
            name=name,
            namespace=namespace,
            target=forwardrules.target(target),
            wishes=tuple(map(forwardrules.wish, ports)),
            addresses=addresses,
        )
        privileges.become_root()
        forwarding.forward(options, click.echo, lambda text: click.echo(f"kube46: {text}", err=True))
