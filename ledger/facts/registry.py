"""The registries, folded from the governing streams: keys, people, policy, catalogue, rosters, calendars.

One fold serves the door, the sequencer, the projections and the outsider's verifier. Validity is decided by log
position: ``apply`` is called in log order with the leaf index of each statement (the door, which runs ahead of
the tree, passes ``None``: whatever it has read is valid now).

Two-person changes are two statements in one stream: ``KIND.change_proposed.v1`` with ``change`` and ``content``,
then the fact itself, which repeats the content and names the proposal's id. The effect is at the second one.

Two things never change once they are here, whatever comes later: which person an actor id stands for
(``person_of``), and what a version of an item says (``item_version``).
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ledger.errors import Malformed, NotAllowed, Refused
from ledger.facts.calendar import Calendar, YearSchedule, calendar_with
from ledger.facts.cameras import check_camera
from ledger.facts.card_rules import parse_pack
from ledger.facts.case_clocks import ItemRules, day_at, parse_item
from ledger.facts.clocks import Unit
from ledger.facts.places import check_handdown, check_site
from ledger.facts.policy import Policy, Rule, parse_policy
from ledger.facts.types import TYPES, check_data, check_value
from ledger.keys import Thumbprint, check_public_key, check_signature, thumbprint
from ledger.statement import Statement, StatementId, canonical_json

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

CLOCK_ACTOR: Final = "system/clock"
LOG_STREAM: Final = "log"
GENESIS_STREAM: Final = "ledger"
WITNESS_STREAM: Final = "witness"
WITNESS_POLICY: Final = "witness.policy_set.v1"
# Names that a policy's quorum line has already.
_NO_WITNESS: Final = frozenset({"none", "majority"})
_WITNESS_VKEY: Final = re.compile(r"([!-*,-~]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})", re.ASCII)
_WITNESS_URL: Final = re.compile(r"https?://[!-~]+", re.ASCII)
_DAY_US: Final = 86_400_000_000
_SKEW_US: Final = 300_000_000  # how far two persons' clocks may stand apart
# Why an item may not be closed at the window.
BACK_OFFICE: Final = frozenset(
    {"site_visit", "collective_discussion", "expert_argument", "hearing", "technical_review"}
)
CUSTODIES: Final = frozenset({"actor", "device", "server"})

_OPENING: Final = {
    "staff": "staff.appointed.v1",
    "unit": "unit.registered.v1",
    "window": "window.opened.v1",
    "item": "item.published.v1",
    "authority": "authority.accepted.v1",
    "witness": "witness.added.v1",
    "camera": "camera.registered.v1",
    "site": "site.registered.v1",
    "handdown": "handdown.made.v1",
    "rulepack": "rulepack.adopted.v1",
}
CLOSING: Final = {
    "staff": "staff.left.v1",
    "unit": "unit.closed.v1",
    "window": "window.closed.v1",
    "item": "item.retired.v1",
    "authority": "authority.dropped.v1",
    "witness": "witness.removed.v1",
    "camera": "camera.retired.v1",
    "site": "site.closed.v1",
    "handdown": "handdown.taken_back.v1",
    "rulepack": "rulepack.withdrawn.v1",
}


# What the clock must always be able to do, and what two persons must, or nobody could mend the ledger any more.
_LOGS_OWN: Final = ("log.batch.v1", "log.voided.v1")
_MENDING: Final = {"key": "key.added.v1", "staff": "staff.appointed.v1", "policy": "policy.changed.v1"}


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as the log knows it. ``revoked`` and ``added`` are leaf indexes (None: not, or at the door).

    ``kept``: it lies with the ledger, or was registered with a key that does. Whoever holds the registering keys can
    register one of their own for anybody, so such a key is no better than they, whatever custody it claims.
    """

    actor: str
    public: bytes
    custody: str
    kept: bool
    added: int | None
    next: str | None = None
    revoked: int | None = None
    is_revoked: bool = False
    suspect: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Appointment:
    """What a person may act as."""

    person: str
    roles: frozenset[str]
    unit: str | None
    windows: frozenset[str]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that waits for its second person."""

    change: str
    content: Mapping[str, Any]
    actor: str
    person: str
    role: str
    stream: str
    sd: tuple[str, ...]
    at_us: int
    kept: bool = False  # made under a key that lies with the ledger (see ``KeyRecord``)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing of a catalogue registry (unit, window, item, roster, calendar year …), as last stated."""

    data: Mapping[str, Any]
    closed: bool


