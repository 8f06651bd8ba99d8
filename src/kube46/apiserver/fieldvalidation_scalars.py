"""Values that decode themselves in Kubernetes: quantities, times, bytes; parsed and written back as Go does.

Sources: apimachinery pkg/api/resource/quantity.go, pkg/apis/meta/v1/{time,micro_time}.go; Go's time/format.go and
encoding/base64.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import functools
import re
from fractions import Fraction
from typing import NamedTuple

from kube46.api.quantities import BINARY, NANO, SUFFIXES, Form, written

EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)", re.ASCII)
LARGEST = 2**63 - 1
DIGITS = 18  # that surely fit 64 bits
WRONG_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
WRONG_SUFFIX, WRONG_NUMBER = "unable to parse quantity's suffix", "unable to parse numeric part of quantity"

SECONDS_LAYOUT, MICROS_LAYOUT = "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.000000Z07:00"
# the parts of the layouts: the name that Go's error gives the part, what the part looks like, and its field with bounds
PARTS: tuple[tuple[str, str, str, int, int], ...] = (
    ("2006", r"\d{4}", "year", 0, 9999), ("-", "-", "", 0, 0), ("01", r"\d\d", "month", 1, 12), ("-", "-", "", 0, 0),
    ("02", r"\d\d", "day", 0, 99), ("T", "T", "", 0, 0), ("15", r"\d\d?", "hour", 0, 23), (":", ":", "", 0, 0),
    ("04", r"\d\d", "minute", 0, 59), (":", ":", "", 0, 0), ("05", r"\d\d", "second", 0, 59),
)  # fmt: skip
ZERO = datetime.datetime(1, 1, 1, tzinfo=datetime.UTC)


class _Split(NamedTuple):
    """A quantity taken apart, leading zeros gone from `whole`."""

    negative: bool
    whole: str
    part: str
    suffix: str


def quantity(text: str) -> str:
    """The canonical form (`1000m` → `1`, `0.5Gi` → `512Mi`); raises ValueError with Kubernetes' text.

    Like upstream it keeps the spelling of short numbers that it takes for canonical, such as `+1` and `1E3`.
    """
    text = text.strip()
    if text in ("", "0"):
        if not text:
            raise ValueError(WRONG_QUANTITY)
        return text
    split = _split(text)
    binary, exponent = split.suffix in BINARY, EXPONENT.fullmatch(split.suffix)
    if not (binary or exponent or split.suffix in SUFFIXES):
        raise ValueError(WRONG_SUFFIX)
    digits = split.whole + split.part
    if not digits:
        raise ValueError(WRONG_NUMBER)
    number = Fraction(int(digits), 10 ** len(split.part))
    if binary:
        power = BINARY[split.suffix]
        short = not split.part and 15 - len(split.whole) - int(power * 3 / 10) - 1 >= 0
        if short and number * 2**power <= LARGEST and int(digits) & 7:
            return text
        return _written(number * 2**power, Form.BINARY, negative=split.negative)
    scale = int(exponent[1]) if exponent else SUFFIXES[split.suffix]
    left = scale - len(split.part)
    if len(digits) <= DIGITS and left >= -9 and left % 3 == 0 and digits[-3:] != "000" and digits[0] != "0":
        return text
    form = Form.DECIMAL if exponent is None else Form.EXPONENT
    return _written(number * Fraction(10) ** scale, form, negative=split.negative)


def _split(text: str) -> _Split:
    match = re.match(r"([+-]?)(0*)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", text, re.ASCII)
    assert match is not None
    sign, zeros, whole, part, suffix = match.groups(default="")
    if match.end() < len(text):
        # upstream looks at the suffix first if a sign follows it at once
        raise ValueError(WRONG_QUANTITY)
    if not (zeros or whole or part) and suffix[:1] in ("+", "-"):
        raise ValueError(WRONG_SUFFIX)
    return _Split(sign == "-", whole or "0", part, suffix)


def _written(value: Fraction, form: Form, *, negative: bool) -> str:
    """The canonical text of a value, rounded up to nano; binary ones are capped at 64 bits."""
    nano = int(-(-value * NANO // 1))
    if form is Form.BINARY:
        nano = min(nano, LARGEST * NANO)
    return written(-nano if negative else nano, form)


@functools.lru_cache(4096)  # the times of managedFields come with every patch
def time(text: str, *, micro: bool = False) -> str | None:
    """RFC 3339 in, UTC out, cut to seconds or microseconds, None for zero; raises ValueError with Go's text."""
    layout = MICROS_LAYOUT if micro else SECONDS_LAYOUT
    parts: dict[str, int] = {}
    rest = text
    for name, pattern, field, least, most in PARTS:
        rest, found = _part(text, rest, layout, name, pattern)
        if field:
            parts[field] = int(found)
            if not least <= parts[field] <= most:
                raise ValueError(f'parsing time "{text}": {field} out of range')
    fraction = ""
    if micro:
        rest, fraction = _part(text, rest, layout, ".000000", r"[.,]\d{6}")
    elif match := re.match(r"[.,]\d+", rest, re.ASCII):
        fraction, rest = match[0], rest[match.end() :]
    rest, zone = _part(text, rest, layout, "Z07:00", r"Z|[+-]\d\d:\d\d")
    if rest:
        raise ValueError(f'parsing time "{text}": extra text: "{rest}"')
    return _utc(text, parts, fraction[1:], zone, micro)


def _part(text: str, rest: str, layout: str, name: str, pattern: str) -> tuple[str, str]:
    """What is left after a part of the layout, and that part."""
    match = re.match(pattern, rest, re.ASCII)
    if match is None:
        raise ValueError(f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{name}"')
    return rest[match.end() :], match[0]


def _utc(text: str, parts: dict[str, int], fraction: str, zone: str, micro: bool) -> str | None:
    offset = datetime.timedelta(0)
    if zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        for value, most, name in ((hours, 24, "hour"), (minutes, 60, "minute")):
            if value > most:
                raise ValueError(f'parsing time "{text}": time zone offset {name} out of range')
        offset = datetime.timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
    try:
        micros = int((fraction + "000000")[:6])
        moment = datetime.datetime(**parts, microsecond=micros, tzinfo=datetime.UTC) - offset
    except (ValueError, OverflowError):
        raise ValueError(f'parsing time "{text}": day out of range') from None
    if moment == ZERO:
        return None
    plain = f"{moment.year:04d}-" + moment.strftime("%m-%dT%H:%M:%S")
    return f"{plain}.{moment.microsecond:06d}Z" if micro else f"{plain}Z"


def bytes_(text: str) -> str:
    """Standard base64, line breaks ignored, written back without them; raises ValueError with Go's text."""
    try:
        return base64.b64encode(base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True)).decode()
    except (binascii.Error, ValueError):
        raise ValueError(f"illegal base64 data at input byte {_bad_byte(text)}") from None


def _bad_byte(text: str) -> int:
    """Where Go stops: at the first byte that does not belong, or at the beginning of an unfinished group of four."""
    at = group = 0
    while at < len(text):
        char = text[at]
        if char in "\r\n":
            at += 1
            continue
        if re.match(r"[A-Za-z0-9+/]", char, re.ASCII):
            at, group = at + 1, (group + 1) % 4
            continue
        if char != "=" or group < 2:
            return at
        rest = re.sub(r"[\r\n]", "", text[at + 1 :])
        if group == 2 and not rest:
            return len(text)
        if group == 2 and rest[0] != "=":
            return at
        return at + 1 + (group == 2)
    return at - group
