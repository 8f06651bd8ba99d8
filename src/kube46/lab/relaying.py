"""The host's way to a kube-apiserver: connections to the host's sockets are passed on to it, their bytes unseen.

kube-apiserver takes no sockets from a supervisor, and opens its own in one network namespace only. The supervisor opens
the host's, as it does for kube46's API server; this process accepts from them while it lives in cp's namespace, where
it connects (decisions 103 and 155). It needs no rights for that.
"""

import logging
import os
import resource

from kube46.apiserver import sockets
from kube46.lab.splicing import DESCRIPTORS, Relay

NOBODY = 65534
MOST_FILES, SPARE = 65536, 100  # descriptors of this process; those that no connection gets
log = logging.getLogger(__name__)


def become_nobody() -> None:
    """Give up root, and take as many descriptors as are allowed before that."""
    sockets.allow_many()
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


async def run(host: str, port: int) -> None:
    """Passes connections to the sockets that we were handed on to `host` and `port`, until cancelled."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = min(limit, MOST_FILES) if limit != resource.RLIM_INFINITY else MOST_FILES

    def failed(why: str) -> None:
        log.warning("A connection could not be passed on host=%s port=%d error=%s", host, port, why)

    await Relay(host, port, failed, (files - SPARE) // DESCRIPTORS).run(sockets.passed(os.environ))
