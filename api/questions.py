"""Questions that commands and pages both ask, answered with what they stand on: n, position, recorded time.

A case's history is never read from a projection: its statements are checked against the signed tree and folded anew.
"""

from __future__ import annotations

from typing import Any

from ledger.disclosure import pseudonym
from ledger.door.hall import Hall
from ledger.errors import Evidence, Malformed, NotFound
from ledger.facts.registry import Registry
from ledger.facts.streams import FOLDS
from ledger.statement import Statement, instant_text, instant_us, open_statement
from projections import imported


def stand(hall: Hall) -> dict[str, Any]:
    """As of when an answer is: the position (leaves), its recorded time and its age in seconds."""
    head = hall.reader.head()
    return {"position": head.size, "recorded": instant_text(head.recorded_us)}


def case_stream(hall: Hall, source: str, case_id: str) -> str:
    """The stream of a source's case: its id is kept as a keyed pseudonym."""
    return f"imported/{source}/{pseudonym(hall.keyring.secret('names'), f'case {source}', case_id)}"


def case_ids(hall: Hall, streams: list[str]) -> dict[str, str]:
    """The source's own ids of those cases, opened from the vault; a forgotten one is missing."""
    found: dict[str, str] = {}
    firsts: dict[str, str] = {}
    with hall.database.use("reader") as connection:
        rows = connection.execute(
            "SELECT stream, entry FROM ledger.statements WHERE stream = ANY(%b) AND seq = 1", (streams,), binary=True
        ).fetchall()
    for stream, entry in rows:
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


def case_history(hall: Hall, stream: str, *, as_of: str | None = None, event_time: str | None = None) -> dict[str, Any]:
    """One case as of a position, a recorded time or a claimed time, every statement checked against the tree."""
    position = position_of(hall, as_of)
    until_us = None if event_time is None else instant_us(event_time)
    checkpoint = hall.publisher.checkpoint()
    if checkpoint is None:
        raise NotFound("nothing is published yet", code="no-checkpoint")
    rows = hall.reader.stream(stream)
    placed = [index for index, _, _ in rows if index is not None and index < position]
    if not placed:
        raise NotFound(f"{stream} had no statement then", code="no-case")
    recorded = hall.reader.recorded_us(placed)
    with hall.database.use("reader") as connection:
        voided = {
            id_
            for (id_,) in connection.execute(
                "SELECT id FROM ledger.voided WHERE id = ANY(%b)", ([row[1] for row in rows],), binary=True
            )
        }
    _, registry = hall.door.registry()
    state: Any = None
    events: list[dict[str, Any]] = []
    expected_seq = 1
    for one in hall.reader.verified(placed, checkpoint):
        act = open_statement(one.entry)
        if act.stream != stream or act.seq != expected_seq:
            raise Evidence(f"{stream} has no statement {expected_seq}", code="stream-gap", stream=stream)
        expected_seq += 1
        if until_us is not None and act.type == "imported.event.v1" and act.at_us > until_us:
            continue
        fold = FOLDS.get(act.kind)
        if fold is not None and one.id not in voided:
            state = fold.apply(state, act, recorded[one.index], registry)
        events.append(_event(act, one.index, recorded[one.index], registry, voided=one.id in voided))
    return {
        "id": case_ids(hall, [stream]).get(stream, stream),
        "stream": stream,
        "n": len(events),
        "as_of": {"position": position, "recorded": instant_text(max(recorded.values()))},
        "checked_against": {"size": checkpoint.size, "root": checkpoint.root.hex()},
        "state": None if state is None else {"stage": str(getattr(state, "stage", ""))},
        "events": events,
        "being_placed": sum(index is None for index, _, _ in rows),
    }


def _event(act: Statement, index: int, recorded_us: int, registry: Registry, *, voided: bool) -> dict[str, Any]:
    key = registry.keys.get(act.kid)
    return {
        "index": index,
        "id": act.id.hex(),
        "seq": act.seq,
        "type": act.type,
        "at": act.at,
        "recorded": instant_text(recorded_us),
        "actor": act.actor,
        "role": act.role,
        "custody": None if key is None else key.custody,
        "data": act.data,
        "sealed": len(act.sd),
        "voided": voided,
    }
