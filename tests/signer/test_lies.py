"""A server that lies to the signer's side is refused in clear words, and nothing of it is signed or believed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.disclosure import open_disclosure, seal_value
from ledger.keys import SigningKey
from ledger.signer.cli import main
from ledger.statement import Statement, StatementId, draft_bytes, join_signature, open_statement
from ledger.tree.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.tree.merkle import leaf_hash
from ledger.tree.note import Signer, sign_note
from ledger.tree.proof import Proof

OTHER = StatementId(b"\7" * 32)


@pytest.fixture
def sign(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def sign(words: list[str], *, code: int = 0) -> dict[str, Any]:
        got = main([*words, "--yes"] if words[0] == "act" else words)
        out = capsys.readouterr().out
        assert got == code, out
        return dict(json.loads(out))

    return sign


def drafted(told: dict[str, Any]) -> Statement:
    parts = bytes.fromhex(told["protected"]), bytes.fromhex(told["payload"])
    return open_statement(join_signature(*parts, bytes(64)))


def redrafted(told: dict[str, Any], **changes: Any) -> dict[str, Any]:
    act = replace(drafted(told), **changes)
    protected, payload, to_be_signed = draft_bytes(act, act.kid)
    return told | {"protected": protected.hex(), "payload": payload.hex(), "to_be_signed": to_be_signed.hex()}


def altered(told: dict[str, Any], what: str) -> dict[str, Any]:
    """The server's draft with one thing changed, otherwise well formed."""
    act = drafted(told)
    match what:
        case "data":
            return redrafted(told, data=act.data | {"number": "A002"})
        case "data-more":
            return redrafted(told, data=act.data | {"note": "x"})
        case "data-kind":
            return redrafted(told, data=act.data | {"holder": "李四"})
        case "causes":
            return redrafted(told, causes=(OTHER,))
        case "sd":
            return redrafted(told, sd=(seal_value(b"s" * 16, "x", 1).digest,))
        case "kid":
            act = replace(act, kid=b"\1" * 32)
            protected, payload, _ = draft_bytes(act, act.kid)
            return told | {"protected": protected.hex(), "payload": payload.hex()}
        case "canonical":
            return told | {"payload": bytes.fromhex(told["payload"]).replace(b'","', b'", "', 1).hex()}
        case "one byte":
            # The last digit of the ticket's number, in the bytes themselves.
            payload = bytes.fromhex(told["payload"])
            assert payload.count(b'"A001"') == 1
            return told | {"payload": payload.replace(b'"A001"', b'"A003"').hex()}
        case "nonsense":
            return told | {"payload": "zz"}
        case "missing":
            return {name: value for name, value in told.items() if name != "disclosures"}
    name, _, value = what.partition("=")
    return redrafted(told, **{name: value})


@pytest.mark.parametrize(
    ("what", "code", "says"),
    [
        ("one byte", "draft-data", "data.number is 'A003', asked was 'A001'"),
        ("data", "draft-data", "data.number is 'A002', asked was 'A001'"),
        ("data-more", "draft-data", "note"),
        ("data-kind", "draft-data", "holder"),
        ("type=ticket.expired.v1", "draft-type", "type is 'ticket.expired.v1', asked was 'ticket.taken.v2'"),
        ("actor=staff/zhao", "draft-actor", "actor is 'staff/zhao', asked was 'staff/chen'"),
        ("role=approver", "draft-role", "role is 'approver'"),
        ("stream=ticket/other", "draft-stream", "stream is 'ticket/other'"),
        ("window=w2", "draft-window", "window is 'w2'"),
        ("unit=fire", "draft-unit", "unit is 'fire'"),
        ("at=2020-01-01T00:00:00Z", "draft-at", "at is '2020-01-01T00:00:00Z'"),
        ("request=another", "draft-request", "request is 'another'"),
        ("audience=hall.example/log/" + "0" * 32, "draft-log", "log is 'hall.example"),
        ("causes", "draft-causes", "causes"),
        ("sd", "draft-data", "0 sealed fields, not 1"),
        ("kid", "draft-key", "key is '0101"),
        ("canonical", "draft-form", "canonical"),
        ("nonsense", "draft-form", "not a draft"),
        ("missing", "draft-form", "not a draft"),
    ],
)
def test_a_draft_that_says_something_else_is_not_signed(
    office: Any, sign: Any, tmp_path: Path, what: str, code: str, says: str
) -> None:
    committed = []

    def change(method: str, path: str, told: Any) -> Any:
        if told is None and path == "/api/statements":
            committed.append(path)
        return altered(told, what) if told is not None and path == "/api/drafts" else told

    with office.lying(change) as url:
        refused = sign(office.take_ticket(tmp_path, url=url), code=1)
    assert refused["error"]["code"] == code
    assert says in refused["error"]["message"]
    assert committed == []
    assert not list(tmp_path.rglob("*.entry"))


