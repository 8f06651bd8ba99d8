"""The machine's directories that nodes mount over: made when they are missing, taken away with the last cluster.

A ledger names a directory before it is made, so that one made by a command killed at that moment is known too.
"""

from contextlib import suppress
from pathlib import Path

from kube46.lab import locks, syscalls
from kube46.lab.paths import NETNS_ROOT, RUN_ROOT, STATE_ROOT

LEDGER = STATE_ROOT / ".made"
NEEDED = (
    RUN_ROOT,
    RUN_ROOT / "agent",
    NETNS_ROOT,
    Path("/run/crun"),
    Path("/var/lib/cni"),
    Path("/var/lib/kubelet"),
    Path("/etc/cni/net.d"),
    Path("/var/cache/bind"),
)
SHARED_MOUNT = "shared "  # a ledger line's prefix: we made this directory a mount of its own


def ensure() -> None:
    """Make what is missing of NEEDED, and /run/netns a shared mount as `ip netns` does. Raises OSError."""
    with locks.held(STATE_ROOT):
        for directory in NEEDED:
            _make(directory)
        if not _is_mount(NETNS_ROOT):
            _note(SHARED_MOUNT + str(NETNS_ROOT))
            syscalls.mount(NETNS_ROOT, NETNS_ROOT, flags=syscalls.MS_BIND | syscalls.MS_REC)
        with suppress(OSError):
            syscalls.mount("", NETNS_ROOT, flags=syscalls.MS_SHARED | syscalls.MS_REC)


def release() -> None:
    """Take away what `ensure` made, when no cluster is left and nobody else uses it. Raises OSError."""
    with locks.held(STATE_ROOT):
        if _clusters_left():
            return
        lines = LEDGER.read_text().splitlines() if LEDGER.exists() else []
        for line in reversed(lines):
            _unmake(line)
        LEDGER.unlink(missing_ok=True)
        for root in (RUN_ROOT / "agent", RUN_ROOT, STATE_ROOT):
            with suppress(OSError):  # somebody else's files are in it
                root.rmdir()


def _clusters_left() -> bool:
    """Whether any cluster's state or runtime directory exists: `agent`, the images and the ledger are no clusters."""
    found = [*STATE_ROOT.iterdir(), *(RUN_ROOT.iterdir() if RUN_ROOT.exists() else [])]
    return any(path not in (LEDGER, STATE_ROOT / "images", RUN_ROOT / "agent") for path in found)


def _make(directory: Path) -> None:
    for missing in reversed([directory, *directory.parents]):
        if not missing.exists():
            _note(str(missing))
            missing.mkdir(mode=0o755, exist_ok=True)


def _note(line: str) -> None:
    with LEDGER.open("a") as ledger:
        ledger.write(line + "\n")


def _unmake(line: str) -> None:
    """Undo one line; a directory that is in use or not empty stays."""
    if line.startswith(SHARED_MOUNT):
        directory = Path(line.removeprefix(SHARED_MOUNT))
        if directory.exists() and not any(directory.iterdir()):
            syscalls.detach(directory)
        return
    with suppress(OSError):
        Path(line).rmdir()


def _is_mount(directory: Path) -> bool:
    """From mountinfo: a bind of a directory on itself has the same device as its parent."""
    with Path("/proc/self/mountinfo").open() as table:
        return any(line.split(" ")[4] == str(directory) for line in table)
