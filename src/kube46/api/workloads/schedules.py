"""When a CronJob is due: five fields, the macros, and `@every`, as Kubernetes reads them.

Source: github.com/robfig/cron/v3 (parser.go, spec.go), which kube-controller-manager and kube-apiserver use. Times are
found in absolute time, so a local time that is skipped in spring is not due that day, and one that comes twice in
autumn is due twice, as there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MACROS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: number for number, name in enumerate(MONTHS, 1)}),
    (0, 6, {name: number for number, name in enumerate(DAYS)}),
)
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
HORIZON = timedelta(days=5 * 366)  # a schedule that is not due for so long never is


@dataclass(frozen=True, slots=True)
class Schedule:
    """The minutes, hours, days of the month, months and weekdays (0 is Sunday); or a fixed distance, in seconds."""

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = False  # the days of the month are `*`
    any_weekday: bool = False
    every: int = 0

    def on(self, moment: datetime) -> bool:
        """Whether the day of `moment` is due: where both kinds of days are given, either will do."""
        day, weekday = moment.day in self.days, moment.isoweekday() % 7 in self.weekdays
        both = self.any_day or self.any_weekday
        return moment.month in self.months and ((day and weekday) if both else (day or weekday))


def parse(text: str) -> Schedule:
    """Raises ValueError in plain words."""
    if text.startswith("@every "):
        return Schedule(every=max(1, int(_duration(text.removeprefix("@every ")))))
    if text.startswith("@") and text not in MACROS:
        raise ValueError(f"unrecognized descriptor: {text}")
    fields = MACROS.get(text, text).split()
    if len(fields) != len(FIELDS):
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, hours, days, months, weekdays = (
        _field(field, *limits) for field, limits in zip(fields, FIELDS, strict=True)
    )
    stars = [any(part[:1] in ("*", "?") for part in field.split(",")) for field in fields]
    return Schedule(minutes, hours, days, months, weekdays, any_day=stars[2], any_weekday=stars[4])


def following(schedule: Schedule, after: datetime, zone: tzinfo = UTC) -> datetime | None:
    """The first time after `after` at which the schedule is due, in UTC; None when that is never."""
    if schedule.every:
        return after.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=schedule.every)
    moment = after.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    while moment < after + HORIZON:
        local = moment.astimezone(zone)
        if not schedule.on(local):
            tomorrow = datetime(local.year, local.month, local.day, tzinfo=zone) + timedelta(days=1)
            moment = max(tomorrow.astimezone(UTC), moment + timedelta(minutes=1))
        elif local.hour not in schedule.hours:
            moment += timedelta(minutes=60 - local.minute)
        elif local.minute not in schedule.minutes:
            moment += timedelta(minutes=1)
        else:
            return moment
    return None


def latest(schedule: Schedule, after: datetime, until: datetime, zone: tzinfo = UTC) -> datetime | None:
    """The last time after `after` and not after `until` at which the schedule was due; however long that is."""
    if schedule.every:
        passed = int((until - after.replace(microsecond=0)).total_seconds()) // schedule.every
        return after.replace(microsecond=0) + timedelta(seconds=passed * schedule.every) if passed > 0 else None
    span = timedelta(minutes=2)
    while True:
        start = max(after, until - span)
        found = following(schedule, start, zone)
        if found is not None and found <= until:
            while (later := following(schedule, found, zone)) is not None and later <= until:
                found = later
            return found
        if start == after:
            return None
        span *= 2


def _field(text: str, least: int, most: int, names: dict[str, int]) -> frozenset[int]:
    return frozenset(value for part in text.split(",") if part for value in _range(part, least, most, names))


def _range(text: str, least: int, most: int, names: dict[str, int]) -> range:
    base, slash, step_text = text.partition("/")
    low, dash, high = base.partition("-")
    if "-" in high:
        raise ValueError(f"too many hyphens: {text}")
    if "/" in step_text:
        raise ValueError(f"too many slashes: {text}")
    start, end = (least, most) if low in ("*", "?") else (_number(low, names), -1)
    if dash and low not in ("*", "?"):
        end = _number(high, names)
    elif end < 0:
        end = most if slash else start
    step = _number(step_text, {}) if slash else 1
    if start < least:
        raise ValueError(f"beginning of range ({start}) below minimum ({least}): {text}")
    if end > most:
        raise ValueError(f"end of range ({end}) above maximum ({most}): {text}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")
    return range(start, end + 1, step)


def _number(text: str, names: dict[str, int]) -> int:
    if (value := names.get(text.lower())) is not None:
        return value
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"failed to parse int from {text}")
    return int(text)


def _duration(text: str) -> float:
    """Go's durations: `1h30m`, `90s`."""
    if not text or DURATION.sub("", text):
        raise ValueError(f"failed to parse duration @every {text}")
    return sum(float(number) * UNITS[unit] for number, unit in DURATION.findall(text))