class _Case(NamedTuple):
    """What an act's stream says of itself to the predicates; None where it says nothing."""

    acceptor: str | None
    opener: str | None
    unit: str | None
    on_the_spot: bool | None
    proposals: Mapping[StatementId, Proposal]


@dataclass(frozen=True)  # without slots, to keep its rules once they were read
class ItemVersion:
    """An item as one statement published or revised it."""

    id: StatementId
    data: Mapping[str, Any]

    @cached_property
    def rules(self) -> ItemRules:
        """What it says of clocks, gaps and fees."""
        return parse_item(self.data)


def possession_message(origin: str, actor: str, public_key: bytes) -> bytes:
    """What the holder of a new key signs to prove possession: these three lines."""
    return f"mingjian proof of possession v1\n{origin}\n{actor}\n{public_key.hex()}\n".encode()


def next_key_digest(public_key: bytes) -> str:
    """What is committed in advance of a rotation: SHA-256 of the next public key, hex."""
    return hashlib.sha256(public_key).hexdigest()


def adapter_of(actor: str) -> tuple[str, str] | None:
    """Kind and source of a live system's adapter, ``adapter/KIND/SOURCE``; None of anybody else."""
    prefix, _, rest = actor.partition("/")
    kind, _, source = rest.partition("/")
    return (kind, source) if prefix == "adapter" and kind and source and "/" not in source else None


@lru_cache(maxsize=1024)
def _machine(actor: str) -> Appointment | None:
    """What an adapter or recorder may act as, by its name alone; None of anybody else."""
    if actor.startswith("source/"):
        return Appointment(actor, frozenset({"source_adapter"}), None, frozenset())
    if (adapter := adapter_of(actor)) is not None:
        return Appointment(actor, frozenset({f"{adapter[0]}_adapter"}), None, frozenset())
    if actor.startswith("recorder/"):
        return Appointment(actor, frozenset({"recorder_device"}), None, frozenset())
    return None


def source_of(actor: str) -> str | None:
    """The source that an adapter speaks for, of history (``source/SOURCE``) or live; None of anybody else."""
    adapter = adapter_of(actor)
    if adapter is not None:
        return adapter[1]
    source = actor.removeprefix("source/")
    return None if source == actor else source


def _check_officer(officer: Any) -> None:
    if not isinstance(officer, dict) or officer.keys() != {"actor", "person", "key", "custody"}:
        raise Malformed("an officer is actor, person, key and custody", code="genesis")
    kinds = {"actor": "code", "person": "hex", "key": "hex", "custody": "code"}
    for name, kind in kinds.items():
        if not check_value(kind, officer[name]):
            raise Malformed(f"an officer's {name} is not a {kind}: {officer[name]!r:.60}", code="genesis")
    if officer["custody"] not in CUSTODIES or officer["actor"] == CLOCK_ACTOR:
        raise Malformed("an officer is a person with a key in a known custody", code="genesis")


def _check_authority(name: str, authority: Any) -> None:
    if not check_value("code", name) or "/" in name:
        raise Malformed(f"{name!r:.60} is no name of a time authority", code="genesis")
    if (
        not isinstance(authority, dict)
        or authority.keys() != {"certificate"}
        or not check_value("hex", authority["certificate"])
    ):
        raise Malformed("a time authority is a certificate in hex", code="genesis")
    read_certificate(bytes.fromhex(authority["certificate"]))


def read_certificate(der: bytes) -> Certificate:
    """The X.509 certificate (DER) of a time authority; Malformed when it is none."""
    # Few ledgers have one, and it takes a while to load.
    from cryptography.x509 import load_der_x509_certificate

    try:
        return load_der_x509_certificate(der)
    except (ValueError, TypeError) as error:
        raise Malformed(f"not a certificate in DER: {error}", code="time-authority") from error


def _witness_key(vkey: str) -> bytes:
    """The public key in a witness's vkey (C2SP signed-note), an Ed25519 key for cosignatures."""
    found = _WITNESS_VKEY.fullmatch(vkey)
    encoded = b"" if found is None else b64decode(found[3])
    if found is None or encoded[:1] != b"\x04" or b64encode(encoded).decode() != found[3]:
        raise Refused("this is not a witness's key", code="witness-vkey", mend="ask the witness for its vkey")
    if hashlib.sha256(found[1].encode() + b"\n" + encoded).hexdigest()[:8] != found[2]:
        raise Refused("the witness's key has another's id", code="witness-vkey", mend="copy the whole vkey")
    check_public_key(encoded[1:])
    return encoded[1:]


