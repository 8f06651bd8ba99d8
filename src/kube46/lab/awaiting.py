"""Turns this process into a program as soon as the API server is ready: kube-controller-manager ends when it is not."""

import asyncio
import os
from collections.abc import Sequence

from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.kubernetes.errors import KubernetesError

POLL, ATTEMPT = 0.2, 2.0  # seconds


async def ready(config: ClusterConfig) -> None:
    """Returns when /readyz says so, which kube-apiserver does once it has made the roles that all others need."""
    async with Client(config, component="lab") as api:
        while True:
            try:
                async with asyncio.timeout(ATTEMPT):
                    await api.request("GET", "/readyz")
                    return
            except (KubernetesError, TimeoutError):
                await asyncio.sleep(POLL)


def run(config: ClusterConfig, argv: Sequence[str]) -> None:
    """Never returns. Raises OSError when there is no such program."""
    asyncio.run(ready(config))
    os.execv(argv[0], list(argv))  # noqa: S606 - no shell wanted
