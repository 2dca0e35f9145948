"""How a record of a log becomes a statement, and the statement a record again.

Promise: of what ``Stating.state`` makes of a record, ``open_records`` makes the same record again, in every text and
in the order of its attributes. Not kept are the line it stood in and the flag ``future``: whether a time lies in the
future depends on when one asks, and readers see it from the recorded time. What was erased since is missing, and
named in ``Told.erased``.

In clear stand, of an import: activity, time, lifecycle, numbers and dates that can be read as such, and the columns
named by ``clear``. People are pseudonyms. Everything else is one sealed value per statement, ``rest``:

    {"case": "10011",                          only in imported.case.v1: what the source calls the case
     "time": "next Tuesday",                   a time that is none: it may be any text
     "attributes": [[name, type, text or null, [child, …]], …],
     "places": [0, 2, 3]}                      where these stand among all attributes; absent: behind those in clear
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ledger.disclosure import pseudonym
from ledger.door.door import Wish
from ledger.door.erasures import erased_by, erased_people
from ledger.door.hall import Hall
from ledger.errors import Malformed
from ledger.exchange.xes import Attribute, CaseRecord, EventRecord, Flag, Record, read_instant
from ledger.statement import Statement, instant_text, parse_instant

CASE_TYPE: Final = "imported.case.v1"
EVENT_TYPE: Final = "imported.event.v1"
_MAX_CLEAR_BYTES: Final = 8_000
_MAX_TIME_CHARS: Final = 64
_NUMBER: Final = re.compile(r"[+-]?[0-9][0-9_.,]*(?:[eE][+-]?[0-9]+)?|[+-]?(?:NaN|INF|Infinity)")


def stream_of(secret: bytes, source: str, case_id: str) -> str:
    """The stream of a source's case; ``secret``: the ledger's for names, for the id is a pseudonym."""
    return f"imported/{source}/{pseudonym(secret, f'case {source}', case_id)}"


class Stating:
    """Makes wishes of the records of one source."""

    def __init__(self, secret: bytes, *, source: str, clear: Collection[str], at: str) -> None:
        """``at``: the time of the import, which stands for what has no time of its own."""
        self._secret, self._source, self._clear, self._at = secret, source, frozenset(clear), at
        self._last = ("", "")

    def stream(self, case_id: str) -> str:
        """The stream of a case."""
        if self._last[0] != case_id:
            self._last = (case_id, stream_of(self._secret, self._source, case_id))
        return self._last[1]

    def state(self, record: Record, *, request: str, case_no: int = 0) -> Wish:
        """The wish that states ``record``; ``case_no`` is a case's number in its source, from 1."""
        shown, rest = self._split(record.attributes)
        values: dict[str, Any]
        if isinstance(record, CaseRecord):
            at, values, rest = self._at, {"case_no": case_no}, {"case": record.case_id, "attributes": []} | rest
        else:
            told = {"activity": record.activity, "lifecycle": record.lifecycle, "resource": record.resource}
            values = {"ordinal": record.ordinal} | {name: text for name, text in told.items() if text is not None}
            at = self._time(record, values, rest)
        if rest:
            values["rest"] = rest
        if shown:
            values["attributes"] = shown
        if flags := sorted(str(flag) for flag in record.flags if flag != Flag.FUTURE):
            values["flags"] = flags
        return Wish(
            actor=f"source/{self._source}",
            role="source_adapter",
            stream=self.stream(record.case_id),
            type=CASE_TYPE if isinstance(record, CaseRecord) else EVENT_TYPE,
            at=at,
            request=request,
            values=values,
        )

    def _time(self, record: EventRecord, values: dict[str, Any], rest: dict[str, Any]) -> str:
        """The claimed time as RFC 3339; the source's own spelling stays beside it where it differs."""
        text, at_us = record.at, record.at_us
        if text is None:
            return self._at
        if at_us is None or len(text) > _MAX_TIME_CHARS:
            rest["time"] = text
            return self._at if at_us is None else instant_text(at_us)
        try:
            parse_instant(text)
        except Malformed:
            values["time"] = text
            return instant_text(at_us)
        return text

    def _split(self, attributes: Sequence[Attribute]) -> tuple[list[Any], dict[str, Any]]:
        """The attributes that stand in clear, and what is to be sealed."""
        shown: list[Any] = []
        hidden: list[Any] = []
        places: list[int] = []
        size = 0
        for place, attribute in enumerate(attributes):
            if self._is_clear(attribute):
                size += len(attribute.name) + 2 * len(attribute.value or "")
                if size < _MAX_CLEAR_BYTES:
                    shown.append(_node(attribute))
                    continue
            hidden.append(_node(attribute))
            places.append(place)
        if not hidden:
            return shown, {}
        rest: dict[str, Any] = {"attributes": hidden}
        if places[0] < len(shown):
            rest["places"] = places
        return shown, rest

    def _is_clear(self, attribute: Attribute) -> bool:
        if attribute.value is None or attribute.children:
            return False
        if attribute.name in self._clear:
            return True
        # Whoever types a name as a number or a date has not made it one.
        if attribute.type == "date":
            return len(attribute.value) <= _MAX_TIME_CHARS and read_instant(attribute.value) is not None
        return attribute.type in ("int", "float") and _NUMBER.fullmatch(attribute.value) is not None


