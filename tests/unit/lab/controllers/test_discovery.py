"""Which kinds a server has, though the server of a group is away."""

import asyncio
import json

import pytest

from kube46.kubernetes.client import Client
from kube46.kubernetes.config import ClusterConfig
from kube46.kubernetes.errors import ApiError
from kube46.lab.controllers import discovery

GROUPS = {
    "groups": [
        {"name": name, "preferredVersion": version, "versions": [version]}
        for name in ("apps", "away.example.org")
        for version in [{"groupVersion": f"{name}/v1"}]
    ]
}
ANSWERS = {
    "/apis": (200, GROUPS),
    "/api/v1": (200, {"resources": [{"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["list"]}]}),
    "/apis/apps/v1": (200, {"resources": [{"name": "replicasets", "kind": "ReplicaSet", "verbs": []}]}),
    "/apis/away.example.org/v1": (503, {"message": "service unavailable"}),
}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    path = (await reader.readuntil(b"\r\n\r\n")).decode().split()[1]
    status, body = ANSWERS[path]
    text = json.dumps(body)
    writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode())
    await writer.drain()
    writer.close()


def test_a_group_that_is_away() -> None:
    """Who can do without it learns of all others, and which it is; who can't is told why."""

    async def scenario() -> tuple[list[str], list[str]]:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with Client(ClusterConfig(f"http://127.0.0.1:{port}"), component="test") as client:
                found, failures = await discovery.readable(client)
                with pytest.raises(ApiError, match="service unavailable"):
                    await discovery.served(client)
        return [kind.resource.plural for kind in found], list(failures)

    assert asyncio.run(scenario()) == (["pods", "replicasets"], ["away.example.org"])
