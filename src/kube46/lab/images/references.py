"""Names of images, written out as docker writes them out (pure): `redis:7` is `docker.io/library/redis:7`.

Source: distribution/reference, grammar and normalize.go.
"""

import re
from dataclasses import dataclass

from kube46.lab.images.errors import BadName

LONGEST = 255
DOMAIN = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?"
    r"|\[[a-fA-F0-9:]+\](?::[0-9]+)?"
)
PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
PATH = re.compile(rf"{PART}(?:/{PART})*")
TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Reference:
    """A whole name; `tag` is "" only where a digest stands."""

    repository: str  # with its registry
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return self.repository + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Reference:
    """The name written out: registry docker.io, `library/` and tag `latest` where they are left out. Raises BadName."""
    plain, at, digest = text.partition("@")
    if at and not DIGEST.fullmatch(digest):
        raise BadName(f"image name {text!r}: {digest!r} is no digest, write sha256: and 64 hexadecimal digits")
    domain, path = _split(plain)
    head, slash, last = path.rpartition("/")
    last, colon, tag = last.partition(":")
    path = head + slash + last
    if colon and not TAG.fullmatch(tag):
        raise BadName(f"image name {text!r}: {tag!r} is no tag, use letters, digits, `_`, `.` and `-`")
    if not PATH.fullmatch(path):
        mend = f"repository names are lower-case, such as {path.lower()}" if path != path.lower() else "write name:tag"
        raise BadName(f"image name {text!r}: {path!r} names no repository: {mend}")
    if not DOMAIN.fullmatch(domain):
        raise BadName(f"image name {text!r}: {domain!r} is no registry, write host or host:port")
    if domain == "docker.io" and "/" not in path:
        path = f"library/{path}"
    repository = f"{domain}/{path}"
    if len(repository) > LONGEST:
        raise BadName(f"image name {text!r}: is longer than {LONGEST} characters")
    return Reference(repository, tag or ("" if digest else "latest"), digest)


def _split(plain: str) -> tuple[str, str]:
    """The registry and the rest: a first part without dot, port or capitals is no registry, but for localhost."""
    first, slash, rest = plain.partition("/")
    named = slash and (first == "localhost" or "." in first or ":" in first or first != first.lower())
    if not named:
        return "docker.io", plain
    return ("docker.io" if first == "index.docker.io" else first), rest
