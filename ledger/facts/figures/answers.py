"""A figure as it is told: n, period, as of when, under which rules, and of which group.

Promise: ``ask`` makes the same answer, bit for bit, from any ``Source`` that holds the same rows as of the same
position. Whoever is shown it can see what it stands on and make it again.

A period is half open (from ≤ t < to), in recorded time; a day is the local one. "Now" is the recorded time of the
last leaf of the position.

A **public** answer is of one whole calendar quarter (local time), as of its end, whole or by unit, and of nothing
else: periods that overlap, two positions or two ways to divide would by their difference tell of single persons. Cells
under the floor are hidden in it. So is every answer whose cells are applicants, whoever asks. What the staff count for
their work is never hidden from them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any, Final, Protocol

from ledger.errors import Malformed, NotAllowed, Refused
from ledger.facts.calendar import Calendar
from ledger.facts.case_clocks import day_at
from ledger.facts.exact import Ratio, number
from ledger.facts.figures.definitions import (
    DIMENSIONS,
    METRICS,
    PARAMETERS,
    Counted,
    Figures,
    Metric,
    metric_named,
    parameters_of,
)
from ledger.facts.figures.journal import day_us
from ledger.facts.figures.scorecard import Formula, score
from ledger.facts.figures.suppression import FLOOR, Suppressed, suppress
from ledger.facts.terms import Terms
from ledger.statement import instant_text, instant_us

SCORECARD: Final = "scorecard"
_SCORECARD_WORDS: Final = {
    "zh": "绩效评分：各项比率按公式加权",
    "en": "a score: shares weighed by a formula",
    "unit": "share",
}
_QUARTER: Final = 3


class Source(Protocol):
    """Counted rows as of one position."""

    @property
    def position(self) -> int:
        """So many leaves."""

    @property
    def recorded_us(self) -> int | None:
        """Recorded time of the last of them."""

    def counted(
        self,
        measures: Sequence[str],
        *,
        numbers: Sequence[str],
        by: str | None,
        since_us: int | None,
        until_us: int | None,
    ) -> Mapping[str, Counted]:
        """Rows of these measures with since ≤ at < until, by code of that dimension (``""``: not known; no ``by``).

        Of ``numbers`` it may leave out what the rows hold beside their kind.
        """

    def item_versions(self) -> Sequence[str]:
        """The ids (hex) of the statements that published, revised or retired items, in the order of the log."""

    def terms(self) -> Terms:
        """Within how many working days the hall must act, as the position has it."""

    def calendar(self) -> Calendar:
        """The working days."""


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since_us`` (included) to ``until_us`` (not included); None is without end."""

    since_us: int | None = None
    until_us: int | None = None

    @classmethod
    def parse(cls, since: str | None, until: str | None) -> Period:
        """Of days (their first instant, local) or instants; Malformed when it is empty."""
        period = cls(_moment(since), _moment(until))
        if period.since_us is not None and period.until_us is not None and period.until_us <= period.since_us:
            raise Malformed("the period ends before it begins", code="period", mend="--from is before --to")
        return period

    def as_json(self) -> dict[str, str | None]:
        """``{"from", "to"}``."""
        return {
            "from": None if self.since_us is None else instant_text(self.since_us),
            "to": None if self.until_us is None else instant_text(self.until_us),
        }


