"""What opens a stream, as the object that admission sees of it: PodExecOptions and its like.

Source: k8s.io/api core/v1 types.go; k8s.io/apiserver pkg/endpoints/handlers/rest.go (ConnectResource).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from kube46.apiserver.requests import Request, Target

FLAGS = ("stdin", "stdout", "stderr", "tty")


def options(request: Request, target: Target) -> dict[str, Any]:
    """The options of a request for exec, attach, portforward or proxy."""
    part = target.kind.subresource(target.subresource)
    assert part is not None
    made: dict[str, Any] = {"kind": part.kind, "apiVersion": "v1"}
    if target.subresource in ("exec", "attach"):
        made |= {name: True for name in FLAGS if request.flag(name)}
        made |= {"container": request.query["container"]} if request.query.get("container") else {}
    if target.subresource == "exec":
        made["command"] = request.every("command") or None
    if target.subresource == "portforward" and (ports := request.every("ports")):
        made["ports"] = [int(port) for port in ports if port.isascii() and port.isdecimal()]
    if target.subresource == "proxy":
        path = unquote(request.scope["raw_path"].decode("latin-1"))
        made |= {"path": rest} if (rest := path.partition("/proxy")[2]) else {}
    return made
