"""A recorder on a machine of its own: its key never leaves it, its ledger is reached over HTTP.

    DATA/footage/ledger.policy            whose ledger it is: a C2SP tlog-policy, handed over by a person
    DATA/footage/RECORDER/signing/        the newest checkpoint verified here; what was signed and has no proof yet
    DATA/footage/RECORDER/batches/DATE.jsonl   the statements that sealed its lines, or destroyed, with their proofs
    DATA/footage/RECORDER/told.json       the last line of which a statement was made
    DATA/footage/RECORDER/ledger.json     how it goes, for ``status``

Each statement is prepared by the ledger, compared here with what was meant, signed, committed and proved to stand in
the tree (``ledger.signer``). With the ledger away the journal is kept, and sealed later, with "late" said.

Promise: the ledger's machine can neither sign for this recorder nor show it two histories; a batch is noted here only
with the proof of its place. Cut off anywhere, the same bytes are sent again.
"""

from __future__ import annotations

import base64
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import orjson
import structlog

from camera_ingest.archive import Archive, segment_file
from camera_ingest.folders import POLICY, Recorder, footage, is_remote, locked, recorder_named, write_state
from camera_ingest.guarding import Guard
from camera_ingest.journal import lines_after
from camera_ingest.keeping import budget_says, bytes_under, on_disk, purged_values, room_needed, runs_of
from camera_ingest.sealing import EVERY_S, Said, batch_of, cut_now, remember, told_of
from camera_ingest.spans import Segment
from ledger.cases.cameras import Event
from ledger.door.door import Outcome
from ledger.door.keyring import Keyring
from ledger.errors import Evidence, MingjianError, NotFound, Refused, Unavailable
from ledger.facts.footage import MAX_LINES, PURGED, SEALED, Hold, footage_stream
from ledger.facts.registry import possession_message
from ledger.files import flush_folder, replace_file
from ledger.keys import SigningKey
from ledger.signer.draft import Asked
from ledger.signer.server import Server
from ledger.signer.signing import Done, Signing, origin_of
from ledger.signer.state import DISCLOSURES, ENTRY, PROMISE, PROOF, State
from ledger.statement import (
    Statement,
    check_statement_signature,
    instant_text,
    instant_us,
    open_statement,
    statement_id,
)
from ledger.store.sequencer import now_us
from ledger.tree.policy import Policy
from ledger.tree.proof import Proof
from ledger.verify.clip import placed_entry

log = structlog.get_logger()
_LOOK_S: Final = 5.0
_HOUR_S: Final = 3600.0
_DAY_US: Final = 86_400_000_000
_PLACED_S: Final = 20.0
_MAX_ASIDE: Final = 1000


def read_policy(data: Path) -> Policy:
    """Whose ledger it is (NotFound where it is the folder's own)."""
    try:
        return Policy.parse((footage(data) / POLICY).read_bytes())
    except FileNotFoundError:
        raise NotFound(
            "this folder knows no ledger elsewhere",
            code="no-policy",
            mend="mingjian-camera init --name recorder/N --policy FILE",
        ) from None


def make_recorder(data: Path, actor: str, policy: bytes) -> dict[str, Any]:
    """Make a recorder and its key here, or show them; what two officers need to register it."""
    if (data / "keys" / "log.pem").exists():
        raise Refused(
            "the ledger itself is in this folder; a recorder beside it needs no key made by hand",
            code="ledger-here",
            mend="choose another folder with --data, on the recorder's machine",
        )
    origin = origin_of(Policy.parse(policy))
    folder = footage(data)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if is_remote(data) and origin_of(read_policy(data)) != origin:
        raise Refused("this folder's recorders are another ledger's", code="origin", mend="choose another folder")
    replace_file(folder / POLICY, policy, durable=True)
    keyring = Keyring(data)
    (keyring.folder / "actors").mkdir(mode=0o700, parents=True, exist_ok=True)
    key = keyring.make_actor(actor)
    return {
        "actor": actor,
        "origin": origin,
        "public_key": key.public.hex(),
        "thumbprint": key.thumbprint.hex(),
        "proof": key.sign(possession_message(origin, actor, key.public)).hex(),
        "custody": "device",
    }


