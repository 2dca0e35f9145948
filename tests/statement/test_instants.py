"""Claimed times: one text, one count of microseconds, and nothing that a calendar does not have."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.statement import instant_text, instant_us, parse_instant


def test_an_offset_is_reckoned_and_digits_past_the_sixth_are_cut() -> None:
    assert instant_us("1970-01-01T00:00:00Z") == 0
    assert instant_us("1970-01-01T08:00:00+08:00") == 0
    assert instant_us("1969-12-31T23:59:59.999999Z") == -1
    assert instant_us("2024-03-04T09:30:00.123456999+08:00") == instant_us("2024-03-04T01:30:00.123456Z")


offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=offsets))  # noqa: DTZ001 (the zone is drawn)
def test_every_instant_reads_back(moment: datetime) -> None:
    us = instant_us(moment.isoformat())
    assert us == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert instant_us(instant_text(us)) == us
    assert instant_text(us).endswith("Z")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-03-04",
        "2024-03-04T09:30:00",
        "2024-03-04 09:30:00Z",
        "2024-03-04t09:30:00z",
        "2024-03-04T09:30Z",
        "2024-03-04T09:30:00.Z",
        "2024-03-04T09:30:00,5Z",
        "2024-03-04T09:30:00.1234567890Z",
        "2024-03-04T09:30:00+0800",
        "2024-03-04T09:30:00+24:00",
        "2024-03-04T09:30:00+08:60",
        "2024-02-30T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-03-04T24:00:00Z",
        "2016-12-31T23:59:60Z",
        "0000-01-01T00:00:00Z",
        "２０２４-03-04T09:30:00Z",
        "2024-03-04T09:30:00Z\n",
        "2024-03-04T09:30:00\N{MINUS SIGN}08:00",
        # On the calendar as written, off it in UTC: nothing could be reckoned from it.
        "0001-01-01T00:00:00+08:00",
        "9999-12-31T23:59:59-08:00",
    ],
)
def test_what_is_no_rfc_3339_time_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse_instant(text)


@given(st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})\Z"))
def test_any_digits_are_an_instant_or_malformed(text: str) -> None:
    with suppress(Malformed):
        assert instant_us(instant_text(instant_us(text))) == instant_us(text)
