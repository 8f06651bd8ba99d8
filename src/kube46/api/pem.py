"""PEM: what Go's encoding/pem finds in a text, and one block as it writes it (RFC 7468)."""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

BLOCK = re.compile(r"-----BEGIN ([^\n]*?)-----[ \t\r]*\n(.*?)-----END \1-----[ \t\r]*(?:\n|\Z)", re.DOTALL)
HEADER = re.compile(r"[^:\n]+:[^\n]*\n")
WIDTH = 64
CERTIFICATE = "CERTIFICATE"


@dataclass(frozen=True, slots=True)
class Block:
    """One block: what it says it is, whether it has headers (RFC 1421), and its bytes."""

    kind: str
    content: bytes
    headed: bool = False


def blocks(text: str) -> Iterator[Block]:
    """All blocks of a text, whatever stands between them; what is no base64 is none."""
    for match in BLOCK.finditer(text):
        body, headed = match[2], False
        while header := HEADER.match(body):
            body, headed = body[header.end() :], True
        try:
            content = base64.b64decode("".join(body.split()), validate=True)
        except (binascii.Error, ValueError):
            continue
        yield Block(match[1], content, headed)


def encoded(kind: str, content: bytes) -> bytes:
    """A block, in lines of 64 characters."""
    text = base64.b64encode(content).decode()
    lines = [text[place : place + WIDTH] for place in range(0, len(text), WIDTH)]
    return "".join(f"{line}\n" for line in (f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----")).encode()
