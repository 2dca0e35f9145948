"""Is a draft what was asked, and nothing else? Pure: bytes in, the statement to sign or the difference out.

A draft is opened as if it were signed, by the reader that all verifiers use; each member is compared with what was
asked; every digest in ``_sd`` is made again from its disclosure. What the server alone decides is ``seq``, ``prev`` and
the pseudonyms: the first two are checked by whoever replays the log; of a pseudonym nobody outside the hall can say
whose it is, so it is shown as what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from ledger.disclosure import open_disclosure
from ledger.errors import Evidence, Malformed, MingjianError, Refused
from ledger.facts.types import check_data, type_named
from ledger.keys import SIGNATURE_BYTES
from ledger.statement import Statement, StatementId, draft_bytes, join_signature, open_statement
from ledger.tree.checkpoint import Checkpoint

# Of these streams no statement says anything about another one.
_INDEPENDENT: Final = frozenset({"attestation", "imported"})
# It vouches for the claimed time of an earlier statement and changes nothing in the case.
_VOUCHING: Final = frozenset({"approval.late_entry_confirmed.v1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the person wants stated. ``digests``: disclosures made before, repeated by a confirmation."""

    actor: str
    role: str
    stream: str
    type: str
    at: str
    request: str
    values: Mapping[str, Any] = field(default_factory=dict)
    unit: str | None = None
    window: str | None = None
    causes: tuple[StatementId, ...] = ()
    digests: tuple[str, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """The members of a request for a draft."""
        body: dict[str, Any] = {
            "actor": self.actor,
            "role": self.role,
            "stream": self.stream,
            "type": self.type,
            "at": self.at,
            "request": self.request,
            "values": dict(self.values),
            "unit": self.unit,
            "window": self.window,
            "causes": [cause.hex() for cause in self.causes],
            "digests": None if self.digests is None else list(self.digests),
        }
        return {name: value for name, value in body.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Drafted:
    """What the server answered, well formed and not believed."""

    protected: bytes
    payload: bytes
    disclosures: tuple[str, ...]
    between: tuple[bytes, ...]

    @classmethod
    def from_json(cls, body: Any) -> Drafted:
        """Read the answer to a request for a draft."""
        try:
            texts = [body["protected"], body["payload"], *body["between"], *body["disclosures"]]
            if not all(isinstance(text, str) for text in texts):
                raise TypeError
            parts = bytes.fromhex(body["protected"]), bytes.fromhex(body["payload"])
            between = tuple(bytes.fromhex(entry) for entry in body["between"])
            return cls(*parts, tuple(body["disclosures"]), between)
        except (KeyError, TypeError, ValueError) as error:
            raise Evidence("the server's answer is not a draft", code="draft-form") from error


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft that is what was asked: ``act`` as it will be signed, and the disclosures of its sealed values."""

    act: Statement
    disclosures: tuple[str, ...]
    between: tuple[bytes, ...]


def check_draft(asked: Asked, drafted: Drafted, *, kid: bytes, origin: str, head: Checkpoint) -> Checked:
    """The statement to sign; Evidence naming the first thing that is not as asked."""
    try:
        # The signature's place is filled with zeros: the reader looks at form only.
        act = open_statement(join_signature(drafted.protected, drafted.payload, bytes(SIGNATURE_BYTES)))
    except Malformed as error:
        raise _differs("form", "a well-formed statement", error.message) from error
    for name, wanted, found in (
        ("log", origin, act.audience),
        ("key", kid.hex(), act.kid.hex()),
        ("actor", asked.actor, act.actor),
        ("role", asked.role, act.role),
        ("unit", asked.unit, act.unit),
        ("window", asked.window, act.window),
        ("stream", asked.stream, act.stream),
        ("type", asked.type, act.type),
        ("at", asked.at, act.at),
        ("request", asked.request, act.request),
        ("causes", [cause.hex() for cause in asked.causes], [cause.hex() for cause in act.causes]),
        ("seen", f"{head.size} {head.root.hex()}", f"{act.seen_size} {act.seen_root.hex()}"),
    ):
        if wanted != found:
            raise _differs(name, wanted, found)
    _check_values(asked, act, drafted.disclosures)
    # What will be signed is written here, not there: it must come out as the very bytes of the draft.
    assert draft_bytes(act, act.kid)[:2] == (drafted.protected, drafted.payload)
    return Checked(act, drafted.disclosures, drafted.between)


def _check_values(asked: Asked, act: Statement, disclosures: Sequence[str]) -> None:
    fields = type_named(asked.type).fields
    privacy = {name: fields[name].privacy if name in fields else "public" for name in asked.values}
    confirms = asked.digests is not None
    clear = {name: value for name, value in asked.values.items() if privacy[name] != "sealed"}
    if act.data.keys() != clear.keys():
        raise _differs("data", sorted(clear), sorted(act.data))
    for name, value in clear.items():
        # Of a pseudonym the form can be checked, and is, below: by the type's own declaration.
        if (privacy[name] == "public" or confirms) and _plain(value) != _plain(act.data[name]):
            raise _differs(f"data.{name}", value, act.data[name])
    try:
        check_data(type_named(act.type), act.data, len(act.sd))
    except Malformed as error:
        raise _differs("data", f"what {act.type} declares", error.message) from error
    if asked.digests is not None:
        if (tuple(sorted(asked.digests)), ()) != (act.sd, tuple(disclosures)):
            raise _differs("_sd", sorted(asked.digests), list(act.sd))
        return
    try:
        opened = [open_disclosure(text) for text in disclosures]
    except (Malformed, UnicodeEncodeError) as error:
        raise _differs("disclosures", "disclosures in the form of RFC 9901", str(error)) from error
    sealed = {name: _plain(value) for name, value in asked.values.items() if privacy[name] == "sealed"}
    found = {each.name: _plain(each.value) for each in opened}
    if sealed != found or len(opened) != len(found):
        name = next((name for name in sealed if sealed[name] != found.get(name)), "")
        raise _differs(f"sealed.{name}".rstrip("."), sorted(sealed), sorted(found))
    if tuple(sorted(each.digest for each in opened)) != act.sd:
        raise _differs("_sd", sorted(each.digest for each in opened), list(act.sd))


def _plain(value: Any) -> bytes:
    """JSON bytes to compare by: ``1 == True`` in Python, and not here."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _differs(what: str, asked: Any, found: Any) -> MingjianError:
    return Evidence(
        f"The draft is not what was asked: {what} is {found!r:.300}, asked was {asked!r:.300}. Nothing was signed.",
        code=f"draft-{what.partition('.')[0].strip('_')}",
        mend="Tell those who run this server, and an auditor: an honest one drafts what it is asked for.",
        member=what,
    )


def check_between(before: Statement, now: Checked) -> list[Statement]:
    """The statements that came into the stream between two drafts, proved by their own ids to be all of them."""
    prev, seq, came = before.prev, before.seq, []
    for entry in now.between:
        try:
            act = open_statement(entry)
        except Malformed as error:
            raise _differs("between", "statements", error.message) from error
        if (act.stream, act.seq, act.prev) != (before.stream, seq, prev):
            raise _differs("between", f"{before.stream} {seq}", f"{act.stream} {act.seq}")
        came.append(act)
        prev, seq = act.id, seq + 1
    if (now.act.seq, now.act.prev) != (seq, prev):
        raise _differs("between", f"what leads from {before.seq} to {now.act.seq}", f"{len(came)} statements")
    if not came:
        raise Refused("the server says that the stream has moved on, and shows nothing new", code="moved")
    return came


def touches(ours: Statement, other: Statement) -> bool:
    """Whether a statement that came in between may change what the person saw; whatever is not known to leave it does.

    It leaves it: in streams whose statements say nothing about each other; where it only vouches for the time of an
    earlier one; and in a parallel review, where both lie inside branches, and not in the same one.
    """
    if ours.kind in _INDEPENDENT or other.type in _VOUCHING:
        return False
    branches = ours.data.get("branch"), other.data.get("branch")
    return None in branches or branches[0] == branches[1]
