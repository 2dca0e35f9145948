"""Questions that commands and pages both ask, answered with what they stand on: n, position, recorded time.

A case's history is never read from a projection: its statements are checked against the signed tree and folded anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import psycopg

from api.log_questions import age_s, newest
from ledger.disclosure import pseudonym
from ledger.door.erasures import erased_by
from ledger.door.hall import Hall
from ledger.errors import Evidence, Malformed, NotFound, Unavailable
from ledger.exchange.xes import read_instant
from ledger.facts.approval import Approval
from ledger.facts.card_rules import Pack, in_force, trading_rules
from ledger.facts.case_clocks import TimedAct
from ledger.facts.duties import reckon
from ledger.facts.registry import Registry
from ledger.facts.streams import FOLDS
from ledger.facts.trading import Trading
from ledger.statement import Statement, check_statement_signature, instant_text, instant_us, open_statement
from ledger.store.database import Connection
from ledger.store.reading import Placed
from ledger.tree.checkpoint import Checkpoint
from projections import imported, registries
from projections.checked import check_stream
from projections.runner import read_position, unmoved


@contextmanager
def snapshot(hall: Hall) -> Iterator[tuple[Connection, dict[str, Any]]]:
    """The projections as they stand at one moment, and what an answer says of that moment.

    Ask the hall's other parts after it, not inside: each would take a second connection of the pool.
    """
    with hall.database.use("reader") as connection, unmoved(connection):
        try:
            position = read_position(connection)
        except psycopg.errors.UndefinedTable:
            raise Unavailable("the projections are not made yet", code="projections", mend="try again soon") from None
        yield connection, _as_of(position.position, position.recorded_us)


def stand(hall: Hall) -> dict[str, Any]:
    """As of when the projections are: the position (leaves), its recorded time and its age in seconds."""
    with snapshot(hall) as (_, as_of):
        return as_of


def _as_of(position: int, recorded_us: int | None) -> dict[str, Any]:
    if recorded_us is None:
        return {"position": position, "recorded": None, "age_s": None}
    return {"position": position, "recorded": instant_text(recorded_us), "age_s": age_s(recorded_us)}


def case_stream(hall: Hall, source: str, case_id: str) -> str:
    """The stream of a source's case: its id is kept as a keyed pseudonym."""
    return f"imported/{source}/{pseudonym(hall.keyring.secret('names'), f'case {source}', case_id)}"


def case_ids(hall: Hall, streams: list[str]) -> dict[str, str]:
    """The source's own ids of those cases, opened from the vault; a forgotten one is missing.

    The one sealed value that everybody sees who was let in, for nobody finds a case by its pseudonym.
    """
    found: dict[str, str] = {}
    firsts: dict[str, str] = {}
    for stream, entry in hall.reader.first_entries(streams).items():
        for digest in open_statement(entry).sd:
            firsts[digest] = stream
    for digest, disclosure in hall.vault.open(list(firsts)).items():
        if isinstance(disclosure.value, dict) and "case" in disclosure.value:
            found[firsts[digest]] = disclosure.value["case"]
    return found


def position_of(hall: Hall, as_of: str | None) -> int:
    """``--as-of POSITION|TIME``: a number of leaves, or the log's size at a recorded time; the head without it."""
    size = hall.reader.head().size
    if as_of is None:
        return size
    if as_of.isascii() and as_of.isdigit():
        position = int(as_of)
        if position > size:
            raise Malformed(f"the log has {size} entries, not {position}", code="position")
        return position
    return hall.reader.size_at(instant_us(as_of))


@dataclass(frozen=True, slots=True)
class Asked:
    """As of when somebody asks: a position with its recorded time, or now (None)."""

    position: int | None = None
    recorded_us: int | None = None

    def within(self, standing: dict[str, Any]) -> tuple[int | None, dict[str, Any]]:
        """The position to ask the projections for, and what to say of it (Unavailable where they are behind)."""
        if self.position is None:
            return None, standing
        if self.position > standing["position"]:
            raise Unavailable("the projections have not come that far yet", code="behind", mend="try again soon")
        return self.position, _as_of(self.position, self.recorded_us)


def asked_position(hall: Hall, as_of: str | None) -> Asked:
    """The position that ``as_of`` means; ask this before a snapshot is opened."""
    if as_of is None:
        return Asked()
    position = position_of(hall, as_of)
    return Asked(position, hall.reader.recorded_us([position - 1])[position - 1] if position else None)


def due_before(before: str | None, standing: dict[str, Any]) -> int | None:
    """A recorded time. ``now`` is the log's: what was recorded after it cannot have stopped a clock yet."""
    if before == "now":
        before = standing["recorded"]
    return None if before is None else instant_us(before)


