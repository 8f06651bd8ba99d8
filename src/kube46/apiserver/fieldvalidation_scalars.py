"""Values that decode themselves in Kubernetes: quantities, times, bytes; parsed and written back as Go does.

Sources: apimachinery pkg/api/resource/quantity.go, pkg/apis/meta/v1/{time,micro_time}.go, pkg/util/intstr/intstr.go.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from fractions import Fraction

BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
EXPONENTS = {suffix: exponent for exponent, suffix in DECIMAL.items()}
QUANTITY = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)", re.ASCII)
LARGEST = 2**63 - 1
WRONG_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
WRONG_SUFFIX = "unable to parse quantity's suffix"

SECONDS_LAYOUT, MICROS_LAYOUT = "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.000000Z07:00"
TIME = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)T(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
    r"(?:[.,](?P<fraction>\d+))?(?P<zone>Z|[+-]\d\d:\d\d)",
    re.ASCII,
)
# what each part of the layout is called in Go's error, with the pattern that part must have
PARTS = (("2006", r"\d{4}"), ("-", "-"), ("01", r"\d\d"), ("-", "-"), ("02", r"\d\d"), ("T", "T"), ("15", r"\d\d"),
         (":", ":"), ("04", r"\d\d"), (":", ":"), ("05", r"\d\d"))  # fmt: skip


def quantity(text: str) -> str:
    """The canonical form (`1000m` → `1`, `0.5Gi` → `512Mi`); raises ValueError with Kubernetes' text."""
    match = QUANTITY.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise ValueError(WRONG_QUANTITY)
    suffix, written = match[4], Fraction(int((match[2] or "0") + (match[3] or "")), 10 ** len(match[3] or ""))
    exponent = EXPONENT.fullmatch(suffix)
    binary = suffix in BINARY[1:]
    if binary:
        value = written * 1024 ** BINARY.index(suffix)
    elif suffix in EXPONENTS:
        value = written * Fraction(10) ** EXPONENTS[suffix]
    elif exponent is not None:
        value = written * Fraction(10) ** int(exponent[1])
    else:
        raise ValueError(WRONG_SUFFIX)
    nano = min(-(-value * 10**9 // 1), LARGEST * 10**9)  # rounded up to nano, capped
    return ("-" if match[1] == "-" and nano else "") + _canonical(
        Fraction(int(nano), 10**9), binary, exponent is not None
    )


def _canonical(value: Fraction, binary: bool, exponential: bool) -> str:
    if not value:
        return "0"
    if binary and value >= 1024 and value.denominator == 1:
        number, power = value.numerator, 0
        while number % 1024 == 0 and power < len(BINARY) - 1:
            number, power = number // 1024, power + 1
        return f"{number}{BINARY[power]}"
    number, power = int(value * 10**9), -9
    while number % 1000 == 0 and power < 18:
        number, power = number // 1000, power + 3
    if exponential:
        return f"{number}e{power}" if power else str(number)
    return f"{number}{DECIMAL[power]}"


def time(text: str, *, micro: bool = False) -> str:
    """RFC 3339 in, UTC out, cut to seconds (or to microseconds); raises ValueError with Go's text."""
    match = TIME.fullmatch(text)
    if match is None or (micro and len(match["fraction"] or "") < 6):
        raise ValueError(_unreadable(text, MICROS_LAYOUT if micro else SECONDS_LAYOUT, micro))
    layout = MICROS_LAYOUT if micro else SECONDS_LAYOUT
    parts = {name: int(match[name]) for name in ("year", "month", "day", "hour", "minute", "second")}
    for name, top in (("month", 12), ("hour", 23), ("minute", 59), ("second", 59)):
        if parts[name] > top or (name == "month" and not parts[name]):
            raise ValueError(f'parsing time "{text}": {name} out of range')
    micros = int(((match["fraction"] or "") + "000000")[:6])
    try:
        moment = datetime.datetime(**parts, microsecond=micros, tzinfo=_zone(match["zone"]))
        moment = moment.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        raise ValueError(f'parsing time "{text}": day out of range') from None
    del layout
    plain = moment.strftime("%Y-%m-%dT%H:%M:%S").zfill(19)
    return f"{plain}.{moment.microsecond:06d}Z" if micro else f"{plain}Z"


def _zone(text: str) -> datetime.timezone:
    if text == "Z":
        return datetime.UTC
    offset = datetime.timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return datetime.timezone(-offset if text[0] == "-" else offset)


def _unreadable(text: str, layout: str, micro: bool) -> str:
    """Go's complaint: the part of the layout that the rest of the text does not begin with."""
    rest = text
    for name, pattern in (*PARTS, *(((".000000", r"[.,]\d{6}"),) if micro else ())):
        match = re.match(pattern, rest, re.ASCII)
        if match is None:
            return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{name}"'
        rest = rest[match.end() :]
    rest = re.sub(r"^[.,]\d+", "", rest)
    zone = re.match(r"Z|[+-]\d\d:\d\d", rest, re.ASCII)
    if zone is None:
        return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "Z07:00"'
    return f'parsing time "{text}": extra text: "{rest[zone.end() :]}"'


def bytes_(text: str) -> str:
    """Standard base64, line breaks ignored, written back without them; raises ValueError with Go's text."""
    clean = text.replace("\r", "").replace("\n", "")
    try:
        return base64.b64encode(base64.b64decode(clean, validate=True)).decode()
    except (binascii.Error, ValueError):
        raise ValueError(f"illegal base64 data at input byte {_bad_byte(clean)}") from None


def _bad_byte(text: str) -> int:
    body = re.match(r"[A-Za-z0-9+/]*", text)
    end = body.end() if body else 0
    if end == len(text) or set(text[end:]) == {"="}:
        return min(end, len(text)) if end < len(text) else end // 4 * 4
    return end
