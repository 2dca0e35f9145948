"""The figures of an exported log, made again from its statements: for whoever does not believe the server's.

Promise: what ``Followed`` counts is what the log's valid statements say up to a position, by the same pure rules as
the server's tables (``ledger.facts.figures``). It is told of each statement while ``verify_log`` checks it, so its
answers are worth what that verdict is worth: without a fault, everything.

It keeps a journal for every matter and the acts of cases with a promise or step clock, those used last in memory and
the others in a temporary folder (``remembered``). No entry is read twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from ledger.facts.calendar import Calendar, YearSchedule, calendar_with, china_mainland
from ledger.facts.card_rules import in_force, terms_of
from ledger.facts.case_clocks import ItemRules, TimedAct, case_clocks, parse_item
from ledger.facts.figures.definitions import Counted, Row
from ledger.facts.figures.journal import Fact, Journal, Place
from ledger.facts.figures.of_cases import COUNTED_CLOCKS, branch_place, branch_units, run_facts, run_row
from ledger.facts.figures.rows import SUBJECTS, facts, take
from ledger.facts.registry import Registry
from ledger.facts.terms import Terms
from ledger.statement import Statement, StatementId
from ledger.verify.remembered import Kept
from ledger.verify.replay import BATCH

_Key = tuple[str, str, str, int, int]  # measure, code, kind, value, second


class _Clocks:
    """The clocks of one case, reckoned when they are asked for: as of the act or schedule that touched it last."""

    __slots__ = ("_acts", "_calendar", "_reckoned", "_rules", "_us", "opened")

    def __init__(self, rules: ItemRules) -> None:
        self.opened: list[tuple[str, dict[str, Any]]] = []  # branches
        self._rules = rules
        self._acts: list[bytes] = []
        self._us = 0
        self._calendar = 0  # the number of the calendar: a case may be put aside without it
        self._reckoned: dict[Any, Any] | None = None

    def take(self, act: Statement, recorded_us: int, calendar: int) -> None:
        self._acts.append(orjson.dumps([act.seq, act.type, act.data, act.at_us, recorded_us]))
        if act.type == "approval.branch_opened.v1":
            self.opened.append((act.type, act.data))
        self._us, self._calendar, self._reckoned = recorded_us, calendar, None

    def reckon_anew(self, recorded_us: int, calendars: Sequence[Calendar]) -> None:
        """A schedule was published: whoever still runs is reckoned as known now."""
        if any(row[4] is None for row in self.runs(calendars).values()):
            self._us, self._calendar, self._reckoned = recorded_us, len(calendars) - 1, None

    def runs(self, calendars: Sequence[Calendar]) -> dict[Any, Any]:
        """Rows by key; ``calendars``: all there were, the newest last."""
        if self._reckoned is None:
            acts = [
                TimedAct(seq=seq, type=type_, data=data, claimed_us=at_us, recorded_us=us)
                for seq, type_, data, at_us, us in map(orjson.loads, self._acts)
            ]
            found = case_clocks(self._rules, acts, as_of_us=self._us, calendar=calendars[self._calendar])
            self._reckoned = dict(run_row(run) for run in found.runs)
        return self._reckoned


class Followed:
    """Give it to ``verify_log`` as ``follow``; afterwards it is a ``Source`` of figures (``ledger.facts.figures``)."""

    def __init__(self, *, position: int | None = None, until_us: int | None = None) -> None:
        """Count the first ``position`` entries, or those recorded until then; all of them with neither."""
        self.position = 0
        self.recorded_us: int | None = None
        self.newest_us: int | None = None  # of the whole log
        self._end = position
        self._until_us = until_us
        self._over = False
        self._journals: Kept[Journal] = Kept()
        self._clocks: Kept[_Clocks] = Kept()
        self._rules: dict[str, ItemRules] = {}
        self._items: list[str] = []
        self._schedules = 0
        self._calendars = [china_mainland()]
        self._packs: list[tuple[str, str, dict[str, Any], int]] = []
        self._terms = Terms()
        self._tallies: dict[Any, Counter[_Key]] = {}

    def __call__(self, index: int, act: Statement, recorded_us: int, registry: Registry) -> None:
        """One valid statement."""
        if act.type == BATCH:
            self.newest_us = act.at_us
            if self._until_us is not None and act.at_us > self._until_us:
                self._over = True
        if self._over or (self._end is not None and index >= self._end):
            self._over = True
            return
        self.position = index + 1
        if act.type == BATCH:
            self.recorded_us = act.at_us
            # What a batch holds was recorded when the batch was, the statements still to come of it included.
            if self._until_us is not None:
                self.position = index + 1 + act.data["size"]
        elif act.kind == "calendar" and not act.type.endswith(".change_proposed.v1"):
            self._publish(act, recorded_us, registry)
        elif act.kind == "rulepack" and not act.type.endswith(".change_proposed.v1"):
            self._packs.append((act.stream, act.type, act.data, recorded_us))
            self._terms = terms_of(each.pack for each in in_force(self._packs))
        if act.kind in SUBJECTS:
            look = _Look(self, registry)
            self._journals.put(act.stream, take(self._journals.get(act.stream), act, recorded_us, look))
            if act.kind == "item" and not act.type.endswith(".change_proposed.v1"):
                self._items.append(act.id.hex())
            elif act.kind == "approval":
                self._clock(act, recorded_us, registry)

    def end(self, size: int) -> None:
        """The whole log was followed, which has ``size`` entries."""
        if self._end is not None or self._until_us is None:
            self.position = size if self._end is None else self._end
        self._over = True

    # ------------------------------------------------------------------------------------- what Source asks for

    def counted(
        self,
        measures: Sequence[str],
        *,
        numbers: Sequence[str],
        by: str | None,
        since_us: int | None,
        until_us: int | None,
    ) -> Mapping[str, Counted]:
        """Rows of these measures with since ≤ at < until, by code."""
        key = (by, since_us, until_us)
        if key not in self._tallies:
            self._tallies[key] = self._tally(by, since_us, until_us)
        found: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        wanted = set(measures)
        for (measure, code, kind, value, second), times in self._tallies[key].items():
            if measure in wanted:
                found[code][measure].append(Row(kind, value, second, times))
        return found

    def item_versions(self) -> Sequence[str]:
        """The ids of the statements about items."""
        return self._items

    def calendar(self) -> Calendar:
        """The working days."""
        return self._calendars[-1]

    def terms(self) -> Terms:
        """Those in force."""
        return self._terms

    # ------------------------------------------------------------------------------------------------ the parts

    def _tally(self, by: str | None, since_us: int | None, until_us: int | None) -> Counter[_Key]:
        found: Counter[_Key] = Counter()
        for fact in self._facts():
            if (since_us is None or fact.at_us >= since_us) and (until_us is None or fact.at_us < until_us):
                code = "" if by is None else fact.place.code(by)
                found[fact.measure, code, fact.kind, fact.value, fact.second] += 1
        return found

    def _facts(self) -> Iterator[Fact]:
        for stream, journal in self._journals.all():
            yield from facts(stream.partition("/")[0], journal)
        for stream, clocks in self._clocks.all():
            known = self._journals.get(stream)
            assert known is not None
            place = known.place
            units = branch_units(clocks.opened)
            for key, row in clocks.runs(self._calendars).items():
                yield from run_facts(key, row, branch_place(place, units[key[1]] if key[1] else None))

    def _clock(self, act: Statement, recorded_us: int, registry: Registry) -> None:
        if act.type == "approval.applied.v1":
            version = act.data["item_version"]
            if version not in self._rules:
                self._rules[version] = parse_item(registry.item_versions[StatementId(bytes.fromhex(version))].data)
            rules = self._rules[version]
            if rules.clocks.keys() & set(COUNTED_CLOCKS):
                self._clocks.put(act.stream, _Clocks(rules))
        if (clocks := self._clocks.get(act.stream)) is not None:
            self._calendar_of(registry)
            clocks.take(act, recorded_us, len(self._calendars) - 1)

    def _publish(self, act: Statement, recorded_us: int, registry: Registry) -> None:
        schedules = (*registry.schedules, YearSchedule.from_json(act.data))
        self._schedules = len(schedules)
        self._calendars.append(calendar_with(schedules))
        for stream in [stream for stream, _ in self._clocks.all()]:
            if (clocks := self._clocks.get(stream)) is not None:
                clocks.reckon_anew(recorded_us, self._calendars)

    def _calendar_of(self, registry: Registry) -> Calendar:
        assert self._schedules == len(registry.schedules), "every schedule was followed"
        return self._calendars[-1]


class _Look:
    """What else the log said before the act."""

    def __init__(self, followed: Followed, registry: Registry) -> None:
        self._followed = followed
        self._registry = registry

    def item(self, version: str) -> Mapping[str, Any]:
        return self._registry.item_versions[StatementId(bytes.fromhex(version))].data

    def entry(self, stream: str) -> Mapping[str, Any] | None:
        found = self._registry.entries.get(stream)
        return None if found is None or found.closed else found.data

    def person(self, actor: str) -> str:
        return self._registry.person_of(actor)

    def calendar(self) -> Calendar:
        return self._followed._calendar_of(self._registry)

    def terms(self) -> Terms:
        return self._followed.terms()

    def place(self, stream: str) -> Place | None:
        found = self._followed._journals.get(stream)
        return None if found is None else found.place
