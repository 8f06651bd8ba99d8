"""Times as the API writes them: RFC 3339 in UTC, whole seconds."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def text(moment: datetime) -> str:
    """A moment as the API writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(written: str | None) -> datetime | None:
    """A moment from the API, with or without fractions of a second; None when absent."""
    return datetime.fromisoformat(written) if written else None


def seconds_since(written: str | None, moment: datetime) -> float:
    """Seconds from a written time to `moment`; infinite when the time is absent."""
    began = parse(written)
    return (moment - began).total_seconds() if began else float("inf")