def _moment(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return day_us(date.fromisoformat(text)) if len(text) == len("2024-01-31") else instant_us(text)
    except (ValueError, OverflowError):
        raise Malformed(
            f"{text!r:.50} is no day and no instant", code="period", mend="write 2024-01-31 or 2024-01-31T09:00:00Z"
        ) from None


def public_quarter(period: Period, *, now_us: int) -> Period:
    """``period``, the quarter of a public answer (Refused when it is no whole quarter that is over by then)."""
    if period.since_us is not None and period.until_us is not None:
        first = _quarter(day_at(period.since_us))
        if Period(day_us(first), day_us(_later(first, _QUARTER))) == period and period.until_us <= now_us:
            return period
    raise Refused(
        "a public figure is of a whole quarter that is over",
        code="public-period",
        mend="ask for one like --from 2024-01-01 --to 2024-04-01",
    )


def last_quarter(now_us: int) -> Period:
    """The last quarter that is over by then."""
    first = _quarter(day_at(now_us))
    return Period(day_us(_later(first, -_QUARTER)), day_us(first))


def _quarter(day: date) -> date:
    return date(day.year, (day.month - 1) // _QUARTER * _QUARTER + 1, 1)


def _later(first: date, months: int) -> date:
    at = first.year * 12 + first.month - 1 + months
    return date(at // 12, at % 12 + 1, 1)


def is_public(name: str, *, public: bool) -> bool:
    """Whether the answer is a public one: where that was asked for, and always where its cells are applicants."""
    return public or (name in METRICS and METRICS[name].applicants)


def public_position_us(until_us: int | None, *, as_of: str | None) -> int:
    """The recorded time as of which a public answer is: the last instant of its quarter."""
    if as_of is not None:
        raise Refused(
            "a public figure is as of the end of its quarter",
            code="public-position",
            mend="leave --as-of out: two positions would tell by their difference what each of them hides",
        )
    if until_us is None:
        raise Refused(
            "a public figure is of a whole quarter", code="public-period", mend="give --from and --to of a quarter"
        )
    return until_us - 1


def listed_figures() -> list[dict[str, Any]]:
    """Every figure, and the scorecard with the formula that is shipped, as a list names them."""
    sample = Formula.sample()
    score_of = {"version": sample.version, "digest": sample.digest, "by": True, "period": True, "recomputable": True}
    return [*(metric.as_json() for metric in METRICS.values()), {"name": SCORECARD, **_SCORECARD_WORDS, **score_of}]


def answerable(*, by: str | None, public: bool) -> list[str]:
    """The figures that can be asked so, and the scorecard."""
    found = [
        metric.name
        for metric in METRICS.values()
        if (metric.grouped or by is None) and (metric.public if public else not metric.applicants)
    ]
    return found if public else [*found, SCORECARD]


# ── Asking ─────────────────────────────────────────────────────────────────────────────────────────────────


def ask(
    source: Source,
    name: str,
    *,
    by: str | None = None,
    period: Period = Period(),
    public: bool = False,
    formula: Formula | None = None,
    lenient: bool = False,
) -> dict[str, Any]:
    """One figure as JSON, whole and, with ``by``, by that dimension. ``public``: ``period`` is its quarter.

    ``lenient``: of one among many, whose period says nothing to a figure of what is in force.
    """
    if by is not None and by not in DIMENSIONS:
        raise Malformed(f"figures are not kept by {by}", code="by", mend=f"--by {' | '.join(DIMENSIONS)}")
    if public and by not in (None, "unit"):
        raise Refused(
            f"figures are not published by {by}",
            code="public-by",
            mend="ask --by unit: what one way to divide hides, another would show",
        )
    if name == SCORECARD:
        return _scorecard(source, formula or Formula.sample(), by=by or "unit", period=period, public=public)
    metric = metric_named(name)
    assert public or not metric.applicants, "cells of applicants are shown by quarter only"
    _check(metric, by=by, period=Period() if lenient else period, public=public)
    groups, whole = _figures(source, metric, by=by, period=Period() if metric.stock else period)
    hidden = Suppressed(frozenset(), totals=False)
    bands: dict[str, Ratio] = whole.values["bands"] if metric.applicants else {}
    if metric.applicants:
        hidden = suppress({band: (ratio.part, ratio.whole - ratio.part) for band, ratio in bands.items()})
        told = {
            "n": None if hidden.totals else whole.n,
            "granted": None if hidden.totals else _told(whole.values["granted"]),
            "bands": [_hidden({"band": band}) if band in hidden.cells else
                      {"band": band, "n": ratio.whole, "granted": _told(ratio)} for band, ratio in bands.items()],
        }  # fmt: skip
    else:
        if public:
            hidden = suppress({code: each.cells for code, each in groups.items()} or {"": whole.cells})
        told = _hidden({}) if hidden.totals else _values(metric, whole, public=public)
    answer = {"metric": metric.name, "zh": metric.zh, "en": metric.en, "unit": metric.unit, **told, "by": by}
    if by is not None:
        answer["groups"] = [
            _hidden({by: code or None})
            if code in hidden.cells
            else {by: code or None, **_values(metric, figures, public=public)}
            for code, figures in groups.items()
        ]
    return answer | {
        "floor": FLOOR if public else None,
        "period": None if metric.stock else period.as_json(),
        "rules": _rules(source, metric),
        "recomputable": metric.recomputable,
        "as_of": _as_of(source),
    }


def _check(metric: Metric, *, by: str | None, period: Period, public: bool) -> None:
    if metric.stock and period != Period() and not public:
        raise Refused(
            f"{metric.name} is of what is in force, not of a period", code="period", mend="ask --as-of another position"
        )
    if by is not None and not metric.grouped:
        raise Refused(f"{metric.name} is told by its own groups", code="by", mend="ask it without --by")
    if public and not metric.public:
        raise NotAllowed(
            f"{metric.name} is not published", code="not-public", mend="it could tell what a single person was given"
        )


def _figures(source: Source, metric: Metric, *, by: str | None, period: Period) -> tuple[dict[str, Figures], Figures]:
    now_us = source.recorded_us or 0
    found = source.counted(
        metric.measures, numbers=metric.numbers, by=by, since_us=period.since_us, until_us=period.until_us
    )
    whole = {name: [row for counted in found.values() for row in counted.get(name, ())] for name in metric.measures}
    groups = {} if by is None else {code: metric.fold(_full(metric, found[code]), now_us) for code in sorted(found)}
    return groups, metric.fold(whole, now_us)


def _full(metric: Metric, counted: Counted) -> Counted:
    return {name: counted.get(name, ()) for name in metric.measures}


def _scorecard(source: Source, formula: Formula, *, by: str, period: Period, public: bool) -> dict[str, Any]:
    if public:
        raise NotAllowed("a scorecard is not published", code="not-public", mend="ask for the figures that it weighs")
    metrics = {name: metric_named(name) for name in dict.fromkeys(one.metric for one in formula.components)}
    found = {name: _figures(source, metric, by=by, period=period)[0] for name, metric in metrics.items()}
    codes = sorted({code for groups in found.values() for code in groups})
    groups = []
    for code in codes:
        shares = {
            component: found[component.metric][code].values[component.figure]
            for component in formula.components
            if code in found[component.metric]
        }
        total = score(formula, shares)
        groups.append(
            {
                by: code or None,
                "score": _told(total),
                "components": [
                    {
                        "metric": each.metric,
                        "figure": each.figure,
                        "weight": each.weight,
                        "higher_is_better": each.higher_is_better,
                        **(shares[each] if each in shares else Ratio(0, 0)).as_json(),
                    }
                    for each in formula.components
                ],
            }
        )
    return {
        "metric": SCORECARD,
        **_SCORECARD_WORDS,
        "n": len(groups),
        "by": by,
        "groups": groups,
        "formula": formula.as_json(),
        "period": period.as_json(),
        "rules": {name: _rules(source, metric) for name, metric in metrics.items()},
        "recomputable": all(metric.recomputable for metric in metrics.values()),
        "as_of": _as_of(source),
    }


# ── Telling ────────────────────────────────────────────────────────────────────────────────────────────────


def _values(metric: Metric, figures: Figures, *, public: bool) -> dict[str, Any]:
    left_out = metric.inner if public else ()
    return {"n": figures.n} | {name: _told(value) for name, value in figures.values.items() if name not in left_out}


def _hidden(of: dict[str, Any]) -> dict[str, Any]:
    return of | {"n": None, "suppressed": True}


def _told(value: Any) -> Any:
    """Shares with n and interval, fractions exactly and rounded once, everything else as it is."""
    if isinstance(value, Ratio):
        return value.as_json()
    if isinstance(value, Fraction):
        return {"exact": f"{value.numerator}/{value.denominator}", "value": number(value)}
    if isinstance(value, Mapping):
        return {name: _told(inner) for name, inner in value.items()}
    return [_told(inner) for inner in value] if isinstance(value, list) else value


def _as_of(source: Source) -> dict[str, Any]:
    recorded = source.recorded_us
    return {"position": source.position, "recorded": None if recorded is None else instant_text(recorded)}


def _rules(source: Source, metric: Metric) -> dict[str, Any]:
    told: dict[str, Any] = {"definition": {"id": metric.name, "version": metric.version, "digest": metric.digest}}
    if "items" in metric.rules:
        told["items"] = listed(source.item_versions())
    if "calendar" in metric.rules:
        told["calendar"] = listed(
            json.dumps(schedule.as_json(), ensure_ascii=False, sort_keys=True)
            for schedule in source.calendar().schedules
        )
    if "terms" in metric.rules:
        told["terms"] = {**PARAMETERS, **parameters_of(source.terms())}
    return told


def listed(lines: Any) -> dict[str, Any]:
    """How many lines, and the SHA-256 (hex) over them, each ended by a line feed."""
    digest, number_of = hashlib.sha256(), 0
    for line in lines:
        digest.update(f"{line}\n".encode())
        number_of += 1
    return {"n": number_of, "digest": digest.hexdigest()}