def claimed_us(text: str) -> int:
    """A claimed time as sources write it (a day alone, no offset: UTC), in microseconds."""
    moment = read_instant(text)
    if moment is None:
        raise Malformed(f"{text!r} is no time", code="instant", mend="write it like 2011-06-01T00:00:00Z")
    return moment.us


def find_stream(hall: Hall, case_id: str) -> str:
    """The stream that a person means by ``case_id``: a stream name, or a case id of one source."""
    if "/" in case_id and hall.reader.stream(case_id):
        return case_id
    with hall.database.use("reader") as connection:
        sources = imported.sources(connection)
    for source in sources:
        stream = case_stream(hall, source, case_id)
        if hall.reader.stream(stream):
            return stream
    if hall.reader.stream(f"approval/{case_id}"):
        return f"approval/{case_id}"
    raise NotFound(f"there is no case {case_id}", code="no-case", mend="mingjian case list --source S shows them")


def stream_meant(hall: Hall, case_id: str) -> str:
    """The stream that ``case_id`` would have, whether or not there is such a case: to say that there is none."""
    try:
        return find_stream(hall, case_id)
    except NotFound:
        return case_id if "/" in case_id else f"approval/{case_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One statement of a case as it was found: ``act``, or ``wrong`` with what speaks against it."""

    index: int
    recorded_us: int
    act: Statement | None = None
    voided: bool = False
    wrong: Evidence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecord:
    """A case's statements among the first ``position`` leaves, each checked against ``checkpoint`` and its key."""

    stream: str
    position: int
    checkpoint: Checkpoint
    registry: Registry
    statements: list[Checked]
    being_placed: int
    derived: Evidence | None = None  # a row that lists and figures are made of is not what the statements say

    def first_wrong(self) -> Evidence | None:
        """The first error of evidence, or None when all is as it was signed."""
        return next((one.wrong for one in self.statements if one.wrong is not None), self.derived)


def read_case(hall: Hall, stream: str, *, position: int) -> CaseRecord:
    """Read and check a case's statements (NotFound when it had none then); what is wrong is kept beside the rest."""
    checkpoint = newest(hall).checkpoint
    rows = hall.reader.stream(stream)
    placed = [index for index, _, _ in rows if index is not None and index < position]
    if not placed:
        raise NotFound(f"there is no case {stream} as of then", code="no-case")
    recorded = hall.reader.recorded_us(placed)
    voided = hall.reader.voided([id_ for _, id_, _ in rows])
    _, registry = hall.door.registry()
    found: list[Checked] = []
    verified = _verified(hall, placed, checkpoint)
    for number, (index, one) in enumerate(zip(placed, verified, strict=True), start=1):
        if isinstance(one, Evidence):
            found.append(Checked(index=index, recorded_us=recorded[index], wrong=one))
            continue
        act = open_statement(one.entry)
        found.append(
            Checked(
                index=index,
                recorded_us=recorded[index],
                act=act,
                voided=one.id in voided,
                wrong=_misplaced(act, stream, number, index) or _unsigned(act, registry, index),
            )
        )
    return CaseRecord(
        stream=stream,
        position=position,
        checkpoint=checkpoint,
        registry=registry,
        statements=found,
        being_placed=sum(index is None for index, _, _ in rows),
        derived=None if any(one.wrong for one in found) else _underived(hall, checkpoint, stream, verified, registry),
    )


def _underived(
    hall: Hall, checkpoint: Checkpoint, stream: str, verified: Sequence[Placed | Evidence], registry: Registry
) -> Evidence | None:
    """What is wrong with the projected rows of a stream whose statements are right."""
    try:
        known = [one for one in verified if not isinstance(one, Evidence)]
        check_stream(hall.database, checkpoint, stream, verified=known, registry=registry)
    except Evidence as error:
        return error
    return None


def _verified(hall: Hall, indexes: list[int], checkpoint: Checkpoint) -> list[Placed | Evidence]:
    try:
        return list(hall.reader.verified(indexes, checkpoint))
    except Evidence:
        return [_verified_one(hall, index, checkpoint) for index in indexes]


def _verified_one(hall: Hall, index: int, checkpoint: Checkpoint) -> Placed | Evidence:
    try:
        return next(hall.reader.verified([index], checkpoint))
    except Evidence as error:
        return error


def _misplaced(act: Statement, stream: str, number: int, index: int) -> Evidence | None:
    if (act.stream, act.seq) == (stream, number):
        return None
    return Evidence(
        f"statement {number} of {stream} is missing: what stands there is {act.seq} of {act.stream}",
        code="stream-gap",
        entry=index,
        stream=stream,
        seq=number,
    )


def _unsigned(act: Statement, registry: Registry, index: int) -> Evidence | None:
    key = registry.keys.get(act.kid)
    if key is not None and check_statement_signature(act.entry, key.public):
        return None
    return Evidence(f"the signature of entry {index} does not hold", code="signature", entry=index, id=act.id.hex())


