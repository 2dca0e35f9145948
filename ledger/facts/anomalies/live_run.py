"""All detectors over a live log: read twice as a stream, learn and judge, and once by actors, tickets, ratings, cards.

Promise: the same log up to the same position gives the same rows, whatever the machine. What is kept is said in each
detector; the registries are held, the cases are not.

    A1 mandatory, skipped · A2 claimed · A3 stall · A4 hugging · A5 batch · A6 after_hours · A7 asked_again ·
    A8 gaming · A9 rare_hands, strangers · A10 own_decision, four_eyes · A11 fake_spot · A12 double_intake ·
    A13 rating_bursts · A14 queue_order · A15 clip_access · A16 missing_footage · A17 card_replay ·
    A18 trading_flags · A19 drift · A20 never_was

For the detectors that imported logs have too, the steps of an approval are told apart by how its item is handled, and
the order of steps (A1) by its item as well, where that has cases enough. Order is mined only for items whose steps the
catalogue does not name. An approval decided without any review is A12, and no A1 beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Final, Protocol

from ledger.facts.anomalies import batch, card_replay, drift, hugging, queue_order, rating_bursts
from ledger.facts.anomalies.after_hours import AfterHours
from ledger.facts.anomalies.asked_again import AskedAgain
from ledger.facts.anomalies.claimed import Claimed
from ledger.facts.anomalies.clip_access import ClipAccess
from ledger.facts.anomalies.double_intake import DoubleIntake, unreviewed
from ledger.facts.anomalies.fake_spot import FakeSpot
from ledger.facts.anomalies.found import DAY_US, Anomaly, Detector, Seen
from ledger.facts.anomalies.four_eyes import FourEyes
from ledger.facts.anomalies.gaming import Gaming
from ledger.facts.anomalies.live import NOBODY, Act, Case, LiveLog, Register
from ledger.facts.anomalies.mandatory import Mandatory
from ledger.facts.anomalies.missing_footage import MissingFootage
from ledger.facts.anomalies.never_was import NeverWas
from ledger.facts.anomalies.own_decision import OwnDecision
from ledger.facts.anomalies.rare_hands import RareHands
from ledger.facts.anomalies.skipped import Order, Skipped
from ledger.facts.anomalies.stall import Stall
from ledger.facts.anomalies.strangers import Strangers
from ledger.facts.anomalies.trading_flags import TradingFlags

_FOLLOWS: Final = frozenset({"ticket", "rating"})  # short streams: their waits are A19's
_FOOTAGE: Final = ("footage", "grant", "live")
_MOST_LABELS: Final = 20_000
_OFTENER: Final = 5  # a hall has many who do little of each

ZH: Final = {
    "applied": "申请",
    "gaps_told": "一次告知补正",
    "supplied": "补齐材料",
    "accepted": "受理",
    "accepted_with_gaps": "容缺受理",
    "gap_filled": "补缺",
    "gaps_lapsed": "容缺失效",
    "refused": "不予受理",
    "deemed_accepted": "视为受理",
    "branch_opened": "并联分支开启",
    "branch_finished": "并联分支办结",
    "step_started": "环节开始",
    "step_finished": "环节完成",
    "suspended": "中止",
    "resumed": "恢复",
    "extended": "延期",
    "decided": "决定",
    "withdrawn": "撤回",
    "delivered": "送达",
    "closed": "办结归档",
    "reopened": "重新办理",
    "taken": "取号",
    "called": "叫号",
    "served": "服务完毕",
    "skipped": "过号",
}
_QUOTED: Final = re.compile(r"“(?:[\w-]+/)?([a-z_]+)(?:\.v\d+)?(?::([^”]*))?”")


class _Judges(Protocol):
    def judge(self, case: Case) -> None: ...


def find_live(log: LiveLog, *, until_us: int, order: Order | None = None) -> list[Anomaly]:
    """All anomalies of a live log, the highest score first, one per case and kind. ``until_us``: its recorded time."""
    register = log.register
    generic: list[tuple[Detector, _Sees]] = [
        (Skipped(order), _Sees(register, {"approval"}, plain=order is not None, mined=order is None, by_end=True)),
        *(
            []
            if order is not None
            else [(Skipped(most=_MOST_LABELS), _Sees(register, {"approval"}, by_item=True, mined=True, by_end=True))]
        ),
        (Stall(least_us=DAY_US), _Sees(register, None)),
        (RareHands(oftener=_OFTENER), _Sees(register, None, alike=True)),
        (FourEyes(), _Sees(register, {"approval"}, promise=True)),
    ]
    hours, gaming, strangers = AfterHours(register), Gaming(), Strangers(register)
    clips = ClipAccess(register, hours)
    claimed, again, spot, intake = Claimed(), AskedAgain(), FakeSpot(), DoubleIntake()
    footage = MissingFootage(register, log.visits, until_us)
    never, own, trading, mandatory = NeverWas(register), OwnDecision(register), TradingFlags(), Mandatory()
    n = 0
    without_review: set[int] = set()
    for case in chain(log.cases(), log.matters(), log.matters(*_FOOTAGE)):
        n += 1
        hours.learn(case)
        gaming.learn(case)
        clips.learn(case)
        for detector, sees in generic:
            if sees.wants(case):
                detector.learn(case.leaf, sees.events(case))
    judges: tuple[_Judges, ...] = (
        hours,
        gaming,
        clips,
        claimed,
        again,
        spot,
        intake,
        footage,
        never,
        own,
        trading,
        strangers,
        mandatory,
    )
    for case in chain(log.cases(), log.matters(), log.matters(*_FOOTAGE)):
        if unreviewed(case):
            without_review.add(case.leaf)
        for one in judges:
            one.judge(case)
        for detector, sees in generic:
            if sees.wants(case):
                detector.judge(case.leaf, sees.events(case))
    found = chain(
        (row for detector, _ in generic for row in detector.found()),
        hours.found(),
        gaming.found(),
        strangers.found(),
        claimed.found(),
        again.found(),
        spot.found(),
        intake.found(),
        clips.found(n),
        footage.found(n),
        never.found(n),
        own.found(n),
        trading.found(n),
        mandatory.found(n),
        batch.find(log.strokes()),
        hugging.find(log.runs()),
        rating_bursts.find(log.ratings()),
        queue_order.find(log.turns()),
        card_replay.find(log.raised(), log.overdue(), cases=n),
        drift.find(drift.waits(log.turns(), register), drift.on_time(log.runs()), register),
    )
    return _ranked(row for row in found if row.kind != "A1" or row.case not in without_review)


def _ranked(rows: Iterable[Anomaly]) -> list[Anomaly]:
    best: dict[tuple[int, str], Anomaly] = {}
    for row in rows:
        key = row.case, row.kind
        if key not in best or best[key].score < row.score:
            best[key] = row
    return sorted(map(_in_words, best.values()), key=lambda row: (-row.score, row.case, row.kind))


def _in_words(row: Anomaly) -> Anomaly:
    return replace(
        row,
        zh=_QUOTED.sub(lambda found: f"“{ZH.get(found[1], found[1])}{_more(found[2])}”", row.zh),
        en=_QUOTED.sub(lambda found: f"“{found[1].replace('_', ' ')}{_more(found[2])}”", row.en),
    )


def _more(name: str | None) -> str:
    return "" if name is None else f" {name}"


class _Sees:
    """How a detector of imported logs is shown a live case: its acts as steps of a name, their people and times."""

    def __init__(
        self,
        register: Register,
        kinds: set[str] | None,
        *,
        by_item: bool = False,
        by_end: bool = False,
        alike: bool = False,
        plain: bool = False,
        promise: bool = False,
        mined: bool = False,
    ) -> None:
        self._register, self._kinds = register, kinds
        self._alike, self._mined = alike, mined
        self._by_item, self._by_end, self._plain, self._promise = by_item, by_end, plain, promise

    def wants(self, case: Case) -> bool:
        """Whether the detector looks at such a case."""
        if self._mined and case.item is not None and case.item.steps:
            return False
        if self._kinds is None:
            return case.kind not in _FOLLOWS and case.kind not in _FOOTAGE
        return case.kind in self._kinds and (not self._promise or (case.item is not None and not case.item.on_the_spot))

    def events(self, case: Case) -> list[Seen]:
        """Its acts, in the order and at the time in which they were recorded."""
        group = self._group(case)
        return list(self._events(case, group))

    def _events(self, case: Case, group: str) -> Iterator[Seen]:
        for act in case.acts:
            person = None if act.role in NOBODY else self._register.person(act.actor)
            yield Seen(act.leaf, act.recorded_us, group + _step(act), person)

    def _group(self, case: Case) -> str:
        if self._plain:
            return ""
        if case.item is None or self._alike:
            return f"{case.kind}/"
        end = _end(case) if self._by_end else ""
        if self._by_item:
            return f"{case.item.code}{end}/"
        return f"on_the_spot{end}/" if case.item.on_the_spot else f"promise{end}/"


def _end(case: Case) -> str:
    """How an approval ended, where that was not by granting it: what follows then is something else."""
    for act in reversed(case.acts):
        if act.verb in ("refused", "withdrawn", "gaps_lapsed") or act.data.get("outcome") == "denied":
            return "-not"
    return ""


def _step(act: Act) -> str:
    return f"{act.verb}:{act.data['step']}" if "step" in act.data else act.verb


__all__ = ["ZH", "find_live"]
