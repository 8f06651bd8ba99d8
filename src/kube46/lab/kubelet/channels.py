"""The channel protocols of `kubectl exec` and `attach`: v4 and v5.channel.k8s.io, and the first of them (pure).

Over WebSocket a message is a channel's number and its bytes. v5 adds channel 255: the sender ends the channel named by
the next byte.
Source: KEP-4006, k8s.io/apimachinery/pkg/util/remotecommand/constants.go.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import msgspec

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
V1 = "channel.k8s.io"  # of old clients, over WebSocket alone: its status is a text, and only of failures
PROTOCOLS = (V5, V4)
SOCKET_PROTOCOLS = (*PROTOCOLS, V1)
LARGEST_SIDE = 0xFFFF  # of a terminal


class Channel(IntEnum):
    """Channel numbers."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4
    CLOSE = 255


@dataclass(frozen=True, slots=True)
class Input:
    """Bytes for the command; empty bytes with `end` set: no more will come."""

    data: bytes
    end: bool = False


@dataclass(frozen=True, slots=True)
class Resize:
    """The client's terminal has this size now."""

    width: int
    height: int


class _Size(msgspec.Struct, rename="pascal"):
    width: int = 0
    height: int = 0


def parse(message: bytes, protocol: str) -> Input | Resize | None:
    """What a client's message asks for; None when it is nothing (an empty ping, an unknown channel)."""
    if not message:
        return None
    number, data = message[0], message[1:]
    if number == Channel.STDIN:
        return Input(data) if data else None
    if number == Channel.CLOSE and protocol == V5 and data[:1] == bytes([Channel.STDIN]):
        return Input(b"", end=True)
    if number == Channel.RESIZE:
        return resized(data)
    return None


def resized(data: bytes) -> Resize | None:
    """A terminal's size in JSON; None when it isn't one."""
    try:
        size = msgspec.json.decode(data, type=_Size)
    except msgspec.MsgspecError:
        return None
    if not all(0 < side <= LARGEST_SIDE for side in (size.width, size.height)):
        return None
    return Resize(size.width, size.height)


def message(channel: Channel, data: bytes = b"") -> bytes:
    """A message for the client."""
    return bytes([channel]) + data


def exit_status(code: int) -> dict[str, Any]:
    """The v1 Status that ends a command, as the error channel carries it."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def last_word(status: Mapping[str, Any], protocol: str) -> bytes | None:
    """What the error channel carries at the end; None: nothing."""
    if protocol != V1:
        return msgspec.json.encode(status)
    return None if status["status"] == "Success" else str(status.get("message", "")).encode()


def failure(text: str) -> dict[str, Any]:
    """The v1 Status of a command that couldn't be run at all."""
    return {"metadata": {}, "status": "Failure", "message": text, "reason": "InternalError", "code": 500}
