"""The objects a pod refers to, fetched from the API: ConfigMaps, Secrets, Services, ServiceAccount tokens."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from kube46.api.objects import Service
from kube46.api.resources import CLAIMS, CONFIG_MAPS, NODES, PERSISTENT_VOLUMES, SECRETS, SERVICE_ACCOUNTS
from kube46.kubernetes.caches import Cache
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import KubernetesError, NotFound
from kube46.lab.kubelet import environment, volumes
from kube46.lab.kubelet.manifests import ReadPod
from kube46.lab.kubelet.places import Claimed, claim_names

RAW_VOLUMES = PERSISTENT_VOLUMES.raw()  # so that a source that we don't know can be named
RENEW_AFTER = 0.8  # of a token's life


class _TokenStatus(msgspec.Struct, rename="camel", frozen=True):
    token: str = ""
    expiration_timestamp: str = ""


class _TokenAnswer(msgspec.Struct):
    status: _TokenStatus = _TokenStatus()


@dataclass(frozen=True, slots=True)
class Token:
    """A token and when to renew it, seconds since 1970."""

    text: str
    renew: float


@dataclass(frozen=True, slots=True)
class Objects:
    """What of the API a pod's files and environment are made of."""

    config_maps: dict[str, dict[str, bytes]]
    secrets: dict[str, dict[str, bytes]]
    tokens: dict[tuple[str, int], Token]
    claims: dict[str, Claimed] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)  # of the node, fetched with claims
    fetched: float = 0.0  # seconds since 1970; 0: never, or to be fetched anew


class Sources:
    """Fetches, each object once however many pods ask at the same time."""

    def __init__(self, client: Client, services: Cache[Service]) -> None:
        self._client, self._services = client, services
        self._under_way: dict[tuple[str, str, str], asyncio.Future[dict[str, bytes] | None]] = {}

    def services(self, namespace: str) -> tuple[Service, ...]:
        """The Services a pod of the namespace has variables of."""
        return tuple(s for key, s in self._services.items() if key[0] == namespace or key == ("default", "kubernetes"))

    async def objects(self, pod: ReadPod, known: dict[tuple[str, int], Token]) -> Objects:
        """All that the pod refers to; `known` tokens are kept until they are due. Raises ApiError, Unreachable."""
        containers = (*pod.spec.init_containers, *pod.spec.containers, *pod.spec.ephemeral_containers)
        for_environment, for_volumes = environment.references(containers), volumes.references(pod.spec)
        maps, secrets = (a | b for a, b in zip(for_environment, for_volumes, strict=True))
        place = pod.metadata.namespace
        now = time.time()
        wanted = [("configmap", name) for name in sorted(maps)] + [("secret", name) for name in sorted(secrets)]
        fresh = [key for key in sorted(volumes.token_requests(pod.spec)) if not _good(known.get(key))]
        names = sorted(set(claim_names(pod.metadata.name, pod.spec).values()))
        values, tokens, claims, labels = await _together(
            _together(*(self._one(kind, place, name) for kind, name in wanted)),
            _together(*(self._token(pod, *key) for key in fresh)),
            _together(*(self._claim(place, name) for name in names)),
            self._labels(pod.spec.node_name if names else ""),
        )
        by_kind: dict[str, dict[str, dict[str, bytes]]] = {"configmap": {}, "secret": {}}
        for (kind, name), value in zip(wanted, values, strict=True):
            if value is not None:
                by_kind[kind][name] = value
        kept = {key: token for key, token in known.items() if _good(token)}
        known_tokens = kept | dict(zip(fresh, tokens, strict=True))
        return Objects(by_kind["configmap"], by_kind["secret"], known_tokens, dict(claims), labels, now)

    async def _one(self, kind: str, namespace: str, name: str) -> dict[str, bytes] | None:
        key = (kind, namespace, name)
        if key in self._under_way:
            return await asyncio.shield(self._under_way[key])
        future = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            value = await self._fetch(kind, namespace, name)
        except KubernetesError as error:
            future.set_exception(error)
            future.exception()  # seen, also when nobody else waits
            raise
        else:
            future.set_result(value)
            return value
        finally:
            del self._under_way[key]
            future.cancel()

    async def _fetch(self, kind: str, namespace: str, name: str) -> dict[str, bytes] | None:
        try:
            if kind == "configmap":
                config_map = await self._client.get(CONFIG_MAPS, name, namespace)
                return environment.decoded(config_map.data, config_map.binary_data)
            secret = await self._client.get(SECRETS, name, namespace)
            return environment.decoded({}, secret.data)
        except NotFound:
            return None

    async def _claim(self, namespace: str, name: str) -> tuple[str, Claimed]:
        """A claim by its name, with its volume."""
        try:
            claim = await self._client.get(CLAIMS, name, namespace)
        except NotFound:
            return name, Claimed()
        try:
            if claim.spec.volume_name:
                volume = await self._client.get(RAW_VOLUMES, claim.spec.volume_name)
                return name, Claimed(claim, volume)
        except NotFound:
            pass
        return name, Claimed(claim)

    async def _labels(self, node: str) -> dict[str, str]:
        return (await self._client.get(NODES, node)).metadata.labels if node else {}

    async def _token(self, pod: ReadPod, audience: str, seconds: int) -> Token:
        """A token bound to the pod (TokenRequest API)."""
        account = pod.spec.service_account_name or "default"
        meta = pod.metadata
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [audience] if audience else [],
                "expirationSeconds": seconds,
                "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": meta.name, "uid": meta.uid},
            },
        }
        path = SERVICE_ACCOUNTS.path(meta.namespace, account, "token")
        status = msgspec.json.decode(await self._client.request("POST", path, body=body), type=_TokenAnswer).status
        now = time.time()
        given = status.expiration_timestamp
        end = datetime.fromisoformat(given).timestamp() if given else now + seconds
        return Token(status.token, now + (end - now) * RENEW_AFTER)


def _good(token: Token | None) -> bool:
    return token is not None and token.renew > time.time()


async def _together(*calls: Coroutine[Any, Any, Any]) -> list[Any]:
    """The results of calls made at the same time; the first failure ends the others and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
