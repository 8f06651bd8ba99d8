"""A plugin's answer to one request, and the program that gives it when no agent runs.

python -I -m kube46.cni.plugin NAME    the request in the environment and on standard input, as the specification says
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kube46.cni import configurations, host_local, requests
from kube46.cni.bridge import Bridge
from kube46.cni.configurations import NEWEST, VERSIONS, Network
from kube46.cni.errors import CniError, Code
from kube46.cni.masquerading import Masquerading
from kube46.cni.requests import Attachment, Request, Verb
from kube46.cni.results import Result
from kube46.netlink import NetlinkError

PLUGINS = ("bridge", "host-local")

Handler = Callable[[Request, Network], Result | None]


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
        result = _handlers(plugin, masquerading)[request.verb](request, network)
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


def _handlers(plugin: str, masquerading: Masquerading) -> dict[Verb, Handler]:
    if plugin == "host-local":
        return {
            Verb.ADD: host_local.add,
            Verb.DEL: _silent(host_local.delete),
            Verb.CHECK: _silent(host_local.check),
            Verb.STATUS: lambda _, network: host_local.status(network),
            Verb.GC: lambda _, network: _none(host_local.collect_garbage(network, _valid(network))),
        }
    if plugin == "bridge":
        bridge = Bridge(masquerading)
        return {
            Verb.ADD: bridge.add,
            Verb.DEL: _silent(bridge.delete),
            Verb.CHECK: _silent(bridge.check),
            Verb.STATUS: _silent(bridge.status),
            Verb.GC: lambda request, network: bridge.collect_garbage(request, network, _valid(network)),
        }
    raise CniError(Code.INVALID_CONFIG, "Unknown plugin", f"{plugin!r} is none of {', '.join(PLUGINS)}.")


def _silent(handler: Callable[[Request, Network], object]) -> Handler:
    def run(request: Request, network: Network) -> None:
        handler(request, network)

    return run


def _none(_: object) -> None:
    return None


def _valid(network: Network) -> frozenset[Attachment]:
    if network.valid_attachments is None:
        details = "cni.dev/valid-attachments: it is missing; give the list of attachments to keep."
        raise CniError(Code.INVALID_CONFIG, "Invalid network configuration", details)
    return frozenset(Attachment(one.container_id, one.ifname) for one in network.valid_attachments)


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
