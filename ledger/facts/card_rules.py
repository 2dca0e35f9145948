"""When a prompt, a yellow or a red card is due: a rule language that is data, and its instants.

Promise: the same pack, clocks and calendar give the same instants anywhere. A pack that does not parse, or holds a
rule that could never fire, is refused with the place and what to write instead. Rules of real cities are data with
their source; nothing of them stands here.

A pack is UTF-8 JSON; ``opens`` (when a working day opens, ``09:00`` unless given) and ``clocks`` (limits of trading's
stages, see ``trading_clocks``) and ``terms`` (see there) are optional. In the log it stands as an object
(``rulepack.adopted.v1``), and is named by the SHA-256 of its canonical JSON::

    {"pack": "sample-ninety", "opens": "09:00", "rules": [
      {"id": "Y-90", "colour": "yellow", "when": {"clock": "promise", "share": "0.9"},
       "legal_basis": "…", "source": "…", "valid_from": "2024-01-01", "valid_to": null, "version": 1}]}

``when`` is one of

    {"clock": C, "share": "0.9"}            that share of the limit has run, the clock still open
    {"clock": C, "days_before_due": 1}      so many working days before the due day; limits above that only
    {"clock": C, "past_due": true}          the first instant after the due day's last; with "unless_past": D
                                            only while no run of clock D is past its due
    {"clock": C, "too_short": true}         a least time of which less than the limit is left, when that was told
    {"event": TYPE, "without": [FIELD, …]}  a statement of that type that has none of these fields
    {"event": TYPE, "outside": "fees"}      a fee that was charged and is not in the item's schedule
    {"streak": 3, "of": RULE}               the unit's last three promise cases to stop each had that rule's card

Instants: a day threshold fires when that working day opens, past-due at its very instant. An hour clock reaches a
share at an exact instant and knows no days before. Validity is in whole local days, both included.

A rule is in force from the moment at which its pack was adopted, as recorded. Of what was past by then nothing is
raised on runs that had stopped, and on those that still ran no more than the highest card (``duties``). A pack adopted
anew keeps the moment of those of its rules that stayed as they were.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from math import ceil
from typing import Any, Final, TypeAlias

from ledger.errors import Malformed
from ledger.facts.calendar import CalendarUnknown, WorkingDays
from ledger.facts.case_clocks import CLOCK_NAMES, CaseClocks, ClockRun, ItemClock, instant_at
from ledger.facts.clocks import SHANGHAI, Unit, due, local_day
from ledger.facts.exact import decimal_fraction
from ledger.facts.rule_files import bad_rules, day_or_none, read_rules
from ledger.facts.terms import Terms, parse_terms
from ledger.facts.trading_clocks import CLOCK_NAMES as TRADING_CLOCKS
from ledger.facts.trading_clocks import LEAST, TradingRules, parse_clocks
from ledger.facts.types import TYPES
from ledger.statement import canonical_json

ADOPTED: Final = "rulepack.adopted.v1"
_INSTANT: Final = timedelta(microseconds=1)
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_MOST_DAYS: Final = 3650
_MOST_SHARE: Final = 10
_MOST_CASES: Final = 100
_FEE: Final = "approval.fee_charged.v1"
_MEMBERS: Final = frozenset({"id", "colour", "when", "legal_basis", "source", "valid_from", "valid_to", "version"})


class Colour(StrEnum):
    """The lowest first."""

    PROMPT = "prompt"
    YELLOW = "yellow"
    RED = "red"

    @property
    def rank(self) -> int:
        """0 for a prompt, 2 for red."""
        return list(Colour).index(self)


@dataclass(frozen=True, slots=True)
class Share:
    """A share of the limit has run."""

    clock: str
    share: Fraction


@dataclass(frozen=True, slots=True)
class BeforeDue:
    """So many working days before the due day."""

    clock: str
    days: int


@dataclass(frozen=True, slots=True)
class PastDue:
    """Past the due; ``unless_past``: a clock under which nothing may be past its due."""

    clock: str
    unless_past: str | None = None


@dataclass(frozen=True, slots=True)
class TooShort:
    """Less than a least time is left."""

    clock: str


@dataclass(frozen=True, slots=True)
class Without:
    """A statement of a type that has none of the fields."""

    type: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unscheduled:
    """A charge that the item's schedule of fees does not have."""

    type: str


