"""``mingjian clock due``: when is it due? Needs no ledger, no server and no network.

Promise: the same figure as the ledger itself would give, from the same pure functions and the shipped
calendar, with the days that were counted, so that anyone can check a clock by hand.

With ``--json`` standard output is exactly one line::

    {"due": "2024-02-21", "working_days": ["2024-02-09", …, "2024-02-21"]}     --unit working-day
    {"due": "2024-10-08", "counted_days": […], "rolled_from": "2024-10-05"}    --unit calendar-day
    {"due": "2024-02-10T09:30:00+08:00"}                                       --unit hour
    {"due": null, "not_before": "2024-03-13"}                                  a pause is still open
    {"error": {"code": "calendar-unknown", "message": …, "mend": …, "year": 2027}}

``counted_days`` are the days of the limit, ``rolled_from`` (only if it moved) the day off on which they ended.
An hour clock answers in the offset of its ``--start``. Exit status: 0, also for an open pause; 1 if the answer
needs a year whose schedule is not known (or was not, on ``--known-on``); 2 if the question itself is wrong.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import date, datetime
from typing import Annotated, Any, NoReturn

import orjson
import typer

from ledger.errors import Malformed, MingjianError
from ledger.facts.calendar import CalendarUnknown, china_mainland
from ledger.facts.clocks import ClockSpec, Due, Pause, Unit, counted_days, due

clock_app = typer.Typer(help="Clocks: due dates by working days, calendar days or hours.", no_args_is_help=True)

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_WHOLE = re.compile(r"[0-9]{1,9}")
_UNIT_WORDS = {
    Unit.WORKING_DAY: ("working days", "个工作日"),
    Unit.CALENDAR_DAY: ("calendar days", "个自然日"),
    Unit.HOUR: ("hours", "小时"),
}


class WrongUsage(Malformed):
    """The question itself is wrong. Exit status 2."""

    code = "usage"

    def __init__(self, message: str, zh: str, *, mend: str = "", mend_zh: str = "", option: str) -> None:
        """``zh`` and ``mend_zh`` say the same in Chinese, for people; machines get one language and ``option``."""
        super().__init__(message, mend=mend, option=option)
        self.zh = f"{zh}{mend_zh}"


@clock_app.callback()
def _clock() -> None:
    """Clocks: due dates by working days, calendar days or hours."""


# The values come in as text and are parsed here, so that a wrong one is told as JSON too.
@clock_app.command("due")
def due_command(
    start: Annotated[
        str,
        typer.Option(metavar="DAY|INSTANT", help="The start day, which does not count; for hours, an instant."),
    ] = "",
    limit: Annotated[str, typer.Option(metavar="N", help="How many units, at least 1.")] = "",
    unit: Annotated[str, typer.Option(metavar="working-day|calendar-day|hour")] = Unit.WORKING_DAY.value,
    known_on: Annotated[
        str | None, typer.Option(metavar="DAY", help="Answer from the schedules that were published by this day.")
    ] = None,
    pause: Annotated[
        list[str] | None,
        typer.Option(metavar="S..R", help="The days after S up to R do not count; 'S..' is still open. Repeatable."),
    ] = None,
    extend: Annotated[str, typer.Option(metavar="N", help="Units granted on top of the limit.")] = "0",
    roll: Annotated[
        bool,
        typer.Option("--roll/--no-roll", help="Calendar days: a due day that is off moves to the next worked."),
    ] = True,
    lang: Annotated[str, typer.Option(metavar="zh|en", help="Language of the sentence; by LANG if not given.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
) -> None:
    """When a clock is due, and which days it counted."""
    chinese = _chinese(lang)
    try:
        if lang not in ("", "zh", "en"):
            raise WrongUsage(
                f"--lang must be zh or en, got {lang!r}.",
                f"--lang 只能是 zh 或 en，收到 {lang!r}。",
                option="lang",
            )
        answer, sentence = _answer(
            start=start,
            limit=limit,
            unit=unit,
            known_on=known_on,
            pauses=pause or [],
            extend=extend,
            roll=roll,
            chinese=chinese,
        )
    except MingjianError as error:
        _fail(error, as_json=as_json, chinese=chinese)
    typer.echo(orjson.dumps(answer).decode() if as_json else sentence)


def _answer(
    *,
    start: str,
    limit: str,
    unit: str,
    known_on: str | None,
    pauses: list[str],
    extend: str,
    roll: bool,
    chinese: bool,
) -> tuple[dict[str, Any], str]:
    """The answer for a machine and for a person."""
    if unit not in list(Unit):
        units = ", ".join(Unit)
        raise WrongUsage(
            f"--unit must be one of {units}, got {unit!r}.",
            f"--unit 只能是 {units}，收到 {unit!r}。",
            option="unit",
        )
    kind = Unit(unit)
    spec = ClockSpec(_whole(limit, "limit", at_least=1), kind, roll=roll)
    begin = _moment(start, kind, "start")
    extension = _whole(extend, "extend", at_least=0)
    held = [_pause(text, kind) for text in pauses]
    calendar = china_mainland().as_known(None if known_on is None else _day(known_on, "known-on"))

    found = due(spec, begin, calendar=calendar, pauses=held, extension=extension)
    if found.at is None:
        bound = _written(found.not_before, begin)
        return {"due": None, "not_before": bound}, (
            f"到期日未定：暂停尚未结束；不早于 {bound}。"
            if chinese
            else f"Not yet known: a pause is still open. Not before {bound}."
        )
    answer: dict[str, Any] = {"due": _written(found.at, begin)}
    if kind is not Unit.HOUR:
        through = found.rolled_from or found.at
        days = counted_days(spec, begin, through, calendar=calendar, pauses=held)
        answer["working_days" if kind is Unit.WORKING_DAY else "counted_days"] = [day.isoformat() for day in days]
    if found.rolled_from:
        answer["rolled_from"] = found.rolled_from.isoformat()
    return answer, _sentence(found, spec, extension, start=start, at=answer["due"], chinese=chinese)


def _sentence(found: Due, spec: ClockSpec, extension: int, *, start: str, at: str, chinese: bool) -> str:
    count = f"{spec.limit}+{extension}" if extension else f"{spec.limit}"
    english, zh = _UNIT_WORDS[spec.unit]
    days, off = spec.unit is not Unit.HOUR, found.rolled_from
    if chinese:
        text = f"到期：{at}（自 {start} 起 {count} {zh}{'，起始日不计' if days else ''}"
        return text + (f"；{off} 休息，顺延至下一工作日）。" if off else "）。")
    text = f"Due {at}: {count} {english} from {start}{', the start day not counted' if days else ''}"
    return text + (f"; {off} is a day off, so it moves to the next working day." if off else ".")


def _written(moment: date | None, start: date) -> str:
    """A day as it is; an instant in the offset in which the question was asked."""
    assert moment is not None
    if isinstance(moment, datetime) and isinstance(start, datetime):
        with suppress(OverflowError):  # the last hours of the year 9999 stay in UTC
            moment = moment.astimezone(start.tzinfo)
    return moment.isoformat()


def _moment(text: str, unit: Unit, option: str) -> date:
    return _instant(text, option) if unit is Unit.HOUR else _day(text, option)


def _day(text: str, option: str) -> date:
    if _DAY.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise WrongUsage(
        f"--{option} needs a day that exists, written YYYY-MM-DD, got {text!r}.",
        f"--{option} 要求一个存在的日期，写作 YYYY-MM-DD，收到 {text!r}。",
        option=option,
    )


def _instant(text: str, option: str) -> datetime:
    if _INSTANT.fullmatch(text):
        try:
            return datetime.fromisoformat(text.upper())
        except ValueError:
            pass
    raise WrongUsage(
        f"--{option} of an hour clock needs an instant with its offset (RFC 3339), got {text!r}.",
        f"小时时限的 --{option} 要求带时区偏移的时刻（RFC 3339），收到 {text!r}。",
        mend="Write date, time and offset, such as 2024-02-08T09:30:00+08:00.",
        mend_zh="请写明日期、时间与偏移，例如 2024-02-08T09:30:00+08:00。",
        option=option,
    )


def _whole(text: str, option: str, *, at_least: int) -> int:
    if _WHOLE.fullmatch(text) and int(text) >= at_least:
        return int(text)
    raise WrongUsage(
        f"--{option} must be a whole number from {at_least} to 999999999, got {text!r}.",
        f"--{option} 须为 {at_least} 至 999999999 的整数，收到 {text!r}。",
        option=option,
    )


def _pause(text: str, unit: Unit) -> Pause:
    start, dots, end = text.partition("..")
    if not dots:
        raise WrongUsage(
            f"--pause is written S..R, or S.. while it is open, got {text!r}.",
            f"--pause 写作 S..R，尚未结束时写作 S..，收到 {text!r}。",
            option="pause",
        )
    since, until = _moment(start, unit, "pause"), _moment(end, unit, "pause") if end else None
    if until is not None and until < since:
        raise WrongUsage(
            f"--pause cannot end before it starts, got {text!r}.",
            f"--pause 的结束不能早于开始，收到 {text!r}。",
            option="pause",
        )
    return Pause(since, until)


def _chinese(lang: str) -> bool:
    """The language asked for, else the first that the environment names, as gettext reads it."""
    names = (lang, *(os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG")))
    return next((name for name in names if name), "").startswith("zh")


def _fail(error: MingjianError, *, as_json: bool, chinese: bool) -> NoReturn:
    if as_json:
        typer.echo(orjson.dumps(error.as_json()).decode())
    else:
        typer.echo(_in_chinese(error) if chinese else f"{error.message} {error.mend}".rstrip(), err=True)
    raise typer.Exit(2 if isinstance(error, Malformed) else 1)


def _in_chinese(error: MingjianError) -> str:
    if isinstance(error, WrongUsage):
        return error.zh
    if isinstance(error, CalendarUnknown):
        year, since = error.details["year"], error.details.get("known_from")
        if since:
            return f"当时 {year} 年的放假调休安排尚未公布，不能推算；请以 {since}（公布日）或以后提问。"
        return f"没有 {year} 年的放假调休安排，不能推算。请待该年安排公布后再问。"
    return f"{error.message} {error.mend}".rstrip()
