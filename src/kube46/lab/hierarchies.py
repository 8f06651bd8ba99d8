"""Where the machine has control groups mounted, and how version 2 is mounted again without changing it."""

from pathlib import Path

# Options of version 2 that are the whole hierarchy's: whoever mounts it again without them switches them off for all.
SHARED = ("favordynmods", "memory_hugetlb_accounting", "memory_localevents", "memory_recursiveprot", "nsdelegate")


def mounted(table: str | None = None) -> list[Path]:
    """Where hierarchies of both versions are mounted."""
    return [Path(entry[1]) for entry in _entries(table) if entry[2] in ("cgroup", "cgroup2")]


def options(table: str | None = None) -> str:
    """The options to mount version 2 with, so that it stays as it is."""
    given = [set(entry[3].split(",")) for entry in _entries(table) if entry[2] == "cgroup2"]
    return ",".join(name for name in SHARED if given and name in given[0])


def _entries(table: str | None) -> list[list[str]]:
    text = Path("/proc/self/mounts").read_text() if table is None else table
    return [line.split() for line in text.splitlines()]