@dataclass(frozen=True, slots=True)
class Streak:
    """A unit's last ``cases`` promise cases to stop all had the card of ``rule``."""

    cases: int
    rule: str


ClockWhen: TypeAlias = Share | BeforeDue | PastDue | TooShort
When: TypeAlias = ClockWhen | Without | Unscheduled | Streak


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. ``valid_from`` and ``valid_to``: local days, both included; None is without end."""

    id: str
    colour: Colour
    when: When
    legal_basis: str
    source: str
    valid_from: date | None
    valid_to: date | None
    version: int

    def holds_on(self, day: date) -> bool:
        """Whether the rule is valid that day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)


@dataclass(frozen=True, slots=True)
class Pack:
    """Rules that are adopted together. ``opens``: (hour, minute) local; ``sha256``: of the pack in canonical JSON;
    ``clocks``: what it says of trading's; ``terms``: what it says of the hall's own.
    """

    name: str
    opens: tuple[int, int]
    rules: tuple[Rule, ...]
    sha256: str
    clocks: Mapping[str, ItemClock] = field(default_factory=dict)
    terms: Terms | None = None

    @property
    def clock_rules(self) -> tuple[Rule, ...]:
        """Those that hang on a clock."""
        return tuple(rule for rule in self.rules if isinstance(rule.when, ClockWhen))

    def clock_of(self, rule: Rule) -> ItemClock | None:
        """The limit of trading that the rule asks about."""
        return self.clocks.get(rule.when.clock) if isinstance(rule.when, ClockWhen) else None


@dataclass(frozen=True, slots=True)
class Adopted:
    """A pack in force. ``since_us``: rule → from when on it is, as recorded; a rule that is not named: always."""

    pack: Pack
    since_us: Mapping[str, int] = field(default_factory=dict)

    def since(self, rule: Rule) -> int:
        """From when on the rule is in force (µs)."""
        return self.since_us.get(rule.id, 0)


def in_force(acts: Iterable[tuple[str, str, Mapping[str, Any], int]]) -> list[Adopted]:
    """The packs in force after those facts of ``rulepack`` streams, by name.

    ``acts``: (stream, type, data, recorded µs) in the order of the log.
    """
    found: dict[str, Adopted] = {}
    for stream, type_name, data, recorded_us in acts:
        before = found.pop(stream, None)
        if type_name != ADOPTED:
            continue
        pack = parse_pack(data["pack"])
        same = before is not None and (before.pack.opens, before.pack.clocks) == (pack.opens, pack.clocks)
        kept = before.pack.rules if before is not None and same else ()
        since = {rule.id: before.since(rule) if before and rule in kept else recorded_us for rule in pack.rules}
        found[stream] = Adopted(pack, since)
    return [found[stream] for stream in sorted(found)]


def trading_rules(packs: Iterable[Pack]) -> TradingRules:
    """What the packs in force say of trading's clocks: one of them does, or none."""
    return TradingRules(next((pack.clocks for pack in packs if pack.clocks), {}))


def terms_of(packs: Iterable[Pack]) -> Terms:
    """The terms in force: those that a pack says, else the samples."""
    return next((pack.terms for pack in packs if pack.terms is not None), Terms())


# ── Instants ───────────────────────────────────────────────────────────────────────────────────────────────