def case_history(hall: Hall, stream: str, *, as_of: str | None = None, event_time: str | None = None) -> dict[str, Any]:
    """One case as of a position, a recorded time or a claimed time; Evidence when a statement is not as signed."""
    until_us = None if event_time is None else claimed_us(event_time)
    case = read_case(hall, stream, position=position_of(hall, as_of))
    wrong = case.first_wrong()
    if wrong is not None:
        raise wrong
    return tell_case(hall, case, until_us=until_us)


def tell_case(
    hall: Hall, case: CaseRecord, *, until_us: int | None = None, position: int | None = None
) -> dict[str, Any]:
    """What the checked statements of a case add up to, by ``until_us`` of claimed time or as of an earlier position.

    After a statement that is wrong nothing is added up any more: what follows from it is not known.
    """
    position = case.position if position is None else position
    state: Any = None
    folding = True
    events: list[dict[str, Any]] = []
    erased = erased_by(hall, [one.act for one in case.statements if one.act is not None and one.act.sd])
    for one in case.statements:
        act = one.act
        if one.index >= position:
            break
        if one.wrong is not None or act is None:
            assert one.wrong is not None
            folding = False
            events.append({"index": one.index, "evidence": one.wrong.as_json()["error"]})
            continue
        if until_us is not None and act.type == "imported.event.v1" and act.at_us > until_us:
            continue
        fold = FOLDS.get(act.kind)
        if folding and fold is not None and not one.voided:
            state = fold.apply(state, act, one.recorded_us, case.registry)
        by = sorted({erased[digest] for digest in act.sd if digest in erased})
        events.append(_event(one, act, case.registry) | {"erased_by": by})
    recorded = hall.reader.recorded_us([position - 1]) if position else {}
    return {
        "id": case_ids(hall, [case.stream]).get(case.stream, case.stream),
        "stream": case.stream,
        "n": len(events),
        "as_of": _as_of(position, recorded.get(position - 1)),
        "event_time": None if until_us is None else instant_text(until_us),
        "checked_against": {"size": case.checkpoint.size, "root": case.checkpoint.root.hex()},
        "state": None if state is None or not folding else _state(state),
        "clocks": _clocks(hall, case, state, position, recorded.get(position - 1)) if folding else [],
        "events": events,
        "being_placed": case.being_placed,
    }


def _clocks(hall: Hall, case: CaseRecord, state: Any, position: int, recorded_us: int | None) -> list[dict[str, Any]]:
    """The clocks of an approval or a procedure as of a position, by the time and rules that stood in the log then."""
    if not isinstance(state, Approval | Trading) or recorded_us is None:
        return []
    rules = state.rules if isinstance(state, Approval) else trading_rules(packs_at(hall, position))
    acts = [
        TimedAct.of(one.act, one.recorded_us)
        for one in case.statements
        if one.act is not None and not one.voided and one.index < position
    ]
    found = reckon(rules, acts, as_of_us=recorded_us, calendar=case.registry.calendar())
    return [
        {
            "clock": run.clock,
            "number": run.number,
            "branch": run.branch,
            "step": run.step,
            "state": str(run.state),
            "unit": str(run.spec.unit),
            "limit": run.limit,
            "extension": run.extension,
            "elapsed": None if run.elapsed is None else _plain(run.elapsed),
            "started": _utc(run.started),
            "stopped": None if run.stopped is None else _utc(run.stopped),
            "due": None if run.due.at is None else run.due.at.isoformat(),
            "not_before": None if run.due.not_before is None else run.due.not_before.isoformat(),
        }
        for run in found.runs
    ]


def packs_at(hall: Hall, position: int) -> list[Pack]:
    """The rule packs in force as of a position."""
    with hall.database.use("reader") as connection:
        rows = registries.published(connection, "rulepack", position=position)
    acts = ((row["stream"], row["type"], row["data"], row["recorded_us"]) for row in rows)
    return [each.pack for each in in_force(acts)]


def _plain(elapsed: int | Fraction) -> int | float:
    return elapsed if isinstance(elapsed, int) else round(float(elapsed), 6)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _state(state: Any) -> dict[str, Any]:
    return {"stage": str(state.stage), "suspended": bool(getattr(state, "is_suspended", False))}


def _event(one: Checked, act: Statement, registry: Registry) -> dict[str, Any]:
    key = registry.keys.get(act.kid)
    return {
        "index": one.index,
        "id": act.id.hex(),
        "seq": act.seq,
        "type": act.type,
        "at": act.at,
        "recorded": instant_text(one.recorded_us),
        "actor": act.actor,
        "role": act.role,
        "unit": act.unit,
        "window": act.window,
        "custody": None if key is None else key.custody,
        "data": act.data,
        "causes": [cause.hex() for cause in act.causes],
        "sealed": len(act.sd),
        "voided": one.voided,
    }
