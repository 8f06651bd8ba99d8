"""Probing from the places of a stand-alone cluster: the prober's program is run inside their namespaces."""

import asyncio
import inspect
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kube46.check import prober
from kube46.check.model import Kind, Place, Probe, Result
from kube46.check.runner import CheckError, decoded, encoded
from kube46.check.workload import pod_name
from kube46.lab.paths import NETNS_ROOT, Paths

PYTHON = "/usr/bin/python3"
# Longer than the prober allows all its probes together.
LONGEST = 20.0
OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class LabProber:
    """Reaches nodes and the outside by their network namespaces, and pods by the namespaces of their processes."""

    paths: Paths
    outside: bool = True

    async def probe(self, place: Place, namespace: str, probes: Sequence[Probe]) -> list[Result]:
        """Runs the probes at a place. Raises CheckError when it cannot be entered."""
        # The resolver's own patience, 5 s a server, would outlast every probe's.
        command = ["nsenter", *self._entry(place, namespace), "--", "env", "RES_OPTIONS=timeout:1 attempts:2"]
        command += [PYTHON, "-IS", "-c", inspect.getsource(prober)]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(LONGEST):
                output, errors = await process.communicate(encoded(probes))
        except TimeoutError:
            raise CheckError(f"probes from {place.label} took longer than {LONGEST:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise CheckError(f"{place.label} cannot probe: {errors.decode(errors='replace').strip()[-200:]}")
        return decoded(output)

    def _entry(self, place: Place, namespace: str) -> list[str]:
        if place.kind is Kind.POD:
            pid = _process_of(pod_name(place.node), namespace)
            return ["-t", str(pid), "-n", "-m"]
        name = self.paths.namespace(OUTSIDE if place.kind is Kind.OUTSIDE else place.node)
        return [f"--net={NETNS_ROOT / name}"]


def _process_of(pod: str, namespace: str) -> int:
    """A process of the check's pod, by the environment that the pod was given. Raises CheckError."""
    wanted = {f"POD_NAME={pod}".encode(), f"POD_NAMESPACE={namespace}".encode()}
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            with suppress(OSError):
                if wanted <= set((directory / "environ").read_bytes().split(b"\0")):
                    return int(directory.name)
    raise CheckError(f"pod {pod} has no process on this machine")
