"""ServiceAccount tokens are kept for 80 % of their life, then asked for anew."""

import asyncio
import json
import time

import pytest

from kube46.api.objects import Meta
from kube46.lab.kubelet import sources
from kube46.lab.kubelet.manifests import PodSpec, ProjectedVolume, Projection, ReadPod, TokenSource, Volume
from kube46.lab.kubelet.sources import Sources


class Api:
    """Answers TokenRequests, counting them; the clock is ours."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.now = 1_000_000.0

    async def request(self, method, path, *, body):
        """A token that says which one it is, valid as long as it was asked for."""
        self.asked.append({"method": method, "path": path, **body["spec"]})
        end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now + body["spec"]["expirationSeconds"]))
        return json.dumps({"status": {"token": f"token-{len(self.asked)}", "expirationTimestamp": end}}).encode()


@pytest.fixture
def api(monkeypatch):
    """The API, and the kubelet's clock set by it."""
    api = Api()
    monkeypatch.setattr(sources.time, "time", lambda: api.now)
    return api


def test_tokens_are_renewed_in_time(api):
    """The same token for 79 % of its life, another after 81 %; both bound to the pod."""
    source = Projection(service_account_token=TokenSource(audience="x", expiration_seconds=1000, path="token"))
    spec = PodSpec(volumes=(Volume(name="v", projected=ProjectedVolume(sources=(source,))),), service_account_name="sa")
    pod = ReadPod(Meta(name="p", namespace="ns", uid="u"), spec)
    served, known = [], {}
    for passed in (0, 790, 810, 1600, 1630):
        api.now = 1_000_000.0 + passed
        objects = asyncio.run(Sources(api, {}).objects(pod, known))
        known = objects.tokens
        served.append(known["x", 1000].text)

    assert served == ["token-1", "token-1", "token-2", "token-2", "token-3"]
    assert api.asked[0]["path"] == "/api/v1/namespaces/ns/serviceaccounts/sa/token"
    assert api.asked[0]["audiences"] == ["x"]
    assert api.asked[0]["boundObjectRef"] == {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
