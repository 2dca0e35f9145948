"""Instants: RFC 3339 text as claimed, microseconds of UTC to reckon with.

A claimed time keeps its text and its offset for ever; everything computed from it is an integer count of
microseconds since 1970-01-01T00:00:00Z (range: years 1 to 9999). Digits past the sixth are kept in the text
and cut in the count.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from ledger.errors import Malformed

# Hours and offsets are held here, not left to the library: it reads +08:60, and from Python 3.14 on 24:00.
_INSTANT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_instant(text: str) -> datetime:
    """The aware instant of an RFC 3339 text with an offset (Malformed otherwise)."""
    if _INSTANT.fullmatch(text) is None:
        raise Malformed(
            f"{text!r} is not an RFC 3339 time with an offset",
            code="instant",
            mend="write it like 2024-03-04T09:30:00+08:00",
        )
    try:
        moment = datetime.fromisoformat(text)
        # The first and last hours of the calendar have no UTC: nothing could be reckoned from them.
        if moment.year in (1, 9999):
            moment.astimezone(UTC)
        return moment
    except (ValueError, OverflowError) as error:
        raise Malformed(f"{text!r} is no time of any calendar: {error}", code="instant") from error


def instant_us(text: str) -> int:
    """Microseconds since 1970-01-01T00:00:00Z of an RFC 3339 text."""
    since = parse_instant(text) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def instant_text(us: int) -> str:
    """The UTC text, to the microsecond, of a count made by ``instant_us``."""
    moment = _EPOCH + timedelta(microseconds=us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.").zfill(20) + f"{moment.microsecond:06d}Z"
