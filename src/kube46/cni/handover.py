"""How an executable hands a request to a process that carries it out: the bytes on the socket, and who may take them.

A request is `PLUGIN\\0NODE\\0POD\\0KEY=VALUE\\0…\\0\\0CONFIGURATION`, ended by the closing of that direction; the
answer is the exit status, a line end, and what to print. `elsewhere` instead asks the executable to do the work itself.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

LARGEST_REQUEST = 4 << 20  # bytes; a configuration with a long prevResult has some kilobytes
SLOWEST_REQUEST = 10.0  # seconds to hand one over
ELSEWHERE = b"elsewhere\n"


@dataclass(frozen=True, slots=True)
class Handover:
    """A request as an executable sends it.

    `namespace` is the network namespace it stands in, as in /proc/self/ns/net; `pod` the device and inode of CNI_NETNS.
    """

    plugin: str
    namespace: str
    pod: str
    environment: dict[str, str]
    stdin: bytes

    @property
    def attachment(self) -> tuple[str, str]:
        """Requests about the same attachment are carried out one after another."""
        return self.environment.get("CNI_CONTAINERID", ""), self.environment.get("CNI_IFNAME", "")

    @property
    def verb(self) -> str:
        """The verb, one of few words as it becomes a metric's label."""
        verb = self.environment.get("CNI_COMMAND", "")
        return verb if verb in ("ADD", "DEL", "CHECK", "STATUS", "GC", "VERSION") else "other"

    def is_elsewhere(self, namespace: str) -> bool:
        """Whether a process in that network namespace stands in another than the executable, or sees another pod."""
        return self.namespace != namespace or self.pod != _identity(self.environment.get("CNI_NETNS", ""))


def parse(data: bytes) -> Handover:
    """Raises ValueError when it is no request."""
    # POD is empty when there is no such namespace any more, so two zeros may stand before the environment, too.
    plugin, namespace, pod, rest = [*data.split(b"\0", 3), b"", b"", b""][:4]
    pairs, end, stdin = rest.partition(b"\0\0")
    if not end:
        raise ValueError("the request has no end")
    environment = dict(pair.split("=", 1) for pair in _text(pairs).split("\0"))
    return Handover(_text(plugin), _text(namespace), _text(pod), environment, stdin)


def own_namespace() -> str:
    """The calling thread's network namespace, as executables name theirs."""
    return str(Path("/proc/thread-self/ns/net").readlink())


def listen(path: Path, queue: int) -> socket.socket:
    """A listening socket at a path, put in place of the last one in one step: there is always one of the two.

    `queue` connections wait for `accept`; further ones are refused.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listening.bind(str(aside))
        aside.chmod(0o600)
        listening.listen(queue)
        aside.replace(path)
    except OSError:
        listening.close()
        aside.unlink(missing_ok=True)
        raise
    return listening


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _identity(path: str) -> str:
    """The device and inode of a path here, as the executable gives them of the path where it stands; empty without."""
    try:
        status = os.stat(path)  # noqa: PTH116 – of any text, also an empty one
    except (OSError, ValueError):
        return ""
    return f"{status.st_dev}:{status.st_ino}"
