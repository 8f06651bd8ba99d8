"""A process that carries out requests on a node without an agent, and ends some seconds after the last one.

python -I -m kube46.cni.helper SOCKET   prints a line when it listens; started by the first executable that needs it

Python starts in 50 ms or more, and a request takes 5; so the first one pays for those that follow, as they do when a
node boots or a Deployment grows. It stands in the network and mount namespaces of that first one, serves no others, and
ends at once when its socket is removed.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from kube46.cni.masquerading import Masquerading
from kube46.cni.server import Server
from kube46.cni.settings import Settings

IDLE_SECONDS = 10.0
LOOK_SECONDS = 0.5


def serve(path: Path) -> None:
    """Serve that socket until nobody asked for `IDLE_SECONDS`, or the socket was removed."""
    server = Server(Settings("", socket=path), Masquerading())
    server.start()
    try:  # its threads would keep this process alive
        with suppress(BrokenPipeError):  # who started it has been killed meanwhile; others may ask
            os.write(1, b"\n")
        os.dup2(0, 1)
        while server.is_reachable() and (server.busy or time.monotonic() < server.last + IDLE_SECONDS):
            time.sleep(LOOK_SECONDS)
        if server.is_reachable():
            path.unlink(missing_ok=True)
        with suppress(OSError):  # another helper of this installation has its socket there
            path.parent.rmdir()
    finally:
        server.stop()


def main() -> None:
    """Leave what is the caller's, and serve."""
    os.setsid()
    os.chdir("/")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
