"""The listening sockets: passed by a supervisor (systemd's protocol, LISTEN_FDS) or opened here."""

from __future__ import annotations

import os
import resource
import socket
from typing import TYPE_CHECKING

from kube46.apiserver.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

FIRST_PASSED = 3  # SD_LISTEN_FDS_START


def allow_many() -> None:
    """Let this process have as many open connections as its hard limit allows, as Go's programs do."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def passed(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """The sockets a supervisor passed to this process; source: sd_listen_fds(3)."""
    if environment.get("LISTEN_PID", str(os.getpid())) != str(os.getpid()):
        return []
    count = environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_PID", None)
    if not count.isdecimal():
        return []
    found = [socket.socket(fileno=descriptor) for descriptor in range(FIRST_PASSED, FIRST_PASSED + int(count))]
    for sock in found:
        sock.setblocking(False)
        os.set_inheritable(sock.fileno(), False)
    return found


def opened(bind_address: str, port: int) -> list[socket.socket]:
    """A socket on the address; `::` also takes IPv4, as Go's listeners do; raises SettingsError."""
    family = socket.AF_INET6 if ":" in bind_address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, bind_address != "::")
        sock.bind((bind_address, port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        message = (
            f"--bind-address {bind_address} --secure-port {port}: {error.strerror}: choose another address or port"
        )
        raise SettingsError(message) from error
    sock.setblocking(False)
    return [sock]