@pytest.mark.parametrize("what", ["value", "name", "left out", "added", "in clear", "not one"])
def test_sealed_words_that_are_not_the_persons_are_not_signed(
    office: Any, sign: Any, tmp_path: Path, what: str
) -> None:
    """The digest in the draft fits the disclosure that comes with it; only the person knows what was said."""

    def change(method: str, path: str, told: Any) -> Any:
        if told is None or path != "/api/drafts":
            return told
        (text,) = told["disclosures"]
        act = drafted(told)
        salt = b"s" * 16
        match what:
            case "value":
                made = [seal_value(salt, "applicant", "王五")]
            case "name":
                made = [seal_value(salt, "contact", "张三")]
            case "left out":
                made = []
            case "added":
                made = [open_disclosure(text), seal_value(salt, "contact", "x")]
            case "in clear":
                return redrafted(told, data=act.data | {"applicant": "张三"})
            case _:
                return told | {"disclosures": [text[:-2]]}
        found = redrafted(told, sd=tuple(sorted(one.digest for one in made)))
        return found | {"disclosures": [one.text for one in made]}

    values = {"item": "permit", "item_version": office.version, "channel": "window", "applicant": "张三"}
    words = {"stream": "approval/lied-about", "type": "approval.applied.v1", "data": json.dumps(values)}
    with office.lying(change) as url:
        refused = sign(office.take_ticket(tmp_path, url=url, **words), code=1)
    assert refused["error"]["code"] in ("draft-sealed", "draft-data", "draft-disclosures")
    assert "Nothing was signed" in refused["error"]["message"]
    assert not list(tmp_path.rglob("*.entry"))


def test_the_bytes_to_be_signed_are_never_the_servers(office: Any, sign: Any, tmp_path: Path) -> None:
    """Whatever it calls ``to_be_signed``: the signer's side makes them itself."""

    def change(method: str, path: str, told: Any) -> Any:
        return told | {"to_be_signed": "00", "entry_head": "00"} if told is not None and path == "/api/drafts" else told

    with office.lying(change) as url:
        assert sign(office.take_ticket(tmp_path, url=url))["seq"] == 1


def test_a_stale_seen_is_not_signed(office: Any, sign: Any, tmp_path: Path) -> None:
    """An older checkpoint of the same log, true as it is, would leave room before the statement."""
    first = office.opened_policy()
    older: list[Checkpoint] = []

    def change(method: str, path: str, told: Any) -> Any:
        if told is not None and path == "/log/checkpoint":
            older.append(open_checkpoint(told, first).checkpoint)
        if told is not None and path == "/api/drafts" and len(older) > 1:
            return redrafted(told, seen_size=older[0].size, seen_root=older[0].root)
        return told

    with office.lying(change) as url:
        sign(office.take_ticket(tmp_path, url=url))
        refused = sign(office.take_ticket(tmp_path, url=url), code=1)
    assert refused["error"]["code"] == "draft-seen"


