"""Every type of statement, declared once: which stream it belongs to and what each of its fields may hold.

A fact has one name and never changes its meaning; a new meaning is a new version with an upcast. Each field says
how private it is:

``public``      stands in clear in ``data``
``pseudonym``   stands in ``data`` as a keyed pseudonym (32 hex digits) that only the hall can resolve
``sealed``      stands nowhere in the statement but as a salted digest in ``_sd``

Free text is sealed unless declared public. Field kinds:

``code``  ASCII name · ``text``  any text · ``int``  · ``fen``  money, ≥ 0 · ``count``  ≥ 0 · ``bool`` ·
``date``  YYYY-MM-DD · ``instant``  RFC 3339 · ``id``  statement id, hex · ``hex``  · ``codes``  list of codes ·
``ids``  list of statement ids, no two alike · ``digests``  those of sealed values, sorted, no two alike ·
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
_DIGEST: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
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


def _is_id(value: Any) -> bool:
    return _is_hex(value) and len(value) == 64


def _is_pseudonym(value: Any) -> bool:
    return _is_hex(value) and len(value) == 32


def _is_digests(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(isinstance(one, str) and _DIGEST.fullmatch(one) for one in value)
        and value == sorted(set(value))
    )


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
    "id": _is_id,
    "hex": _is_hex,
    "codes": lambda value: isinstance(value, list) and all(map(_is_code, value)),
    "ids": lambda value: isinstance(value, list) and all(map(_is_id, value)) and len(set(value)) == len(value),
    "digests": _is_digests,
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
    # The same, for a look at many statements: what a field in clear must be, and which of those must be there.
    clear: Mapping[str, Callable[[Any], bool]]
    needed: frozenset[str]

    @property
    def sealed(self) -> tuple[str, ...]:
        """Names of the fields that stand only as digests."""
        return tuple(name for name in self.fields if name not in self.clear)


TYPES: Final[dict[str, StatementType]] = {}

# Kinds of stream whose statements decide what is valid at the door: keys, people, rules, catalogue, rosters.
GOVERNING_KINDS: Final = frozenset(
    {
        "ledger",
        "key",
        "staff",
        "policy",
        "unit",
        "window",
        "item",
        "waiver",
        "roster",
        "calendar",
        "authority",
        "witness",
        "camera",
        "site",
        "handdown",
        "rulepack",
    }
)


def declare(name: str, stream_kind: str | None = None, /, **fields: str) -> None:
    """Declare a type. A field reads ``[sealed |pseudonym ]kind[?]``; ``?`` marks it optional.

    ``stream_kind``: of the streams that it stands in, where the type's own first word does not say so.
    """
    kind = stream_kind or name.partition(".")[0]
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
    clear = {
        field_name: _is_pseudonym if field.privacy == "pseudonym" else _KINDS[field.kind]
        for field_name, field in parsed.items()
        if field.privacy != "sealed"
    }
    TYPES[name] = StatementType(
        name=name,
        stream_kind=kind,
        fields=parsed,
        governs=kind in GOVERNING_KINDS,
        clear=clear,
        needed=frozenset(field_name for field_name in clear if parsed[field_name].required),
    )


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
    for name, value in data.items():
        is_good = declared.clear.get(name)
        if is_good is None:
            if name not in declared.fields:
                raise Malformed(f"{declared.name} has no field {name!r}", code="unknown-field", field=name)
            raise Malformed(f"{declared.name}.{name} must be sealed", code="unsealed", field=name)
        if not is_good(value):
            kind = declared.fields[name].kind
            raise Malformed(f"{declared.name}.{name} is not a {kind}: {value!r:.60}", code="field-kind", field=name)
    if not declared.needed <= data.keys():
        name = next(name for name in declared.fields if name in declared.needed and name not in data)
        raise Malformed(f"{declared.name} needs the field {name!r}", code="missing-field", field=name)
    if digests and digests > (sealed := len(declared.fields) - len(declared.clear)):
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
    successor_of="text?",  # the signed checkpoint with which a closed log ended that this one goes on from
)
declare("ledger.confirmed.v1", opened="id")
declare("log.batch.v1", size="count", checkpoint="text?", simulated="bool?")
declare("log.voided.v1", statement="id", reason="code")
# In log/time: an authority's RFC 3161 token (base64) over the head of that size, see ``times``.
declare("log.time_token.v1", size="count", root="id", authority="code", rfc3161="text")
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

# In authority/NAME: whose time tokens are accepted, by the certificate (DER) that theirs must lead to.
declare("authority.accepted.v1", proposal="id", certificate="hex")
declare("authority.dropped.v1", proposal="id")

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
    "steps": "codes?",  # that are mandatory, in their order
    "gap_days": "count?",  # working days in which gaps are filled after an acceptance with gaps; 15 unless given
    "fee_fen": "fen?",
    "fees": "object?",  # the schedule, where there is more than one: code → fen
    "valid_from": "date?",
    "class": "code?",  # of items that have a counter or a promise of their own: port_policy, taiwan_firm …
}
declare("item.published.v1", proposal="id", **_ITEM)
declare("item.revised.v1", proposal="id", **_ITEM)
declare("item.retired.v1", proposal="id")
# In waiver/ITEM: how far the item's promise may go, in percent of its statutory limit. A later one replaces it.
declare("waiver.granted.v1", proposal="id", percent="count", reason="text")

# In witness/NAME, the name it has in the log's own policy; in witness: the group and quorum lines of that policy.
declare("witness.added.v1", proposal="id", vkey="text", url="text", name="code")
declare("witness.removed.v1", proposal="id")
declare("witness.policy_set.v1", proposal="id", policy="text")

# Where the camera's stream is read stands with its recorder alone: such an address often holds a password.
_CAMERA = {
    "name": "text",
    "recorder": "code",  # the actor that seals its footage: recorder/NAME
    "windows": "codes",
    "place": "code",  # hall, counter, corridor, outside …; not a nursing room
    "retention_days": "count",
    "site": "code?",
    "signage": "code?",  # the document that says people are told
    "assessment": "code?",  # the privacy impact assessment
    "masks": "codes?",  # x/y/w/h in pixels: what nobody is shown, as nursing areas, screens, papers, other counters
}
declare("camera.registered.v1", proposal="id", **_CAMERA)
declare("camera.changed.v1", proposal="id", **_CAMERA)
declare("camera.retired.v1", proposal="id")

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

# In rulepack/NAME: the rules by which prompts and cards are raised, see ``card_rules``. A later one replaces it.
declare("rulepack.adopted.v1", proposal="id", pack="object")
declare("rulepack.withdrawn.v1", proposal="id", reason="code")

# ---------------------------------------------------------------------- an approval (办件)

# Whose act it was, of one that an adapter states for a system brought in; nobody else speaks for others.
_HAND: Final = {"hand": "pseudonym code?"}
# Of an act of a person that was entered afterwards: from ``paper``, or after an ``outage``.
_LATE: Final = {"late": "code?", **_HAND}

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
    tracking="id?",  # SHA-256 of the code by which the applicant follows the case
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
declare("approval.fee_charged.v1", fen="fen", fee="code?", **_LATE)  # ``fee``: of the item's schedule
# A schedule of working days moved or settled what is due. ``runs``: "clock/branch/step/number" → [due before, due now],
# null where it is not known.
declare("approval.clocks_recomputed.v1", reason="code", calendar="id", runs="object")
# A second person vouches for the claimed time of the late entry at that place of the case.
declare("approval.late_entry_confirmed.v1", seq="count")

# ---------------------------------------------------------------------- a ticket (排队号)

declare("ticket.taken.v1", number="code", queue="code", holder="pseudonym code?")  # at the counter: see ``upcasts``
declare("ticket.taken.v2", number="code", queue="code", channel="code", holder="pseudonym code?")
declare("ticket.called.v1", window="code")
declare("ticket.served.v1", case="code?")
declare("ticket.skipped.v1")
declare("ticket.expired.v1")

# ---------------------------------------------------------------------- sites, and items handed down: see ``places``

_SITE: Final = {
    "name": "text",
    "kind": "code",
    "unit": "code",  # whose it is to watch
    "tier": "code?",
    "networks": "codes?",  # the nets of surveillance that reach it
    "amenities": "codes?",  # waiting_area, nursing_room, medicine_box, free_network, help_desk …
    "inspect_every_days": "count?",
}
declare("site.registered.v1", proposal="id", **_SITE)
declare("site.changed.v1", proposal="id", **_SITE)
declare("site.closed.v1", proposal="id")
declare("handdown.made.v1", proposal="id", item="code", unit="code", tier="code")
declare("handdown.taken_back.v1", proposal="id")

# ---------------------------------------------------------------------- the centres' streams: each has its file

# How a matter came in (window, phone, website, microblog, wechat, qq, forum, sms …), and which systems it crossed
# (service, grid, three_defences).
_CONTACT: Final = {"channel": "code", "systems": "codes?"}

declare("bundle.opened.v1", name="code", children="codes", subject="sealed text?", **_CONTACT)
declare("bundle.child_added.v1", child="code")
declare("bundle.child_finished.v1", child="code", outcome="code")
declare("bundle.closed.v1")

# Topics of consultations and what is released about them are for everybody.
declare("consultation.proposed.v1", topic="text", unit="code?", **_CONTACT)
declare("consultation.party_joined.v1", party="code", spokesperson="sealed text?")
declare("consultation.scheduled.v1", form="code", day="date", place="text?")
declare("consultation.held.v1", attended="count", minutes="id?", words="sealed text?")
declare("consultation.released.v1", form="code", title="text", document="id?")
declare("consultation.agreed.v1", measures="codes", document="id?", words="sealed text?")
declare("consultation.not_agreed.v1", reasons="sealed text?")
declare("consultation.followed_up.v1", kept="bool", words="sealed text?")
declare("consultation.dropped.v1", reason="code")
declare("consultation.closed.v1")

declare(
    "assistance.requested.v1",
    kind="code",
    person="sealed text",
    contact="sealed text?",
    need="sealed text",
    applicant_band="code?",
    **_CONTACT,
)
declare("assistance.triaged.v1", urgency="code", unit="code?")
declare("assistance.assessed.v1", entitled="bool", words="sealed text?")
declare("assistance.helped.v1", how="code", words="sealed text?")
declare("assistance.granted.v1", fen="fen", fund="code")
declare("assistance.paid.v1", fen="fen", grant="id")
declare("assistance.recovered.v1", fen="fen", debtor="sealed text?")
declare("assistance.reversed.v1", entry="id", reason="code")
declare("assistance.referred.v1", centre="code")
declare("assistance.refused.v1", reason="code", reasons="sealed text?")
declare("assistance.closed.v1")

declare(
    "mediation.filed.v1",
    dispute="code",
    parties="sealed object",
    matter="sealed text",
    studio="code?",  # the unit: a studio of a town, or the centre
    **_CONTACT,
)
declare("mediation.parties_agreed.v1")
declare("mediation.parties_declined.v1", reasons="sealed text?")
declare("mediation.mediators_named.v1", mediators="object")  # actor → people, administrative or judicial
declare("mediation.session_held.v1", minutes="id?", words="sealed text?")
declare("mediation.agreed.v1", terms="sealed text", document="id?")
declare("mediation.failed.v1", reasons="sealed text?")
declare("mediation.withdrawn.v1", reasons="sealed text?")
declare("mediation.confirmed.v1", by="code", document="id?")
declare("mediation.performed.v1", words="sealed text?")
declare("mediation.breached.v1", words="sealed text?")
declare("mediation.petition_repeated.v1", channel="code")
declare("mediation.closed.v1")

declare("emergency.alarm_raised.v1", kind="code", place="sealed text", words="sealed text?", site="code?", **_CONTACT)
declare("emergency.acknowledged.v1")
declare("emergency.false_alarm.v1", reason="code")
declare("emergency.dispatched.v1", forces="codes")
declare("emergency.arrived.v1", force="code")
declare("emergency.conferred.v1", parties="codes")  # a video conference
declare("emergency.stabilised.v1")
declare("emergency.closed.v1", injured="count", dead="count", words="sealed text?")
declare("emergency.reviewed.v1", document="id?", words="sealed text?")
declare("plan.drafted.v1", kind="code", title="text", document="id")
declare("plan.approved.v1")
declare("plan.retired.v1", reason="code")
declare("drill.scheduled.v1", plan="code", day="date")
declare("drill.held.v1", took_part="count", words="sealed text?")
declare("drill.cancelled.v1", reason="code")
declare("drill.reviewed.v1", document="id?", words="sealed text?")
declare("duty.begun.v1")
declare("duty.handover_offered.v1", to="code", matters="codes?", words="sealed text?")  # what is still going on
declare("duty.handover_accepted.v1")
declare("duty.handover_declined.v1", reason="code")
declare("inspection.planned.v1", site="code", due="date")
declare("inspection.carried_out.v1", faults="codes?", words="sealed text?")
declare("inspection.fault_mended.v1", fault="code")
declare("inspection.cancelled.v1", reason="code")
declare("inspection.closed.v1")

declare("grid.reported.v1", kind="code", tier="code", place="sealed text", words="sealed text?", **_CONTACT, **_HAND)
declare("grid.dispatched.v1", unit="code", **_HAND)
declare("grid.rejected.v1", reason="code", **_HAND)
declare("grid.escalated.v1", tier="code", reason="code", **_HAND)
declare("grid.handled.v1", measures="codes?", words="sealed text?", **_HAND)
declare("grid.verified.v1", words="sealed text?", **_HAND)
declare("grid.sent_back.v1", reason="code", **_HAND)
declare("grid.closed.v1", **_HAND)

# Public purchases are public: project, bidders and sums stand in clear.
declare("trading.planned.v1", project="text", buyer="code", method="code", fen="fen", ocid="code?", lot="code?")
declare("trading.tender_published.v1", closes="instant", document="id?")
declare("trading.tender_amended.v1", closes="instant", document="id?", reason="code")
declare("trading.bid_received.v1", bidder="code", document="id?")
declare("trading.bids_opened.v1", prices="object?")  # bidder → fen
declare("trading.tender_failed.v1", reason="code")
declare("trading.challenged.v1", challenge="code", words="sealed text?")
declare("trading.challenge_settled.v1", challenge="code", outcome="code")
declare("trading.awarded.v1", supplier="code", partners="codes?", fen="fen", document="id?")  # of a consortium
declare("trading.contract_signed.v1", fen="fen", document="id?")
declare("trading.contract_amended.v1", fen="fen", reason="code")
declare("trading.started.v1")
declare("trading.paid.v1", fen="fen")
declare("trading.completed.v1")
declare("trading.cancelled.v1", reason="code")

declare("enterprise_help.visited.v1", enterprise="code", words="sealed text?")
declare("enterprise_help.difficulty_raised.v1", difficulty="code", kind="code", words="sealed text?")
declare("enterprise_help.difficulty_resolved.v1", difficulty="code", outcome="code", words="sealed text?")
# Ahead of an application (early intervention): the papers that this one needs, and by when to apply.
declare(
    "enterprise_help.papers_listed.v1",
    milestone="code",
    item="code",
    papers="codes",
    apply_by="date",
    words="sealed text?",
)
# ``case``: its stream; ``application``, ``applied``: the statement by which it was applied for, and its time.
declare("enterprise_help.applied_for.v1", milestone="code", case="code", application="id", applied="instant")
declare("enterprise_help.milestone_dropped.v1", milestone="code", reason="code")
declare("enterprise_help.closed.v1")

declare("appointment.made.v1", queue="code", slot="instant", visitor="pseudonym code?", item="code?", **_CONTACT)
declare("appointment.moved.v1", slot="instant")
declare("appointment.kept.v1", ticket="code?")
declare("appointment.missed.v1")
declare("appointment.cancelled.v1")
declare("reservation.asked.v1", item="code", unit="code", day="date", applicant="sealed text", **_CONTACT)
declare("reservation.confirmed.v1")
declare("reservation.declined.v1", reason="code")
declare("reservation.begun.v1", case="code")
declare("reservation.lapsed.v1")
declare("reservation.withdrawn.v1")

# ``visit``: the ticket, or the case where there was none. ``dimensions``: what was rated beside the whole → level.
declare("rating.given.v1", visit="code", level="count", dimensions="object?", channel="code", words="sealed text?")
declare("rating.followed_up.v1", outcome="code", words="sealed text?")

declare("referral.made.v1", sender="code", centre="code", source="code", reason="code", words="sealed text?")
declare("referral.taken.v1", target="code")
declare("referral.returned.v1", reason="code")

declare("proxy.consented.v1", person="sealed text", scope="codes", until="date", form="code", document="id?")
declare("proxy.assigned.v1", agent="code")
declare("proxy.acted.v1", item="code", case="code", what="code")
declare("proxy.withdrawn.v1")
declare("proxy.ended.v1", reason="code")

declare(
    "complaint.received.v1",
    tracking="id",  # SHA-256 of the code that the citizen keeps
    allegations="codes",
    events="ids?",  # what is disputed, or else …
    window="code?",  # … where and when it was
    since="instant?",
    until="instant?",
    complainant="sealed text?",
    contact="sealed text?",
    words="sealed text",
    **_CONTACT,
)
declare("complaint.registered.v1", number="code")
declare("complaint.accepted.v1", complained_of="codes", investigator="code")  # actors
declare("complaint.assigned.v1", investigator="code")
declare("complaint.refused.v1", reason="code", reasons="sealed text")
declare("complaint.forwarded.v1", unit="code", reason="code")
declare("complaint.evidence_held.v1", holds="ids")  # footage.hold_placed
# Why nothing is held, or not on those cameras; ``expires``: when the first of their footage goes by its term.
declare("complaint.evidence_missing.v1", reason="code", cameras="codes?", expires="instant?")
declare("complaint.clip_sealed.v1", clip="id")  # footage.clip_extracted
declare("complaint.clip_missing.v1", camera="code", reason="code", since="instant", until="instant")
declare("complaint.investigated.v1", streams="codes", position="count?", words="sealed text?")
declare("complaint.replied.v1", words="sealed text")
declare("complaint.reply_lapsed.v1", due="date")
declare(
    "complaint.finding_made.v1", allegation="code", outcome="code", events="ids?", clips="ids?", words="sealed text?"
)
declare("complaint.extended.v1", days="count", approval="code", reasons="sealed text?")
declare("complaint.decided.v1", outcome="code", reasons="sealed text?")
declare("complaint.told.v1", how="code", document="id?")
declare("complaint.called_back.v1", satisfied="bool?", words="sealed text?")  # absent: not reached
declare("complaint.closed.v1")
declare("complaint.review_asked.v1", words="sealed text")
declare("complaint.review_decided.v1", outcome="code", reasons="sealed text?")
declare("complaint.holds_released.v1", holds="ids")

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

# ---------------------------------------------------------------------- sealed values erased, kept and shown

# In erasure/SUBJECT, where SUBJECT is the stream whose values they are, or person/PSEUDONYM: see ``erasure``.
# Who looked at somebody's data: see ``read``.
declare("read.made.v1", subject="code", purpose="code")
declare("erasure.proposed.v1", ground="code", digests="digests")
declare("erasure.made.v1", proposal="id", ground="code", digests="digests")
declare("hold.placed.v1", "erasure", ground="code")
declare("hold.released.v1", "erasure", hold="id", ground="code")
# In disclosure/STREAM: those sealed values of the stream were opened to somebody, for a purpose.
declare("disclosure.granted.v1", to="code", purpose="code", digests="digests")

# ---------------------------------------------------------------------- footage: see ``footage``

# In recorder/NAME/DATE: journal lines ``first`` to ``last`` of that recorder, under the Merkle root of their texts.
# An empty batch has last = first − 1. ``cameras``: camera → {"segments": n, "us": sealed time}.
declare(
    "segments.sealed.v1",
    "recorder",
    first="count",
    last="count",
    root="id",
    cameras="object",
    late_s="count?",  # committed late: the age of the oldest line, where the ledger could not be reached
)
# In footage/CAMERA, by its recorder; ``line``: the journal's line that says so.
_SEEN: Final = {"line": "count", "at": "instant", "run": "code?"}
declare("footage.recording_started.v1", **_SEEN)
declare("footage.recording_stopped.v1", **_SEEN)
declare("footage.gap_detected.v1", cause="code", **_SEEN)
declare("footage.gap_ended.v1", cause="code", since="instant", **_SEEN)
declare("footage.clock_stepped.v1", offset_us="int", **_SEEN)
declare("footage.tampered.v1", state="code", measured="object", **_SEEN)
declare("footage.recovered.v1", state="code", measured="object", **_SEEN)
# In footage/CAMERA, by a custodian. Spans are half open: from ≤ t < to.
_SPAN: Final = {"since": "instant", "until": "instant"}
# ``offset_us``: the camera's own clock less the recorder's, where the camera told it.
declare("footage.clip_extracted.v1", sha256="id", manifest="id", offset_us="int?", codec="code?", **_SPAN)
# A clip encoded or packed anew, for players: ``kind`` remuxed, transcoded or exact_cut; ``report`` as of redactions.
declare("footage.clip_derived.v1", clip="id", clip_sha256="id", kind="code", sha256="id", report="id", **_SPAN)
# ``about``: the cases and tickets it is for, where a complaint has it placed.
declare("footage.hold_placed.v1", ground="code", provisional="bool", expires="instant?", about="codes?", **_SPAN)
declare("footage.hold_extended.v1", hold="id", ground="code", expires="instant?")  # without one: until it is released
declare("footage.hold_lapsed.v1", hold="id", ground="code")
# Not placed, for a person must say so first; ``footage_until``: when the footage goes by its term.
declare("footage.hold_deferred.v1", ground="code", reason="code", footage_until="instant", about="codes?", **_SPAN)
declare("footage.hold_release_proposed.v1", hold="id", ground="code")
declare("footage.hold_released.v1", proposal="id", hold="id", ground="code")
declare("footage.purged.v1", rule="code", segments="count", bytes="count", root="id", **_SPAN)
# By its recorder: held footage is past its share of the disk, or within it again.
declare("footage.held_space_passed.v1", held_bytes="count", disk_bytes="count")
declare("footage.held_space_freed.v1", held_bytes="count", disk_bytes="count")

# ---------------------------------------------------------------------- who may see footage: see ``grants``

# In grant/ID: one clip, one viewer (actor). ``clip``: the statement that extracted it; spans are of its time.
# ``rights``: view, download, unblurred; ``tracks``: of a redaction's, those to be left clear.
_ASKED: Final = {"clip": "id", "viewer": "code", "rights": "codes", "tracks": "codes?", **_SPAN}
declare(
    "footage.clip_requested.v1",
    "grant",
    camera="code",
    purpose="code",
    basis="code",
    complaint="code?",
    words="sealed text?",
    **_ASKED,
)
# ``complained_of``: actors, as the complaint names them then.
declare("footage.clip_granted.v1", "grant", expires="instant", complained_of="codes", **_ASKED)
declare("footage.clip_refused.v1", "grant", reason="code", reasons="sealed text?")
declare("footage.grant_withdrawn.v1", "grant", reason="code")
declare("footage.link_issued.v1", "grant", link="id", expires="instant")  # SHA-256 of the link's own part
# ``rendition``: clip (as it was cut) or redacted, which names the statement that confirmed it; ``sha256``: of the file
# that was served, from which a watermarked one may have been made.
_SERVED: Final = {
    "viewer": "code",
    "viewer_role": "code",  # in which it was asked for
    "purpose": "code",
    "complaint": "code?",
    "sha256": "id",
    "redaction": "id?",
}
declare("footage.clip_viewed.v1", "grant", rendition="code", link="id?", **_SERVED, **_SPAN)
declare("footage.clip_downloaded.v1", "grant", link="id?", **_SERVED)
declare("footage.clip_shared.v1", "grant", receiver="code", how="code", **_SERVED)
declare("footage.clip_verified.v1", "grant", sha256="id", outcome="code")
# In redaction/ID. ``clip_sha256``: what it was made of; ``report``: SHA-256 of what its manifest says was done.
declare(
    "footage.clip_redacted.v1",
    "redaction",
    clip="id",
    clip_sha256="id",
    sha256="id",
    report="id",
    tracks="count",
    clear="codes?",
    grant="code?",
    masks="count",
    uncovered="count",  # spans in which somebody may be seen
)
declare("footage.redaction_confirmed.v1", "redaction", redacted="id", seen="count")
declare("footage.redaction_rejected.v1", "redaction", redacted="id", reason="code")

# ---------------------------------------------------------------------- watched live, and marked: see ``patrol``

# In live/ID, before the first picture is sent. The span of its end is of footage, by the recorder's clock; without one
# nothing was shown.
declare(
    "footage.live_viewed.v1",
    "live",
    camera="code",
    window="code?",
    purpose="code",
    complaint="code?",
    words="sealed text?",
)
declare("footage.live_ended.v1", "live", cause="code", since="instant?", until="instant?")
# ``since``, ``until``: what is held around it; ``view``: the viewing in which it was seen.
declare("patrol.marked.v1", window="code", camera="code?", view="code?", words="sealed text?", **_SPAN)
declare("patrol.complained.v1", complaint="code")

# ---------------------------------------------------------------------- cards: see ``cards``

declare(
    "card.raised.v1",
    case="code",  # the case's stream
    rule="code",
    colour="code",
    pack="code",
    version="count",  # of the rule
    rules="hex",  # SHA-256 of the pack in canonical JSON
    unit="code?",
    clock="code?",
    branch="code?",
    step="code?",
    run="count?",
    due="instant?",  # the run's last instant, as reckoned when the card was raised
    fired="instant",  # when the rule was due: earlier than the statement after an outage
)
declare("card.answered.v1", answer="sealed text")
declare("card.appealed.v1", grounds="sealed text")
declare("card.upheld.v1", reasons="sealed text?")
declare("card.revocation_proposed.v1", reason="code", fires="instant?")  # ``fires``: when it is due now, if ever
declare("card.revoked.v1", reason="code", reasons="sealed text?")

# ---------------------------------------------------------------------- what is odd, looked at: see ``triage``

# In anomaly/DIGEST of kind, case and evidence. ``version``: of the detector; ``evidence``: the statements it rests on.
_TRIAGED: Final = {"kind": "code", "version": "count", "case": "code", "evidence": "ids", "reason": "sealed text"}
declare("anomaly.confirmed.v1", **_TRIAGED)
declare("anomaly.dismissed.v1", **_TRIAGED)
