"""Watches ValidatingAdmissionPolicies, and notes in their status what is wrong with the types in their expressions.

Source: k8s.io/kubernetes pkg/controller/validatingadmissionpolicystatus/controller.go.
"""

import asyncio
from typing import Any

import msgspec

from kube46.api.resources import VALIDATING_POLICIES
from kube46.kubernetes.caches import Caches, Key
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import NotFound
from kube46.kubernetes.queues import WorkQueue

WORKERS = 2
MANAGER = "validatingadmissionpolicy-status"
Object = dict[str, Any]


async def run(client: Client, caches: Caches) -> None:
    """Runs until cancelled."""
    await caches.filled(VALIDATING_POLICIES)
    loop = PolicyStatus(client, caches)
    await loop.queue.run(loop.sync, WORKERS)


class PolicyStatus:
    """Policies joined to the schemas of what they are about."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self.queue: WorkQueue[Key] = WorkQueue("validatingadmissionpolicy-status")
        self._client, self._policies = client, caches.of(VALIDATING_POLICIES)
        self._policies.listen(self._changed)

    async def sync(self, key: Key) -> None:
        """Checks a policy that has changed since it was checked last."""
        policy = self._policies.get(key)
        if policy is None or not _waits(policy):
            return
        from kube46.apiserver.expressions import typechecking  # loads the evaluator

        spec = policy.get("spec") or {}
        kinds: dict[tuple[str, str, str], typechecking.Typed] = {}
        for places in typechecking.resources(spec):
            for group, version, plural in places:
                if (kind := await self._kind(group, version, plural)) and (one := await self._typed(*kind)):
                    kinds[one.gvk] = one
        params: typechecking.Typed | None = None
        if named := spec.get("paramKind"):
            group, _, version = str(named.get("apiVersion") or "").rpartition("/")
            params = await self._typed(group, version, str(named.get("kind") or ""))
        found = await asyncio.to_thread(typechecking.warnings, spec, list(kinds.values()), params)
        meta = policy["metadata"]
        checking = {"expressionWarnings": found} if found else {}
        status = {"observedGeneration": meta["generation"], "typeChecking": checking}
        body = {"metadata": {"name": meta["name"]}, "status": status}
        try:
            await self._client.apply(VALIDATING_POLICIES, body, manager=MANAGER, subresource="status")
        except NotFound:
            return

    async def _kind(self, group: str, version: str, plural: str) -> tuple[str, str, str] | None:
        """The kind of a resource; None where there is none."""
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        listed = await self._read(path)
        found = (one["kind"] for one in (listed or {}).get("resources") or () if one["name"] == plural)
        kind = next(found, None)
        return None if kind is None else (group, version, kind)

    async def _typed(self, group: str, version: str, kind: str) -> Any:
        """A kind with its schema; None where the server describes none."""
        from kube46.apiserver.expressions.typechecking import Typed

        path = f"apis/{group}/{version}" if group else f"api/{version}"
        document = await self._read(f"/openapi/v3/{path}")
        definitions = ((document or {}).get("components") or {}).get("schemas") or {}
        wanted = {"group": group, "version": version, "kind": kind}
        for schema in definitions.values():
            if wanted in (schema.get("x-kubernetes-group-version-kind") or ()):
                return Typed((group, version, kind), schema, definitions)
        return None

    async def _read(self, path: str) -> Object | None:
        try:
            answer = await self._client.request("GET", path, headers={"Accept": "application/json"})
        except NotFound:
            return None
        found: Object = msgspec.json.decode(answer)
        return found

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and _waits(new):
            self.queue.add(("", new["metadata"]["name"]))


def _waits(policy: Object) -> bool:
    """Whether a policy was changed since it was checked."""
    seen: int = (policy.get("status") or {}).get("observedGeneration") or 0
    generation: int = policy["metadata"].get("generation") or 0
    return generation > seen
