"""A kopf operator: a ConfigMap for each Greeting, kept in step, with a status and a finalizer of its own."""

import asyncio
from typing import Any

import kopf
import kubernetes

GROUP, PLURAL = "kopf.example.org", "greetings"


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Progress in the status, as kopf's documentation advises for clusters that keep it."""
    settings.persistence.progress_storage = kopf.StatusProgressStorage()
    settings.posting.enabled = False


def _body(name: str, spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": {"text": f"Hello {spec['who']}"}}


@kopf.on.create(GROUP, PLURAL)
async def created(name: str, namespace: str, spec: Any, **_: Any) -> dict[str, str]:
    """Make the ConfigMap, owned by the Greeting."""
    body = _body(name, spec)
    kopf.adopt(body)
    api = kubernetes.client.CoreV1Api()
    await asyncio.to_thread(api.create_namespaced_config_map, namespace, body)
    return {"said": spec["who"]}


@kopf.on.update(GROUP, PLURAL)
async def updated(name: str, namespace: str, spec: Any, **_: Any) -> dict[str, str]:
    """Change it."""
    api = kubernetes.client.CoreV1Api()
    await asyncio.to_thread(api.patch_namespaced_config_map, name, namespace, _body(name, spec))
    return {"said": spec["who"]}


@kopf.on.delete(GROUP, PLURAL)
async def deleted(name: str, namespace: str, **_: Any) -> None:
    """Leave a note that the finalizer was waited for."""
    api = kubernetes.client.CoreV1Api()
    body = {"metadata": {"name": f"{name}-ended"}}
    await asyncio.to_thread(api.create_namespaced_config_map, namespace, body)