# ── Checkpoints ────────────────────────────────────────────────────────────────────────────────────────────


def forged(office: Any, size: int, root: bytes) -> bytes:
    """Signed by the log's own key: the operator's doing."""
    key = SigningKey.from_pem((office.data / "keys" / "log.pem").read_bytes())
    return sign_checkpoint(Checkpoint(office.origin, size, root), Signer(office.origin, key))


@pytest.mark.parametrize("grown", [0, 1, 1000])
def test_a_forked_log_is_refused_and_both_notes_are_kept(office: Any, sign: Any, tmp_path: Path, grown: int) -> None:
    sign(office.take_ticket(tmp_path))
    kept = next(tmp_path.rglob("checkpoint")).read_bytes()
    seen = open_checkpoint(kept, office.opened_policy()).checkpoint

    def change(method: str, path: str, told: Any) -> Any:
        if told is not None and path == "/log/checkpoint":
            return forged(office, seen.size + grown, b"\5" * 32)
        return told

    with office.lying(change) as url:
        refused = sign(office.take_ticket(tmp_path, url=url), code=1)["error"]
    assert refused["code"] == "checkpoint-fork"
    assert "Nothing was signed" in refused["message"]
    assert Path(refused["kept"]).read_bytes() == kept
    both = [open_checkpoint(Path(refused[name]).read_bytes(), office.opened_policy()) for name in ("kept", "shown")]
    assert both[0].checkpoint != both[1].checkpoint
    # What was kept stays kept: the next look is measured against it.
    assert next(tmp_path.rglob("checkpoint")).read_bytes() == kept


def test_a_log_that_shows_less_than_before_is_refused(office: Any, sign: Any, tmp_path: Path) -> None:
    notes: list[bytes] = []

    def change(method: str, path: str, told: Any) -> Any:
        if told is not None and path == "/log/checkpoint":
            notes.append(told)
            return notes[0]
        return told

    with office.lying(change) as url:
        sign(office.take_ticket(tmp_path, url=url))
        refused = sign(office.take_ticket(tmp_path, url=url), code=1)
    assert refused["error"]["code"] == "checkpoint-older"


def test_a_log_of_another_key_is_refused(office: Any, sign: Any, tmp_path: Path) -> None:
    stranger = Signer(office.origin, SigningKey.generate())

    def change(method: str, path: str, told: Any) -> Any:
        if told is not None and path == "/log/checkpoint":
            return sign_checkpoint(open_checkpoint(told, office.opened_policy()).checkpoint, stranger)
        return told

    with office.lying(change) as url:
        refused = sign(office.take_ticket(tmp_path, url=url), code=1)
    assert refused["error"]["code"] == "note-unverified"


def test_another_entry_0_is_refused(office: Any, sign: Any, tmp_path: Path) -> None:
    """With it the server could name another receipt key, and its promises would bind nobody."""

    def change(method: str, path: str, told: Any) -> Any:
        if told is None or path != "/api/log/opening":
            return told
        act = open_statement(told)
        other = replace(act, data=act.data | {"receipt_key": SigningKey.generate().public.hex()})
        protected, payload, _ = draft_bytes(other, other.kid)
        return join_signature(protected, payload, told[-64:])

    with office.lying(change) as url:
        refused = sign(office.take_ticket(tmp_path, url=url), code=1)
    assert refused["error"]["code"] == "opening"


# ── After signing ──────────────────────────────────────────────────────────────────────────────────────────


def promised(office: Any, id_: str, by: str, key: str = "receipt") -> str:
    signer = Signer(office.origin, SigningKey.from_pem((office.data / "keys" / f"{key}.pem").read_bytes()))
    return sign_note(f"mingjian promise v1\n{office.origin}\n{id_}\n{by}\n", signer).decode()


