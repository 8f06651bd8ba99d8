#!/usr/bin/env python3
"""Forks API servers and tells how they ended: an order a line of JSON, its answer a line.

Ends when nobody orders any more; servers that live then are killed.
"""

import json
import os
import sys
import time
from typing import NoReturn

import kube46.apiserver.server
import kube46.cli.apiserver  # noqa: F401  with the line above, what takes the time
from kube46.cli.main import main as kube46_main


def main() -> None:
    """Obey."""
    living = set[int]()
    for line in sys.stdin:
        order = json.loads(line)
        if "arguments" in order:
            pid = os.fork()
            if pid == 0:
                _serve(order["arguments"], order["log"])
            living.add(pid)
            print(pid, flush=True)
            continue
        status = _status(order["pid"], order["seconds"])
        if status is not None:
            living.remove(order["pid"])
        print(json.dumps(status), flush=True)
    for pid in living:
        os.kill(pid, 9)


def _serve(arguments: list[str], log: str) -> NoReturn:
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for descriptor in (1, 2):
        os.dup2(file, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["kube46", *arguments]
    kube46_main()
    sys.exit(0)


def _status(pid: int, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.002)


if __name__ == "__main__":
    main()
