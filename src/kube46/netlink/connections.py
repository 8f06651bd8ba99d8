"""A connection to the networking of one namespace: links, addresses, routes, sysctls."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from kube46.netlink import namespaces, removals
from kube46.netlink.addresses import Addresses
from kube46.netlink.errors import NetlinkError
from kube46.netlink.links import Links
from kube46.netlink.routes import Routes
from kube46.netlink.sockets import Socket

SYSCTLS = Path("/proc/sys")


class Netlink(Links, Addresses, Routes):
    """The networking of a namespace (a name under /run/netns, a path, or None: the calling thread's own).

    Every call waits for the kernel's answer, raises `NetlinkError` with the object's name when it is refused, and is
    done when it returns. Use it as a context manager; from one thread at a time.
    """

    def __init__(self, netns: str | Path | None = None) -> None:
        self._socket = Socket(netns)
        self._elsewhere = netns is not None

    @property
    def namespace(self) -> int:
        """A descriptor of the namespace, open as long as the connection."""
        return self._socket.namespace

    def close(self) -> None:
        """Close it; a second time has no effect."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def remove_link(self, name: str) -> bool:
        """As `delete_link`; in the calling thread's namespace without waiting until the kernel has freed the link."""
        if self._elsewhere:
            return self.delete_link(name)
        try:
            return removals.remove(self.index(name), f"delete link {name}")
        except NetlinkError as error:
            if error.is_absence:
                return False
            raise

    def sysctl(self, path: str, value: int | str | None = None) -> str:
        """Set the namespace's `net/ipv6/conf/all/forwarding`, say, and return what it is then; no value: read it.

        Writes only what differs, so it works on a read-only /proc/sys that is right already. Raises OSError.
        """
        return self.sysctls({path: value})[path]

    def sysctls(self, values: Mapping[str, int | str | None]) -> dict[str, str]:
        """As `sysctl`, for several at once."""
        if not self._elsewhere:
            return _set_sysctls(values)
        return namespaces.call_in(self.namespace, lambda: _set_sysctls(values))


def _set_sysctls(values: Mapping[str, int | str | None]) -> dict[str, str]:
    found = {}
    for path, value in values.items():
        file = SYSCTLS / path.lstrip("/")
        found[path] = file.read_text().strip()
        if value is not None and found[path] != str(value):
            file.write_text(str(value))
            found[path] = str(value)
    return found
