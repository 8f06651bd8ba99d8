"""The driver of probes on any cluster: a program's source in a container at a place, and its output from the log.

A pod is asked from inside, by a container that joins it (an ephemeral one); a node by a pod in its own network.
"""

import asyncio
import inspect
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kube46.api.resources import PODS
from kube46.check import prober
from kube46.check.model import Kind, Place, Probe, Result
from kube46.check.runner import CheckError, decoded, encoded
from kube46.check.workload import Program, pod_name
from kube46.kubernetes.client import Client
from kube46.kubernetes.errors import ApiError

POLL = 0.1
# The resolver's own patience, 5 s a server, would outlast every probe's.
RESOLVER = {"RES_OPTIONS": "timeout:1 attempts:2"}


def container(name: str, program: Program, source: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """A container that runs a program's source once; it also knows the pod's addresses, as POD_IPS."""
    pod_ips = {"name": "POD_IPS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIPs"}}}
    return {
        "name": name,
        "image": program.image,
        "command": [program.python, "-IS", "-c", source],
        "env": [pod_ips, *({"name": key, "value": value} for key, value in environment.items())],
    }


def on_node(node: str, asker: dict[str, Any]) -> dict[str, Any]:
    """A pod in a node's own network that runs a container once."""
    return {
        "metadata": {"name": asker["name"]},
        "spec": {
            "nodeName": node,
            "hostNetwork": True,
            "restartPolicy": "Never",
            "tolerations": [{"operator": "Exists"}],
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [asker],
        },
    }


def ended(pod: Mapping[str, Any], name: str) -> int | None:
    """The exit status of a container, None while it has none. Raises CheckError when it will never have one."""
    status = pod.get("status") or {}
    every = [*(status.get("containerStatuses") or ()), *(status.get("ephemeralContainerStatuses") or ())]
    state = next((item.get("state") or {} for item in every if item.get("name") == name), {})
    waiting = state.get("waiting") or {}
    if "Image" in (waiting.get("reason") or ""):
        raise CheckError(f"{waiting['reason']}: {waiting.get('message', '')}: name an image with python3 by --image")
    return (state.get("terminated") or {}).get("exitCode")


@dataclass(frozen=True, slots=True)
class PodProber:
    """Reaches nodes and the check's pods; there is no outside that every cluster has."""

    client: Client
    program: Program
    timeout: float = 60.0
    outside: bool = False
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def probe(self, place: Place, namespace: str, probes: Sequence[Probe]) -> list[Result]:
        """Runs the probes at a place. Raises CheckError when a container cannot run there."""
        source = inspect.getsource(prober)
        return decoded(await self.run(place, namespace, source, {**RESOLVER, "PROBES": encoded(probes).decode()}))

    async def run(self, place: Place, namespace: str, source: str, environment: Mapping[str, str]) -> bytes:
        """What a program prints at a place. Raises CheckError."""
        try:
            name = await self.start(place, namespace, source, environment)
            pod = pod_name(place.node) if place.kind is Kind.POD else name
            return await self._output(place, namespace, pod, name)
        except ApiError as error:
            raise CheckError(f"{place.label} cannot be asked from: {error}") from error

    async def start(self, place: Place, namespace: str, source: str, environment: Mapping[str, str]) -> str:
        """Starts a program at a place; the name of its container, and of its pod on a node. Raises ApiError."""
        asker = container(f"ask-{next(self._numbers)}", self.program, source, environment)
        if place.kind is Kind.POD:
            body = {"spec": {"ephemeralContainers": [asker]}}
            pod = pod_name(place.node)
            await self.client.patch(
                PODS.raw(), pod, body, namespace, subresource="ephemeralcontainers", kind="strategic"
            )
        else:
            await self.client.create(PODS, on_node(place.node, asker), namespace)
        return str(asker["name"])

    async def _status(self, namespace: str, pod: str, name: str) -> int | None:
        found = await self.client.get(PODS.raw(), pod, namespace)
        return ended(found, name)

    async def _output(self, place: Place, namespace: str, pod: str, name: str) -> bytes:
        deadline = time.monotonic() + self.timeout
        while (status := await self._status(namespace, pod, name)) is None:
            if time.monotonic() > deadline:
                raise CheckError(f"{place.label}: container {name} of pod {pod} did not end in {self.timeout:g} s")
            await asyncio.sleep(POLL)
        output = await self.client.request(
            "GET", PODS.path(namespace, pod, "log"), params={"container": name}, headers={"Accept": "*/*"}
        )
        if status:
            raise CheckError(
                f"{place.label}: the program ended with {status}: {output.decode(errors='replace')[-200:]}"
            )
        return output
