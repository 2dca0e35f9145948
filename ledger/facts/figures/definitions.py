"""The figures: what each is called, from which rows it is made, and the fold that makes it.

Promise: each is defined here once. A fold gets ``Counted``, rows of equal measure, kind and values with how many there
are, in any order, and gives exact figures; whoever holds the same rows gets the same answer, bit for bit. A share is
told with its n and its 95 % Wilson interval, the others as an exact fraction beside the number it is rounded to. What
does not exist (of nothing there is no share, no median) is None.

``version`` rises when a figure comes to mean something else; ``digest`` is over all that is said of it here.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, NamedTuple

from ledger.errors import NotFound
from ledger.facts.exact import Ratio, mean, median, percentile
from ledger.facts.terms import Terms

DIMENSIONS: Final = ("unit", "window", "item", "centre", "tier", "zone", "class")
SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US
LONG_WAIT_US: Final = 15 * 60 * SECOND_US
REOPENED_DAYS: Final = 30
PETITION_DAYS: Final = 90
TOP_TWO: Final = (4, 5)
PER_CASES: Final = 1000
P90: Final = Fraction(9, 10)
ACROSS: Final = "+"
"""Between the systems that a matter crossed, in the kind of its row."""


class Row(NamedTuple):
    """Rows of one measure that are alike, and how many."""

    kind: str
    value: int
    second: int
    times: int


Counted = Mapping[str, Sequence[Row]]
"""By measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One figure of one group. ``cells``: the counts of people that it lets be known (see ``suppression``)."""

    n: int
    values: Mapping[str, Any]
    cells: tuple[int, ...]


Fold = Callable[[Counted, int], Figures]
"""From counted rows and the moment asked about (µs)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure. ``unit``: of its values; ``rules``: what else it hangs on, ``items``, ``calendar`` or ``terms``."""

    name: str
    zh: str
    en: str
    unit: str
    measures: tuple[str, ...]
    fold: Fold
    numbers: tuple[str, ...] = ()
    """Those of ``measures`` of which only the number of rows is asked: a source may tell them without their values."""
    version: int = 1
    rules: tuple[str, ...] = ()
    stock: bool = False
    """Of what is in force, not of a period."""
    grouped: bool = True
    """Whether it can be asked ``--by``; one that is by its own kinds cannot."""
    applicants: bool = False
    """Its cells are of applicants: always suppressed."""
    inner: tuple[str, ...] = ()
    """Values for the staff alone: small counts could be read off them."""
    public: bool = True
    recomputable: bool = True
    """Whether an outsider can make it again: not where it needs sealed values."""

    @property
    def digest(self) -> str:
        """SHA-256 of its definition, hex."""
        said = {
            "name": self.name,
            "version": self.version,
            "zh": self.zh,
            "en": self.en,
            "unit": self.unit,
            "measures": list(self.measures),
            "parameters": PARAMETERS,
        }
        return hashlib.sha256(json.dumps(said, ensure_ascii=False, sort_keys=True).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """How a list names it."""
        return {
            "name": self.name,
            "zh": self.zh,
            "en": self.en,
            "unit": self.unit,
            "version": self.version,
            "digest": self.digest,
            "by": self.grouped,
            "period": not self.stock,
            "recomputable": self.recomputable,
        }


def parameters_of(terms: Terms) -> dict[str, int]:
    """The terms that figures hang on."""
    return {
        "answer_working_days": terms.card_answer,
        "complaint_accept_working_days": terms.complaint_accept,
        "complaint_finish_working_days": terms.complaint_finish,
    }


PARAMETERS: Final[Mapping[str, Any]] = {
    "source": "sample",
    "long_wait_s": LONG_WAIT_US // SECOND_US,
    "reopened_days": REOPENED_DAYS,
    "petition_days": PETITION_DAYS,
    "top_two": list(TOP_TWO),
    "per_cases": PER_CASES,
    # Where no pack in force says others (``terms``); an answer tells those in force.
    **parameters_of(Terms()),
}


# ── What the folds share ───────────────────────────────────────────────────────────────────────────────────


def _count(rows: Iterable[Row]) -> int:
    return sum(row.times for row in rows)


def _sum(rows: Iterable[Row]) -> int:
    return sum(row.value * row.times for row in rows)


def _where(rows: Iterable[Row], wanted: Callable[[Row], bool]) -> int:
    return sum(row.times for row in rows if wanted(row))


def _ones(rows: Sequence[Row]) -> Ratio:
    """The share of the rows whose value is 1."""
    return Ratio(_where(rows, lambda row: row.value == 1), _count(rows))


def _apart(ratio: Ratio) -> tuple[int, int]:
    return ratio.part, ratio.whole - ratio.part


def _ascending(rows: Iterable[Row], of: Callable[[Row], int] = lambda row: row.value) -> list[int]:
    found: list[int] = []
    for value, count in sorted((of(row), row.times) for row in rows):
        found += [value] * count
    return found


def _spread(ascending: Sequence[int], per: int = SECOND_US) -> dict[str, Fraction | None]:
    """Median, p90 (linear between neighbours) and mean."""
    found = {"median": median(ascending), "p90": percentile(ascending, P90), "mean": mean(ascending)}
    return {name: None if value is None else value / per for name, value in found.items()}


def _named(values: Mapping[str, Any], suffix: str) -> dict[str, Any]:
    return {f"{name}_{suffix}": value for name, value in values.items()}


def _by_kind(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.kind].append(row)
    return dict(sorted(found.items()))


def _met(counted: Counted, measure: str, now_us: int) -> tuple[Ratio, int]:
    """In time among done and open already overdue, never among the done alone; and how many of these are open."""
    done = _ones(counted[f"{measure}_stopped"])
    overdue = _where(counted[f"{measure}_running"], lambda row: row.value < now_us)
    return Ratio(done.part, done.whole + overdue), overdue


def _terms(measure: str) -> tuple[str, str]:
    return f"{measure}_stopped", f"{measure}_running"


# ── The folds ──────────────────────────────────────────────────────────────────────────────────────────────


def _on_the_spot(counted: Counted, now_us: int) -> Figures:
    ratio = Ratio(_count(counted["on_the_spot"]), _count(counted["accepted"]))
    values = {"on_the_spot": ratio, "cases": _count(counted["applied"])}
    return Figures(n=ratio.whole, values=values, cells=_apart(ratio))


def _compression(counted: Counted, now_us: int) -> Figures:
    rows = counted["compression"]
    n = _count(rows)
    ratios = sum((Fraction(row.value, row.second) * row.times for row in rows), Fraction(0))
    statutory = sum(row.second * row.times for row in rows)
    values = {
        "mean_of_ratios": ratios / n if n else None,
        # Days and hours have no common sum: it exists where all limits are in one unit.
        "ratio_of_sums": Fraction(_sum(rows), statutory) if len(_by_kind(rows)) == 1 else None,
    }
    return Figures(n=n, values=values, cells=(n,))


def _clock(clock: str) -> Fold:
    def fold(counted: Counted, now_us: int) -> Figures:
        ratio, overdue = _met(counted, clock, now_us)
        closed = ratio.whole - overdue
        values = {
            "on_time": ratio,
            "closed_in_time": ratio.part,
            "closed_late": closed - ratio.part,
            "open_overdue": overdue,
            "due_unknown": _count(counted[f"{clock}_unknown"]),
        }
        return Figures(n=ratio.whole, values=values, cells=_apart(ratio))

    return fold


def _wait(counted: Counted, now_us: int) -> Figures:
    rows = counted["wait"]
    over = Ratio(_where(rows, lambda row: row.value > LONG_WAIT_US), _count(rows))
    return Figures(
        n=over.whole, values=_named(_spread(_ascending(rows)), "s") | {"over_15_min": over}, cells=_apart(over)
    )


def _spread_of(measure: str) -> Fold:
    def fold(counted: Counted, now_us: int) -> Figures:
        found = _ascending(counted[measure])
        return Figures(n=len(found), values=_named(_spread(found), "s"), cells=(len(found),))

    return fold


def _abandonment(counted: Counted, now_us: int) -> Figures:
    expired = _count(counted["expired"])
    ratio = Ratio(expired, expired + _count(counted["served"]))
    return Figures(n=ratio.whole, values={"abandoned": ratio}, cells=_apart(ratio))


def _satisfied(rows: Sequence[Row]) -> Ratio:
    return Ratio(_where(rows, lambda row: row.value in TOP_TWO), _count(rows))


def _satisfaction(counted: Counted, now_us: int) -> Figures:
    rows = counted["rated"]
    ratio = _satisfied(rows)
    visits = _count(counted["served"]) + _count(counted["unticketed"])
    values = {
        "satisfied": ratio,
        "levels": {str(level): _where(rows, lambda row, level=level: row.value == level) for level in range(1, 6)},  # type: ignore[misc]
        "visits": visits,
        # No interval: it is not known that each rating is of one of these visits.
        "coverage": Fraction(ratio.whole, visits) if visits else None,
        "dimensions": [
            {"dimension": kind, "n": found.whole, "satisfied": found}
            for kind, found in ((kind, _satisfied(of)) for kind, of in _by_kind(counted["rated_on"]).items())
        ],
    }
    return Figures(n=ratio.whole, values=values, cells=_apart(ratio))


def _share(measure: str, name: str) -> Fold:
    def fold(counted: Counted, now_us: int) -> Figures:
        ratio = _ones(counted[measure])
        return Figures(n=ratio.whole, values={name: ratio}, cells=_apart(ratio))

    return fold


def _within(rows: Sequence[Row], days: int) -> Ratio:
    """The share of rows (µs until it came again, or −1) in which it came again within so many days."""
    return Ratio(_where(rows, lambda row: 0 <= row.value <= days * DAY_US), _count(rows))


def _reopened(counted: Counted, now_us: int) -> Figures:
    ratio = _within(counted["closed"], REOPENED_DAYS)
    return Figures(n=ratio.whole, values={"reopened": ratio}, cells=_apart(ratio))


def _early(counted: Counted, now_us: int) -> Figures:
    rows = counted["promise_stopped"]
    early = Ratio(sum(row.second * row.times for row in rows), _count(rows))
    again = _within(counted["closed"], REOPENED_DAYS)
    # An early closing is worth nothing when the case comes back: never the one without the other.
    return Figures(n=early.whole, values={"early": early, "reopened": again}, cells=(*_apart(early), *_apart(again)))


def _visits(counted: Counted, now_us: int) -> Figures:
    found = _ascending(counted["done"])
    return Figures(n=len(found), values=_spread(found, 1) | {"sum": sum(found)}, cells=(len(found),))


def _hands(counted: Counted, now_us: int) -> Figures:
    found = _ascending(counted["done"], lambda row: row.second)
    return Figures(n=len(found), values=_spread(found, 1) | {"sum": sum(found)}, cells=(len(found),))


def _touch(counted: Counted, now_us: int) -> Figures:
    rows = counted["touch"]
    n, touched, elapsed = _count(rows), _sum(rows), sum(row.second * row.times for row in rows)
    values = {
        "touch_s": Fraction(touched, SECOND_US),
        "elapsed_s": Fraction(elapsed, SECOND_US),
        "touch_per_elapsed": Fraction(touched, elapsed) if elapsed else None,
    }
    return Figures(n=n, values=values, cells=(n,))


def _parallel(counted: Counted, now_us: int) -> Figures:
    rows = counted["parallel"]
    n, spent, elapsed = _count(rows), _sum(rows), sum(row.second * row.times for row in rows)
    values = {
        "units_s": Fraction(spent, SECOND_US),
        "elapsed_s": Fraction(elapsed, SECOND_US),
        "gain": Fraction(spent, elapsed) if elapsed else None,
    }
    return Figures(n=n, values=values, cells=(n,))


def _money(counted: Counted, now_us: int) -> Figures:
    values: dict[str, Any] = {}
    for measure in ("granted", "paid", "recovered"):
        values[measure] = [
            {"kind": kind, "n": _count(rows), "fen": _sum(rows)} for kind, rows in _by_kind(counted[measure]).items()
        ]
    # What was granted and what was recovered are two kinds of money: there is no sum of both, and of counts neither.
    n = sum(_count(counted[measure]) for measure in values)
    return Figures(n=n, values=values, cells=(n,))


def _mediation(counted: Counted, now_us: int) -> Figures:
    success = _ones(counted["mediated"])
    again = _within(counted["petition"], PETITION_DAYS)
    values = {
        "success": success,
        "petitioned_again": again,
        "performed": _ones(counted["performed"]),
        "disputes": [
            {"kind": kind, "n": ratio.whole, "success": ratio}
            for kind, ratio in ((kind, _ones(rows)) for kind, rows in _by_kind(counted["mediated"]).items())
        ],
    }
    return Figures(n=success.whole, values=values, cells=(*_apart(success), *_apart(again)))


def _response(counted: Counted, now_us: int) -> Figures:
    n = _count(counted["alarm"])
    values: dict[str, Any] = {}
    for measure in ("dispatch", "arrival"):
        found = _ascending(counted[measure])
        values[measure] = {"n": len(found)} | _named(_spread(found), "s")
    return Figures(n=n, values=values, cells=(n,))


def _schedule(measure: str) -> Fold:
    def fold(counted: Counted, now_us: int) -> Figures:
        ratio, overdue = _met(counted, measure, now_us)
        return Figures(n=ratio.whole, values={"on_schedule": ratio, "overdue": overdue}, cells=_apart(ratio))

    return fold


def _cards(counted: Counted, now_us: int) -> Figures:
    cards, cases = counted["card"], _count(counted["applied"])
    raised, (answered, waiting) = _ones(cards), _met(counted, "answer", now_us)
    values = {
        "cases": cases,
        "per_1000_cases": {
            kind: Fraction(_count(rows) * PER_CASES, cases) if cases else None for kind, rows in _by_kind(cards).items()
        },
        "colours": {kind: _count(rows) for kind, rows in _by_kind(cards).items()},
        "answered_on_time": answered,
        "unanswered_overdue": waiting,
        "revoked": raised,
    }
    return Figures(n=raised.whole, values=values, cells=(raised.whole,))


def _complaints(counted: Counted, now_us: int) -> Figures:
    expired, upheld = _ones(counted["complaint"]), _ones(counted["complaint_decided"])
    held = _ascending(counted["hold"])
    values = {
        "hold_latency": {"n": len(held)} | _named(_spread(held), "s"),
        "footage_expired": expired,
        "accepted_on_time": _met(counted, "accept", now_us)[0],
        "finished_on_time": _met(counted, "finish", now_us)[0],
        "upheld": upheld,
    }
    return Figures(n=expired.whole, values=values, cells=(expired.whole, *_apart(upheld)))


def _lead(counted: Counted, now_us: int) -> Figures:
    rows = counted["lead"]
    by_day = Ratio(sum(row.second * row.times for row in rows), _count(rows))
    values = _named(_spread(_ascending(rows), DAY_US), "days") | {"by_the_day": by_day}
    return Figures(n=by_day.whole, values=values, cells=_apart(by_day))


def _crossings(counted: Counted, now_us: int) -> Figures:
    rows = counted["crossed"]
    ratio = _ones(rows)
    paths = [{"systems": kind.split(ACROSS), "n": _count(of)} for kind, of in _by_kind(rows).items()]
    return Figures(n=ratio.whole, values={"crossed": ratio, "paths": paths}, cells=_apart(ratio))


def _bands(counted: Counted, now_us: int) -> Figures:
    whole = _ones(counted["band_decided"])
    bands = {kind: _ones(rows) for kind, rows in _by_kind(counted["band_decided"]).items()}
    return Figures(n=whole.whole, values={"granted": whole, "bands": bands}, cells=_apart(whole))


# ── The list ───────────────────────────────────────────────────────────────────────────────────────────────

_ALL: Final = (
    Metric(
        name="on-the-spot",
        zh="即办率：受理的办件中，由窗口即办且当日办结的",
        en="of the cases accepted in the period, those handled on the spot and closed on the day they came in",
        unit="share",
        measures=("applied", "accepted", "on_the_spot"),
        inner=("cases",),
        fold=_on_the_spot,
        rules=("items",),
    ),
    Metric(
        name="compression",
        zh="时限压缩：承诺时限比法定时限，各项比值的平均与总和之比",
        en="promised over statutory limit of the items in force: the mean of the ratios, and the ratio of the sums",
        unit="share",
        measures=("compression",),
        fold=_compression,
        rules=("items",),
        stock=True,
    ),
    Metric(
        name="on-time",
        zh="按时率：承诺时限内办结的，占办结的与已超期未结的",
        en="closed within the promise, of those closed and those open already overdue; never of the closed alone",
        unit="share",
        measures=("promise_stopped", "promise_running", "promise_unknown"),
        fold=_clock("promise"),
        rules=("items", "calendar"),
        inner=("closed_in_time", "closed_late", "open_overdue", "due_unknown"),
    ),
    Metric(
        name="step-on-time",
        zh="环节按时率：时限内完成的环节，占完成的与已超期未完成的",
        en="steps finished within their limit, of those finished and those open already overdue",
        unit="share",
        measures=("step_stopped", "step_running", "step_unknown"),
        fold=_clock("step"),
        rules=("items", "calendar"),
        inner=("closed_in_time", "closed_late", "open_overdue", "due_unknown"),
    ),
    Metric(
        name="wait",
        zh="等候：取号到首次叫号，中位、九成分位、平均，及超过十五分钟的",
        en="from the ticket taken to its first call: median, p90, mean, and the share over fifteen minutes",
        unit="s",
        measures=("wait",),
        fold=_wait,
    ),
    Metric(
        name="service",
        zh="办理时长：最后一次叫号到办完",
        en="from the last call to served: median, p90, mean",
        unit="s",
        measures=("served",),
        fold=_spread_of("served"),
    ),
    Metric(
        name="abandonment",
        zh="弃号率：作废未办的排队号，占办完的与作废的",
        en="tickets that expired unserved, of those served or expired",
        unit="share",
        measures=("served", "expired"),
        numbers=("served", "expired"),
        fold=_abandonment,
    ),
    Metric(
        name="satisfaction",
        zh="满意率：五级中的前两级，占全部评价，并分评价项目；覆盖面为评价数比到访数",
        en="the top two of five levels, of all ratings, and of each thing rated; coverage: ratings per visit",
        unit="share",
        measures=("rated", "rated_on", "served", "unticketed"),
        numbers=("served", "unticketed"),
        fold=_satisfaction,
        version=2,
        inner=("levels", "dimensions"),
    ),
    Metric(
        name="first-time-right",
        zh="一次办成：受理的办件中，未补正、未容缺、未重开而办结的",
        en="accepted cases closed without a notice of gaps, without gaps accepted, and not reopened",
        unit="share",
        measures=("closed_first",),
        fold=_share("closed_first", "first_time_right"),
    ),
    Metric(
        name="reopened",
        zh="重开率：办结后三十日内重开的（新近办结的仍可能重开）",
        en="closings reopened within 30 days (young ones may still be)",
        unit="share",
        measures=("closed",),
        fold=_reopened,
    ),
    Metric(
        name="early-closing",
        zh="提前办结：用时不过半即办结的，与重开率并列",
        en="promise cases closed in the first half of their time, beside the reopen rate",
        unit="share",
        measures=("promise_stopped", "closed"),
        fold=_early,
        rules=("items", "calendar"),
    ),
    Metric(
        name="visits",
        zh="到访次数：每件办结事项中，申请人到窗口的天数",
        en="days on which the applicant was at the window, per case closed",
        unit="days",
        measures=("done",),
        fold=_visits,
    ),
    Metric(
        name="money",
        zh="求助金额：批准、支付、追回，分类分列，互不相加",
        en="granted, paid and recovered by kind of assistance, never added together",
        unit="fen",
        measures=("granted", "paid", "recovered"),
        fold=_money,
        public=False,
    ),
    Metric(
        name="mediation",
        zh="调解成功率，及九十日内再次信访的",
        en="mediations that ended in an agreement, and those petitioned again within 90 days of their end",
        unit="share",
        measures=("mediated", "petition", "performed"),
        fold=_mediation,
        inner=("disputes", "performed"),
    ),
    Metric(
        name="response",
        zh="应急响应：接警到首次出动，到首批到场（误报不计）",
        en="from the alarm to the first forces sent, and to the first there; false alarms are not counted",
        unit="s",
        measures=("alarm", "dispatch", "arrival"),
        fold=_response,
    ),
    Metric(
        name="drills",
        zh="演练按期：在首次排定之日内举行的，占举行的与过期未举行的",
        en="drills held by the day first set, of those held and those overdue",
        unit="share",
        measures=_terms("drill"),
        fold=_schedule("drill"),
        inner=("overdue",),
    ),
    Metric(
        name="inspections",
        zh="检查按期：在期限之日内进行的，占进行的与过期未进行的",
        en="inspections carried out by their day, of those carried out and those overdue",
        unit="share",
        measures=_terms("inspection"),
        fold=_schedule("inspection"),
        inner=("overdue",),
    ),
    Metric(
        name="cards",
        zh="每千件牌数；按期答复的；撤销的",
        en="cards per 1,000 cases, answered within their term, revoked",
        version=2,
        unit="per 1000",
        measures=("card", "applied", *_terms("answer")),
        fold=_cards,
        rules=("calendar", "terms"),
        inner=("answered_on_time", "unanswered_overdue", "revoked"),
    ),
    Metric(
        name="complaints",
        zh="投诉：保全用时，录像已过期的，按时受理与办结，属实率",
        en="complaints: time to hold footage, footage expired, accepted and finished on time, upheld",
        unit="share",
        measures=("complaint", "hold", "complaint_decided", *_terms("accept"), *_terms("finish")),
        version=2,
        fold=_complaints,
        rules=("calendar", "terms"),
        inner=("hold_latency", "footage_expired", "accepted_on_time", "finished_on_time"),
    ),
    Metric(
        name="parallel-gain",
        zh="并联增益：各单位用时之和比实际历时",
        en="the sum of the units' time over the time that passed, of cases reviewed in parallel",
        unit="ratio",
        measures=("parallel",),
        fold=_parallel,
    ),
    Metric(
        name="hands",
        zh="经手人数：每件办结事项",
        en="persons of the staff who acted, per case closed",
        unit="persons",
        measures=("done",),
        fold=_hands,
    ),
    Metric(
        name="touch",
        zh="办理时间比历时：环节进行中的时间，占收件到办结",
        en="time in which a step was open, over the time from receipt to closing; of cases with steps",
        unit="ratio",
        measures=("touch",),
        fold=_touch,
    ),
    Metric(
        name="lead-time",
        zh="提前介入：专属材料清单比申请早多少天，及在所定之日内申请的",
        en="days from a firm's own list of papers to its application: median, p90, mean; applied for by the day set",
        unit="days",
        measures=("lead",),
        fold=_lead,
    ),
    Metric(
        name="crossings",
        zh="三网对接：写明经由系统的事项中，跨两个以上系统的（便民服务、网格、三防）",
        en="matters that crossed two systems or more (service, grid, three defences), of those that name any",
        unit="share",
        measures=("crossed",),
        fold=_crossings,
        inner=("paths",),
    ),
    Metric(
        name="fairness",
        zh="公平：按申请人类别的准予率（小格隐去）",
        en="decisions granted by band of applicant; small cells are suppressed",
        unit="share",
        measures=("band_decided",),
        fold=_bands,
        grouped=False,
        applicants=True,
    ),
)
METRICS: Final[Mapping[str, Metric]] = {metric.name: metric for metric in _ALL}


def metric_named(name: str) -> Metric:
    """The figure of that name (NotFound otherwise)."""
    try:
        return METRICS[name]
    except KeyError:
        raise NotFound(
            f"there is no figure {name}", code="no-metric", mend="mingjian metrics list names them"
        ) from None
