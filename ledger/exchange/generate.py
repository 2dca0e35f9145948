"""A believable log when no real one is at hand, for demonstrations and benches. Nobody in it is real.

Promise: the same arguments give the same bytes, in memory that does not grow with the number of cases. The
log is of the family of a permit office's: cases with start, planned end, deadline, responsible person, channel
and department; a dozen activities in a frequent order, with skipped steps, requests for missing papers that
loop and reviews that send back; people who work Monday to Friday, 9 to 12 and 13 to 17:30 (Beijing time), and
hand over to one another. It covers one year and stops there: what has not ended by then is still open. About
one closed case in five is late.

    generate_xes("demo.xes.gz", cases=1434, seed=7)
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from random import Random

from ledger.exchange.xes import Attribute, CaseRecord, EventRecord, Record
from ledger.exchange.xes_writer import DEFAULT_HEADER, Written, write_xes

_ZONE = timezone(timedelta(hours=8))
_BEGIN = datetime(2024, 1, 2, tzinfo=_ZONE)
_YEAR = timedelta(days=365)
_LIMIT = timedelta(days=15)
_SHIFTS = ((9 * 60, 12 * 60), (13 * 60, 17 * 60 + 30))  # minutes of the day
_DEPARTMENTS = {"市场准入": 14, "工程建设": 10, "社会事务": 9, "公共资源": 6}  # and how many work there
_CHANNELS = {"窗口": 5, "网上": 4, "邮寄": 1}  # and how often
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def generate_xes(path: Path | str, *, cases: int = 1434, seed: int = 7) -> Written:
    """Write the log; gzip if ``path`` ends in ``.gz``."""
    header = {**DEFAULT_HEADER, "attributes": [["string", "concept:name", f"made-up log, seed {seed}"]]}
    return write_xes(path, records=generate_records(cases=cases, seed=seed), header=header)


def generate_records(*, cases: int = 1434, seed: int = 7) -> Iterator[Record]:
    """The records of the log, case by case in the order of their start."""
    for number in range(cases):
        # A source of its own for each case, so that one case's way does not move all the later ones.
        chance = Random(f"{seed}/{number}")  # noqa: S311 – play, not secrets; must be repeatable
        arrival = _BEGIN + _YEAR * ((number + chance.random()) / cases * 0.99)
        yield from _case(f"permit-{number + 1:06d}", arrival, chance)


def _case(case_id: str, arrival: datetime, chance: Random) -> Iterator[Record]:
    (channel,) = chance.choices(list(_CHANNELS), list(_CHANNELS.values()))
    (department,) = chance.choices(list(_DEPARTMENTS), list(_DEPARTMENTS.values()))
    people = [f"{department}-{n:02d}" for n in range(1, _DEPARTMENTS[department] + 1)]
    responsible, second = chance.sample(people, 2)
    counter = f"大厅-{chance.randint(1, 9):02d}"
    start = arrival if channel == "网上" else _at_work(arrival)
    who = {"大厅": counter, "承办": responsible, "复核": second}

    moment, done = start, list[tuple[datetime, str, str]]()
    for activity, role, hours in _way(chance):
        # Log-normal: most steps are done within the hour or day, a few lie about for weeks.
        moment = _at_work(moment + timedelta(hours=hours * chance.lognormvariate(0, 1.1)))
        done.append((moment, activity, who[role] if chance.random() < 0.93 else chance.choice(people)))
    end = moment + timedelta(minutes=chance.randint(1, 90))
    stop = _BEGIN + _YEAR
    attributes = [
        _date("startdate", start),
        Attribute("responsible", "string", responsible),
        _date("enddate_planned", start + _LIMIT * 0.8),
        _date("deadline", start + _LIMIT),
        Attribute("department", "string", department),
        Attribute("channel", "string", channel),
    ]
    if end < stop:
        attributes.append(_date("enddate", end))
    yield CaseRecord(case_id, 0, tuple(attributes))
    # A case is in the log from its registration on, however late in the year that falls.
    seen = [step for step in done if step[0] < stop] or done[:1]
    for ordinal, (at, activity, resource) in enumerate(seen, start=1):
        yield EventRecord(
            case_id,
            ordinal,
            activity,
            _text(at),
            (at - _EPOCH) // _MILLISECOND * 1000,
            "complete",
            resource,
            (
                Attribute("org:group", "string", resource.partition("-")[0]),
                Attribute("concept:instance", "string", f"{case_id}/{ordinal}"),
            ),
        )


def _way(chance: Random) -> Iterator[tuple[str, str, float]]:
    """The steps of one case: activity, whose turn it is, and the usual hours since the step before."""
    yield "受理登记", "大厅", 0.3
    if chance.random() < 0.92:
        yield "出具收件凭证", "大厅", 0.2
    while chance.random() < 0.14:
        yield "一次性补正告知", "大厅", 6
        yield "收到补正材料", "大厅", 60
    if chance.random() < 0.03:
        yield "不予受理", "承办", 8
        return
    yield "决定受理", "承办", 3
    if chance.random() < 0.12:
        yield "现场勘查", "承办", 70
    yield "审查", "承办", 55
    while chance.random() < 0.35:
        yield "复核", "复核", 18
        if chance.random() < 0.75:
            break
        yield "审查", "承办", 25
    if chance.random() < 0.03:
        yield "申请人撤回", "大厅", 20
        return
    yield "作出决定", "承办", 16
    yield "送达", "大厅", 12


def _at_work(moment: datetime) -> datetime:
    """The first moment from here on at which someone is at the desk."""
    while True:
        minutes = moment.hour * 60 + moment.minute
        midnight = moment.replace(hour=0, minute=0)
        if moment.weekday() < 5:
            for begin, end in _SHIFTS:
                if minutes < begin:
                    # Whatever waited for the door to open is taken up in the order it came: keep the seconds.
                    return midnight + timedelta(minutes=begin + minutes % 40)
                if minutes < end:
                    return moment
        moment = midnight.replace(second=moment.second) + timedelta(days=1, minutes=minutes % 60)


def _date(name: str, moment: datetime) -> Attribute:
    return Attribute(name, "date", _text(moment))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