@dataclass(frozen=True, slots=True)
class Told:
    """What a statement says of its record; of ``rest``, ``resource`` and ``time``, ``erased`` are not to be had now."""

    record: Record
    erased: tuple[str, ...] = ()
    erased_by: Mapping[str, int] = field(default_factory=dict)
    """By which entry's statement, where there is one: without, the value is gone and should not be."""


def open_records(hall: Hall, acts: Sequence[Statement]) -> list[Told]:
    """The records that imported statements state, with their sealed values."""
    opened = hall.vault.open([digest for act in acts for digest in act.sd])
    names = hall.vault.names([act.data["resource"] for act in acts if "resource" in act.data])
    told = []
    for act in acts:
        found = [opened[digest].value for digest in act.sd if digest in opened]
        erased = ("rest",) if len(found) < len(act.sd) else ()
        told.append(_open(act, found[0] if found else {}, names, erased))
    return _by_whom(hall, acts, told) if any(one.erased for one in told) else told


def _by_whom(hall: Hall, acts: Sequence[Statement], told: Sequence[Told]) -> list[Told]:
    values = erased_by(hall, [act for act, one in zip(acts, told, strict=True) if one.erased])
    gone = {act.data["resource"] for act, one in zip(acts, told, strict=True) if "resource" in one.erased}
    people = erased_people(hall, gone)
    found = []
    for act, one in zip(acts, told, strict=True):
        by = {name: index for name in one.erased for digest in act.sd if (index := values.get(digest)) is not None}
        by.pop("resource", None)
        if "resource" in one.erased and act.data["resource"] in people:
            by["resource"] = people[act.data["resource"]]
        found.append(replace(one, erased_by=by))
    return found


def _open(act: Statement, rest: Mapping[str, Any], names: Mapping[str, str], erased: tuple[str, ...]) -> Told:
    data = act.data
    attributes = [_attribute(node) for node in data.get("attributes", ())]
    hidden = [_attribute(node) for node in rest.get("attributes", ())]
    for place, attribute in zip(rest.get("places", range(len(attributes), 1 << 62)), hidden, strict=False):
        attributes.insert(place, attribute)
    flags = tuple(data.get("flags", ()))
    if act.type == CASE_TYPE:
        case_id = rest.get("case", f"erased {act.stream.rpartition('/')[2]}")
        return Told(CaseRecord(case_id, 0, tuple(attributes), flags), erased)
    pseudonym_ = data.get("resource")
    if pseudonym_ is not None and pseudonym_ not in names:
        erased += ("resource",)
    untimed = Flag.NO_TIMESTAMP in flags or Flag.BAD_TIMESTAMP in flags
    if "rest" in erased and Flag.BAD_TIMESTAMP in flags:
        erased += ("time",)
    at = rest.get("time", data.get("time", None if untimed else act.at))
    return Told(
        EventRecord(
            case_id="",
            ordinal=data["ordinal"],
            activity=data.get("activity"),
            at=at,
            at_us=None if untimed else act.at_us,
            lifecycle=data.get("lifecycle"),
            resource=None if pseudonym_ is None else names.get(pseudonym_, f"erased {pseudonym_}"),
            attributes=tuple(attributes),
            flags=flags,
        ),
        erased,
    )


def _node(attribute: Attribute) -> list[Any]:
    node: list[Any] = [attribute.name, attribute.type, attribute.value]
    if attribute.children:
        node.append([_node(child) for child in attribute.children])
    return node


def _attribute(node: Sequence[Any]) -> Attribute:
    return Attribute(node[0], node[1], node[2], tuple(map(_attribute, node[3])) if len(node) > 3 else ())
