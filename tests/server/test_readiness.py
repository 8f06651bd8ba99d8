"""What `kube46 up` says of a server that can't be used yet."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from kube46.kubernetes.client import Client
from kube46.lab import readiness, settings
from kube46.lab.settings import Flags
from server.running import Server

CONFIGURATION = "ValidatingWebhookConfiguration"


def configuration() -> dict[str, object]:
    """A webhook about every write that fails closed and has no server."""
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}
    hook = {
        "name": "guard.example.com",
        "rules": [rule],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"name": "guard", "namespace": "default"}},
    }
    return {"metadata": {"name": "guards"}, "webhooks": [hook]}


def test_a_webhook_that_refuses_writes_is_named_with_the_way_out(server_factory: Callable[..., Server]) -> None:
    """`up` tells the webhook and how to delete its configuration; once that is deleted, nothing is missing."""
    server, wanted = server_factory(), settings.from_flags("dev", Flags())
    hooks = next(resource for resource in readiness.WEBHOOKS if resource.kind == CONFIGURATION)

    async def wait(seconds: float) -> None:
        async with Client(server.config(), component="test") as client:
            missing = partial(readiness.objects_missing, client, wanted, [])
            await readiness.until(missing, lambda: None, seconds=seconds, attempt=readiness.WRITES)

    async def change(delete: bool) -> None:
        async with Client(server.config(), component="test") as client:
            if delete:
                await client.delete(hooks, "guards")
            else:
                await client.create(hooks, configuration())

    asyncio.run(change(delete=False))
    with pytest.raises(readiness.NotReady) as refused:
        asyncio.run(wait(0.1))
    assert 'failed calling webhook "guard.example.com"' in str(refused.value)
    assert "`kubectl delete validatingwebhookconfiguration guards`" in str(refused.value)
    asyncio.run(change(delete=True))
    asyncio.run(wait(60))


def test_who_waits_stops_when_there_is_nothing_to_wait_for() -> None:
    """What `alive` raises ends the wait at once, though an attempt is under way."""
    calls = 0

    async def missing() -> str:
        await asyncio.Event().wait()
        return ""

    def alive() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise ChildProcessError

    with pytest.raises(ChildProcessError):
        asyncio.run(asyncio.wait_for(readiness.until(missing, alive, seconds=60, attempt=60), 30))