@pytest.mark.parametrize("what", ["none", "unsigned", "log key", "of another", "far off", "other id"])
def test_a_promise_that_binds_nobody_is_refused_and_the_act_is_finished_later(
    office: Any, sign: Any, tmp_path: Path, what: str
) -> None:
    def change(method: str, path: str, told: Any) -> Any:
        if told is None or path != "/api/statements":
            return told
        match what:
            case "none":
                return {name: value for name, value in told.items() if name != "promise"}
            case "unsigned":
                return told | {"promise": told["promise"].replace("20", "21", 1)}
            case "log key":
                return told | {"promise": promised(office, told["id"], "2026-01-01T00:00:00Z", "log")}
            case "of another":
                return told | {"promise": promised(office, "ab" * 32, "2026-01-01T00:00:00Z")}
            case "far off":
                return told | {"promise": promised(office, told["id"], "9998-01-01T00:00:00Z")}
            case _:
                return told | {"id": "ab" * 32}

    with office.lying(change) as url:
        words = office.take_ticket(tmp_path, url=url)
        refused = sign(words, code=1)
    assert refused["error"]["code"] == "promise"
    # It was signed and sent all the same: the same bytes are asked for again, from the true server.
    again = ["finish", "--url", office.url, *(word for word in words if word.startswith(("--policy", "--state")))]
    token = [word for word in words if word.startswith("--token")]
    finished = sign([*again, *token, "--json"])
    assert (finished["n"], finished["finished"][0]["seq"]) == (1, 1)
    assert sign([*again, *token, "--json"])["n"] == 0


def test_a_promise_that_is_not_kept_stays_in_the_persons_hand(office: Any, sign: Any, tmp_path: Path) -> None:
    """The server drops what it acknowledged: its signed word and the signed act are all that an auditor needs."""

    def change(method: str, path: str, told: Any) -> Any:
        if told is not None and path == "/api/statements":
            return told | {"promise": promised(office, told["id"], "2026-01-01T00:00:00Z")}
        return told

    def deaf(method: str, path: str, told: Any) -> Any:
        if told is None and path.endswith("/proof"):
            raise ConnectionError
        return change(method, path, told)

    with office.lying(deaf) as url:
        refused = sign([*office.take_ticket(tmp_path, url=url), "--wait", "0"], code=3)
        assert refused["error"]["mend"] == "mingjian-sign finish sends the same bytes again"
        words = office.take_ticket(tmp_path, url=url)
        again = [word for word in words if word.startswith(("--policy", "--state", "--token", "--url"))]
        broken = sign(["finish", *again, "--json"], code=1)
    assert broken["error"]["code"] == "promise-broken"
    assert "mingjian promise v1" in Path(broken["error"]["promise"]).read_text()


@pytest.mark.parametrize("what", ["path", "index", "other tree"])
def test_a_proof_that_proves_nothing_is_not_believed(office: Any, sign: Any, tmp_path: Path, what: str) -> None:
    def change(method: str, path: str, told: Any) -> Any:
        if told is None or not path.endswith("/proof"):
            return told
        proof = Proof.parse(told)
        if what == "path":
            return replace(proof, path=(leaf_hash(b""), *proof.path[1:])).to_bytes()
        if what == "index":
            return replace(proof, index=proof.index - 1).to_bytes()
        return replace(proof, checkpoint=forged(office, 10_000, b"\6" * 32)).to_bytes()

    with office.lying(change) as url:
        refused = sign(office.take_ticket(tmp_path, url=url), code=1)
    assert refused["error"]["code"] == "proof"
    assert not list(tmp_path.rglob("*.tlog-proof"))


# ── What came in between ───────────────────────────────────────────────────────────────────────────────────


def overtaking(office: Any, sign: Any, folder: Path, words: list[str]) -> Callable[[str, str, Any], Any]:
    """Somebody else is faster, once: between this person's draft and their signed statement."""
    waiting = [words]

    def change(method: str, path: str, told: Any) -> Any:
        if told is None and path == "/api/statements" and waiting:
            sign(waiting.pop())
        return told

    return change


