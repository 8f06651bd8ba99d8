"""metrics.k8s.io: what nodes and pods take now, asked of the kubelets when somebody asks us; nothing is stored.

Source: k8s.io/metrics/pkg/apis/metrics/v1beta1; metrics-server pkg/api for selectors and refusals.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from kube46.apiserver import answers, selectors, statuses
from kube46.apiserver.kinds import MEASURED
from kube46.apiserver.statuses import StatusError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kube46.apiserver.answers import Answer
    from kube46.apiserver.kubelets import Kubelets
    from kube46.apiserver.requests import Request, Target
    from kube46.apiserver.storage import Store
    from kube46.apiserver.strategy import Object

GROUP = MEASURED[0].group
KIBI = 1024
log = logging.getLogger(__name__)


class Measures:
    """Answers get and list of NodeMetrics and PodMetrics."""

    def __init__(self, store: Store, kubelets: Kubelets) -> None:
        self._store, self._kubelets = store, kubelets

    async def answer(self, request: Request, target: Target) -> Answer:
        """The metrics of all objects of the kind that the request selects, or of the one that it names."""
        selector = selectors.parse(target.kind, request.query.get("labelSelector", ""), _fields(request, target))
        chosen = [obj for obj in self._objects(target) if selector.matches(msgspec.json.encode(obj))]
        items = await (self._nodes(chosen) if target.kind.kind == "NodeMetrics" else self._pods(chosen))
        if target.name:
            if not items:
                named = replace(target.kind, plural=target.kind.kind.lower())
                raise statuses.not_found(named, "/".join(filter(None, (target.namespace, target.name))))
            return answers.json(items[0])
        whole = {"kind": f"{target.kind.kind}List", "apiVersion": target.kind.api_version}
        return answers.json({**whole, "metadata": {}, "items": items})

    def _objects(self, target: Target) -> list[Object]:
        with self._store.begin() as txn:
            return list(txn.list(target.kind.plural, target.namespace))

    async def _nodes(self, nodes: list[Object]) -> list[Object]:
        summaries = await self._summaries(nodes)
        found = []
        for node in nodes:
            stats = summaries.get(node["metadata"]["name"], {}).get("node", {})
            if (usage := _usage(stats)) is not None:
                found.append({**_metrics("NodeMetrics", node, stats), "usage": usage})
        return found

    async def _pods(self, pods: list[Object]) -> list[Object]:
        names = {(pod.get("spec") or {}).get("nodeName", "") for pod in pods}
        with self._store.begin() as txn:
            nodes = [node for name in sorted(names - {""}) if (node := txn.get("nodes", name)) is not None]
        by_uid = {
            stats["podRef"]["uid"]: stats
            for summary in (await self._summaries(nodes)).values()
            for stats in summary.get("pods", ())
        }
        found = (_pod(pod, by_uid.get(pod["metadata"]["uid"], {})) for pod in pods)
        return [metrics for metrics in found if metrics is not None]

    async def _summaries(self, nodes: Iterable[Object]) -> dict[str, dict[str, Any]]:
        """Each node's summary by its name; a node that doesn't answer has none, as metrics-server leaves it out."""
        found: dict[str, dict[str, Any]] = {}

        async def ask(node: Object) -> None:
            name = node["metadata"]["name"]
            try:
                found[name] = msgspec.json.decode(await self._kubelets.fetch(node, "/stats/summary"), type=dict)
            except (StatusError, OSError, TimeoutError, msgspec.DecodeError) as error:
                log.info("node gave no metrics node=%s error=%s", name, error)

        async with asyncio.TaskGroup() as group:
            for node in nodes:
                group.create_task(ask(node))
        return found


def _fields(request: Request, target: Target) -> str:
    """The field selector, with the name in the path as another term."""
    own = f"metadata.name={target.name}" if target.name else ""
    return ",".join(filter(None, (own, request.query.get("fieldSelector", ""))))


def _usage(stats: dict[str, Any]) -> dict[str, str] | None:
    """The usage as quantities; None when there is no rate yet."""
    nanocores = stats.get("cpu", {}).get("usageNanoCores")
    if nanocores is None:
        return None
    return {"cpu": f"{nanocores}n" if nanocores else "0", "memory": f"{stats['memory']['workingSetBytes'] // KIBI}Ki"}


def _metrics(kind: str, obj: Object, stats: dict[str, Any]) -> Object:
    kept = {name: obj["metadata"][name] for name in ("name", "namespace", "labels") if name in obj["metadata"]}
    when = stats["cpu"]["time"]
    return {
        "kind": kind,
        "apiVersion": MEASURED[0].api_version,
        "metadata": {**kept, "creationTimestamp": when},
        "timestamp": when,
        "window": f"{stats['cpu']['window']:.3f}s",
    }


def _pod(pod: Object, stats: dict[str, Any]) -> Object | None:
    """A pod's metrics; None unless all its containers that run have some."""
    usages = [(c["name"], _usage(c)) for c in stats.get("containers", ())]
    if not usages or any(usage is None for _, usage in usages):
        return None
    containers = [{"name": name, "usage": usage} for name, usage in usages]
    return {**_metrics("PodMetrics", pod, stats["containers"][0]), "containers": containers}
