"""A plugin's answer to one request, and the program that gives it when no agent runs.

python -I -m kube46.cni.plugin NAME    the request in the environment and on standard input, as the specification says
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kube46.cni import configurations, requests
from kube46.cni.bridge import Bridge
from kube46.cni.configurations import NEWEST, VERSIONS, Network
from kube46.cni.delegates import HostLocal
from kube46.cni.errors import CniError, Code
from kube46.cni.masquerading import Masquerading
from kube46.cni.portmap import Portmap
from kube46.cni.ptp import Ptp
from kube46.cni.requests import Attachment, Request, Verb
from kube46.cni.results import Result
from kube46.netlink import NetlinkError


class Plugin(Protocol):
    """What each plugin does, verb by verb. Every method raises CniError, NetlinkError or OSError."""

    def add(self, request: Request, network: Network) -> Result:
        """ADD: make the attachment."""

    def delete(self, request: Request, network: Network) -> None:
        """DEL: remove it, as often as it is asked for."""

    def check(self, request: Request, network: Network) -> None:
        """CHECK: refuse with code 100 when it is not as it was made."""

    def status(self, request: Request, network: Network) -> None:
        """STATUS: refuse with code 50 when an ADD would fail."""

    def collect_garbage(self, request: Request, network: Network, valid: frozenset[Attachment]) -> None:
        """GC: remove every attachment of this network that is not valid."""


KINDS: dict[str, Callable[[Masquerading], Plugin]] = {
    "bridge": Bridge,
    "host-local": lambda _: HostLocal(),
    "portmap": Portmap,
    "ptp": Ptp,
}
PLUGINS = tuple(KINDS)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the program writes to standard output, and its exit status."""

    status: int
    output: bytes


def answer(plugin: str, environment: Mapping[str, str], stdin: bytes, masquerading: Masquerading) -> Answer:
    """Carry out one request. Every failure is an error object of the specification; nothing is raised."""
    try:
        request = requests.parse(environment, stdin)
        if request.verb is Verb.VERSION:
            return _printed({"cniVersion": configurations.version_in(stdin), "supportedVersions": VERSIONS})
        network = configurations.load(stdin, request.verb)
        result = _carried_out(_made(plugin, masquerading), request, network)
    except CniError as error:
        return refusal(error, stdin)
    except NetlinkError as error:
        return refusal(CniError(Code.KERNEL_REFUSED, "The kernel refused a change", f"{error}."), stdin)
    except OSError as error:
        return refusal(CniError(Code.IO_FAILURE, "Input or output failed", f"{error}."), stdin)
    return _printed(result.to_json(network.cni_version)) if result else Answer(0, b"")


def main() -> None:
    """Answer the request in this process's environment and standard input."""
    plugin = os.path.basename(sys.argv[1])  # noqa: PTH119 – pathlib would be imported for this alone
    if not os.environ.get("CNI_COMMAND"):
        sys.stderr.write(f"CNI {plugin} plugin of kube46\nCNI protocol versions supported: {', '.join(VERSIONS)}\n")
        return
    found = answer(plugin, os.environ, sys.stdin.buffer.read(), Masquerading())
    sys.stdout.buffer.write(found.output)
    sys.stdout.buffer.flush()
    os._exit(found.status)  # the kernel frees everything faster than the interpreter would


def _made(plugin: str, masquerading: Masquerading) -> Plugin:
    if plugin not in KINDS:
        raise CniError(Code.INVALID_CONFIG, "Unknown plugin", f"{plugin!r} is none of {', '.join(PLUGINS)}.")
    return KINDS[plugin](masquerading)


def _carried_out(plugin: Plugin, request: Request, network: Network) -> Result | None:
    """The result of an ADD; None, which is printed as nothing, for the other verbs."""
    match request.verb:
        case Verb.ADD:
            return plugin.add(request, network)
        case Verb.DEL:
            plugin.delete(request, network)
        case Verb.CHECK:
            plugin.check(request, network)
        case Verb.STATUS:
            plugin.status(request, network)
        case Verb.GC:
            plugin.collect_garbage(request, network, _valid(network))
    return None


def _valid(network: Network) -> frozenset[Attachment]:
    # The second name is that of specification 1.1.0 as it was first published; libcni sends both.
    valid = network.attachments if network.valid_attachments is None else network.valid_attachments
    if valid is None:
        details = "cni.dev/valid-attachments: it is missing; give the list of attachments to keep."
        raise CniError(Code.INVALID_CONFIG, "Invalid network configuration", details)
    return frozenset(Attachment(one.container_id, one.ifname) for one in valid)


def _printed(document: dict[str, Any]) -> Answer:
    return Answer(0, json.dumps(document).encode() + b"\n")


def refusal(error: CniError, stdin: bytes) -> Answer:
    """The error object that a runtime reads, in the version of its configuration."""
    document = {
        "cniVersion": configurations.version_in(stdin) or NEWEST,
        "code": int(error.code),
        "msg": error.message,
        "details": error.details,
    }
    return Answer(1, json.dumps(document).encode() + b"\n")


if __name__ == "__main__":
    main()