def fires_at(when: ClockWhen, run: ClockRun, *, calendar: WorkingDays, opens: tuple[int, int]) -> datetime | None:
    """When ``when`` is due on this run (UTC), whether or not it is still running then; None: not known, or never."""
    if run.clock != when.clock:
        return None
    try:
        if isinstance(when, TooShort):
            return run.short
        if isinstance(when, PastDue):
            return None if run.last_instant is None else run.last_instant + _INSTANT
        if isinstance(when, Share):
            return _share(when.share, run, calendar, opens)
        return _before_due(when.days, run, calendar, opens)
    except CalendarUnknown:
        return None


def _share(share: Fraction, run: ClockRun, calendar: WorkingDays, opens: tuple[int, int]) -> datetime | None:
    units = share * run.limit
    pauses = [held.pause for held in run.held]
    if run.spec.unit is Unit.HOUR:
        # In whole microseconds: the share of a limit in hours need not be a whole number of hours.
        us = ceil(units * 3_600_000_000)
        found = run.started
        for pause in sorted(pauses, key=lambda pause: pause.start):
            start, end = pause.start, pause.end
            assert isinstance(start, datetime)
            if start >= found + timedelta(microseconds=us):
                break
            if end is None:
                return None
            assert isinstance(end, datetime)
            if end > found:
                us -= (max(start, found) - found) // _INSTANT
                found = end
        return found + timedelta(microseconds=us)
    at = due(replace(run.spec, limit=ceil(units)), run.started, calendar=calendar, pauses=pauses).at
    return None if at is None else _opening(at, opens)


def _before_due(days: int, run: ClockRun, calendar: WorkingDays, opens: tuple[int, int]) -> datetime | None:
    if run.spec.unit is Unit.HOUR or run.due.at is None or run.limit <= days:
        return None
    # The due day of a calendar-day clock may be off: so many working days lie wholly before it all the same.
    last = run.due.at.toordinal() - 1
    worked: tuple[int, ...] = ()
    after = last
    while len(worked) < days:
        after -= days + 7
        worked = calendar.days_between(after, last)
    return _opening(date.fromordinal(worked[-days]), opens)


def _opening(day: date, opens: tuple[int, int]) -> datetime:
    return datetime(day.year, day.month, day.day, *opens, tzinfo=SHANGHAI).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Firing:
    """A clock rule that is due on a run. ``since_us``: from when on the rule is in force."""

    pack: Pack
    rule: Rule
    run: ClockRun
    at: datetime
    since_us: int = 0

    @property
    def height(self) -> tuple[int, datetime]:
        """Of two cards, which is the higher."""
        return self.rule.colour.rank, self.at


def firings(adopted: Adopted, clocks: CaseClocks, *, calendar: WorkingDays, validity: bool = True) -> list[Firing]:
    """Every instant of the pack's clock rules at which their run was running, in order; also those to come.

    Left out are runs that had stopped before the rule was in force. ``validity``: leave out rules that are not valid on
    that day (a dry run asks of all days).
    """
    found, pack = [], adopted.pack
    for rule in pack.clock_rules:
        assert isinstance(rule.when, ClockWhen)
        since_us = adopted.since(rule)
        since = instant_at(since_us)
        for run in clocks.runs:
            if run.clock != rule.when.clock or (run.stopped is not None and run.stopped < since):
                continue
            at = fires_at(rule.when, run, calendar=calendar, opens=pack.opens)
            if at is None or (run.stopped is not None and run.stopped < at):
                continue
            if validity and not rule.holds_on(local_day(at)):
                continue
            if isinstance(rule.when, PastDue) and _is_past(rule.when.unless_past, clocks, at):
                continue
            found.append(Firing(pack, rule, run, at, since_us))
    return sorted(found, key=lambda firing: (firing.at, firing.rule.colour.rank, firing.rule.id))


def _is_past(clock: str | None, clocks: CaseClocks, at: datetime) -> bool:
    return any(run.clock == clock and run.last_instant is not None and run.last_instant < at for run in clocks.runs)


# ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────