def _same(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Whether two JSON objects are the same to the byte; to Python, true equals 1."""
    return canonical_json(left) == canonical_json(right)


def _appointment(data: Mapping[str, Any]) -> Appointment:
    windows = frozenset(data.get("windows", ()))
    return Appointment(data["person"], frozenset(data["roles"]), data.get("unit"), windows)


def _promise_within(rules: ItemRules, percent: int) -> bool:
    """Whether the item's promise is within so many percent of its statutory limit, or has none to be measured by."""
    promise, statutory = rules.clocks.get("promise"), rules.clocks.get("statutory")
    if promise is None or statutory is None:
        return True
    given, law = promise.spec, statutory.spec
    if given.unit is Unit.WORKING_DAY and law.unit is not Unit.WORKING_DAY:
        return False  # so many working days last longer than as many days: nothing follows from the numbers
    hours = {Unit.HOUR: 1, Unit.CALENDAR_DAY: 24, Unit.WORKING_DAY: 24}
    return given.limit * hours[given.unit] * 100 <= law.limit * hours[law.unit] * percent


@dataclass(slots=True)
class Registry:
    """The state of all governing streams at one moment."""

    origin: str
    first_id: StatementId
    policy: Policy
    keys: dict[bytes, KeyRecord] = field(default_factory=dict)
    appointments: dict[str, Appointment] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    proposals: dict[StatementId, Proposal] = field(default_factory=dict)
    schedules: list[YearSchedule] = field(default_factory=list)  # those that the log holds, in its order
    officers: tuple[str, str] = ("", "")
    genesis: Mapping[str, Any] = field(default_factory=dict)
    persons: dict[str, str] = field(default_factory=dict)
    items: dict[str, list[ItemVersion]] = field(default_factory=dict)  # since the last publishing, by stream
    item_versions: dict[StatementId, ItemVersion] = field(default_factory=dict)  # all there ever were

    # ------------------------------------------------------------------------------- the first two entries

    @classmethod
    def opened(cls, first: Statement) -> Registry:
        """The registry after entry 0, whose own words it takes: the origin pins them, nobody else does."""
        if first.type != "ledger.opened.v1" or first.stream != GENESIS_STREAM or first.seq != 1:
            raise Malformed("entry 0 is not the opening of a ledger", code="genesis")
        if first.audience is not None:
            raise Malformed("entry 0 has no audience", code="genesis")
        check_data(TYPES[first.type], first.data, len(first.sd))
        data = first.data
        origin = f"{data['name']}/{first.id[:16].hex()}"
        registry = cls(origin=origin, first_id=first.id, policy=parse_policy(data["policy"]), genesis=data)
        officers = data["officers"]
        if officers.keys() != {"first", "second"}:
            raise Malformed("a ledger is opened by a first and a second officer", code="genesis")
        for officer in officers.values():
            _check_officer(officer)
        one, two = officers["first"], officers["second"]
        if one["person"] == two["person"] or one["actor"] == two["actor"] or one["key"] == two["key"]:
            raise Malformed("the two officers are one", code="genesis")
        if len({data["clock_key"], data["receipt_key"], data["log_key"], one["key"], two["key"]}) != 5:
            raise Malformed("log key, receipt key, clock key and officers' keys differ", code="genesis")
        for purpose in ("receipt_key", "log_key"):
            check_public_key(bytes.fromhex(data[purpose]))
        for officer in (one, two):
            registry._admit(officer["actor"], bytes.fromhex(officer["key"]), officer["custody"], 0)
            registry._appoint(officer["actor"], officer["person"], "key_officer")
        for name, authority in data["time_authorities"].items():
            _check_authority(name, authority)
            registry.entries[f"authority/{name}"] = Entry(data=authority, closed=False)
        registry.officers = (one["actor"], two["actor"])
        registry._admit(CLOCK_ACTOR, bytes.fromhex(data["clock_key"]), "server", 0)
        registry._appoint(CLOCK_ACTOR, CLOCK_ACTOR, "system_clock")
        if first.actor != one["actor"] or first.role != "key_officer":
            raise Malformed("entry 0 is signed by the first officer", code="genesis")
        return registry

    def confirm_opening(self, second: Statement) -> None:
        """Entry 1: the second officer confirms entry 0."""
        if (
            second.type != "ledger.confirmed.v1"
            or second.stream != GENESIS_STREAM
            or second.audience != self.origin
            or second.seq != 2
            or second.role != "key_officer"
            or second.data.keys() != {"opened"}
            or second.sd
            or second.actor != self.officers[1]
            or second.data["opened"] != self.first_id.hex()
            or second.prev != self.first_id
        ):
            raise Malformed("entry 1 is not the second officer's confirmation of entry 0", code="genesis")

    def _admit(
        self, actor: str, public: bytes, custody: str, index: int | None, *, kept: bool = False, **more: Any
    ) -> None:
        check_public_key(public)
        kid = thumbprint(public)
        if kid in self.keys:
            raise Refused("the key is registered already", code="key-known")
        kept = kept or custody == "server"
        self.keys[kid] = KeyRecord(actor=actor, public=public, custody=custody, kept=kept, added=index, **more)

    def _appoint(self, actor: str, person: str, role: str) -> None:
        self.persons[actor] = person
        self.appointments[actor] = Appointment(person, frozenset({role}), None, frozenset())

    # ------------------------------------------------------------------------------------------- questions

    def key_of(self, statement: Statement) -> KeyRecord:
        """The key that must have signed ``statement``, valid here (NotAllowed otherwise)."""
        record = self.keys.get(statement.kid)
        if record is None:
            raise NotAllowed("the statement's key is not registered", code="key-unknown")
        if record.actor != statement.actor:
            raise NotAllowed(f"the key belongs to {record.actor}, not {statement.actor}", code="key-actor")
        if record.is_revoked:
            raise NotAllowed("the key is revoked", code="key-revoked")
        return record

    def appointment_of(self, actor: str) -> Appointment:
        """What ``actor`` may act as; adapters and recorders hold the one role their name gives."""
        held = self.appointments.get(actor)
        if held is not None:
            return held
        machine = _machine(actor)
        if machine is None:
            raise NotAllowed(f"{actor} holds no appointment", code="no-appointment")
        return machine

    def person_of(self, actor: str) -> str:
        """Whom an actor id stands for, also after that person left; machines stand for themselves."""
        return self.persons.get(actor, actor)

    def item(self, code: str) -> Mapping[str, Any] | None:
        """The item as last published or revised, or None when it was never published or is retired."""
        entry = self.entries.get(f"item/{code}")
        return None if entry is None or entry.closed else entry.data

    def item_valid_on(self, code: str, day: str) -> ItemVersion | None:
        """The version of an item to apply under on ``day`` (ISO): the newest that is valid by then."""
        if self.item(code) is None:
            return None
        versions = reversed(self.items[f"item/{code}"])
        return next((version for version in versions if version.data.get("valid_from", day) <= day), None)

    def witnesses(self) -> list[tuple[str, Entry]]:
        """The witnesses that the log asks, by name, in the order in which they came."""
        prefix = f"{WITNESS_STREAM}/"
        found = [(stream, entry) for stream, entry in self.entries.items() if stream.startswith(prefix)]
        return [(stream.removeprefix(prefix), entry) for stream, entry in found if not entry.closed]

    def cameras(self) -> list[tuple[str, Mapping[str, Any]]]:
        """The cameras that are registered, by stream, with what was last said of them."""
        return [
            (stream, entry.data)
            for stream, entry in self.entries.items()
            if stream.startswith("camera/") and not entry.closed
        ]

    def witness_rule(self) -> str:
        """The group and quorum lines of the log's own policy, empty as long as none were set."""
        entry = self.entries.get(WITNESS_STREAM)
        return "" if entry is None else str(entry.data["policy"])

    def calendar(self) -> Calendar:
        """The working days: the shipped schedules, and after them those that the log holds."""
        return calendar_with(tuple(self.schedules))

    def active_keys(self, actor: str) -> list[Thumbprint]:
        """The thumbprints under which ``actor`` may sign now."""
        return [Thumbprint(kid) for kid, key in self.keys.items() if key.actor == actor and not key.is_revoked]

    # ---------------------------------------------------------------------------------------------- rights

    def check_rights(
        self,
        act: Statement,
        *,
        acceptor: str | None = None,
        opener: str | None = None,
        case_unit: str | None = None,
        on_the_spot: bool | None = None,
        proposals: Mapping[StatementId, Proposal] | None = None,
    ) -> None:
        """Refuse an act that no rule allows.

        ``acceptor`` (person), ``opener`` (actor), ``case_unit``, ``on_the_spot``, ``proposals`` (those that wait in a
        stream which governs nothing): of the act's stream, if it says so.
        """
        case = _Case(acceptor, opener, case_unit, on_the_spot, proposals or {})
        held = self.appointment_of(act.actor)
        if act.role not in held.roles:
            raise NotAllowed(f"{act.actor} does not hold the role {act.role}", code="role", role=act.role)
        rules = self.policy.rules_for(act.role, act.type)
        if not rules:
            raise NotAllowed(f"the role {act.role} may not append {act.type}", code="right", role=act.role)
        first: NotAllowed | None = None
        for rule in rules:
            try:
                self._check_rule(rule, act, held, case)
            except NotAllowed as refusal:
                first = first or refusal
            else:
                return
        assert first is not None
        raise first

    def _check_rule(self, rule: Rule, act: Statement, held: Appointment, case: _Case) -> None:
        for predicate in rule.when:
            match predicate:
                case "own_window":
                    if act.window is None or act.window not in held.windows:
                        raise NotAllowed(f"{act.window} is not a window of {act.actor}", code="own-window")
                case "own_unit":
                    if act.unit is None or act.unit != held.unit:
                        raise NotAllowed(f"{act.unit} is not the unit of {act.actor}", code="own-unit")
                case "case_unit":
                    if case.unit is not None and act.unit != case.unit:
                        raise NotAllowed(f"the case is {case.unit}'s, not {act.unit}'s", code="case-unit")
                case "on_the_spot":
                    if case.on_the_spot is False:
                        raise NotAllowed(
                            "a promise case is not decided at the window",
                            code="on-the-spot",
                            mend="have the unit's approver decide it",
                        )
                case "own_source":
                    if act.stream.split("/")[1:2] != [source_of(act.actor)]:
                        raise NotAllowed(f"{act.stream} is not of {act.actor}", code="own-source")
                case "own_key":
                    if act.stream != f"key/{act.actor}":
                        raise NotAllowed(f"{act.stream} is not the key stream of {act.actor}", code="own-key")
                case "not_acceptor":
                    if case.acceptor is not None and case.acceptor == held.person:
                        raise NotAllowed("whoever accepted the case does not decide it", code="not-acceptor")
                case "own_case":
                    if case.opener is not None and case.opener != act.actor:
                        raise NotAllowed("the case was opened by another", code="own-case")
                case "own_camera":
                    camera = self.entries.get(f"camera/{act.stream.partition('/')[2]}")
                    bound = camera is not None and not camera.closed and camera.data["recorder"] == act.actor
                    if not (act.stream.startswith(f"{act.actor}/") or (act.kind == "footage" and bound)):
                        raise NotAllowed(f"{act.stream} is not of {act.actor}", code="own-camera")
                case "two_persons":
                    self._check_confirmation(act, held, case.proposals)

    def _check_confirmation(self, act: Statement, held: Appointment, waiting: Mapping[StatementId, Proposal]) -> None:
        named = act.data.get("proposal", "")
        id_ = StatementId(bytes.fromhex(named)) if check_value("id", named) else None
        proposal = None if id_ is None else self.proposals.get(id_) or waiting.get(id_)
        if proposal is None or proposal.stream != act.stream:
            raise NotAllowed("there is no such open proposal in this stream", code="proposal")
        content = {name: value for name, value in act.data.items() if name != "proposal"}
        if proposal.change != act.type or not _same(proposal.content, content) or proposal.sd != act.sd:
            raise NotAllowed("what is confirmed is not what was proposed", code="proposal-content")
        if proposal.person == held.person:
            raise NotAllowed(
                "a second person must confirm", code="two-persons", mend="have another holder of the role confirm it"
            )
        proposer = self.appointments.get(proposal.actor)
        if proposer is None or proposal.role not in proposer.roles:
            raise NotAllowed(
                f"{proposal.actor} does not hold the role {proposal.role} any more",
                code="proposal-role",
                mend="have it proposed again by someone who does",
            )
        if not -_SKEW_US <= act.at_us - proposal.at_us <= self.policy.term_days * _DAY_US:
            raise NotAllowed(
                f"a confirmation comes within {self.policy.term_days} days after its proposal",
                code="proposal-term",
                mend="propose it again",
            )

    # --------------------------------------------------------------------------------------- state and fold

    def check_state(self, act: Statement) -> None:
        """Refuse a governing act that the registries as they stand do not allow (Refused with the reason)."""
        kind, _, verb = act.type.partition(".")
        if kind == GENESIS_STREAM:
            raise Refused("a ledger is opened once", code="genesis")
        if verb == "change_proposed.v1":
            self._check_proposal(act)
            return
        self._check_change(act, act.type, act.data)
        if kind in _OPENING and act.type != WITNESS_POLICY:
            entry = self.entries.get(act.stream)
            if act.type == _OPENING[kind]:
                # A pack is adopted anew where an item is revised.
                if entry is not None and not entry.closed and kind != "rulepack":
                    raise Refused(f"{act.stream} is open already", code="already-open")
            elif entry is None or entry.closed:
                raise Refused(f"{act.stream} is not open", code="not-open")

    def _check_proposal(self, act: Statement) -> None:
        change, content = act.data["change"], act.data["content"]
        declared = TYPES.get(change)
        if declared is None or declared.stream_kind != act.kind or "proposal" not in declared.fields:
            raise Refused(f"{change} is no change to propose here", code="proposal-type")
        if "proposal" in content:
            raise Refused("the content of a proposal does not name one", code="proposal-type")
        check_data(declared, {**content, "proposal": "00" * 32}, len(act.sd))
        self._check_change(act, change, content)

    def _check_change(self, act: Statement, change: str, data: Mapping[str, Any]) -> None:
        """What a change says must be sound: when it is proposed, and again when it is confirmed."""
        match change.partition(".")[0]:
            case "key":
                self._check_key(act, change, data)
            case "policy":
                self._check_quorum(policy=parse_policy(data["policy"]))
            case "item" if "clocks" in data:
                self._check_item(act.stream.partition("/")[2], data)
            case "waiver":
                if not 1 <= data["percent"] <= 100:
                    raise Refused("a promise is at most as long as the law's limit", code="promise-limit")
            case "calendar":
                # Known from a day to come it would move no clock on that day, for nobody states anything then.
                if YearSchedule.from_json(data).known_from > day_at(act.at_us + _SKEW_US):
                    raise Refused(
                        f"nobody can know today what becomes known on {data['known_from']}",
                        code="known-from",
                        mend="publish the schedule on the day on which it is known, or name the day of its notice",
                    )
            case "authority" if "certificate" in data:
                read_certificate(bytes.fromhex(data["certificate"]))
            case "staff":
                self._check_staff(act.stream, data)
            case "witness":
                self._check_witness(act.stream, change, data)
            case "rulepack" if change == _OPENING["rulepack"]:
                self._check_pack(act, data)
            case "rulepack":
                held = self.entries.get(act.stream)
                if held is None or held.closed:
                    raise Refused(
                        f"{act.stream} is not in force", code="not-open", mend="mingjian cards rules shows what is"
                    )
            case "camera" if "recorder" in data:
                check_camera(act.stream, data, self.cameras())
            case "site" if "kind" in data:
                check_site(data)
            case "handdown" if change == _OPENING["handdown"]:
                check_handdown(act.stream, data, self.entries)

    def _check_witness(self, stream: str, change: str, data: Mapping[str, Any]) -> None:
        if (stream == WITNESS_STREAM) != (change == WITNESS_POLICY):
            raise Refused("a witness has a stream of its own", code="witness-stream", mend="use witness/NAME")
        if change != "witness.added.v1":
            return
        if stream != f"{WITNESS_STREAM}/{data['name']}" or data["name"] in _NO_WITNESS:
            raise Refused(f"{stream} cannot be the witness {data['name']}", code="witness-name")
        if not _WITNESS_URL.fullmatch(data["url"]):
            raise Refused("a witness is asked under http:// or https://", code="witness-url")
        public = _witness_key(data["vkey"])
        if any(_witness_key(entry.data["vkey"]) == public for _, entry in self.witnesses()):
            raise Refused("the witness's key is registered already", code="key-known")

    def _check_staff(self, actor: str, data: Mapping[str, Any]) -> None:
        if "person" in data and self.persons.get(actor, data["person"]) != data["person"]:
            raise Refused(
                f"{actor} stands for one person for ever, and that is another",
                code="actor-person",
                mend="appoint the person under an id of their own",
            )
        if actor in self.appointments:
            others = {name: held for name, held in self.appointments.items() if name != actor}
            if "person" in data:
                others[actor] = _appointment(data)
            self._check_quorum(appointments=others)

    def _check_item(self, code: str, data: Mapping[str, Any]) -> None:
        rules, reasons = parse_item(data), data.get("back_office", [])
        if unknown := sorted(set(reasons) - BACK_OFFICE):
            raise Refused(
                f"{', '.join(unknown)} is no reason for the back office",
                code="back-office",
                mend=f"reasons: {', '.join(sorted(BACK_OFFICE))}",
            )
        if rules.on_the_spot and reasons:
            raise Refused(
                f"what needs {reasons[0]} is not handled on the spot",
                code="back-office",
                mend="publish it as a promise item, or leave the reasons out",
            )
        percent = self.policy.promise_percent
        waiver = self.entries.get(f"waiver/{code}")
        if percent is not None and waiver is not None:
            percent = max(percent, waiver.data["percent"])
        if percent is not None and not _promise_within(rules, percent):
            raise Refused(
                f"the promise is longer than {percent} % of the statutory limit",
                code="promise-limit",
                mend="promise a shorter time, in the same unit, or have a longer one waived first: waiver.granted.v1",
                percent=percent,
            )

    def _check_pack(self, act: Statement, data: Mapping[str, Any]) -> None:
        pack = parse_pack(data["pack"])
        if act.stream != f"rulepack/{pack.name}":
            raise Refused(
                f"{act.stream} is not the stream of the pack {pack.name}",
                code="pack-stream",
                mend=f"use rulepack/{pack.name}",
            )
        today = day_at(act.at_us)
        for rule in pack.rules:
            if rule.valid_to is not None and rule.valid_to < today:
                raise Refused(
                    f"{rule.id} could never fire: it was valid up to {rule.valid_to}",
                    code="rule-never",
                    mend="leave it out, or give it a later valid_to",
                    rule=rule.id,
                )
        known = [(stream, entry) for stream, entry in self.entries.items() if stream.startswith("rulepack/")]
        for stream, entry in known:
            own = stream == act.stream
            if entry.closed and not own:
                continue
            former = parse_pack(entry.data["pack"])
            for name, one, other in (("clocks", former.clocks, pack.clocks), ("terms", former.terms, pack.terms)):
                if not own and one and other:
                    raise Refused(
                        f"{stream} says {name} already",
                        code="rule-known",
                        mend=f"leave {name} out, or have the other pack withdrawn first",
                    )
            for old in former.rules:
                new = next((rule for rule in pack.rules if rule.id == old.id), old)
                # A card names rule and version: the two must say for ever what was asked, of limits too.
                is_other = new != old or (new in pack.rules and pack.clock_of(new) != former.clock_of(old))
                if own and is_other and new.version <= old.version:
                    raise Refused(
                        f"{new.id} is another rule than its version {old.version}",
                        code="rule-version",
                        mend=f"give it version {old.version + 1}",
                        rule=new.id,
                    )
                if not own and new != old:
                    raise Refused(
                        f"another rule {old.id} is in force in {stream}",
                        code="rule-known",
                        mend="give yours an id of its own, or have the other pack withdrawn first",
                        rule=old.id,
                    )

    def _check_quorum(self, **after: Any) -> None:
        """Refuse a change after which nobody could mend the ledger, or its clock could not open a batch."""
        keys, appointments = after.get("keys", self.keys), after.get("appointments", self.appointments)
        policy: Policy = after.get("policy", self.policy)
        signers = {key.actor for key in keys.values() if not key.is_revoked}

        def may(type_name: str) -> set[str]:
            return {
                held.person
                for actor, held in appointments.items()
                if actor in signers and any(policy.rules_for(role, type_name) for role in held.roles)
            }

        if CLOCK_ACTOR not in signers or not all(
            any(not rule.when for rule in policy.rules_for("system_clock", name)) for name in _LOGS_OWN
        ):
            raise Refused(
                "after this the ledger's clock could place nothing any more",
                code="clock",
                mend="give the clock another key first, and leave it its rights",
            )
        for kind, fact in _MENDING.items():
            proposers, confirmers = may(f"{kind}.change_proposed.v1"), may(fact)
            if not proposers or not confirmers or len(proposers | confirmers) < 2:
                raise Refused(
                    f"after this no two persons could propose and confirm {fact}",
                    code="quorum",
                    mend="give another person a key and the role first",
                )

    def _check_key(self, act: Statement, change: str, data: Mapping[str, Any]) -> None:
        if change == "key.revoked.v1":
            record = self.keys.get(bytes.fromhex(data["kid"]))
            if record is None or record.is_revoked or act.stream != f"key/{record.actor}":
                raise Refused("there is no such key to revoke in this stream", code="key-unknown")
            self._check_quorum(keys={kid: key for kid, key in self.keys.items() if key is not record})
            first = data.get("suspect_from")
            if "suspect_to" in data and (first is None or first > data["suspect_to"]):
                raise Refused("a suspect range runs from suspect_from to suspect_to", code="key-suspect")
            return
        if data.get("custody", "server") not in CUSTODIES:
            raise Refused(f"a key is in the custody of {', '.join(sorted(CUSTODIES))}", code="key-custody")
        actor = data["actor"] if change == "key.added.v1" else act.actor
        if act.stream != f"key/{actor}":
            raise Refused(f"the keys of {actor} are stated in key/{actor}", code="key-stream")
        public = bytes.fromhex(data["key"])
        check_public_key(public)
        if thumbprint(public) in self.keys or data["key"] in (
            self.genesis.get("receipt_key"),
            self.genesis.get("log_key"),
        ):
            raise Refused("the key is registered already", code="key-known")
        if not check_signature(public, possession_message(self.origin, actor, public), bytes.fromhex(data["proof"])):
            raise Refused("the proof of possession does not hold", code="key-proof")
        if change == "key.rotated.v1":
            current = self.keys.get(act.kid)
            if current is None or current.actor != act.actor or current.is_revoked:
                raise Refused("a key is rotated by a statement under that key", code="key-unknown")
            if current.next is None or current.next != next_key_digest(public):
                raise Refused("the new key is not the one committed in advance", code="key-next")

    def proposal(self, act: Statement, change: str, content: Mapping[str, Any]) -> Proposal:
        """``act`` as the proposal of a ``change`` that says ``content``: what its second person is held to."""
        return Proposal(
            change=change,
            content=content,
            actor=act.actor,
            person=self.person_of(act.actor),
            role=act.role,
            stream=act.stream,
            sd=act.sd,
            at_us=act.at_us,
            kept=self._is_kept(act),
        )

    def _is_kept(self, act: Statement) -> bool:
        """Whether the key of ``act`` is no better than those that lie with the ledger (see ``KeyRecord``)."""
        record = self.keys.get(act.kid)
        return record is None or record.kept

    def apply(self, act: Statement, index: int | None) -> None:
        """Take in a valid governing statement at leaf ``index``."""
        kind, _, verb = act.type.partition(".")
        if verb == "change_proposed.v1":
            self.proposals[act.id] = self.proposal(act, act.data["change"], act.data["content"])
            return
        data = {name: value for name, value in act.data.items() if name != "proposal"}
        proposal = None
        if "proposal" in act.data:
            proposal = self.proposals.pop(StatementId(bytes.fromhex(act.data["proposal"])), None)
        if kind == "key":
            self._apply_key(act, data, index, proposal)
        elif kind == "policy":
            self.policy = parse_policy(data["policy"])
        elif kind == "calendar":
            self.schedules.append(YearSchedule.from_json(data))
        elif kind in CLOSING and act.type == CLOSING[kind]:
            self.entries[act.stream] = replace(self.entries[act.stream], closed=True)
            self.appointments.pop(act.stream, None)
        elif kind != GENESIS_STREAM:
            self.entries[act.stream] = Entry(data=data, closed=False)
            if kind == "staff":
                self.persons[act.stream] = data["person"]
                self.appointments[act.stream] = _appointment(data)
            elif kind == "item":
                version = self.item_versions[act.id] = ItemVersion(act.id, data)
                if act.type == _OPENING[kind]:
                    self.items[act.stream] = []
                self.items[act.stream].append(version)

    def _apply_key(self, act: Statement, data: Mapping[str, Any], index: int | None, proposal: Proposal | None) -> None:
        if act.type == "key.revoked.v1":
            kid = bytes.fromhex(data["kid"])
            suspect = (data["suspect_from"], data.get("suspect_to", -1)) if "suspect_from" in data else None
            self.keys[kid] = replace(self.keys[kid], revoked=index, is_revoked=True, suspect=suspect)
            return
        custody, actor = data.get("custody"), data.get("actor")
        if act.type == "key.rotated.v1":
            former = self.keys[act.kid]
            custody, actor = former.custody, former.actor
            self.keys[act.kid] = replace(former, revoked=index, is_revoked=True)
        kept = self._is_kept(act) or (proposal is not None and proposal.kept)
        self._admit(str(actor), bytes.fromhex(data["key"]), str(custody), index, kept=kept, next=data.get("next"))
