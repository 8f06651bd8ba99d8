"""Pure: one request of a container runtime – its environment variables, checked.

CNI specification 1.1.0, section 2. Container ids, interface names and network names end up in paths, link names and
nftables text; what the specification does not allow in them is refused here, once.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kube46.cni.errors import CniError, Code

ARGUMENTS = frozenset({"IP", "MAC", "IgnoreUnknown"})
TRUTHS = {"1": True, "true": True, "0": False, "false": False}
# Go's net/netns and the reference plugins accept exactly this (containernetworking/cni pkg/utils/utils.go).
IDENTIFIER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")
LINK_NAME_BYTES = 15


class Verb(StrEnum):
    """The operations of the specification."""

    ADD = "ADD"
    DEL = "DEL"
    CHECK = "CHECK"
    GC = "GC"
    STATUS = "STATUS"
    VERSION = "VERSION"


ATTACHMENT_VERBS = frozenset({Verb.ADD, Verb.DEL, Verb.CHECK})


@dataclass(frozen=True, slots=True)
class Attachment:
    """A container's interface: what the specification identifies by (CNI_CONTAINERID, CNI_IFNAME)."""

    container_id: str
    ifname: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `netns` may be empty for DEL; `environment` and `stdin` are kept for delegated plugins."""

    verb: Verb
    attachment: Attachment
    netns: str
    args: Mapping[str, str]
    path: str
    environment: Mapping[str, str]
    stdin: bytes


def parse(environment: Mapping[str, str], stdin: bytes) -> Request:
    """The request in a plugin's environment and standard input. Raises CniError 4 naming the variable at fault."""
    command = environment.get("CNI_COMMAND", "")
    if command not in Verb.__members__:
        raise _invalid("CNI_COMMAND", f"{command!r} is none of {', '.join(Verb)}")
    verb = Verb(command)
    attachment = Attachment(environment.get("CNI_CONTAINERID", ""), environment.get("CNI_IFNAME", ""))
    if verb in ATTACHMENT_VERBS:
        check_attachment(attachment)
    netns = environment.get("CNI_NETNS", "")
    if not netns and verb in (Verb.ADD, Verb.CHECK):
        raise _invalid("CNI_NETNS", "it is missing: give the path of the container's network namespace")
    args = arguments(environment.get("CNI_ARGS", "")) if verb in ATTACHMENT_VERBS else {}
    return Request(verb, attachment, netns, args, environment.get("CNI_PATH", ""), environment, stdin)


def check_attachment(attachment: Attachment) -> None:
    """Raises CniError 4 when the container id or the interface's name is missing or not allowed."""
    if not attachment.container_id:
        raise _invalid("CNI_CONTAINERID", "it is missing")
    if not IDENTIFIER.fullmatch(attachment.container_id):
        raise _invalid(
            "CNI_CONTAINERID",
            f"{attachment.container_id!r} must be letters, digits, '_', '.' and '-', a letter or digit first",
        )
    name = attachment.ifname
    if not name:
        raise _invalid("CNI_IFNAME", "it is missing")
    # Bytes that are no UTF-8 are not printable either; the kernel takes a '%' for a template of names.
    if name in (".", "..") or re.search(r"[\s/:\0%]", name) or not name.isprintable() or '"' in name:
        raise _invalid("CNI_IFNAME", f"{name!r} must not be '.' or '..', nor hold '/', ':', '%', '\"' or white space")
    if len(name.encode()) > LINK_NAME_BYTES:
        raise _invalid("CNI_IFNAME", f"{name!r} is longer than {LINK_NAME_BYTES} bytes")


def arguments(text: str) -> dict[str, str]:
    """CNI_ARGS, `KEY=value;KEY=value`. Raises CniError 4 on a pair without `=`."""
    found = {}
    for pair in filter(None, text.split(";")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise _invalid("CNI_ARGS", f"{pair!r} is not KEY=VALUE")
        found[key] = value
    return found


def check_arguments(args: Mapping[str, str]) -> None:
    """Raises CniError 4 on keys that are unknown, without IgnoreUnknown, which runtimes set that have keys of theirs.

    As libcni's types.LoadArgs; for those who read an argument, and for ADD alone: DEL has nothing to do with them.
    """
    ignored = TRUTHS.get(args.get("IgnoreUnknown", "0").lower())
    if ignored is None:
        raise _invalid("CNI_ARGS", f"IgnoreUnknown: {args['IgnoreUnknown']!r} is none of {', '.join(TRUTHS)}")
    unknown = sorted(args.keys() - ARGUMENTS)
    if unknown and not ignored:
        raise _invalid("CNI_ARGS", f"{', '.join(map(repr, unknown))}: unknown; add IgnoreUnknown=1 to allow them")


def _invalid(variable: str, reason: str) -> CniError:
    return CniError(Code.INVALID_ENVIRONMENT, f"Invalid {variable}", f"{variable}: {reason}.")