def read_pack(data: bytes) -> Pack:
    """The pack in a file, or Malformed with the first thing that is wrong."""
    return parse_pack(pack_object(data))


def pack_object(data: bytes) -> Any:
    """What a file says, as it would stand in a statement: decimals as texts."""
    return read_rules(data, decimals_as_text=True)


def parse_pack(found: Any) -> Pack:
    """The pack in an object, or Malformed with the first thing that is wrong."""
    members = {"pack", "rules"}
    if not isinstance(found, dict) or not members <= found.keys() <= members | {"opens", "clocks", "terms"}:
        raise bad_rules("the file is not one pack", mend='write {"pack": NAME, "rules": [RULE, …]}')
    if not isinstance(found["pack"], str) or not _CODE.fullmatch(found["pack"]):
        raise bad_rules("the pack has no name", mend="name it in ASCII letters, digits, dots and dashes")
    opens = found.get("opens", "09:00")
    if not isinstance(opens, str) or not (time := _TIME.fullmatch(opens)):
        raise bad_rules("opens is no time of day", mend="write it like 09:00")
    if not isinstance(found["rules"], list) or not found["rules"]:
        raise bad_rules("the pack has no rules", mend="write at least one")
    clocks = parse_clocks(found["clocks"]) if "clocks" in found else {}
    rules = tuple(_rule(raw, f"rule {nth}", clocks) for nth, raw in enumerate(found["rules"], start=1))
    ids = [rule.id for rule in rules]
    if len(set(ids)) < len(ids):
        raise bad_rules("two rules have the same id", mend="give each rule an id of its own")
    for rule in rules:
        if isinstance(rule.when, Streak) and (rule.when.rule not in ids or rule.when.rule == rule.id):
            raise _never(rule.id, f"{rule.when.rule} is no other rule of the pack", "name one that is in the pack")
    sha256 = hashlib.sha256(canonical_json(found)).hexdigest()
    terms = parse_terms(found["terms"]) if "terms" in found else None
    return Pack(found["pack"], (int(time[1]), int(time[2])), rules, sha256, clocks, terms)


def _rule(raw: Any, where: str, clocks: Collection[str]) -> Rule:
    if not isinstance(raw, dict) or raw.keys() != _MEMBERS:
        keys = raw.keys() if isinstance(raw, dict) else set()
        raise bad_rules(
            f"{where} has not the members of a rule",
            mend=f"give each rule exactly these: {', '.join(sorted(_MEMBERS))}",
            missing=sorted(_MEMBERS - keys),
            unknown=sorted(keys - _MEMBERS),
        )
    if not isinstance(raw["id"], str) or not _CODE.fullmatch(raw["id"]):
        raise bad_rules(f"{where} has no id", mend="write one like Y-90")
    where = raw["id"]
    if raw["colour"] not in list(Colour):
        raise bad_rules(f"{where}: the colour is not {', '.join(Colour)}", mend=f"write one of {', '.join(Colour)}")
    for name in ("legal_basis", "source"):
        if not isinstance(raw[name], str) or not raw[name].strip():
            raise bad_rules(f"{where}: {name} is empty", mend="name the text it rests on and where it is from")
    if type(raw["version"]) is not int or not 1 <= raw["version"] < 2**53:
        raise bad_rules(f"{where}: the version is not a number from 1", mend="write 1, 2, 3 …")
    begin, end = (day_or_none(raw[name], f"{where}: {name}") for name in ("valid_from", "valid_to"))
    if begin is not None and end is not None and end < begin:
        raise _never(where, "it ends before it begins", "valid_from is not after valid_to")
    return Rule(
        id=raw["id"],
        colour=Colour(raw["colour"]),
        when=_when(raw["when"], where, clocks),
        legal_basis=raw["legal_basis"],
        source=raw["source"],
        valid_from=begin,
        valid_to=end,
        version=raw["version"],
    )


