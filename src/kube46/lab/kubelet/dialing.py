"""Connections into a pod: to its own localhost, IPv4 first, then to its addresses from the node, as containerd does.

Source: github.com/containerd/containerd, internal/cri/server/sandbox_portforward_linux.go.
"""

import asyncio
import os
import socket
from collections.abc import Iterable

from kube46.addresses.families import Family, bracketed, family_of
from kube46.netlink import namespaces

SECONDS = 5.0  # for one attempt
LOCALHOST = {Family.IPV4: "127.0.0.1", Family.IPV6: "::1"}
KINDS = {Family.IPV4: socket.AF_INET, Family.IPV6: socket.AF_INET6}


class Unreachable(RuntimeError):
    """Nobody listens there; the message names every attempt."""


async def dial(netns: str, addresses: Iterable[str], port: int) -> socket.socket:
    """A connection to a port of the pod whose network namespace that is ("": the node's own). Raises Unreachable."""
    failures = []
    for place, hosts in ((netns, LOCALHOST.values()), ("", addresses)):
        for host in hosts:
            try:
                return await _connect(place, host, port)
            except OSError as error:
                said = "i/o timeout" if isinstance(error, TimeoutError) else f"connect: {_reason(error)}"
                failures.append(f"{family_of(host)}: dial tcp {bracketed(host, port)}: {said}")
    where = f'in network namespace "{netns or "host"}"'
    text = f"failed to connect to localhost:{port} inside the pod or to its addresses, {' '.join(failures)}"
    raise Unreachable(f"failed to execute portforward {where}: {text}")


async def _connect(netns: str, host: str, port: int) -> socket.socket:
    """A connected socket that was made in the namespace; a socket stays in the one that it was made in."""
    kind = KINDS[family_of(host)]
    if netns:
        made = await asyncio.to_thread(namespaces.open_sockets_in, netns, lambda: _socket(kind))
    else:
        made = _socket(kind)
    try:
        async with asyncio.timeout(SECONDS):
            await asyncio.get_running_loop().sock_connect(made, (host, port))
    except BaseException:
        made.close()
        raise
    return made


def _socket(kind: socket.AddressFamily) -> socket.socket:
    made = socket.socket(kind, socket.SOCK_STREAM)
    made.setblocking(False)
    return made


def _reason(error: OSError) -> str:
    """The kernel's words, in lower case as Go has them."""
    return os.strerror(error.errno).lower() if error.errno else str(error)
