"""Cards: what was raised on which case, under which rule, and how each stands, as of any position.

Promise: states come from the fold of ``ledger.facts.cards``. ``raised_us`` is recorded time; ``fired_us`` is when the
rule was due, which lies earlier after an outage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ledger.facts.calendar import Calendar
from ledger.facts.card_rules import terms_of
from ledger.facts.cards import FOLD, Card, answer_due_us
from ledger.facts.terms import Terms
from ledger.statement import instant_us
from ledger.store.database import Connection
from projections.chunk import Chunk, Spans, copy_rows, named, write_rows
from projections.clocks import calendar_before, packs_before

DDL: Final = """
CREATE TABLE cards (
    stream       text   COLLATE "C" NOT NULL PRIMARY KEY,
    case_stream  text   COLLATE "C" NOT NULL,
    rule         text   COLLATE "C" NOT NULL,
    colour       text   COLLATE "C" NOT NULL,     -- prompt, yellow, red
    pack         text   COLLATE "C" NOT NULL,
    version      bigint NOT NULL,                 -- of the rule
    unit         text   COLLATE "C",
    clock        text   COLLATE "C",              -- null: raised by a pattern
    branch       text   COLLATE "C",
    step         text   COLLATE "C",
    run          bigint,
    due_us       bigint,                          -- as reckoned then
    fired_us     bigint NOT NULL,
    raised_us    bigint NOT NULL,
    raised_index bigint NOT NULL,                 -- leaf that raised it
    answer_due_us bigint,                         -- last instant to answer in time; null: not yet known
    answered_us  bigint,                          -- recorded time of the answer
    answered_index bigint                         -- its leaf
);
CREATE INDEX ON cards (case_stream);
CREATE INDEX ON cards (raised_index);
CREATE TABLE card_states (
    stream     text    COLLATE "C" NOT NULL,
    from_index bigint  NOT NULL,                  -- as in approval_open
    to_index   bigint,
    stage      text    COLLATE "C" NOT NULL,
    proposed   boolean NOT NULL,                  -- a revocation was proposed and not decided
    PRIMARY KEY (stream, from_index)
);
CREATE INDEX ON card_states (stream) WHERE to_index IS NULL;
CREATE INDEX ON card_states (stage, stream) WHERE to_index IS NULL;
-- What the system clock asks after each batch: what moved since a position, whose gaps lapse, who stopped before whom.
CREATE INDEX ON clock_runs (from_index);
CREATE INDEX ON clock_runs (stopped_us) WHERE clock = 'promise' AND to_index IS NULL;
CREATE INDEX ON approval_acts (leaf_index);
CREATE INDEX ON approvals ((state ->> 'fill_by')) WHERE stage IN ('accepted_with_gaps', 'in_review');
"""

TABLES: Final = {"cards": "stream", "card_states": "stream, from_index"}

_COLUMNS: Final = (
    "stream case_stream rule colour pack version unit clock branch step run due_us fired_us raised_us raised_index"
    " answer_due_us"
)


def apply(connection: Connection, chunk: Chunk) -> None:
    """Take in acts on cards."""
    acts = chunk.of("card")
    if not acts:
        return
    registry, states = chunk.registry(), dict[str, Card]()
    for stream, stage, proposed in connection.execute(
        "SELECT stream, stage, proposed FROM card_states WHERE stream = ANY(%s) AND to_index IS NULL",
        (sorted({act.said.stream for act in acts}),),
    ):
        states[stream] = Card(stage=stage, opener="", proposed=proposed)
    rows: list[tuple[Any, ...]] = []
    answers: list[tuple[str, int, int]] = []
    calendar: Calendar | None = None
    terms: Terms | None = None
    spans = Spans()
    for act in acts:
        said, data = act.said, act.said.data
        before = states.get(said.stream)
        after = states[said.stream] = FOLD.apply(before, said, act.recorded_us, registry)
        spans.move(said.stream, _span(before), _span(after), act.index)
        if before is None:
            if calendar is None or chunk.of("calendar"):
                calendar = calendar_before(connection, act.index)
            if terms is None or chunk.of("rulepack"):
                terms = terms_of(packs_before(connection, act.index))
            rows.append(
                (
                    said.stream,
                    data["case"],
                    data["rule"],
                    data["colour"],
                    data["pack"],
                    data["version"],
                    data.get("unit"),
                    data.get("clock"),
                    data.get("branch"),
                    data.get("step"),
                    data.get("run"),
                    None if "due" not in data else instant_us(data["due"]),
                    instant_us(data["fired"]),
                    act.recorded_us,
                    act.index,
                    answer_due_us(act.recorded_us, calendar, days=terms.card_answer),
                )
            )
        elif said.type == "card.answered.v1":
            answers.append((said.stream, act.recorded_us, act.index))
    copy_rows(connection, "cards", _COLUMNS, rows)
    write_rows(
        connection,
        "UPDATE cards AS c SET answered_us = a.us, answered_index = a.index"
        " FROM unnest(%b::text[], %b::bigint[], %b::bigint[]) AS a (stream, us, index) WHERE c.stream = a.stream",
        answers,
    )
    spans.write(connection, "card_states", "stage proposed")


def _span(state: Card | None) -> tuple[Any, ...] | None:
    return None if state is None else (state.stage, state.proposed)


# ── Reads ──────────────────────────────────────────────────────────────────────────────────────────────────


def card_list(
    connection: Connection,
    *,
    position: int | None = None,
    case: str | None = None,
    unit: str | None = None,
    stage: str | None = None,
    limit: int = 50,
    offset: int = 0,
) -> dict[str, Any]:
    """``{"n", "cards": [...]}``: cards as of ``position`` (the first so many leaves; None: now), the newest first.

    ``in_time``: whether the unit answered within its one working day; None where it has not answered.
    """
    wanted = (
        " FROM projections.cards c JOIN projections.card_states s USING (stream)"
        " WHERE CASE WHEN %(position)s::bigint IS NULL THEN s.to_index IS NULL"
        " ELSE s.from_index < %(position)s AND (s.to_index IS NULL OR s.to_index >= %(position)s) END"
        " AND (%(case)s::text IS NULL OR c.case_stream = %(case)s) AND (%(unit)s::text IS NULL OR c.unit = %(unit)s)"
        " AND (%(stage)s::text IS NULL OR s.stage = %(stage)s)"
    )
    values = {"position": position, "case": case, "unit": unit, "stage": stage, "limit": limit, "offset": offset}
    count = connection.execute(f"SELECT count(*){wanted}".encode(), values).fetchone()
    assert count is not None
    columns = f"{_COLUMNS} stage proposed answered_us in_time"
    # As of then: an answer that came later was none yet.
    answered = "CASE WHEN %(position)s::bigint IS NULL OR c.answered_index < %(position)s THEN c.answered_us END"
    rows = connection.execute(
        f"SELECT {_COLUMNS.replace(' ', ', ')}, stage, proposed, {answered}, {answered} <= c.answer_due_us{wanted}"
        " ORDER BY c.raised_index DESC LIMIT %(limit)s OFFSET %(offset)s".encode(),
        values,
    )
    found = [{"case": card.pop("case_stream")} | card for card in named(rows, columns)]
    return {"n": count[0], "cards": found}


def by_colour(connection: Connection, *, stage: str, unit: str | None = None) -> dict[str, int]:
    """How many cards stand in ``stage`` now, by colour."""
    rows = connection.execute(
        "SELECT c.colour, count(*) FROM projections.cards c JOIN projections.card_states s USING (stream)"
        " WHERE s.to_index IS NULL AND s.stage = %(stage)s AND (%(unit)s::text IS NULL OR c.unit = %(unit)s)"
        " GROUP BY c.colour",
        {"stage": stage, "unit": unit},
    )
    return dict(rows.fetchall())


def cards_of(connection: Connection, cases: Sequence[str]) -> list[dict[str, Any]]:
    """The cards on those cases (their streams) as they stand, revoked ones too.

    ``{"stream", "case", "rule", "colour", "pack", "version", "clock", "branch", "step", "run", "fired_us", "raised_us",
    "stage", "proposed"}``; clock, branch and step are None where the card has none.
    """
    names = "stream case rule colour pack version clock branch step run fired_us raised_us stage proposed"
    rows = connection.execute(
        "SELECT c.stream, case_stream, rule, colour, pack, version, clock, branch, step, run, fired_us, raised_us,"
        " stage, proposed FROM projections.cards c JOIN projections.card_states s ON s.stream = c.stream"
        " AND s.to_index IS NULL WHERE case_stream = ANY(%s)",
        (list(cases),),
    )
    return named(rows, names)


def last_promises(connection: Connection, *, unit: str, rule: str, until_us: int, limit: int) -> list[bool]:
    """Of the unit's promise runs that stopped by ``until_us``, the last first, whether each had a card of ``rule``."""
    rows = connection.execute(
        "SELECT EXISTS (SELECT FROM projections.cards c WHERE (c.case_stream, c.clock, c.run, c.rule)"
        " = (r.stream, 'promise', r.number, %s)) FROM projections.clock_runs r"
        " JOIN projections.approvals a USING (stream) WHERE a.unit = %s AND r.clock = 'promise'"
        " AND r.to_index IS NULL AND r.stopped_us <= %s ORDER BY r.stopped_us DESC, r.stream DESC LIMIT %s",
        (rule, unit, until_us, limit),
    )
    return [had for (had,) in rows]
