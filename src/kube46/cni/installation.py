"""The executables that container runtimes call: one small file a plugin, the same but for its name."""

import os
import sys
import time
from importlib import resources
from pathlib import Path

from kube46.cni.plugin import PLUGINS
from kube46.cni.settings import HELPERS, SOCKET

PERL = Path("/usr/bin/perl")
UNQUOTABLE = "'\\\n\0"


def install(
    directory: Path, *, python: Path | None = None, socket: Path = SOCKET, helpers: Path | None = HELPERS
) -> list[Path]:
    """Write the plugins into a directory, each replaced atomically, and return their paths.

    `python` is the interpreter that has kube46, by default this one. Without an agent at `socket`, helpers are started
    with their sockets in `helpers`; None: each request starts Python. Raises ValueError on a path that cannot be
    written into a script, OSError when the directory cannot be written.
    """
    # Of its own for each installation: a helper of the version before serves no executable of this one.
    own = helpers / f"{time.time_ns():x}" if helpers else ""
    template = "plugin.pl" if os.access(PERL, os.X_OK) else "plugin.sh"
    text = resources.files("kube46.cni").joinpath(template).read_text()
    for mark, path in (("@SOCKET@", socket), ("@HELPERS@", own), ("@PYTHON@", python or Path(sys.executable))):
        if any(character in str(path) for character in UNQUOTABLE):
            raise ValueError(f"{str(path)!r} has a quote, backslash or line end; use another path")
        text = text.replace(mark, str(path))
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    return [_write(directory / name, text) for name in PLUGINS]


def _write(path: Path, text: str) -> Path:
    """A runtime may call the file at any moment, so it is written aside and moved over."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text)
        aside.chmod(0o755)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path
