"""IPAM plugins: `host-local` in this process, any other by executing it as the specification says (section 4)."""

import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from kube46.cni import host_local, results
from kube46.cni.configurations import Network
from kube46.cni.errors import CniError, Code
from kube46.cni.requests import Attachment, Request, Verb
from kube46.cni.results import Result

TIMEOUT_SECONDS = 100  # below the two minutes that kubelet gives a whole sandbox


class Ipam(Protocol):
    """What a plugin asks of the one that assigns addresses."""

    def add(self, request: Request, network: Network) -> Result:
        """Assign addresses to the attachment."""

    def addresses_of(self, request: Request, network: Network) -> list[str]:
        """The addresses assigned to the attachment, as far as the plugin can tell."""

    def delete(self, request: Request, network: Network) -> None:
        """Give them back."""

    def check(self, request: Request, network: Network) -> None:
        """Raise CniError when they are not assigned."""

    def status(self, request: Request, network: Network) -> None:
        """Raise CniError when an address could not be assigned."""

    def collect_garbage(self, request: Request, network: Network, valid: frozenset[Attachment]) -> None:
        """Give back what is assigned to attachments that are not valid."""


class HostLocal:
    """host-local, without a process of its own."""

    def add(self, request: Request, network: Network) -> Result:
        """Assign addresses to the attachment."""
        return host_local.add(request, network)

    def addresses_of(self, request: Request, network: Network) -> list[str]:
        """The addresses assigned to the attachment."""
        return host_local.addresses_of(request, network)

    def delete(self, request: Request, network: Network) -> None:
        """Give them back."""
        host_local.delete(request, network)

    def check(self, request: Request, network: Network) -> None:
        """Raise CniError when they are not assigned."""
        host_local.check(request, network)

    def status(self, request: Request, network: Network) -> None:
        """Raise CniError when an address could not be assigned."""
        host_local.status(network)

    def collect_garbage(self, request: Request, network: Network, valid: frozenset[Attachment]) -> None:
        """Give back what is assigned to attachments that are not valid."""
        host_local.collect_garbage(network, valid)


class Executed:
    """A plugin found in CNI_PATH and executed."""

    def add(self, request: Request, network: Network) -> Result:
        """Assign addresses to the attachment; the plugin is to take back what an ADD that fails may have left."""
        program = _find(network.ipam.type, request.path)
        try:
            return results.parse(_object(_run(program, request, Verb.ADD)))
        except CniError:
            with suppress(CniError):
                _run(program, request, Verb.DEL)
            raise

    def addresses_of(self, request: Request, network: Network) -> list[str]:
        """Nothing: the specification has no verb that tells."""
        return []

    def delete(self, request: Request, network: Network) -> None:
        """Give them back."""
        _execute(request, network, Verb.DEL)

    def check(self, request: Request, network: Network) -> None:
        """Raise CniError when they are not assigned."""
        _execute(request, network, Verb.CHECK)

    def status(self, request: Request, network: Network) -> None:
        """Raise CniError when an address could not be assigned."""
        _execute(request, network, Verb.STATUS)

    def collect_garbage(self, request: Request, network: Network, valid: frozenset[Attachment]) -> None:
        """Give back what is assigned to attachments that are not valid."""
        _execute(request, network, Verb.GC)


def ipam_of(network: Network) -> Ipam:
    """The IPAM plugin of a configuration that has one."""
    return HostLocal() if network.ipam.type == "host-local" else Executed()


def _execute(request: Request, network: Network, verb: Verb) -> None:
    _run(_find(network.ipam.type, request.path), request, verb)


def _run(program: Path, request: Request, verb: Verb) -> bytes:
    environment = _environment(request.environment) | {"CNI_COMMAND": verb}
    try:
        done = subprocess.run(
            [program], input=request.stdin, capture_output=True, env=environment, timeout=TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CniError(Code.DELEGATE_FAILED, f"The IPAM plugin {program} failed", f"{error}.") from error
    if done.returncode == 0:
        return done.stdout
    refusal = _object(done.stdout or b"{}")
    details = refusal.get("details") or done.stderr.decode(errors="replace").strip()
    message = refusal.get("msg") or f"The IPAM plugin {program} failed with status {done.returncode}"
    code = refusal.get("code")
    raise _PassedOn(code if isinstance(code, int) else Code.DELEGATE_FAILED, str(message), str(details))


class _PassedOn(CniError):
    """A delegate's error, with whatever code it has."""

    def __init__(self, code: int, message: str, details: str) -> None:
        super().__init__(Code.DELEGATE_FAILED, message, details)
        self.code = code


def _find(name: str, path: str) -> Path:
    if not name or "/" in name or name in (".", ".."):
        raise CniError(
            Code.INVALID_CONFIG, "Invalid network configuration", f"ipam.type: {name!r} is no plugin's name."
        )
    for directory in filter(None, path.split(":")):
        program = Path(directory) / name
        if os.access(program, os.X_OK) and program.is_file():
            return program
    details = f"ipam.type: {name!r} is in none of the directories of CNI_PATH, {path or 'which is empty'}."
    raise CniError(Code.INVALID_CONFIG, "The IPAM plugin is missing", details)


def _environment(request: Mapping[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in request.items() if key.startswith("CNI_")}
    return {"PATH": os.environ.get("PATH", os.defpath)} | kept


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise CniError(Code.DECODING_FAILURE, "The IPAM plugin's answer is not JSON", f"{error}.") from error
    if not isinstance(found, dict):
        raise CniError(Code.DECODING_FAILURE, "The IPAM plugin's answer is no object", f"{found!r}.")
    return found
