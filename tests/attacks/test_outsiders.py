"""Outsiders with other people's statements and strange bytes, guessers of sealed values, witnesses that lie."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import pytest
from psycopg import sql

from ledger.disclosure import digest_of, open_disclosure, seal_value
from ledger.door.hall import open_ledger
from ledger.errors import MingjianError, Refused
from ledger.facts.times import stamped_text, token_data
from ledger.keys import public_pem
from ledger.statement import Draft, instant_text, open_statement, sign_statement
from ledger.tree.merkle import leaf_hash, root_of
from ledger.tree.note import add_lines, split_note
from ledger.witness.state import State

ORDER = 2**252 + 27742317777372353535851937790883648493  # RFC 8032 §5.1: L
DAY_S = 86_400


# ── Statements of others ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.attack("outsider", ("the door", "POST /api/statements"))
def test_a_signed_statement_is_sent_again(town: Any, operator: Any, lived_in: Any) -> None:
    """Whoever has the bytes of an act sends them once more: it is the same act for ever, and of this ledger only."""
    entry = operator.entries[operator.find(id=town.acts["withdrawn"].id)]
    with open_ledger(operator.data) as hall:
        outcome = hall.door.commit(entry)
        assert (outcome.repeated, outcome.id) == (True, town.acts["withdrawn"].id)
        with hall.database.use("reader") as reader:
            assert reader.execute("SELECT count(*) FROM ledger.statements").fetchone() == (len(operator.entries),)


@pytest.mark.attack("outsider", ("the door", "POST /api/statements"))
def test_a_statement_for_another_ledger_is_sent_here(town: Any, operator: Any, holder_of_all_keys: Any) -> None:
    """A neighbour's act, true there, is refused here even where its key is known: ``aud`` is signed."""
    entry = operator.entries[operator.find(id=town.acts["withdrawn"].id)]
    holder = holder_of_all_keys
    own = holder.acts[holder.find(type="ticket.called.v1")]
    draft = replace(own, seq=own.seq + 1, prev=own.id, audience=operator.origin, request="elsewhere")
    meant = sign(draft, holder.keyring.actor("staff/chen"))
    with open_ledger(holder.data) as hall:
        for sent, code in ((entry, "key-unknown"), (meant, "audience")):
            with pytest.raises(Refused) as caught:
                hall.door.commit(sent)
            assert caught.value.code == code


def sign(draft: Any, key: Any) -> bytes:
    return sign_statement(Draft(**{name: getattr(draft, name) for name in Draft.__dataclass_fields__}), key)


@pytest.mark.attack("outsider", ("auditor", "mingjian-verify log"))
@pytest.mark.parametrize(("how", "code"), [("as it was", "chain"), ("in the next place", "request")])
def test_the_operator_places_an_act_twice(
    town: Any, operator: Any, audit: Any, tmp_path: Path, how: str, code: str
) -> None:
    """A clerk's act is placed once more, or the adapter's with its old request under the next number."""
    if how == "as it was":
        again: Any = operator.entries[operator.find(id=town.acts["withdrawn"].id)]
    else:
        act = next(act for act in operator.acts if act.kind == "imported" and act.seq == 2)
        again = (replace(act, data=act.data | {"ordinal": 999}), operator.keyring.actor("source/permits"))
    entries = operator.rewrite(append=[operator.batch(1), again])
    assert audit(operator.write(tmp_path / "log", entries)) == (len(entries) - 1, code)


# ── Strange bytes ──────────────────────────────────────────────────────────────────────────────────────────


