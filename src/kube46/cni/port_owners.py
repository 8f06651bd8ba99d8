"""Pure: the comments that tell whose an element or a rule of portmap's table is."""

import hashlib
from collections.abc import Callable, Iterable

from kube46.cni.requests import Attachment


def owner(network: str, attachment: Attachment) -> str:
    """The comment of what is made for an attachment: who it is to a reader, then who it is exactly."""
    return f"{network[:24]} {attachment.container_id[:24]} {of_network(network)} {_of_attachment(attachment)}"


def of_network(network: str) -> str:
    """The word of an owner that tells its network."""
    return hashlib.sha256(network.encode()).hexdigest()[:16]


def _of_attachment(attachment: Attachment) -> str:
    return hashlib.sha256(f"{attachment.container_id}/{attachment.ifname}".encode()).hexdigest()[:32]


def stale(network: str, valid: Iterable[Attachment]) -> Callable[[str], bool]:
    """Tells of an owner whether it is one of the network, and none of the valid attachments."""
    word, kept = of_network(network), {_of_attachment(one) for one in valid}

    def is_stale(text: str) -> bool:
        words = text.split(" ")
        return len(words) == 4 and words[2] == word and words[3] not in kept

    return is_stale
