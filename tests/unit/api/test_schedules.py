"""When CronJobs are due: parsing as robfig/cron parses, and the next and the last time in any zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube46.api.workloads.schedules import following, latest, parse

START = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)  # a Monday
BERLIN = ZoneInfo("Europe/Berlin")


def shown(moment: datetime | None, zone: ZoneInfo | None = None) -> str:
    return moment.astimezone(zone or UTC).strftime("%a %d %b %Y %H:%M:%S") if moment else ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * *", "Mon 23 Nov 2026 12:01:00"),
        ("*/15 * * * *", "Mon 23 Nov 2026 12:15:00"),
        ("7/20 * * * *", "Mon 23 Nov 2026 12:07:00"),
        ("0 12 * * *", "Tue 24 Nov 2026 12:00:00"),
        ("0,30 9-17 * * MON-FRI", "Mon 23 Nov 2026 12:30:00"),
        ("5 4 * * sun", "Sun 29 Nov 2026 04:05:00"),
        ("0 0 1 jan ?", "Fri 01 Jan 2027 00:00:00"),
        ("0 0 29 2 *", "Tue 29 Feb 2028 00:00:00"),
        ("0 0 30 2 *", ""),
        # both kinds of days: either will do
        ("0 0 1 * 3", "Wed 25 Nov 2026 00:00:00"),
        ("0 0 */2 * 3", "Wed 25 Nov 2026 00:00:00"),
        ("@hourly", "Mon 23 Nov 2026 13:00:00"),
        ("@daily", "Tue 24 Nov 2026 00:00:00"),
        ("@weekly", "Sun 29 Nov 2026 00:00:00"),
        ("@monthly", "Tue 01 Dec 2026 00:00:00"),
        ("@yearly", "Fri 01 Jan 2027 00:00:00"),
        ("@every 1h30m", "Mon 23 Nov 2026 13:30:30"),
    ],
)
def test_next_time(text: str, expected: str) -> None:
    """The first time after the given one."""
    assert shown(following(parse(text), START)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *", "failed to parse int from x"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("@never", "unrecognized descriptor: @never"),
        ("@every soon", "failed to parse duration @every soon"),
        ("¹ * * * *", "failed to parse int from ¹"),
    ],
)
def test_what_is_no_schedule(text: str, message: str) -> None:
    """Mistakes are told in upstream's words."""
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) == message


def test_clocks_that_change() -> None:
    """A local time that is skipped in spring is not due that day; one that comes twice in autumn is due twice."""
    half_past_two = parse("30 2 * * *")
    before = datetime(2026, 3, 28, 3, 0, tzinfo=BERLIN)
    assert shown(following(half_past_two, before, BERLIN), BERLIN) == "Mon 30 Mar 2026 02:30:00"
    autumn = following(half_past_two, datetime(2026, 10, 24, 3, 0, tzinfo=BERLIN), BERLIN)
    assert shown(autumn) == "Sun 25 Oct 2026 00:30:00"
    assert autumn
    assert shown(following(half_past_two, autumn, BERLIN)) == "Sun 25 Oct 2026 01:30:00"


TEXTS = st.sampled_from(
    ["* * * * *", "*/7 3-5 * * *", "0 0 1 * *", "30 2 * * sun", "@hourly", "@every 7m", "15 9 1 6 3"]
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])


@given(TEXTS, ZONES, st.integers(0, 10**6), st.integers(0, 3 * 10**6))
def test_last_is_the_end_of_all_next(text: str, zone: str, offset: int, span: int) -> None:
    """Walking on from time to time ends at what `latest` finds, and every one of them is after the one before."""
    schedule, place = parse(text), ZoneInfo(zone)
    start = START + timedelta(seconds=offset)
    end = start + timedelta(seconds=span if "*" not in text[:1] else span // 100)
    last, moment = None, following(schedule, start, place)
    while moment is not None and moment <= end:
        assert last is None or moment > last
        last, moment = moment, following(schedule, moment, place)
    assert latest(schedule, start, end, place) == last
