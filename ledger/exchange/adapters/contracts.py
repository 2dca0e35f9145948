"""What a record of each kind of system says: the contract, as code and as JSON Schema.

    {"id": "m-20240304-0017",                     the source's own name of this record: the same id is one statement
     "ref": "2024-0017",                          its number of the case, ticket, visit, report …: one stream
     "act": "accepted",                           what happened, in our words: see the kind's schema
     "at": "2024-03-04T09:30:00+08:00",           when, with its offset
     "by": "0042",                                whose act it was, as the source names its people: a pseudonym here
     "from_unit": "env", "from_window": "w1",     at which unit's or window's desk
     …}                                           and the fields of that statement type

Promise: a record that ``state`` makes a wish of has every field the type needs, each of its kind, and none beside. What
the state of the case, the catalogue and the rights forbid is for the door to refuse. Filled in here are the version of
the item, the visit of a rating, and the tracking digest of a complaint that has none.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from ledger.disclosure import pseudonym
from ledger.door.door import Wish
from ledger.errors import Malformed, Refused
from ledger.facts.adapters import ADAPTERS
from ledger.facts.case_clocks import day_at
from ledger.facts.registry import Registry
from ledger.facts.types import TYPES, Field, check_value, verb_of
from ledger.statement import instant_text, instant_us

KINDS: Final = tuple(ADAPTERS)
# The day on which the first of the centres was opened, as the source tells: what claims an earlier time is no live act.
OPENED_US: Final = instant_us("2012-05-23T00:00:00+08:00")
_AHEAD_US: Final = 300_000_000  # how far a source's clock may be ahead
_FRAME: Final = ("id", "ref", "act", "at", "by", "from_unit", "from_window")
_FILLED: Final = {"approval.applied.v1": "item_version", "rating.given.v1": "visit"}
_NEEDS_HAND: Final = frozenset(
    {"accepted", "accepted_with_gaps", "decided", "branch_finished", "handled", "verified", "sent_back"}
)
"""Acts that another person may have to do than the one before: the record says whose they were."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}", re.ASCII)
_MAX_CHARS: Final = 200
_CODE: Final = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$"}
_HEX64: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    "code": _CODE,
    "text": {"type": "string"},
    "int": {"type": "integer"},
    "count": _WHOLE,
    "fen": _WHOLE | {"description": "whole fen"},
    "bool": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "instant": {
        "type": "string",
        "format": "date-time",
        "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$",
    },
    "id": _HEX64,
    "codes": {"type": "array", "items": _CODE},
    "ids": {"type": "array", "items": _HEX64, "uniqueItems": True},
    "object": {"type": "object"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """The contract of one kind: act → the type that states it."""

    kind: str
    acts: Mapping[str, str]

    @property
    def role(self) -> str:
        """The role of this kind's adapters."""
        return f"{self.kind}_adapter"

    def fields(self, type_name: str) -> dict[str, Field]:
        """The fields of a record of that type, beside the frame."""
        filled = {_FILLED.get(type_name, ""), "hand", "late"}
        return {name: field for name, field in TYPES[type_name].fields.items() if name not in filled}

    def field_kinds(self) -> dict[str, str]:
        """The kind of each field that a table may have a column for."""
        found = {name: field.kind for type_name in self.acts.values() for name, field in self.fields(type_name).items()}
        return found | {"at": "instant"} | dict.fromkeys(("id", "ref", "act", "by", "from_unit", "from_window"), "code")

    def schema(self) -> dict[str, Any]:
        """The contract as JSON Schema (2020-12)."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:mingjian:adapter:{self.kind}",
            "title": f"A record of a system of the kind {self.kind}",
            "oneOf": [self._act_schema(act, type_name) for act, type_name in self.acts.items()],
        }

    def _act_schema(self, act: str, type_name: str) -> dict[str, Any]:
        fields = self.fields(type_name)
        short = {"type": "string", "minLength": 1, "maxLength": _MAX_CHARS}
        frame = dict.fromkeys(("id", "ref", "by"), short) | {
            "act": {"const": act},
            "at": dict(_SCHEMAS["instant"]),
            "from_unit": _CODE,
            "from_window": _CODE,
        }
        must = [name for name, field in fields.items() if field.required and name != "tracking"]
        return {
            "type": "object",
            "description": type_name,
            "properties": {name: frame[name] for name in _FRAME}
            | {name: dict(_SCHEMAS[field.kind]) for name, field in fields.items()},
            "required": ["id", "ref", "act", "at", *(["by"] if act in _NEEDS_HAND else []), *must],
            "additionalProperties": False,
        }


def contract(kind: str) -> Contract:
    """The contract of a kind (Malformed when there is none)."""
    if kind not in ADAPTERS:
        raise Malformed(f"there is no kind {kind!r:.40}", code="adapter-kind", mend=f"one of {', '.join(KINDS)}")
    return Contract(kind=kind, acts={verb_of(name): name for name in ADAPTERS[kind]})


def stream_part(secret: bytes, source: str, ref: str) -> str:
    """How a source's number stands in a stream: as it is, or as a pseudonym where it cannot."""
    return ref if _NAME.fullmatch(ref) else pseudonym(secret, f"ref {source}", ref)


def request_of(source: str, kind: str, *names: str) -> str:
    """The request of a record: SHA-256 over source, kind and its id, hex."""
    return hashlib.sha256("\0".join((source, kind, *names)).encode()).hexdigest()


class Stating:
    """Makes wishes of the records of one source."""

    def __init__(self, secret: bytes, kind: str, source: str, *, now_us: int) -> None:
        self.contract, self.source = contract(kind), source
        self._secret, self._now_us = secret, now_us

    @property
    def actor(self) -> str:
        """Under whose name it is stated."""
        return f"adapter/{self.contract.kind}/{self.source}"

    def request(self, record: Any) -> str | None:
        """The request of a record, if it can be read that far."""
        id_ = record.get("id") if isinstance(record, dict) else None
        return request_of(self.source, self.contract.kind, id_) if isinstance(id_, str) and id_ else None

    def state(self, record: Any, registry: Registry, *, former: Mapping[str, Any] | None = None) -> Wish:
        """The wish that states ``record``. ``former``: the data of its statement, where there is one already."""
        if not isinstance(record, dict):
            raise Malformed("a record is an object", code="record", mend="send records as the contract has them")
        for name in _FRAME:
            if name in record:
                _check_frame(name, record[name])
            elif name in ("id", "ref", "act", "at") or (name == "by" and record["act"] in _NEEDS_HAND):
                raise Malformed(
                    f"the record has no {name!r}",
                    code="missing-field",
                    mend="give it as the contract has it",
                    field=name,
                )
        type_name = self.contract.acts.get(record["act"])
        if type_name is None:
            raise Malformed(
                f"a system of the kind {self.contract.kind} states no {record['act']!r:.60}",
                code="adapter-act",
                mend=f"one of {', '.join(self.contract.acts)}",
            )
        at_us = self._checked_time(record["at"])
        fields = self.contract.fields(type_name)
        values = {name: value for name, value in record.items() if name not in _FRAME}
        _check_fields(type_name, fields, values)
        ref = stream_part(self._secret, self.source, record["ref"])
        kind = TYPES[type_name].stream_kind
        self._fill(type_name, values, record["id"], f"{self.source}/{ref}", at_us, registry, former or {})
        if "by" in record and "hand" in TYPES[type_name].fields:
            # Two systems may both have a clerk 0042.
            values["hand"] = f"{self.source}/{record['by']}"
        request = self.request(record)
        assert request is not None
        return Wish(
            actor=self.actor,
            role=self.contract.role,
            stream=f"{kind}/{self.source}/{ref}",
            type=type_name,
            at=record["at"],
            request=request,
            values=values,
            unit=record.get("from_unit"),
            window=record.get("from_window"),
        )

    def _checked_time(self, text: str) -> int:
        try:
            at_us = instant_us(text)
        except Malformed:
            raise Malformed(
                f"{text!r:.60} is no time with its offset",
                code="instant",
                mend="write it like 2024-03-04T09:30:00+08:00",
            ) from None
        check_time(at_us, now_us=self._now_us)
        return at_us

    def _fill(
        self,
        type_name: str,
        values: dict[str, Any],
        id_: str,
        name: str,
        at_us: int,
        registry: Registry,
        former: Mapping[str, Any],
    ) -> None:
        match type_name:
            case "approval.applied.v1":
                version = registry.item_valid_on(values["item"], day_at(at_us).isoformat())
                valid = "00" * 32 if version is None else version.id.hex()  # the catalogue refuses, and says why
                values["item_version"] = former.get("item_version", valid)
            case "rating.given.v1":
                values["visit"] = name
            case "complaint.received.v1":
                made = hmac.digest(self._secret, f"tracking\0{self.source}\0{id_}".encode(), "sha256").hex()
                values.setdefault("tracking", made)


def check_time(at_us: int, *, now_us: int) -> None:
    """Refuse a time that nobody can live-state: before the centres, or to come."""
    if at_us < OPENED_US:
        raise Refused(
            f"{instant_text(at_us)} is before the centre existed",
            code="before-centre",
            mend="mend the time; what happened elsewhere before is history: mingjian import xes|csv",
        )
    if at_us > now_us + _AHEAD_US:
        raise Refused(
            f"{instant_text(at_us)} is still to come",
            code="time-future",
            mend="set the source's clock, and send it then",
        )


def _check_frame(name: str, value: Any) -> None:
    is_short = isinstance(value, str) and 0 < len(value) <= _MAX_CHARS
    if not is_short or (name.startswith("from_") and not check_value("code", value)):
        raise Malformed(
            f"{name} is of no use: {value!r:.60}", code="field-kind", mend="give it as the contract has it", field=name
        )


def _check_fields(type_name: str, fields: Mapping[str, Field], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        field = fields.get(name)
        if field is None:
            raise Malformed(
                f"{type_name} has no field {name!r:.60}",
                code="unknown-field",
                mend=f"fields: {', '.join(fields) or 'none'}",
                field=name[:60],
            )
        if not check_value(field.kind, value) or not _is_plain(value):
            if field.kind == "fen":
                raise Malformed(
                    f"{name} is not whole fen: {value!r:.60}", code="amount", mend="give whole fen", field=name
                )
            raise Malformed(
                f"{type_name}.{name} is not a {field.kind}: {value!r:.60}",
                code="field-kind",
                mend="give it as the contract has it",
                field=name,
            )
    for name, field in fields.items():
        if field.required and name not in values and name != "tracking":
            raise Malformed(
                f"{type_name} needs the field {name!r}",
                code="missing-field",
                mend="give it as the contract has it",
                field=name,
            )


def _is_plain(value: Any) -> bool:
    """Whether it can stand in a statement: nothing with a point in it."""
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return not isinstance(value, Decimal)
