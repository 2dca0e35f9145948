"""Sealed values opened, in one JSON document: disclosures (RFC 9901), the entries that hold their digests, the places.

    {"format": "mingjian-disclosures@v1",
     "granted": [{"entry": base64, "proof": {…}}, …],                     disclosure.granted.v1: to whom, what for
     "shown": [{"entry": base64, "proof": {…}, "disclosures": [text, …]}, …]}

Proofs are those of ``proof``, as JSON, all on one checkpoint. Promise: what ``check`` accepts are values that were
sealed in entries of the policy's log, unchanged, and that a statement in the same log says were opened. That their
signers had the right to, whoever replays the log finds out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.disclosure import Disclosure, open_disclosure
from ledger.errors import Malformed, Refused
from ledger.statement import Statement, open_statement
from ledger.tree.checkpoint import SignedCheckpoint
from ledger.tree.merkle import leaf_hash
from ledger.tree.note import decode_base64, encode_base64
from ledger.tree.policy import Policy
from ledger.tree.proof import Proof

FORMAT: Final = "mingjian-disclosures@v1"
_GRANTED: Final = "disclosure.granted.v1"


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry with the values of it that are opened (none of a grant)."""

    entry: bytes
    proof: Proof
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """One value that was proved: of the entry at ``index``, opened to ``to`` for ``purpose``."""

    index: int
    act: Statement
    disclosure: Disclosure
    to: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Disclosures:
    """A document well formed and not yet checked."""

    granted: tuple[Shown, ...]
    shown: tuple[Shown, ...]

    def check(self, policy: Policy) -> tuple[list[Value], SignedCheckpoint]:
        """The values, or Refused: every one is sealed in its entry and granted, in the policy's log."""
        grants: dict[tuple[str, str], Statement] = {}
        signed: SignedCheckpoint | None = None
        for one in self.granted:
            act, signed = _placed(one, policy)
            if act.type != _GRANTED or act.kind != "disclosure":
                raise _refused(f"entry {one.proof.index} grants nothing")
            digests = act.data.get("digests")
            for digest in digests if isinstance(digests, list) else ():
                grants[act.stream.partition("/")[2], str(digest)] = act
        values: list[Value] = []
        for one in self.shown:
            act, signed = _placed(one, policy)
            for text in one.texts:
                disclosure = open_disclosure(text)
                if disclosure.digest not in act.sd:
                    raise _refused(f"entry {one.proof.index} does not hold the value {disclosure.name!r:.60}")
                grant = grants.get((act.stream, disclosure.digest))
                if grant is None:
                    raise _refused(f"nobody granted the value {disclosure.name!r:.60} of entry {one.proof.index}")
                to, purpose = str(grant.data.get("to")), str(grant.data.get("purpose"))
                values.append(Value(one.proof.index, act, disclosure, to, purpose))
        if signed is None or not values:
            raise Malformed("The document shows no value.")
        return values, signed

    def as_json(self) -> dict[str, Any]:
        """The document."""
        return {
            "format": FORMAT,
            "granted": [_json(one) for one in self.granted],
            "shown": [_json(one) | {"disclosures": list(one.texts)} for one in self.shown],
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Disclosures:
        """Read :meth:`as_json`, and nothing else."""
        match body:
            case {"format": str(form), "granted": [*granted], "shown": [*shown]} if form == FORMAT and len(body) == 3:
                found = cls(_all(granted), _all(shown))
                if found.as_json() == body:
                    return found
        raise Malformed(f"This JSON is not a document in the form {FORMAT!r}.")


def _all(parts: Sequence[Any]) -> tuple[Shown, ...]:
    return tuple(map(_one, parts))


def _one(part: Any) -> Shown:
    match part:
        case {"entry": str(entry), "proof": dict(proof)}:
            texts = part.get("disclosures", [])
            if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
                return Shown(decode_base64(entry), Proof.from_json(proof), tuple(texts))
    raise Malformed("An entry stands in the document with its proof and its disclosures.")


def _json(one: Shown) -> dict[str, Any]:
    return {"entry": encode_base64(one.entry), "proof": one.proof.as_json()}


def _placed(one: Shown, policy: Policy) -> tuple[Statement, SignedCheckpoint]:
    act = open_statement(one.entry)
    signed = one.proof.check(leaf_hash(one.entry), policy)
    if act.audience != signed.checkpoint.origin:
        raise _refused(f"entry {one.proof.index} is meant for another log")
    return act, signed


def _refused(why: str) -> Refused:
    return Refused(
        f"The document does not show what it claims: {why}.",
        code="disclosure-not-proven",
        mend="Ask for it again; if it fails again, keep it and the newest checkpoint.",
    )
