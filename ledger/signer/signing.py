"""The order in which a signer's side works: look, have drafted, check, show, sign, commit, prove.

After each step the comment says what is true, and what happens if the process dies there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ledger.errors import Conflict, Evidence, Malformed, NotFound, Refused, Unavailable
from ledger.keys import SigningKey, thumbprint
from ledger.signer.draft import Asked, Checked, Drafted, check_between, check_draft, touches
from ledger.signer.server import Server
from ledger.signer.state import DISCLOSURES, ENTRY, PROMISE, PROOF, State
from ledger.statement import Statement, StatementId, open_statement, sign_statement, statement_id
from ledger.tree.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from ledger.tree.consistency import Consistency
from ledger.tree.merkle import check_consistency
from ledger.tree.policy import Policy
from ledger.tree.promise import open_promise
from ledger.tree.proof import Proof

TRIES: Final = 5
PROMISE_WITHIN_S: Final = 3600
"""A promise for later than that promises nothing."""
_POLL_S: Final = 0.3
_ORIGIN_END: Final = re.compile(r".*/[0-9a-f]{32}", re.ASCII | re.DOTALL)

Confirm = Callable[[Checked, Sequence[Statement]], bool]
"""Shows what will be signed, and what came in between since it was shown last; whether the person says yes."""


@dataclass(frozen=True, slots=True)
class Done:
    """A statement that stands in the tree: proved here, not believed."""

    act: Statement
    index: int
    size: int


class Signing:
    """One log's server, judged by the person's own policy and by what their folder remembers."""

    def __init__(self, server: Server, policy: Policy, state: State, *, wait_s: float = 30.0) -> None:
        self._server = server
        self._policy = policy
        self._state = state
        self._wait_s = wait_s
        self.origin = origin_of(policy)

    # ------------------------------------------------------------------------------------------------- look

    def look(self) -> Checkpoint:
        """The newest checkpoint, verified under the policy and joined to the last one kept, which it replaces."""
        with self._state.alone():
            note = self._server.get("/log/checkpoint")
            signed = self._opened(note)
            kept = self._state.read("checkpoint")
            if kept is not None:
                last = self._opened(kept, need_quorum=False)
                if signed.checkpoint.size < last.checkpoint.size:
                    what = f"The server shows {signed.checkpoint.size} entries; it has signed {last.checkpoint.size}."
                    raise self._contradiction("older", what, last, signed)
                self._join(last, signed)
            self._state.write("checkpoint", note)
            return signed.checkpoint

    def _opened(self, note: bytes, *, need_quorum: bool = True) -> SignedCheckpoint:
        try:
            return open_checkpoint(note, self._policy, need_quorum=need_quorum)
        except Malformed as error:
            raise Evidence(f"The checkpoint is not well formed: {error.message}", code="checkpoint") from error

    def _join(self, old: SignedCheckpoint, new: SignedCheckpoint) -> None:
        """Evidence unless the log of ``new`` begins with that of ``old``."""
        first, second = old.checkpoint, new.checkpoint
        if first.size == second.size:
            if first.root != second.root:
                raise self._contradiction("fork", f"Two histories of size {first.size} are signed.", old, new)
            return
        if first.size == 0:
            return
        try:
            body = self._server.get_json(f"/api/log/consistency?old={first.size}&new={second.size}")
            path = Consistency.from_json(body if isinstance(body, dict) else {}).path
            check_consistency(first.size, first.root, second.size, second.root, path)
        except Refused as error:
            what = f"The server does not show that size {second.size} grew out of size {first.size}: {error.message}"
            raise self._contradiction("fork", what, old, new) from error

    def _contradiction(self, code: str, what: str, old: SignedCheckpoint, new: SignedCheckpoint) -> Evidence:
        """Both notes are written down: signed by the log, they need no word of ours."""
        name = f"{time.time_ns()}-{code}"
        paths = [
            self._state.write(f"evidence/{name}.{side}.checkpoint", one.note)
            for side, one in (("kept", old), ("shown", new))
        ]
        return Evidence(
            f"{what} Nothing was signed.",
            code=f"checkpoint-{code}",
            mend="Sign nothing here. Take both notes to an auditor or to a witness.",
            kept=str(paths[0]),
            shown=str(paths[1]),
        )

    # ------------------------------------------------------------------------------------------------- sign

    def act(self, asked: Asked, key: SigningKey, confirm: Confirm) -> Done:
        """Have the act drafted, check it, have it confirmed, sign it, and see it into the tree."""
        # Before anything is signed: with what the server's promise will be judged.
        receipt_key = self._receipt_key()
        checked = self._draft(asked, key, self.look())
        shown: Sequence[Statement] = ()
        asking = True
        for _ in range(TRIES):
            if asking and not confirm(checked, shown):
                raise Refused("Nothing was signed.", code="declined")
            act = open_statement(sign_statement(checked.act, key))
            # Signed and kept, not sent: dying here leaves an entry that `finish` sends.
            self._state.keep(act.id, DISCLOSURES, "".join(f"{text}\n" for text in checked.disclosures).encode())
            self._state.keep(act.id, ENTRY, act.entry)
            try:
                return self._commit(act, receipt_key)
            except Unavailable as error:
                raise Unavailable(
                    error.message, code=error.code, mend="mingjian-sign finish sends the same bytes again"
                ) from error
            except Refused as error:
                # By its word these bytes can never enter. They stay with the person, should it have lied.
                self._state.set_aside(act.id)
                if not (isinstance(error, Conflict) and error.code == "moved"):
                    raise
            # Somebody was faster. Nothing is recorded; what came in between is proved by its own chain of ids.
            again = self._draft(asked, key, self.look(), after=checked.act.seq - 1)
            shown = check_between(checked.act, again)
            asking = any(touches(checked.act, other) for other in shown)
            checked = again
        raise Unavailable("others keep writing to the same stream", code="contention", mend="try again")

    def _draft(self, asked: Asked, key: SigningKey, head: Checkpoint, *, after: int | None = None) -> Checked:
        body = asked.as_json() | {"public_key": key.public.hex(), "seen_size": head.size}
        if after is not None:
            body["after_seq"] = after
        drafted = Drafted.from_json(self._server.post("/api/drafts", body))
        return check_draft(asked, drafted, kid=thumbprint(key.public), origin=self.origin, head=head)

    # ------------------------------------------------------------------------------------------------- prove

    def finish(self) -> list[Done]:
        """Go on with everything that was signed and of which there is no proof: the same bytes, so it is one act."""
        receipt_key = self._receipt_key()
        done = []
        for entry in self._state.unfinished():
            act = open_statement(entry)
            try:
                done.append(self._commit(act, receipt_key))
            except Unavailable:
                self._check_promise_time(act, receipt_key)
                raise
            except Refused:
                if self._state.kept(act.id, PROMISE) is not None:
                    raise self._broken(act) from None
                self._state.set_aside(act.id)
                raise
        return done

    def _commit(self, act: Statement, receipt_key: bytes) -> Done:
        taken = self._server.post("/api/statements", {"entry": act.entry.hex()})
        promise = taken.get("promise") if isinstance(taken, dict) else None
        if not isinstance(promise, str) or taken.get("id") != act.id.hex():
            raise Evidence(
                "The server answers with something else than a promise for what was signed.",
                code="promise",
                mend="mingjian-sign finish asks again; an auditor can say whether it is in the log",
            )
        self._check_promise(promise, act.id, receipt_key)
        if self._state.kept(act.id, PROMISE) is None:
            # The first promise counts: a later one would only move its time.
            self._state.keep(act.id, PROMISE, promise.encode())
        # Promised: dying here, or a server that falls silent, leaves its signed word in the person's hand.
        until = time.monotonic() + self._wait_s
        while (found := self._proof(act.id)) is None:
            if time.monotonic() > until:
                self._check_promise_time(act, receipt_key)
                raise Unavailable(
                    "It is recorded and promised, and not placed yet.", code="being-placed", mend="mingjian-sign finish"
                )
            time.sleep(_POLL_S)
        return self._placed(act, found)

    def _placed(self, act: Statement, found: bytes) -> Done:
        try:
            proof = Proof.parse(found)
            signed = proof.check(act.id, self._policy)
        except Refused as error:
            raise Evidence(f"The proof does not hold: {error.message}", code="proof", id=act.id.hex()) from error
        with self._state.alone():
            kept = self._state.read("checkpoint")
            assert kept is not None, "nothing is signed before a look"
            pair = sorted([self._opened(kept, need_quorum=False), signed], key=lambda one: one.checkpoint.size)
            self._join(*pair)
            self._state.write("checkpoint", pair[1].note)
        self._state.keep(act.id, PROOF, found)
        # In the tree, under a checkpoint that follows from all seen before: whoever drops it now contradicts itself.
        return Done(act, proof.index, signed.checkpoint.size)

    def _proof(self, id_: StatementId) -> bytes | None:
        try:
            return self._server.get(f"/api/statements/{id_.hex()}/proof")
        except NotFound as error:
            if error.code == "being-placed":
                return None
            raise Unavailable(error.message, code=error.code, mend="mingjian-sign finish") from error

    # ------------------------------------------------------------------------------------------------- promise

    def _receipt_key(self) -> bytes:
        """The key that signs promises, from entry 0, which the origin pins."""
        entry = self._state.read("opening") or self._server.get("/api/log/opening")
        try:
            opening = open_statement(entry)
            key, log_key = bytes.fromhex(opening.data["receipt_key"]), bytes.fromhex(opening.data["log_key"])
        except (Malformed, KeyError, TypeError, ValueError) as error:
            raise Evidence("The server's entry 0 is not the opening of a ledger.", code="opening") from error
        pinned = self.origin.rpartition("/")[2]
        if statement_id(entry)[:16].hex() != pinned or log_key != self._policy.logs[0].key.public_key:
            raise Evidence("The server's entry 0 is not the one that your policy pins.", code="opening")
        self._state.write("opening", entry)
        return key

    def _check_promise(self, promise: str, id_: StatementId, receipt_key: bytes) -> None:
        try:
            found = open_promise(promise.encode(), origin=self.origin, receipt_key=receipt_key)
            if found.statement != id_:
                raise Malformed("the promise speaks of something else", code="promise")
        except (Refused, UnicodeEncodeError) as error:
            raise Evidence("The server's promise is not signed as it must be.", code="promise") from error
        if found.by_us > (time.time() + PROMISE_WITHIN_S) * 1e6:
            raise Evidence("The server promises for a time too far off.", code="promise")

    def _check_promise_time(self, act: Statement, receipt_key: bytes) -> None:
        """Evidence when the server's own time for it is over."""
        promise = self._state.kept(act.id, PROMISE)
        if promise is None:
            return
        found = open_promise(promise, origin=self.origin, receipt_key=receipt_key)
        if time.time() * 1e6 > found.by_us:
            raise self._broken(act)

    def _broken(self, act: Statement) -> Evidence:
        return Evidence(
            "The server has broken its promise: it does not show in the log what it promised to place there.",
            code="promise-broken",
            mend="Take promise and entry to an auditor.",
            promise=str(self._state.folder / "acts" / f"{act.id.hex()}{PROMISE}"),
        )


def origin_of(policy: Policy) -> str:
    """The origin of the one log that the policy names."""
    if len(policy.logs) != 1 or not _ORIGIN_END.fullmatch(policy.logs[0].key.name):
        raise Malformed(
            "A signer's policy names one log of this kind.",
            code="policy",
            mend="Write a policy with the one log line of the ledger to sign for.",
        )
    return policy.logs[0].key.name


def now_text() -> str:
    """The time of this machine, in its own offset."""
    return datetime.now(UTC).astimezone().isoformat(timespec="seconds")


def as_json(done: Done, state: State) -> dict[str, Any]:
    """What is told of a statement that was placed."""
    act = done.act
    return {
        "id": act.id.hex(),
        "stream": act.stream,
        "seq": act.seq,
        "type": act.type,
        "request": act.request,
        "index": done.index,
        "size": done.size,
        "kept": str(state.folder / "acts" / act.id.hex()),
    }
