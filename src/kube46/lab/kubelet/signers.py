"""What the cluster's certificates API gives to all pods of a node: trusted bundles, and answers to requests.

Both are watched from the first pod on that mounts any.
"""

import asyncio
import base64
import time
from collections import defaultdict
from typing import Any

from kube46.api.objects import ClusterTrustBundle, Condition, PodCertificateRequest
from kube46.api.resources import NODES, POD_CERTIFICATES, SERVICE_ACCOUNTS, TRUST_BUNDLES
from kube46.kubernetes.caches import Cache, Caches, Key
from kube46.kubernetes.client import Client
from kube46.lab.kubelet.manifests import CertificateSource, ReadPod
from kube46.lab.kubelet.security import ConfigError

PATIENCE = 5.0  # seconds for a first list
ABANDON = 600.0  # seconds after which a request that was never seen counts as deleted
ENDS = ("Issued", "Denied", "Failed")


class Signers:
    """One a kubelet."""

    def __init__(self, client: Client, caches: Caches, node: str) -> None:
        self._client, self._caches, self._node = client, caches, node
        self._requests: Cache[PodCertificateRequest] | None = None
        self._waiting: dict[Key, list[asyncio.Event]] = defaultdict(list)

    async def bundles(self) -> dict[str, ClusterTrustBundle]:
        """All ClusterTrustBundles by name. Raises ConfigError when they can't be had."""
        cache = self._caches.of(TRUST_BUNDLES)
        try:
            async with asyncio.timeout(PATIENCE):
                await cache.synced.wait()
        except TimeoutError as error:
            raise ConfigError("ClusterTrustBundle informer has not yet synced", "FailedMount") from error
        return {name: bundle for (_, name), bundle in cache.items()}

    async def ask(self, pod: ReadPod, source: CertificateSource, request: bytes) -> Key:
        """Make a PodCertificateRequest; returns its place. Raises KubernetesError."""
        meta, account = pod.metadata, pod.spec.service_account_name or "default"
        owner = await self._client.get(SERVICE_ACCOUNTS, account, meta.namespace)
        node = await self._client.get(NODES, self._node)
        spec: dict[str, Any] = {
            "signerName": source.signer_name,
            "podName": meta.name,
            "podUID": meta.uid,
            "serviceAccountName": account,
            "serviceAccountUID": owner.metadata.uid,
            "nodeName": self._node,
            "nodeUID": node.metadata.uid,
            "stubPKCS10Request": base64.b64encode(request).decode(),
        }
        spec |= {"maxExpirationSeconds": source.max_expiration_seconds} if source.max_expiration_seconds else {}
        spec |= {"unverifiedUserAnnotations": source.user_annotations} if source.user_annotations else {}
        whose = {"apiVersion": "v1", "kind": "Pod", "name": meta.name, "uid": meta.uid}
        body = {"metadata": {"generateName": "req-", "ownerReferences": [whose]}, "spec": spec}
        return (await self._client.create(POD_CERTIFICATES, body, meta.namespace)).key

    async def answer(self, key: Key) -> tuple[Condition, PodCertificateRequest] | None:
        """How a request ended, once it has; None when it was deleted before."""
        cache, changed, seen = self._cache(), asyncio.Event(), False
        end = time.monotonic() + ABANDON
        self._waiting[key].append(changed)
        try:
            while True:
                changed.clear()
                found = cache.get(key)
                if found is not None and (condition := _end(found)):
                    return condition, found
                if (seen and found is None) or (not seen and time.monotonic() > end):
                    return None
                seen = seen or found is not None
                try:
                    async with asyncio.timeout(None if seen else end - time.monotonic() + 1):
                        await changed.wait()
                except TimeoutError:
                    continue
        finally:
            self._waiting[key].remove(changed)
            if not self._waiting[key]:
                del self._waiting[key]

    def _cache(self) -> Cache[PodCertificateRequest]:
        if self._requests is None:
            self._requests = self._caches.of(POD_CERTIFICATES, fields=f"spec.nodeName={self._node}")
            self._requests.listen(self._changed)
        return self._requests

    def _changed(self, old: PodCertificateRequest | None, new: PodCertificateRequest | None) -> None:
        for one in (old, new):
            for event in self._waiting.get(one.key, ()) if one else ():
                event.set()


def _end(request: PodCertificateRequest) -> Condition | None:
    return next((c for c in request.status.conditions if c.type in ENDS), None)