@dataclass(frozen=True, slots=True)
class Away:
    """Where a ledger is, and the file with a token for it: scope recorder, for clips operator."""

    url: str
    token_file: Path

    def server(self) -> Server:
        """To ask it; the token is read anew, so that it can be changed."""
        return Server(self.url, self.token_file.read_text().partition("\n")[0].strip())


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the ledger says of a camera: for how long its footage is kept, and what is held."""

    retention_days: int
    holds: tuple[Hold, ...]
    is_full: bool

    def is_held(self, segment: Segment) -> bool:
        return any(one.covers(segment.start_us, segment.end_us, now_us=now_us()) for one in self.holds)


class Remote:
    """One recorder's ledger, over HTTP."""

    def __init__(self, data: Path, recorder: Recorder, away: Away, *, wait_s: float = _PLACED_S) -> None:
        self.recorder, self.policy = recorder, read_policy(data)
        self._server = away.server()
        self._state = State(recorder.folder / "signing", origin_of(self.policy))
        self._signing = Signing(self._server, self.policy, self._state, wait_s=wait_s)
        self._batches = recorder.folder / "batches"
        self._batches.mkdir(mode=0o700, exist_ok=True)

    # ------------------------------------------------------------------------------------------------------ sealing

    def seal(self) -> int:
        """Carry all lines that the ledger does not have; the last one that it has now."""
        with locked(self.recorder.folder / "sealing"):
            self._finish()
            upto, is_first = self._upto(), True
            while (lines := lines_after(self.recorder, upto, upto=upto + MAX_LINES)) or is_first:
                for said in told_of(lines):
                    self._tell(said)
                self._say(batch_of(self.recorder, upto + 1, lines))
                upto, is_first = upto + len(lines), False
            remember(self.recorder, upto)
            return upto

    def _tell(self, said: Said) -> None:
        number = int(said.values["line"])
        if number <= self._told():
            return
        try:
            self._say(said)
        except Refused as error:
            # A camera that is not bound to us: its lines stay in the root, what they say is told nowhere else.
            log.warning("a line was refused", stream=said.stream, why=error.message)
            self._remember_told(number)

    def _say(self, said: Said) -> Done:
        asked = Asked(
            actor=self.recorder.actor,
            role="recorder_device",
            stream=said.stream,
            type=said.type,
            at=instant_text(now_us()),
            request=said.request,
            values={name: value for name, value in said.values.items() if value is not None},
        )
        # What came in between changes nothing about what a device saw.
        done = self._signing.act(asked, self.recorder.key, lambda *_: True)
        self._note()
        return done

    def _finish(self) -> None:
        """Send again what was signed and has no proof."""
        for _ in range(_MAX_ASIDE):
            try:
                self._signing.finish()
                break
            except Refused as error:  # others were faster in its stream: it is set aside, and said again
                log.info("signed, and not taken in", why=error.message)
        self._note()

    def _note(self) -> None:
        """Note what is proved, and forget the steps to it. Cut off here, it is noted the next time."""
        acts = self._state.folder / "acts"
        proved = [
            (open_statement(path.read_bytes()), path.with_suffix(PROOF).read_bytes())
            for path in acts.glob(f"*{ENTRY}")
            if path.with_suffix(PROOF).exists()
        ]
        upto = self._noted_upto()
        for act, proof in sorted(proved, key=lambda one: one[0].data.get("first", one[0].data.get("line", 0))):
            if act.type == SEALED and act.data["last"] > upto:
                self._append(act, proof)
                upto = act.data["last"]
            elif act.type == PURGED:
                self._append(act, proof)
            elif "line" in act.data:
                self._remember_told(max(act.data["line"], self._told()))
            for suffix in (DISCLOSURES, PROMISE, PROOF, ENTRY):
                (acts / f"{act.id.hex()}{suffix}").unlink(missing_ok=True)

    def _append(self, act: Statement, proof: bytes) -> None:
        numbers: dict[str, Any] = {name: act.data[name] for name in ("first", "last") if name in act.data}
        row = {"type": act.type, **numbers, **_placed(act.entry, Proof.parse(proof))}
        newest = max([_today(), *(path.stem for path in self._batches.glob("*.jsonl"))])  # a clock may be put back
        with (self._batches / f"{newest}.jsonl").open("ab+") as file:
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(-1, os.SEEK_END)
            torn = file.read(1) not in (b"", b"\n")
            file.write(b"\n" * torn + orjson.dumps(row) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        flush_folder(self._batches)

    def _sealing(self) -> Iterator[dict[str, Any]]:
        """The noted batches, the newest first."""
        return (row for row in noted_rows(self.recorder, newest_first=True) if row["type"] == SEALED)

    def _noted_upto(self) -> int:
        return next((int(row["last"]) for row in self._sealing()), 0)

    def _upto(self) -> int:
        # A folder that was set up again from its journal asks the ledger what it has.
        return self._noted_upto() or int(self.known()["upto"])

    def _told(self) -> int:
        try:
            return int(orjson.loads((self.recorder.folder / "told.json").read_bytes())["upto"])
        except (OSError, ValueError, KeyError):
            return 0

    def _remember_told(self, number: int) -> None:
        # On the disk before the statement's own files go: said twice, one request would name two statements.
        replace_file(self.recorder.folder / "told.json", orjson.dumps({"upto": number}), durable=True)

    # ------------------------------------------------------------------------------------------------------ keeping

    def known(self) -> dict[str, Any]:
        """What the ledger says of this recorder."""
        found = self._server.get_json(f"/api/recorders/{self.recorder.folder.name}")
        if not isinstance(found, dict) or not {"upto", "keys", "cameras"} <= found.keys():
            raise Unavailable("the ledger's answer about this recorder is not one", code="answer")
        return found

    def held(self) -> dict[str, str | None]:
        """Of each camera the hold that was placed last, if nothing was stated since."""
        found = self._server.get_json(f"/api/recorders/{self.recorder.folder.name}/held")
        if not isinstance(found, dict):
            raise Unavailable("the ledger's answer about this recorder is not one", code="answer")
        return found

    def kept(self) -> dict[str, _Kept]:
        """What is to be kept of each camera."""
        return {
            camera: _Kept(int(said["retention_days"]), tuple(map(_hold, said["holds"])), bool(said.get("is_full")))
            for camera, said in self.known()["cameras"].items()
        }

    def purge(self, *, now: int | None = None) -> int:
        """Destroy what is older than its camera's retention and under no hold; how many segments."""
        count = 0
        for camera, kept in self.kept().items():
            before = (now_us() if now is None else now) - kept.retention_days * _DAY_US
            old = [one for one in on_disk(self.recorder, camera, until_us=before) if one.end_us <= before]
            count += self._destroy(camera, old, kept, rule="retention")
        return count

    def look_at_budget(self) -> int:
        """Say when held footage goes past its share of this disk, and when it is within it again; how often said."""
        kept = self.kept()
        held = sum(bytes_under(self.recorder, camera, one.holds) for camera, one in kept.items())
        says = budget_says(self.recorder, held, {camera: one.is_full for camera, one in kept.items()})
        for said in says:
            self._say(said)
        return len(says)

    def make_room(self) -> None:
        """Have what the store has, and then unheld footage, go from this disk until there is room."""
        for camera, kept in self.kept().items():
            if not room_needed(self.recorder):
                return
            Archive.of(self.recorder).drop(camera, older_than_s=0)
            for segment in on_disk(self.recorder, camera):
                if room_needed(self.recorder) and segment_file(self.recorder, camera, segment).exists():
                    self._destroy(camera, [segment], kept, rule="disk")
        if room_needed(self.recorder):
            raise Unavailable("the disk is full, and what is left is held", code="disk-held", mend="give it more room")

    def _destroy(self, camera: str, segments: Sequence[Segment], kept: _Kept, *, rule: str) -> int:
        archive, upto, count = Archive.of(self.recorder), self._noted_upto(), 0
        free = {one.line.number for one in archive.destroyable(camera, segments, now=now_us())}

        def stays(one: Segment) -> bool:
            # What is not sealed was never promised, and cannot be missed: it is sealed first.
            return one.line.number not in free or one.line.number > upto or kept.is_held(one)

        for run in runs_of(segments, stays):
            values = purged_values(run, rule)
            try:
                self._say(Said(footage_stream(camera), PURGED, values, secrets.token_hex(16)))
            except Refused as error:
                if error.code != "hold":
                    raise
                continue  # a hold came in between: it wins
            archive.destroy(camera, run)
            count += len(run)
        return count

    # -------------------------------------------------------------------------------------------------------- clips

    def batch(self, segment: Segment) -> Statement:
        """The statement that seals a segment's line."""
        for row in self._sealing():
            if row["first"] <= segment.line.number <= row["last"]:
                return open_statement(base64.b64decode(row["entry"]))
        raise Unavailable("the segment is not sealed in the ledger yet", code="not-sealed", mend="try again")

    def key(self) -> Statement:
        """The statement that gave this recorder its key."""
        for text in self.known()["keys"]:
            act = open_statement(bytes.fromhex(text))
            if act.data["key"] == self.recorder.key.public.hex():
                return act
        what = f"the ledger knows no key of {self.recorder.actor}"
        raise NotFound(what, code="key-unknown", mend="have two officers register it: mingjian keys add")

    def placed(self, act: Statement) -> dict[str, Any]:
        """An entry with the proof of its place, under the policy of this folder."""
        raw = self._server.get(f"/api/statements/{act.id.hex()}/proof")
        proof = Proof.parse(raw)
        proof.check(statement_id(act.entry), self.policy)
        return _placed(act.entry, proof)


def find_event(data: Path, away: Away, named: str) -> tuple[Event, dict[str, str]]:
    """A disputed event as the ledger has it, proved under this folder's policy, and the cameras that it says saw it."""
    server, policy = away.server(), read_policy(data)
    found = server.get_json(f"/api/footage/events/{quote(named.strip(), safe='')}")
    try:
        act = open_statement(bytes.fromhex(found["entry"]))
        recorded_us, saw = int(found["recorded_us"]), {str(one): str(by) for one, by in found["cameras"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unavailable("the ledger's answer about this event is not one", code="answer") from error
    proof = Proof.parse(server.get(f"/api/statements/{act.id.hex()}/proof"))
    proof.check(statement_id(act.entry), policy)
    if named.strip() not in (act.id.hex(), str(proof.index)):
        raise Evidence("the ledger gives another event than was asked for", code="event", mend="keep its answer")
    return Event.of(act, proof.index, recorded_us), saw


class Custodian:
    """Somebody who cuts at a recorder's machine, with a key of their own: said over HTTP, too."""

    def __init__(self, remote: Remote, away: Away, actor: str, key: SigningKey) -> None:
        self._actor, self._key = actor, key
        state = State(remote.recorder.folder / "custodian", origin_of(remote.policy))
        self._signing = Signing(away.server(), remote.policy, state, wait_s=_PLACED_S)

    def say(self, stream: str, type_: str, values: dict[str, Any]) -> Outcome:
        """State it."""
        asked = Asked(
            actor=self._actor,
            role="video_custodian",
            stream=stream,
            type=type_,
            at=instant_text(now_us()),
            request=secrets.token_hex(16),
            values={name: value for name, value in values.items() if value is not None},
        )
        act = self._signing.act(asked, self._key, lambda *_: True).act
        return Outcome(act.id, act.stream, act.seq, repeated=False)


class RemoteSealer:
    """Carries the lines of this machine's recorders every minute, in a thread; a ledger that is away is asked again."""

    def __init__(self, data: Path, recorders: Sequence[str], away: Away, *, every_s: float = EVERY_S) -> None:
        self._data, self.recorders, self._away, self._every_s = data, list(recorders), away, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sealing", daemon=True)
        self._holds: dict[str, str | None] = {}
        self._purged = -_HOUR_S
        self._guard = Guard()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Carry what there is, and end."""
        self._stop.set()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        while not self._stop.is_set():
            until = time.monotonic() + self._every_s
            self._each(self._carry)
            while time.monotonic() < until and not self._stop.wait(min(_LOOK_S, self._every_s)):
                self._each(self._look)
        self._each(lambda remote: remote.seal())

    def _each(self, do: Callable[[Remote], object]) -> None:
        for actor in list(self.recorders):
            recorder, said = recorder_named(self._data, actor), {"state": "reached", "why": None}
            try:
                do(Remote(self._data, recorder, self._away))
            except Unavailable as error:
                said = {"state": "away", "why": error.message}
                log.warning("the ledger is not there; the journal is kept", recorder=actor, why=error.message)
            except Evidence as error:
                said = {"state": "contradicts", "why": error.message}
                log.error("the ledger contradicts itself; nothing is signed", recorder=actor, why=error.message)
            except (MingjianError, OSError) as error:
                said = {"state": "refused", "why": str(error)}
                log.error("the ledger refuses; the journal is kept", recorder=actor, why=str(error))
            except Exception as error:  # whatever a server answers: recording goes on
                said = {"state": "failed", "why": repr(error)[:200]}
                log.error("the ledger's answer is not understood; the journal is kept", recorder=actor, why=said["why"])
            write_state(recorder.folder / "ledger.json", {"at": instant_text(now_us())} | said)

    def _carry(self, remote: Remote) -> None:
        remote.seal()
        if (store := Archive.of(remote.recorder).settings) is not None and store.lock is not None:
            kept = remote.kept()
            try:
                for camera, one in kept.items():
                    self._guard(remote.recorder, camera, {hold: hold for hold in one.holds})
            except (Refused, Unavailable) as error:  # the store's, not the ledger's
                log.error("the store's holds could not be set", recorder=remote.recorder.actor, why=error.message)
        if time.monotonic() - self._purged >= _HOUR_S:
            remote.purge()
            remote.look_at_budget()
            self._purged = time.monotonic()
        if room_needed(remote.recorder):
            remote.make_room()

    def _look(self, remote: Remote) -> None:
        """What a hold asks for is sealed at once: one on what nobody has promised holds nothing."""
        for camera, hold in remote.held().items():
            before, self._holds[camera] = self._holds.get(camera, hold), hold
            if hold is not None and hold != before:
                cut_now(remote.recorder, camera, now_us())
                remote.seal()
                remote.look_at_budget()


def noted_rows(recorder: Recorder, *, newest_first: bool = False) -> Iterator[dict[str, Any]]:
    """The statements by which a recorder sealed or destroyed something, with their proofs."""
    for path in sorted((recorder.folder / "batches").glob("*.jsonl"), reverse=newest_first):
        rows = [row for raw in path.read_bytes().splitlines() if (row := _row(raw)) is not None]
        yield from reversed(rows) if newest_first else rows


def proved_acts(recorder: Recorder, policy: Policy) -> Iterator[Statement]:
    """The same as statements, each shown to stand in the policy's log and to be this recorder's; needs no ledger."""
    for row in noted_rows(recorder):
        act, _ = placed_entry(row, policy)
        if act.actor != recorder.actor or not check_statement_signature(act.entry, recorder.key.public):
            raise Evidence(f"a noted statement is not signed by {recorder.actor}", code="batch-signature")
        yield act


def ledger_state(recorder: Recorder) -> dict[str, Any] | None:
    """How it goes with a ledger elsewhere, for ``status``."""
    try:
        found = orjson.loads((recorder.folder / "ledger.json").read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _hold(said: dict[str, Any]) -> Hold:
    expires = said.get("expires")
    return Hold(
        instant_us(said["since"]), instant_us(said["until"]), "", None if expires is None else instant_us(expires)
    )


def _placed(entry: bytes, proof: Proof) -> dict[str, Any]:
    return {"entry": base64.b64encode(entry).decode(), "proof": proof.as_json()}


def _row(raw: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None  # torn by a death: the statement's own files are still there
    return found if isinstance(found, dict) else None


def _today() -> str:
    return datetime.fromtimestamp(now_us() / 1_000_000, UTC).date().isoformat()