def attest(office: Any, folder: Path, actor: str, digest: str, url: str | None = None) -> list[str]:
    return office.take_ticket(
        folder,
        url=url,
        actor=actor,
        key=str(office.key_file(actor)),
        role="registrar",
        stream=f"attestation/{digest}",
        type="attestation.made.v1",
        data=json.dumps({"digest": digest, "media_type": "application/cose"}),
    )


def test_what_does_not_touch_the_act_is_signed_after_without_asking(office: Any, sign: Any, tmp_path: Path) -> None:
    digest = "ab" * 32
    other = attest(office, tmp_path / "other", "staff/reg-b", digest)
    with office.lying(overtaking(office, sign, tmp_path, other)) as url:
        done = sign(attest(office, tmp_path / "own", "staff/reg-a", digest, url))
    assert done["seq"] == 2
    aside = list((tmp_path / "own").rglob("*.refused"))
    assert len(aside) == 1


def acts_on_a_case(office: Any, folder: Path, actor: str, case: str, verb: str, data: Any, url: Any) -> list[str]:
    words = {"stream": f"approval/{case}", "type": f"approval.{verb}.v1", "data": json.dumps(data)}
    return office.take_ticket(folder, url=url, actor=actor, key=str(office.key_file(actor)), **words)


@pytest.mark.parametrize(("said", "signed"), [("--yes", False), ("yes\nno\n", False), ("yes\nyes\n", True)])
def test_what_touches_the_act_is_shown_and_not_signed_without_the_person(
    office: Any,
    sign: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    signed: bool,
) -> None:
    case = f"2026-{len(said)}"
    values = {"item": "permit", "item_version": office.version, "channel": "window", "applicant": "张三"}
    sign(acts_on_a_case(office, tmp_path / "c", "staff/chen", case, "applied", values, None))
    faster = [
        acts_on_a_case(office, tmp_path / "z", "staff/zhao", case, verb, data, None)
        for verb, data in (("gaps_told", {"gaps": ["map"]}), ("supplied", {"papers": ["map"]}))
    ]

    def change(method: str, path: str, told: Any) -> Any:
        if told is None and path == "/api/statements":
            while faster:
                sign(faster.pop(0))
        return told

    with office.lying(change) as url:
        words = acts_on_a_case(office, tmp_path / "c", "staff/chen", case, "accepted", {}, url)
        if said != "--yes":
            monkeypatch.setattr("sys.stdin", io.StringIO(said))
        code = main([*words, "--lang", "en", *([said] if said == "--yes" else [])])
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert "Since you looked, this came in" in shown.err
    assert "approval.gaps_told.v1" in shown.err
    assert "staff/zhao" in shown.err
    assert (code, answer.get("seq")) == ((0, 4) if signed else (1, None))


@pytest.mark.parametrize("what", ["hidden", "other", "order", "nothing"])
def test_what_came_in_between_cannot_be_hidden_or_made_up(office: Any, sign: Any, tmp_path: Path, what: str) -> None:
    digest = {"hidden": "a1", "other": "a2", "order": "a3", "nothing": "a4"}[what] * 32
    others = [attest(office, tmp_path / "other", "staff/reg-b", digest) for _ in range(2)]

    def change(method: str, path: str, told: Any) -> Any:
        if told is None and path == "/api/statements":
            while others:
                sign(others.pop())
        if told is None or path != "/api/drafts" or not told["between"]:
            return told
        one, two = told["between"]
        between = {"hidden": [two], "other": [one, one], "order": [two, one], "nothing": []}[what]
        return told | {"between": between}

    with office.lying(change) as url:
        refused = sign(attest(office, tmp_path / "own", "staff/reg-a", digest, url), code=1)
    assert refused["error"]["code"] == "draft-between"
