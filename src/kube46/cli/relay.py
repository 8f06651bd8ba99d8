"""`kube46 relay`: a part of clusters with kube-apiserver; nobody calls it by hand."""

import click

from kube46.cli.daemon import serve
from kube46.lab import relaying


@click.command(hidden=True)
@click.argument("host")
@click.argument("port", type=click.IntRange(1, 65535))
def command(host: str, port: int) -> None:
    """Pass connections to the sockets of LISTEN_FDS on to HOST and PORT."""
    relaying.become_nobody()
    serve(relaying.run(host, port))
