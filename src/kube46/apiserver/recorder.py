"""Events that the API server itself writes, in the two forms of its loops upstream.

`about` writes as client-go's tools/events does: an Event that comes again becomes a series, whose count is written when
the series begins, every half an hour, and at its end. `once` writes as tools/record does, for what is told only once.
"""

from __future__ import annotations

import logging
import socket
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kube46.api import names
from kube46.apiserver.kinds import BY_PATH, BY_PLURAL, Kind
from kube46.apiserver.statuses import StatusError
from kube46.apiserver.transactions import now
from kube46.apiserver.writes import Call

if TYPE_CHECKING:
    from kube46.api.addressrepair import Meta
    from kube46.apiserver.writes import Registry

log = logging.getLogger(__name__)
NEW_EVENTS = BY_PATH["events.k8s.io", "v1", "events"]
SERIES_SECONDS = 360.0  # a series ends so long after its last Event
REFRESH_SECONDS = 1800.0
REMEMBERED = 4096


@dataclass(slots=True)
class _Series:
    namespace: str
    name: str
    last: float  # monotonic
    written: float
    when: str = ""
    count: int = 1


class Recorder:
    """Writes Warnings of one loop; a failure to write one is logged, never raised: an Event is a courtesy."""

    def __init__(self, registry: Registry, controller: str) -> None:
        self._registry, self._controller = registry, controller
        self._instance = f"{controller}-{socket.gethostname()}"
        self._series: dict[tuple[str, ...], _Series] = {}

    async def about(self, kind: Kind, meta: Meta, reason: str, action: str, note: str) -> None:
        """Tell that something is wrong with an object."""
        key = (kind.kind, meta.uid, meta.resource_version, reason, action)
        series, moment = self._series.pop(key, None), time.monotonic()
        if series is None:
            name, namespace = event_name(meta.name), meta.namespace or "default"
            body = {
                "metadata": {"name": name, "namespace": namespace}, "eventTime": _micro_time(), "action": action,
                "reason": reason, "note": note, "type": "Warning", "regarding": _reference(kind, meta),
                "reportingController": self._controller, "reportingInstance": self._instance,
                "deprecatedSource": {}, "deprecatedFirstTimestamp": None, "deprecatedLastTimestamp": None,
            }  # fmt: skip
            self._series[key] = _Series(namespace, name, moment, moment)
            await self._write(NEW_EVENTS, namespace, name, body)
            if len(self._series) > REMEMBERED:
                del self._series[next(iter(self._series))]
            return
        self._series[key] = series
        series.count, series.last, series.when = series.count + 1, moment, _micro_time()
        if series.count == 2:
            await self._count(series)

    async def tidy(self) -> None:
        """Write the counts of series that ended or lasted long, and forget what did not come again."""
        moment = time.monotonic()
        for key, series in list(self._series.items()):
            ended = series.last < moment - SERIES_SECONDS
            if series.count > 1 and (ended or series.written < moment - REFRESH_SECONDS):
                await self._count(series)
            if ended:
                self._series.pop(key, None)

    async def once(self, kind: Kind, meta: Meta, reason: str, message: str) -> None:
        """Tell it in core's form."""
        name, namespace, time_ = event_name(meta.name), meta.namespace or "default", now()
        await self._write(BY_PLURAL["events"], namespace, name, {
            "metadata": {"name": name, "namespace": namespace}, "involvedObject": _reference(kind, meta),
            "reason": reason, "message": message, "type": "Warning", "count": 1, "firstTimestamp": time_,
            "lastTimestamp": time_, "source": {"component": self._controller}, "reportingComponent": self._controller,
            "reportingInstance": "", "eventTime": None,
        })  # fmt: skip

    async def _write(self, kind: Kind, namespace: str, name: str, body: dict[str, Any]) -> None:
        try:
            await self._registry.create(Call(kind, name, namespace), body)
        except StatusError as error:  # a namespace that ends, a full disk
            log.info("Event was not written name=%s/%s error=%s", namespace, name, error.message)

    async def _count(self, series: _Series) -> None:
        def edit(obj: dict[str, Any]) -> None:
            obj["series"] = {"count": series.count, "lastObservedTime": series.when}

        series.written = time.monotonic()
        try:
            await self._registry.change_directly(Call(BY_PLURAL["events"], series.name, series.namespace), edit)
        except StatusError as error:
            log.info("Event was not counted name=%s/%s error=%s", series.namespace, series.name, error.message)


def event_name(about: str) -> str:
    """The name of a new Event about an object of that name; a random one where an IPv6 address makes no name."""
    name = f"{about}.{time.time_ns():x}"
    return str(uuid.uuid4()) if names.subdomain(name) else name


def _reference(kind: Kind, meta: Meta) -> dict[str, str]:
    found = {
        "kind": kind.kind, "namespace": meta.namespace, "name": meta.name, "uid": meta.uid,
        "apiVersion": kind.api_version, "resourceVersion": meta.resource_version,
    }  # fmt: skip
    return {field: value for field, value in found.items() if value}


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