def strange(entry: bytes) -> dict[str, bytes]:
    """Bytes that are nearly a statement: each would be one to some decoder."""
    protected, unprotected, payload, signature = cbor2.loads(entry).value
    assert unprotected == {}

    def cose(protected: bytes = protected, unprotected: Any = None, payload: bytes = payload, sig: bytes = signature):
        return cbor2.dumps(cbor2.CBORTag(18, [protected, unprotected or {}, payload, sig]))

    assert cose() == entry
    body = json.loads(payload)
    head = cbor2.loads(protected)
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    return {
        "cut": entry[:-1],
        "a byte more": entry + b"\0",
        "twice": entry + entry,
        "no tag": entry[1:],
        "tag 98": b"\xd8\x62" + entry[1:],
        "tag 18 in two bytes": b"\xd8\x12" + entry[1:],
        "open array": b"\xd2\x9f" + entry[2:] + b"\xff",
        "long length": entry[:2] + b"\x5a" + len(protected).to_bytes(4) + entry[entry.index(protected) :],
        "open header": cose(unprotected={4: b"kid"}),
        "another key in the open": cose(unprotected={4: bytes(32)}),
        "receipt in the open": cose(unprotected={394: [b"x"]}),
        "key twice": cose(payload=payload[:-1] + b',"seq":1}'),
        "a space": cose(payload=payload.replace(b":", b": ", 1)),
        "a float": cose(payload=payload.replace(b'"seq":', b'"seq":1.0,"x":', 1)),
        "keys unsorted": cose(payload=json.dumps(dict(reversed(body.items())), separators=(",", ":")).encode()),
        "not UTF-8": cose(payload=payload[:-1] + b"\xff}"),
        "nested deep": cose(payload=b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
        "empty": b"",
        "alg -19": cose(protected=cbor2.dumps(head | {1: -19})),
        "alg HMAC": cose(protected=cbor2.dumps(head | {1: 5})),
        "other content type": cose(protected=cbor2.dumps(head | {3: "text/plain"})),
        "critical": cose(protected=cbor2.dumps(head | {2: [99], 99: 1})),
        "S and L": cose(sig=signature[:32] + scalar.to_bytes(32, "little")),
        "R small": cose(sig=b"\1" + bytes(31) + signature[32:]),
        "signature short": cose(sig=signature[:63]),
        "no signature": cose(sig=b""),
    }


@pytest.fixture(scope="module")
def clerks(town: Any) -> bytes:
    """The clerk's acceptance, as the citizen holds it."""
    return (town.home / "citizen/entry").read_bytes()


@pytest.mark.attack(
    "outsider",
    ("the door", "POST /api/statements"),
    ("auditor", "mingjian-verify log"),
    ("differential, in CI", "cwt, scitt-cose, cbor2"),
)
def test_strange_bytes_split_no_verifiers(
    town: Any, operator: Any, audit: Any, clerks: bytes, by_cwt: Any, by_scitt_cose: Any, tmp_path: Path
) -> None:
    """Nearly statements, placed by a door that looked away: all are refused, none crashes, and where a judge not ours
    takes one, it says what the true act says and ours is the stricter."""
    key = town.keys["staff/chen"]
    act = open_statement(clerks)
    payload = cbor2.loads(clerks).value[2]
    cases = strange(clerks)
    with open_ledger(operator.data) as hall:
        for name, raw in cases.items():
            with pytest.raises(MingjianError) as caught:
                hall.door.commit(raw)
            assert isinstance(caught.value, Refused), name
    # What comes before is verified once, and remembered.
    assert audit(town.honest, "--state", tmp_path / "state")[0] == "good"
    for number, (name, raw) in enumerate(cases.items()):
        entries = operator.rewrite(append=[operator.batch(1), raw])
        where, code = audit(operator.write(tmp_path / str(number), entries), "--state", tmp_path / "state")
        assert where == len(entries) - 1, name
        assert code in ("malformed", "signature", "chain"), (name, code)
    cwt = {"pem": public_pem(key.public), "kid": key.thumbprint, "payload": payload}
    scitt = {"kind": "statement", "pem": public_pem(key.public), "names": f"staff/chen {act.stream}"}
    asked = [clerks, *cases.values()]
    takes = {
        "cwt": by_cwt([cwt | {"data": raw} for raw in asked]),
        "scitt-cose": by_scitt_cose([scitt | {"data": raw} for raw in asked]),
    }
    assert [found[0] for found in takes.values()] == [True, True]
    taken = {
        name: [case for case, is_taken in zip(cases, found[1:], strict=True) if is_taken]
        for name, found in takes.items()
    }
    # Other spellings of the same signed words, in parts that no signature covers: nobody is told anything else.
    spellings = {"no tag", "tag 18 in two bytes", "open array", "long length", "open header", "receipt in the open"}
    spellings |= {"another key in the open", "a byte more", "twice"}
    for name, found in taken.items():
        assert set(found) <= spellings, (name, found)


@pytest.mark.attack("outsider", ("auditor", "mingjian-verify log"))
@pytest.mark.parametrize("what", ["longer than it says", "shorter", "too many", "empty"])
def test_bundles_with_lying_lengths(town: Any, audit: Any, tmp_path: Path, what: str) -> None:
    """The file of entries says another length than it has: refused by its name, in bounded memory."""
    shutil.copytree(town.honest, tmp_path / "log")
    path = tmp_path / "log/tile/entries/000"
    raw = path.read_bytes()
    path.write_bytes(
        {"longer than it says": raw + b"\0", "shorter": raw[:-1], "too many": raw * 400, "empty": b""}[what]
    )
    where, code = audit(tmp_path / "log")
    assert (where, code) in (("tile/entries/000", "bundle"), ("tile/entries/000", "file-size"))


# ── Guessing ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.attack("guess", ("nobody needs to catch it", "salts of 128 bits"))
def test_a_sealed_name_is_guessed_from_its_digest(town: Any, operator: Any, tmp_path: Path) -> None:
    """Whoever has database and log tries every likely name; without the salt none can be told from another."""
    act = operator.acts[operator.find(id=town.acts["applied-1"].id)]
    with open_ledger(operator.data) as hall:
        found = hall.vault.open(act.sd)
    (disclosure,) = found.values()
    assert open_disclosure(disclosure.text).value == "张三"
    assert digest_of(disclosure.text) == act.sd[0]
    # All that outsiders have: known strings of the log as salts, and every name of a short list.
    known = [bytes(16), act.id[:16], act.kid[:16], act.prev or bytes(16), act.request.encode()[:16].ljust(16, b"\0")]
    known += [hashlib.sha256(text.encode()).digest()[:16] for text in (act.request, act.stream, operator.origin)]
    guessed = {seal_value(one, "applicant", name).digest for one in known for name in ("张三", "李四", "王五")}
    assert not guessed & set(act.sd)
    # The same name in another case has another digest.
    other = operator.acts[operator.find(id=town.acts["applied-2"].id)]
    assert not set(other.sd) & set(act.sd)
    # Neither value nor salt is in the database, nor in anything published.
    salt = json.loads(base64_json(disclosure.text))[0]
    dump = everything(operator)
    for needle in (salt, "张三", disclosure.text):
        assert needle not in dump
        assert needle.encode().hex() not in dump
        assert not any(needle.encode() in path.read_bytes() for path in town.honest.rglob("*") if path.is_file())
    assert act.sd[0].encode().hex() in dump


def everything(operator: Any) -> str:
    """All rows of all tables, as text."""
    with operator.owner() as owner:
        tables = owner.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('ledger', 'projections')"
        ).fetchall()
        rows = [
            owner.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(*name))).fetchall()
            for name in tables
        ]
    return "\n".join(row for found in rows for (row,) in found)


