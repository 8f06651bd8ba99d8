"""Events: what happened to an object, for people; repeats raise a count instead of making new objects."""

import datetime
import logging
import socket
import time
from typing import Any

import msgspec

from kube46.api.objects import Object
from kube46.api.resources import EVENTS, Resource
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import Forbidden, KubernetesError, NotFound

log = logging.getLogger(__name__)
REMEMBERED = 4096


class EventRecorder:
    """Writes v1 Events. A failure to write one is logged, never raised: an Event is a courtesy."""

    def __init__(self, client: Client, component: str, host: str = "") -> None:
        self._client, self._component, self._host = client, component, host or socket.gethostname()
        self._told: dict[tuple[str, ...], tuple[str, int]] = {}  # what → (the Event's name, how often)

    async def record(
        self,
        resource: Resource[Any],
        about: Object | dict[str, Any],
        reason: str,
        message: str,
        type: str = "Normal",
        part: str = "",
    ) -> None:
        """Tells that `reason` (one CamelCase word) happened to the object `about` of `resource`, or to a part of it,
        such as `spec.containers{web}`."""
        plain: dict[str, Any] = msgspec.to_builtins(about)
        meta = plain.get("metadata", {})
        namespace = meta.get("namespace") or "default"
        key = (resource.kind, namespace, meta.get("uid", meta["name"]), part, reason, message)
        # As client-go names them: readers that list by name see them in the order in which they happened.
        name, count = self._told.pop(key, (f"{meta['name'][:230]}.{time.time_ns():x}", 0))
        self._told[key] = name, count + 1
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            if count:
                try:
                    await self._client.patch(EVENTS, name, {"count": count + 1, "lastTimestamp": now}, namespace)
                    return
                except NotFound:
                    pass
            event = self._event(resource, meta, name, namespace, reason, message, type, now)
            if part:
                event["involvedObject"]["fieldPath"] = part
            await self._client.create(EVENTS, event, namespace)
        except Forbidden as error:
            # What ends in a namespace that is being deleted cannot be told there any more; that is no trouble.
            level = logging.DEBUG if error.namespace_ends else logging.WARNING
            log.log(level, "Event was refused reason=%s object=%s/%s error=%s", reason, namespace, meta["name"], error)
        except KubernetesError as error:
            log.warning("Event was not written reason=%s object=%s/%s error=%s", reason, namespace, meta["name"], error)

    def _event(
        self,
        resource: Resource[Any],
        meta: dict[str, Any],
        name: str,
        namespace: str,
        reason: str,
        message: str,
        type: str,
        now: str,
    ) -> dict[str, Any]:
        about = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "name": meta["name"],
            "namespace": meta.get("namespace", ""),
            "uid": meta.get("uid", ""),
            "resourceVersion": meta.get("resourceVersion", ""),
        }
        return {
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {key: value for key, value in about.items() if value},
            "reason": reason,
            "message": message[:1024],
            "type": type,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": self._component, "host": self._host},
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }
