"""The driver of what must endure: holds connections, runs the operator's command, and looks what is left."""

import asyncio
import json
import secrets
import shlex
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from kube46.api.resources import NODES, PODS, SERVICES
from kube46.check import rules as matrix
from kube46.check.model import Kind, Place, Target
from kube46.check.runner import CheckError
from kube46.check.workload import pod_name
from kube46.conformance import enduring, rules, traffic
from kube46.conformance.ground import Ground
from kube46.conformance.model import Outcome
from kube46.kubernetes.errors import KubernetesError, ServerUnavailable, Unreachable

T = TypeVar("T")
RETURN = 120.0  # seconds for the API to answer again
ROUNDS = 3  # of the holder after the command's end, before its log is read for the last time
LISTEN = 30.0  # seconds for those rounds
POLL = 0.5


async def run(ground: Ground, command: Sequence[str], progress: Callable[[str], None]) -> list[Outcome]:
    """The outcomes of the restart's promises. Raises KubernetesError when the API does not come back."""
    start = time.monotonic()
    before = await _state(ground)
    place = Place(Kind.POD, ground.layout.nodes[-1].name)
    held = enduring.targets(ground.layout, ground.services[traffic.MOVING].spec.cluster_ips)
    holder = await ground.prober.start(place, ground.layout.namespace, enduring.HOLD, {"TARGETS": json.dumps(held)})
    await _listened(ground, place, holder, ROUNDS)
    progress(f"Running {shlex.join(command)}")
    if failure := await _executed(command):
        return [rules.outcome(promise, [failure], 0.0) for promise in enduring.PROMISES]
    progress("Looking what is left of connections and addresses")
    after = await _patiently(lambda: _state(ground))
    first = (await _patiently(lambda: _heard(ground, place, holder))).round
    told = await _patiently(lambda: _listened(ground, place, holder, first + ROUNDS))
    silent = [] if told.round >= first + ROUNDS else ["the pod that holds them says nothing more"]
    reasons = {
        enduring.STATE: enduring.changed(before, after),
        enduring.HELD: [*told.lost, *silent],
        enduring.AFTER: await _patiently(lambda: _traffic(ground)),
    }
    took = time.monotonic() - start
    return [rules.outcome(promise, found, took) for promise, found in reasons.items()]


async def _executed(command: Sequence[str]) -> str:
    """Runs the command, what it says on our standard error; why it failed, or nothing."""
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=sys.stderr)
    try:
        status = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    return f"--disruptive: {shlex.join(command)} ended with status {status}" if status else ""


async def _state(ground: Ground) -> enduring.State:
    services = (await ground.client.list(SERVICES)).items
    return enduring.state(services, (await ground.client.list(NODES)).items)


async def _heard(ground: Ground, place: Place, holder: str) -> enduring.Held:
    log = await ground.client.request(
        "GET",
        PODS.path(ground.layout.namespace, pod_name(place.node), "log"),
        params={"container": holder},
        headers={"Accept": "*/*"},
    )
    return enduring.heard(log.decode(errors="replace"))


async def _listened(ground: Ground, place: Place, holder: str, rounds: int) -> enduring.Held:
    """What the holder says when it has had so many rounds, or no more time for them."""
    deadline = time.monotonic() + LISTEN
    while True:
        try:
            found = await _heard(ground, place, holder)
        except KubernetesError:  # its container is only starting
            found = enduring.Held(0, ())
        if found.round >= rounds or time.monotonic() > deadline:
            return found
        await asyncio.sleep(POLL)


async def _traffic(ground: Ground) -> list[str]:
    targets = (Target.POD_HERE, Target.POD_THERE, Target.CLUSTER_IP, Target.UDP, Target.NAME)
    made = traffic.of_any_network(matrix.probes(ground.layout, lambda: secrets.token_hex(8)), ground.layout)
    probes = [probe for probe in made if probe.target in targets]
    try:
        cells = matrix.cells(probes, await ground.ask(probes))
    except CheckError as error:
        return [str(error)]
    return [reason for target in targets for reason in traffic.column(cells, target) or ()]


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer of an API that may just be starting. Raises what it raised last."""
    deadline = time.monotonic() + RETURN
    while True:
        try:
            return await ask()
        except (Unreachable, ServerUnavailable):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(POLL)
