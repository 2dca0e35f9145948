"""Every type of statement, declared once: which stream it belongs to and what each of its fields may hold.

A fact has one name and never changes its meaning; a new meaning is a new version with an upcast. Each field says
how private it is:

``public``      stands in clear in ``data``
``pseudonym``   stands in ``data`` as a keyed pseudonym (32 hex digits) that only the hall can resolve
``sealed``      stands nowhere in the statement but as a salted digest in ``_sd``

Free text is sealed unless declared public. Field kinds:

``code``  ASCII name · ``text``  any text · ``int``  · ``fen``  money, ≥ 0 · ``count``  ≥ 0 · ``bool`` ·
``date``  YYYY-MM-DD · ``instant``  RFC 3339 · ``id``  statement id, hex · ``hex``  · ``codes``  list of codes ·
``object``  JSON whose inside is checked by the fold that reads it · ``values``  list of [name, type, text]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from ledger.errors import Malformed
from ledger.statement import parse_instant

Privacy = Literal["public", "pseudonym", "sealed"]

_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}", re.ASCII)
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+", re.ASCII)


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _is_instant(value: Any) -> bool:
    try:
        return isinstance(value, str) and parse_instant(value) is not None
    except Malformed:
        return False


def _is_code(value: Any) -> bool:
    return isinstance(value, str) and _CODE.fullmatch(value) is not None


def _is_hex(value: Any) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_value(value: Any) -> bool:
    """A foreign attribute: [name, type, lexical value], nested ones as a fourth member."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and all(isinstance(part, str) for part in value[:3])
        and (len(value) == 3 or (isinstance(value[3], list) and all(map(_is_value, value[3]))))
    )


_KINDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "code": _is_code,
    "text": _is_text,
    "int": lambda value: type(value) is int,
    "count": lambda value: type(value) is int and value >= 0,
    "fen": lambda value: type(value) is int and value >= 0,
    "bool": lambda value: type(value) is bool,
    "date": _is_date,
    "instant": _is_instant,
    "id": lambda value: _is_hex(value) and len(value) == 64,
    "hex": _is_hex,
    "codes": lambda value: isinstance(value, list) and all(map(_is_code, value)),
    "object": lambda value: isinstance(value, dict),
    "values": lambda value: isinstance(value, list) and all(map(_is_value, value)),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One declared field of a type."""

    kind: str
    privacy: Privacy
    required: bool


@dataclass(frozen=True, slots=True)
class StatementType:
    """One declared type. ``governs``: it changes who may do what, so it enters alone (exclusive lock)."""

    name: str
    stream_kind: str
    fields: Mapping[str, Field]
    governs: bool

    @property
    def sealed(self) -> tuple[str, ...]:
        """Names of the fields that stand only as digests."""
        return tuple(name for name, field in self.fields.items() if field.privacy == "sealed")


TYPES: Final[dict[str, StatementType]] = {}

# Kinds of stream whose statements decide what is valid at the door: keys, people, rules, catalogue, rosters.
GOVERNING_KINDS: Final = frozenset(
    {"ledger", "key", "staff", "policy", "unit", "window", "item", "waiver", "roster", "calendar"}
)


def declare(name: str, /, **fields: str) -> None:
    """Declare a type. A field reads ``[sealed |pseudonym ]kind[?]``; ``?`` marks it optional."""
    kind = name.partition(".")[0]
    parsed: dict[str, Field] = {}
    for field_name, text in fields.items():
        words = text.removesuffix("?").split()
        privacy: Privacy = "public"
        if words[0] == "sealed":
            privacy = "sealed"
        elif words[0] == "pseudonym":
            privacy = "pseudonym"
        assert words[-1] in _KINDS, f"{name}.{field_name}: unknown kind {words[-1]}"
        parsed[field_name] = Field(kind=words[-1], privacy=privacy, required=not text.endswith("?"))
    assert name not in TYPES, name
    TYPES[name] = StatementType(name=name, stream_kind=kind, fields=parsed, governs=kind in GOVERNING_KINDS)


def verb_of(name: str) -> str:
    """What a type says happened, without its kind and version: ``approval.gaps_told.v1`` → ``gaps_told``."""
    return name.partition(".")[2].rpartition(".")[0]


def type_named(name: str) -> StatementType:
    """The declaration of ``name`` (Malformed when there is none)."""
    try:
        return TYPES[name]
    except KeyError:
        raise Malformed(
            f"there is no statement type {name!r}",
            code="unknown-type",
            mend="use a type of the specification, in its exact version",
        ) from None


def check_value(kind: str, value: Any) -> bool:
    """Whether ``value`` (already JSON) is of the field kind ``kind``."""
    return _KINDS[kind](value)


def check_data(declared: StatementType, data: Mapping[str, Any], digests: int) -> None:
    """Refuse (Malformed) data that is not what the type declares. ``digests``: length of ``_sd``."""
    fields = declared.fields
    for name, value in data.items():
        field = fields.get(name)
        if field is None:
            raise Malformed(f"{declared.name} has no field {name!r}", code="unknown-field", field=name)
        if field.privacy == "sealed":
            raise Malformed(f"{declared.name}.{name} must be sealed", code="unsealed", field=name)
        good = _is_hex(value) and len(value) == 32 if field.privacy == "pseudonym" else _KINDS[field.kind](value)
        if not good:
            raise Malformed(
                f"{declared.name}.{name} is not a {field.kind}: {value!r:.60}", code="field-kind", field=name
            )
    sealed = 0
    for name, field in fields.items():
        if field.privacy == "sealed":
            sealed += 1
        elif field.required and name not in data:
            raise Malformed(f"{declared.name} needs the field {name!r}", code="missing-field", field=name)
    if digests > sealed:
        raise Malformed(f"{declared.name} has {sealed} sealed fields, not {digests}", code="sealed-count")


# ---------------------------------------------------------------------- the ledger itself

declare(
    "ledger.opened.v1",
    name="text",  # the origin without its last part
    officers="object",  # {"first": {"actor", "person", "key"}, "second": …}; keys raw, hex
    clock_key="hex",
    receipt_key="hex",
    log_key="hex",
    time_authorities="object",
    policy="object",
)
declare("ledger.confirmed.v1", opened="id")
declare("log.batch.v1", size="count", checkpoint="text?", simulated="bool?")
declare("log.voided.v1", statement="id", reason="code")
declare("heads.stated.v1", size="count", count="count", root="id")  # case heads: see ``ledger.tree.heads``
# In attestation/DIGEST: a document of elsewhere (a foreign COSE statement, say), attached by its SHA-256.
declare("attestation.made.v1", digest="id", media_type="text", about="code?")

# ---------------------------------------------------------------------- registries, each change by two persons

for _kind in sorted(GOVERNING_KINDS - {"ledger"}):
    # Whatever the change seals, its proposal seals, so that the second person confirms the same values.
    _sealed = {"name": "sealed text?"} if _kind == "staff" else {}
    declare(f"{_kind}.change_proposed.v1", change="code", content="object", **_sealed)

declare("key.added.v1", proposal="id", actor="code", key="hex", custody="code", proof="hex", next="hex?")
declare("key.rotated.v1", key="hex", proof="hex", next="hex?")
declare("key.revoked.v1", proposal="id", kid="id", reason="code", suspect_from="count?", suspect_to="count?")

_STAFF = {
    "person": "pseudonym code",
    "name": "sealed text?",
    "roles": "codes",
    "unit": "code?",
    "centre": "code?",
    "windows": "codes?",
}
declare("staff.appointed.v1", proposal="id", **_STAFF)
declare("staff.changed.v1", proposal="id", **_STAFF)
declare("staff.left.v1", proposal="id")

declare("policy.changed.v1", proposal="id", policy="object")

_UNIT = {"name": "text", "tier": "code", "centre": "code?", "parent": "code?"}
declare("unit.registered.v1", proposal="id", **_UNIT)
declare("unit.changed.v1", proposal="id", **_UNIT)
declare("unit.closed.v1", proposal="id")

_WINDOW = {"unit": "code", "name": "text", "site": "code?", "zone": "code?"}
declare("window.opened.v1", proposal="id", **_WINDOW)
declare("window.changed.v1", proposal="id", **_WINDOW)
declare("window.closed.v1", proposal="id")

_ITEM = {
    "name": "text",
    "unit": "code",
    "centre": "code",
    "zone": "code?",
    "handling": "code",  # on_the_spot | promise
    "clocks": "object",  # clock name → {"limit", "unit", "start", "pauses", …}: see ``case_clocks``
    "grace_minutes": "count?",
    "back_office": "codes?",  # reasons why it may not be closed at the window
    "gap_days": "count?",  # working days in which gaps are filled after an acceptance with gaps; 15 unless given
    "fee_fen": "fen?",
    "valid_from": "date?",
}
declare("item.published.v1", proposal="id", **_ITEM)
declare("item.revised.v1", proposal="id", **_ITEM)
declare("item.retired.v1", proposal="id")
# In waiver/ITEM: how far the item's promise may go, in percent of its statutory limit. A later one replaces it.
declare("waiver.granted.v1", proposal="id", percent="count", reason="text")

declare("roster.set.v1", proposal="id", window="code", day="date", staff="codes", hours="code?")
declare(
    "calendar.schedule_published.v1",
    proposal="id",
    year="count",
    known_from="date",
    days_off="codes",
    working_weekends="codes",
    source="text",
)

# ---------------------------------------------------------------------- an approval (办件)

# Of an act of a person that was entered afterwards: from ``paper``, or after an ``outage``.
_LATE: Final = {"late": "code?"}

declare(
    "approval.applied.v1",
    item="code",
    item_version="id",  # the item's statement whose rules the case has from now on
    channel="code",
    ticket="code?",
    applicant="sealed text",
    contact="sealed text?",
    subject="sealed text?",
    applicant_band="code?",
    papers="codes?",
    **_LATE,
)
declare("approval.gaps_told.v1", gaps="codes", **_LATE)
declare("approval.supplied.v1", papers="codes", **_LATE)
declare("approval.accepted.v1", note="sealed text?", **_LATE)
declare("approval.accepted_with_gaps.v1", gaps="codes", fill_by="date", **_LATE)
declare("approval.gap_filled.v1", gap="code", **_LATE)
declare("approval.gaps_lapsed.v1", fill_by="date")
declare("approval.refused.v1", reason="code?", reasons="sealed text?", **_LATE)
declare("approval.deemed_accepted.v1", received="date", due="date")
declare("approval.branch_opened.v1", branch="code", unit="code", **_LATE)
declare("approval.branch_finished.v1", branch="code", outcome="code", **_LATE)
declare("approval.step_started.v1", step="code", branch="code?", **_LATE)
declare("approval.step_finished.v1", step="code", branch="code?", outcome="code?", **_LATE)
declare("approval.suspended.v1", pause="code", notice="code", clocks="codes?", branch="code?", **_LATE)
declare("approval.resumed.v1", pause="code", branch="code?", **_LATE)
declare("approval.extended.v1", clock="code", days="count", reasons="sealed text?", approval="code", **_LATE)
declare("approval.decided.v1", outcome="code", reasons="sealed text?", **_LATE)
declare("approval.withdrawn.v1", reason="sealed text?", **_LATE)
declare("approval.delivered.v1", how="code", **_LATE)
declare("approval.closed.v1", **_LATE)
declare("approval.reopened.v1", reason="code", **_LATE)
# A second person vouches for the claimed time of the late entry at that place of the case.
declare("approval.late_entry_confirmed.v1", seq="count")

# ---------------------------------------------------------------------- a ticket (排队号)

declare("ticket.taken.v1", number="code", queue="code", holder="pseudonym code?")  # at the counter: see ``upcasts``
declare("ticket.taken.v2", number="code", queue="code", channel="code", holder="pseudonym code?")
declare("ticket.called.v1", window="code")
declare("ticket.served.v1", case="code?")
declare("ticket.skipped.v1")
declare("ticket.expired.v1")

# ---------------------------------------------------------------------- imported history

declare(
    "imported.case.v1",
    case_no="count",  # position of the case in its source, from 1
    attributes="values?",  # numbers, dates and what --clear named
    flags="codes?",
    rest="sealed object",
)
declare(
    "imported.event.v1",
    ordinal="count",
    activity="text?",
    lifecycle="text?",
    resource="pseudonym text?",
    time="text?",  # the source's own spelling, where it differs from `at`
    attributes="values?",
    flags="codes?",
    rest="sealed object?",
)
declare("import.started.v1", source="code", sha256="hex", bytes="count", cases="count", events="count")
declare(
    "import.finished.v1",
    source="code",
    sha256="hex",
    bytes="count",
    cases="count",
    events="count",
    added="count",
    flagged="count",
    header="sealed object?",  # what the file says before its cases
)