def _when(raw: Any, where: str, clocks: Collection[str]) -> When:
    match raw:
        case {"clock": clock, "share": share, **rest} if not rest:
            found = decimal_fraction(share if isinstance(share, str) else repr(share), name=f"{where}: share")
            if not 0 < found <= _MOST_SHARE:
                raise _never(where, f"no clock is at {share} of its limit", 'write a share such as "0.9"')
            return Share(_limited(clock, where, clocks), found)
        case {"clock": clock, "days_before_due": days, **rest} if not rest:
            if type(days) is not int or not 1 <= days <= _MOST_DAYS:
                raise _never(where, f"{days!r} is no number of days before the due day", "write 1, 2, 3 …")
            return BeforeDue(_limited(clock, where, clocks), days)
        case {"clock": clock, "past_due": True, **rest} if rest.keys() <= {"unless_past"}:
            other = _clock(rest["unless_past"], where, clocks) if rest else None
            if other == clock:
                raise _never(where, f"{clock} is past its due whenever it is", "name another clock in unless_past")
            return PastDue(_limited(clock, where, clocks), other)
        case {"clock": clock, "too_short": True, **rest} if not rest:
            if _clock(clock, where, clocks) not in LEAST:
                raise _never(where, f"{clock} is no least time", f"one of {', '.join(LEAST)}")
            return TooShort(clock)
        case {"event": str(name), "without": [*fields], **rest} if not rest and fields:
            return _without(name, fields, where)
        case {"event": str(name), "outside": "fees", **rest} if not rest:
            if name != _FEE:
                raise _never(where, f"{name:.80} charges no fee", f"write {_FEE}")
            return Unscheduled(name)
        case {"streak": cases, "of": str(rule), **rest} if not rest:
            if type(cases) is not int or not 1 <= cases <= _MOST_CASES:
                raise _never(where, f"{cases!r} is no number of cases", f"write 1 to {_MOST_CASES}")
            return Streak(cases, rule)
    raise bad_rules(
        f"{where}: its when is none of the known forms",
        mend='one of {"clock", "share"}, {"clock", "days_before_due"}, {"clock", "past_due": true}, '
        '{"clock", "too_short": true}, {"event", "without"}, {"event", "outside": "fees"}, {"streak", "of"}',
        rule=where,
    )


def _without(name: str, fields: list[Any], where: str) -> Without:
    declared = TYPES.get(name)
    if declared is None:
        raise _never(where, f"there is no statement type {name!r:.80}", "use a type of the specification")
    for each in fields:
        known = declared.fields.get(each) if isinstance(each, str) else None
        if known is None:
            raise _never(where, f"{name} has no field {each!r:.80}", f"its fields: {', '.join(declared.fields)}")
        if known.required:
            raise _never(where, f"no {name} is without {each}", "name fields that may be missing")
    if len(declared.sealed) > 1 and set(fields) & set(declared.sealed) != set(declared.sealed):
        raise bad_rules(
            f"{where}: of several sealed fields none can be told from another",
            mend=f"name all of them: {', '.join(declared.sealed)}",
        )
    return Without(name, tuple(fields))


def _clock(name: Any, where: str, clocks: Collection[str]) -> str:
    known = sorted(CLOCK_NAMES | TRADING_CLOCKS)
    if not isinstance(name, str) or name not in known:
        raise _never(where, f"there is no clock {name!r:.80}", f"one of {', '.join(known)}")
    if name in TRADING_CLOCKS and name not in clocks:
        raise _never(where, f"the pack says no limit of {name}", f'write "clocks": {{"{name}": {{"limit": 30}}}}')
    return name


def _limited(name: Any, where: str, clocks: Collection[str]) -> str:
    if _clock(name, where, clocks) in LEAST:
        raise _never(where, f"{name} is a least time, and too short or not", 'write "too_short": true')
    return str(name)


def _never(rule: str, why: str, mend: str) -> Malformed:
    return Malformed(f"{rule} could never fire: {why}", code="rule-never", mend=mend, rule=rule)