def base64_json(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# ── Witnesses and time authorities that lie ────────────────────────────────────────────────────────────────


def signer_of(witness: Any) -> Any:
    """The key of a witness: what a dishonest one signs with."""
    return State.open(witness.folder).signer


def cosigned(note: bytes, *lines: tuple[Any, int]) -> bytes:
    """With lines of these witnesses, each of a time in Unix seconds."""
    text = split_note(note).text
    return add_lines(split_note(note), [signer_of(witness).sign(text, time_s=at) for witness, at in lines])


def follow(say: Any, policy: Path, url: str, tmp_path: Path, *more: object) -> Any:
    words = ("--policy", policy, "--state", tmp_path / "monitor", "--once", "--jobs", "1", "--max-age", "1e8")
    return say("monitor", url, *words, "--max-cosigned-age", "1e8", *more)


@pytest.mark.attack(
    "liars",
    ("auditor", "mingjian-verify log, a policy of k witnesses of n"),
    ("monitor", "mingjian-verify monitor --witness"),
    ("verifiers not ours", "Go's formats library"),
)
@pytest.mark.parametrize("liars", [1, 2])
def test_witnesses_sign_a_second_history(
    town: Any, operator: Any, audit: Any, say: Any, serve: Any, by_go: Any, tmp_path: Path, liars: int
) -> None:
    """A witness is bought and signs whatever it is shown: one of three is not enough, and two are met by the third."""
    index = operator.find(id=town.acts["accepted-1"].id)
    entries = operator.rewrite(
        lambda at, act: [replace(act, at=instant_text(act.at_us - 10**9)) if at == index else act],
        more_keys=town.keys.values(),
    )
    folder = operator.write(tmp_path / "log", entries)
    at = operator.acts[-1].at_us // 10**6
    note = cosigned(operator.note(entries), *((one, at) for one in town.witnesses[:liars]))
    (folder / "checkpoint").write_bytes(note)
    case = {"kind": "quorum", "data": note, "entry": b"", "vkey": str(town.policy.logs[0].key)}
    assert by_go([case | {"policy": town.witnessed.read_bytes()}]) == [liars == 2]
    if liars == 1:
        assert audit(folder, policy=town.witnessed) == ("checkpoint", "quorum-not-met")
        return
    # With two the quorum lies. Whoever asks the third has both notes.
    assert audit(folder, policy=town.witnessed) == ("good", len(entries))
    code, found = follow(say, town.witnessed, serve(folder).url, tmp_path, "--witness", town.witnesses[2].url)
    assert (code, found["code"]) == (1, "fork")
    assert say("evidence", found["findings"][0]["evidence"], "--policy", town.witnessed)[1]["stands"] == "alone"


@pytest.mark.attack("liars", ("auditor", "mingjian-verify log"))
@pytest.mark.parametrize(("liars", "verdict"), [(1, "good"), (2, "bracket")])
def test_witnesses_lie_about_the_time(
    town: Any, operator: Any, audit: Any, tmp_path: Path, liars: int, verdict: str
) -> None:
    """One witness says tomorrow and moves nothing; where two say it, their word and the batch's cannot both stand."""
    at = operator.acts[-1].at_us // 10**6
    lines = [(one, at + (DAY_S if n < liars else 0)) for n, one in enumerate(town.witnesses)]
    carried = cosigned(operator.note(operator.entries), *lines)
    batch = operator.batch(0, at=instant_text((at + 1) * 10**6), checkpoint=carried.decode())
    entries = operator.rewrite(append=[batch])
    folder = operator.write(tmp_path / "log", entries)
    (folder / "checkpoint").write_bytes(cosigned(operator.note(entries), *((one, at + 2) for one in town.witnesses)))
    found = audit(folder, policy=town.witnessed)
    assert found == (("good", len(entries)) if verdict == "good" else (len(entries) - 1, "bracket"))


@pytest.mark.attack("liars", ("auditor", "mingjian-verify log"))
def test_a_time_authority_and_the_witnesses_do_not_agree(
    town: Any, operator: Any, audit: Any, authority: Any, tmp_path: Path
) -> None:
    """Witnesses and batches say tomorrow, the authority's token over them says today: neither is believed alone."""
    officers = [town.keys["officer/1"], town.keys["officer/2"]]
    content = {"certificate": authority.root.hex()}
    words = {"stream": "authority/openssl", "role": "key_officer"}
    one = operator.draft(
        "authority.change_proposed.v1", data={"change": "authority.accepted.v1", "content": content},
        actor="officer/1", **words,
    )  # fmt: skip
    two = operator.draft("authority.accepted.v1", data=content | {"proposal": "@1"}, actor="officer/2", **words)
    tomorrow = instant_text(operator.acts[-1].at_us + DAY_S * 10**6)
    accept = [operator.batch(2, at=tomorrow), (one, officers[0]), (two, officers[1])]
    first = operator.rewrite(append=accept)
    size, root = len(first), root_of(map(leaf_hash, first))
    stamped = authority.stamp(stamped_text(operator.origin, size, root))
    data = token_data(size=size, root=root, authority="openssl", token=stamped)
    # The token stands in a batch of its own, over a head that had ended.
    was = len(operator.entries)
    operator.take(first)
    token = operator.draft("log.time_token.v1", "log/time", data, actor="system/clock", role="system_clock")
    more = operator.rewrite(append=[operator.batch(1, at=tomorrow), (token, operator.keyring.own("clock"))])
    folder = operator.write(tmp_path / "log", more)
    at = operator.acts[-1].at_us // 10**6
    (folder / "checkpoint").write_bytes(cosigned(operator.note(more), *((one, at) for one in town.witnesses)))
    assert audit(folder, policy=town.witnessed) == (was, "bracket")
