"""ComponentStatuses: how the control plane's programs answer at this moment; nothing is stored.

Source: k8s.io/kubernetes pkg/registry/core/componentstatus, pkg/registry/core/rest/storage_core.go (places and names).
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import msgspec

from kube46.apiserver import statuses
from kube46.apiserver.answers import Answer
from kube46.apiserver.kinds import Kind

if TYPE_CHECKING:
    from kube46.apiserver.requests import Request, Target
    from kube46.apiserver.resources import Resources
    from kube46.apiserver.strategy import Object

SECONDS = 5
PORTS = {"controller-manager": 10257, "scheduler": 10259}  # both listen where this server runs
STORAGE = "etcd-0"  # the name that tools know it by
REFUSED = "connect: connection refused"


class Components:
    """Answers get and list of ComponentStatuses."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._context = ssl.create_default_context()
        self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE

    async def answer(self, request: Request, target: Target) -> Answer:
        """One component or all."""
        view = self._resources.view(request, target)
        names = [target.name] if target.name else sorted((*PORTS, STORAGE))
        if target.name and target.name not in (*PORTS, STORAGE):
            raise statuses.not_found(Kind("", "v1", "componentstatus", "ComponentStatus"), target.name)
        found = [await self._one(name) for name in names]
        if target.name:
            return Answer(view.one(_stored(found[0])), 200, view.media_type.encode())
        body = b"".join(view.many([_stored(obj) for obj in found], {}))
        return Answer(body, 200, view.media_type.encode())

    async def _one(self, name: str) -> Object:
        problem = "" if name == STORAGE else await self._ask(PORTS[name])  # this server is its own storage
        state = "False" if problem else "True"
        condition = {"type": "Healthy", "status": state, "message": problem or "ok"}
        return {"metadata": {"name": name}, "conditions": [condition]}

    async def _ask(self, port: int) -> str:
        """What is wrong with the program behind a port; "" when it says that it is well."""
        place = f'Get "https://127.0.0.1:{port}/healthz": dial tcp 127.0.0.1:{port}'
        try:
            async with asyncio.timeout(SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=self._context)
                try:
                    writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                    head, _, body = (await reader.read(1 << 16)).partition(b"\r\n\r\n")
                finally:
                    writer.close()
        except ConnectionRefusedError:
            return f"{place}: {REFUSED}"
        except (OSError, TimeoutError) as error:
            return f"{place}: {str(error) or 'timed out'}"
        return "" if b" 200 " in head.split(b"\r\n")[0] else body.decode(errors="replace")


def _stored(obj: Object) -> bytes:
    return msgspec.json.encode(obj)
