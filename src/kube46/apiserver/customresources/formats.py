"""The formats of strings that Kubernetes checks in custom objects; others are noted with a warning and not checked.

Source: apiextensions-apiserver pkg/apiserver/validation/formats.go; kube-openapi pkg/validation/strfmt.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import ipaddress
import re
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kube46.api import names
from kube46.apiserver.customresources.normal import everywhere

if TYPE_CHECKING:
    from collections.abc import Callable

UUID = "[0-9a-f]{8}-?[0-9a-f]{4}-?%s-?%s-?[0-9a-f]{12}"
ANY = "[0-9a-f]{4}"
GO_DURATION = re.compile(r"[-+]?(?:0|(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)")
WORDY_DURATION = re.compile(
    r"[0-9.]+\s*(?:ns|nanos?|nanoseconds?|us|µs|micros?|microseconds?|ms|millis?|milliseconds?|s|secs?|seconds?|m|mins?|"
    r"minutes?|h|hours?|hrs?|d|days?|w|weeks?|wks?)"
)
DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:[Zz]|[-+]\d{2}:?\d{2})?", re.ASCII)
HOST_LABEL = re.compile(r"[^\W_](?:(?:[^\W_]|-){0,61}[^\W_])?")
CARD = re.compile(
    r"(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}"
    r"|(?:2131|1800|35\d{3})\d{11})",
    re.ASCII,
)
RGB = re.compile(r"rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)", re.ASCII)


def _shaped(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.IGNORECASE | re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _address(version: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            return ipaddress.ip_address(text).version == version and "%" not in text
        except ValueError:
            return False

    return check


def _cidr(text: str) -> bool:
    address, slash, length = text.partition("/")
    if not slash or not re.fullmatch(r"0|[1-9]\d{0,2}", length):
        return False
    return any(_address(version)(address) and int(length) <= bits for version, bits in ((4, 32), (6, 128)))


def _uri(text: str) -> bool:
    """As Go's url.ParseRequestURI: absolute, or a path from the root."""
    if re.search(r"[\x00-\x20\x7f]", text):
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return bool(parts.scheme) or text.startswith("/")


def _hostname(text: str) -> bool:
    labels = text.split(".")
    fits = len(text.encode()) <= 255 and all(HOST_LABEL.fullmatch(label) for label in labels)
    return fits and (len(labels) == 1 or re.fullmatch(r"[^\W\d_]{2,63}", labels[-1]) is not None)


def _email(text: str) -> bool:
    address = parseaddr(text)[1]
    local, at, domain = address.rpartition("@")
    return bool(at and local and domain and " " not in address)


def _base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _date(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None


def _date_time(text: str) -> bool:
    if DATE_TIME.fullmatch(text) is None:
        return False
    try:
        datetime.datetime.strptime(text[:16].upper(), "%Y-%m-%dT%H:%M")
    except ValueError:
        return False
    return True


def _duration(text: str) -> bool:
    return bool(GO_DURATION.fullmatch(text) or WORDY_DURATION.fullmatch(text.lower()))


def _isbn10(text: str) -> bool:
    digits = re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"[0-9]{9}[0-9X]", digits):
        return False
    return sum((10 - i) * (10 if c == "X" else int(c)) for i, c in enumerate(digits)) % 11 == 0


def _isbn13(text: str) -> bool:
    digits = re.sub(r"[\s-]", "", text)
    return (
        bool(re.fullmatch(r"[0-9]{13}", digits))
        and sum(int(c) * (3 if i % 2 else 1) for i, c in enumerate(digits)) % 10 == 0
    )


def _card(text: str) -> bool:
    digits = re.sub(r"\D+", "", text)
    if not CARD.fullmatch(digits):
        return False
    doubled = (int(c) * (2 if i % 2 else 1) for i, c in enumerate(reversed(digits)))
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def _rgb(text: str) -> bool:
    found = RGB.fullmatch(text)
    return found is not None and all(int(part) < 256 for part in found.groups())


CHECKS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _shaped("[0-9a-f]{24}"), "uri": _uri, "email": _email, "hostname": _hostname,
    "ipv4": _address(4), "ipv6": _address(6), "cidr": _cidr,
    "mac": _shaped(r"(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4,6}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2,3}[0-9a-f]{4}"),
    "uuid": _shaped(UUID % (ANY, ANY)), "uuid3": _shaped(UUID % ("3[0-9a-f]{3}", ANY)),
    "uuid4": _shaped(UUID % ("4[0-9a-f]{3}", "[89ab][0-9a-f]{3}")),
    "uuid5": _shaped(UUID % ("5[0-9a-f]{3}", "[89ab][0-9a-f]{3}")),
    "isbn": lambda text: _isbn10(text) or _isbn13(text), "isbn10": _isbn10, "isbn13": _isbn13, "creditcard": _card,
    "ssn": _shaped(r"\d{3}[- ]?\d{2}[- ]?\d{4}"), "hexcolor": _shaped("#?(?:[0-9a-f]{3}|[0-9a-f]{6})"),
    "rgbcolor": _rgb, "byte": _base64, "password": lambda _: True, "date": _date, "duration": _duration,
    "datetime": _date_time, "k8sshortname": lambda text: not names.label(text),
    "k8slongname": lambda text: not names.subdomain(text),
}  # fmt: skip
NUMBERS = {"integer": ("int32", "int64"), "number": ("float", "double")}


def known(format_name: str, kind: str) -> bool:
    """Whether a schema of this type may have the format."""
    if kind in ("", "string"):
        return format_name.replace("-", "") in CHECKS
    return format_name in NUMBERS.get(kind, ())


def fits(format_name: str, text: str) -> bool:
    """Whether a string has a format; one that nobody knows, it has."""
    check = CHECKS.get(format_name.replace("-", ""))
    return check is None or check(text)


def unknown_formats(schema: dict[str, Any]) -> list[str]:
    """The formats within a schema that are not checked."""
    found = ((one["format"], one.get("type", "")) for one in everywhere(schema) if one.get("format"))
    return [name for name, kind in found if not known(name, kind)]
