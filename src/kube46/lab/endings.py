"""How a command ends that cannot do what it was asked: one sentence on standard error, and an exit status."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from kube46.kubernetes.config import ConfigError
from kube46.kubernetes.errors import KubernetesError
from kube46.lab.arrivals import NotRunning
from kube46.lab.cluster import ClusterError
from kube46.lab.entering import CannotRun
from kube46.lab.images.errors import ImageTrouble
from kube46.lab.listeners import PortTaken
from kube46.lab.mounts import MountError
from kube46.lab.privileges import NotRoot
from kube46.lab.readiness import NotReady
from kube46.lab.requirements import Missing
from kube46.lab.settings import BadSettings
from kube46.lab.topology import TopologyError
from kube46.lab.upstream import NoUpstream
from kube46.lab.userconfig import UserConfigError

REFUSED, FAILED = 2, 1  # nothing was changed; something went wrong on the way
INTERRUPTED = 130  # as a shell says SIGINT
CUT = 141  # as a shell says SIGPIPE


@contextmanager
def told(left: str = "") -> Iterator[None]:
    """Turn the lab's errors into a sentence and an exit status: 2 for a refusal, 1 for a failure.

    `left` is what an interrupt leaves that does not say so itself.
    """
    try:
        yield
    except (BadSettings, ImageTrouble, Missing, NoUpstream, NotRoot, PortTaken) as error:
        _end(error, REFUSED)
    except (ClusterError, NotReady, NotRunning, TopologyError, MountError, UserConfigError) as error:
        _end(error, FAILED)
    except (ConfigError, KubernetesError) as error:
        _end(error, FAILED)
    except CannotRun as error:
        _end(error, error.status)
    except BrokenPipeError:  # a reader that has seen enough, as `head`, is no mistake of anyone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is buffered must not fail at exit
        sys.exit(CUT)
    except OSError as error:
        _end(error, FAILED)
    except KeyboardInterrupt as interrupt:
        interrupted(*(interrupt.args or (left,)))


def interrupted(left: str = "") -> NoReturn:
    """The end by Ctrl-C; `left`: what is there now, and how to go on or remove it."""
    sys.stderr.write(f"\nkube46: interrupted{': ' if left else ''}{left}\n")
    sys.exit(INTERRUPTED)


def _end(error: Exception, status: int) -> None:
    sys.stderr.write(f"kube46: {error}\n")
    sys.exit(status)
