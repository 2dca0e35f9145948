"""``mingjian-verify proof FILE --policy FILE``: one proof, in whichever of its forms, checked offline.

    a C2SP tlog-proof, as a file or as JSON     with --entry: the entry stands at that index of the policy's log
    a COSE Receipt (RFC 9942)                   with --entry and --receipt-key: likewise, under the receipt key
    an entry with receipts attached             with --receipt-key: likewise for each; the entry is in the file
    mingjian-consistency@v1                     one tree begins with the other
    mingjian-completeness@v1                    a stream has exactly so many statements, or none
    mingjian-disclosures@v1                     values were sealed in entries of the log, and opened by grant

Which form a file has, its first bytes say. Files are read up to a limit and no further.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from ledger.errors import Malformed, Refused, Unavailable
from ledger.keys import public_from_pem
from ledger.statement import MAX_ENTRY_BYTES, open_statement
from ledger.terminal import Lang, plain
from ledger.tree import completeness, consistency, disclosed, proof
from ledger.tree.checkpoint import SignedCheckpoint
from ledger.tree.completeness import Completeness
from ledger.tree.consistency import Consistency
from ledger.tree.disclosed import Disclosures
from ledger.tree.merkle import leaf_hash
from ledger.tree.note import MAX_NOTE_BYTES
from ledger.tree.policy import MAX_POLICY_BYTES, Policy
from ledger.tree.proof import Proof
from ledger.tree.receipt import check_receipt, detach_receipts

if TYPE_CHECKING:
    from argparse import _SubParsersAction

MAX_FILE_BYTES: Final = 2 * MAX_NOTE_BYTES + 4 * MAX_ENTRY_BYTES
"""Of any proof: a note, as JSON, and two entries in base64."""
_MAX_PEM_BYTES: Final = 4_096

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("证明核验", "Check of a proof"),
    "form": ("形式", "form"),
    "origin": ("日志", "log"),
    "index": ("条目序号", "entry's index"),
    "id": ("陈述编号", "statement's id"),
    "old_size": ("较早大小", "earlier size"),
    "old_root": ("较早的根", "earlier root"),
    "new_size": ("较晚大小", "later size"),
    "new_root": ("较晚的根", "later root"),
    "stream": ("流", "stream"),
    "heads_size": ("截至大小", "as of size"),
    "statements": ("陈述数目", "statements"),
    "last": ("最后一条", "the last of them"),
    "values": ("披露的值", "values shown"),
    "size": ("签名大小", "signed size"),
    "root": ("签名根", "signed root"),
    "cosigned_by": ("见证", "cosigned by"),
    "good": ("核验通过", "VERIFIED"),
    "bad": ("核验未通过", "NOT VERIFIED"),
}


@dataclass(frozen=True, slots=True)
class Found:
    """What a proof says, as members of the answer, and the signed head where one stands in it."""

    form: str
    says: dict[str, Any] = field(default_factory=dict)
    signed: SignedCheckpoint | None = None


def declare(commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "proof",
        parents=[common],
        help="check one proof: an entry's place, two sizes joined, a stream's number of statements",
        description="Check one proof offline: a tlog-proof, a COSE receipt, or one of the JSON documents.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the proof")
    parser.add_argument("--entry", metavar="FILE", type=Path, help="the entry's bytes, for a proof of its place")
    parser.add_argument(
        "--policy", metavar="FILE", type=Path, required=True, help="your own C2SP tlog-policy: origin and keys"
    )
    parser.add_argument("--receipt-key", metavar="PEM", type=Path, help="the log's receipt key, for a COSE receipt")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check, report, and answer with the exit code. What is missing to check is wrong usage, not a bad proof."""
    policy = Policy.parse(_read(options.policy, MAX_POLICY_BYTES))
    data = _read(options.file, MAX_FILE_BYTES)
    entry = None if options.entry is None else _read(options.entry, MAX_ENTRY_BYTES)
    key = None if options.receipt_key is None else public_from_pem(_read(options.receipt_key, _MAX_PEM_BYTES))
    _check_usage(data, entry, key)
    found, refusal = None, None
    try:
        found = check_proof(data, policy, entry=entry, receipt_key=key)
    except Refused as error:
        refusal = error
    if options.json:
        print(orjson.dumps(_answer(found, refusal)).decode())
    else:
        print("\n".join(_report(found, refusal, options.lang)))
    return 0 if refusal is None else 1


def check_proof(data: bytes, policy: Policy, *, entry: bytes | None = None, receipt_key: bytes | None = None) -> Found:
    """What the proof in ``data`` shows under ``policy``; Refused unless it shows it."""
    match _form(data):
        case "tlog":
            assert entry is not None
            return _place(Proof.parse(data), entry, policy, form="tlog")
        case "cose":
            assert receipt_key is not None
            return _receipts(data, entry, policy, receipt_key)
        case _:
            return _document(data, entry, policy)


def _form(data: bytes) -> str:
    if data.startswith(b"\xd2"):
        return "cose"
    return "tlog" if data.startswith(proof.HEADER.encode()) else "json"


def _is_receipt(data: bytes) -> bool:
    """Whether COSE bytes are a bare receipt, and not an entry that carries some."""
    try:
        detach_receipts(data)
    except Malformed:
        return True
    return False


def _check_usage(data: bytes, entry: bytes | None, key: bytes | None) -> None:
    form = _form(data)
    if form == "cose" and key is None:
        raise Malformed("a receipt is checked under the log's receipt key", code="usage", mend="--receipt-key PEM")
    needs_entry = form == "tlog" or (form == "cose" and _is_receipt(data)) or _named(data) == proof.HEADER
    if needs_entry and entry is None:
        raise Malformed("a proof of place is checked with the entry's bytes", code="usage", mend="--entry FILE")


def _named(data: bytes) -> Any:
    """The ``format`` of a JSON document; None for what is none."""
    if _form(data) != "json":
        return None
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return body.get("format") if isinstance(body, dict) else None


def _document(data: bytes, entry: bytes | None, policy: Policy) -> Found:
    named = _named(data)
    body: dict[str, Any] = {} if named is None else orjson.loads(data)
    if named == proof.HEADER:
        assert entry is not None
        return _place(Proof.from_json(body), entry, policy, form="json")
    if named == consistency.FORMAT:
        joined = Consistency.from_json(body)
        signed = joined.check(policy)
        says = {
            "old_size": joined.old_size,
            "old_root": joined.old_root.hex(),
            "new_size": joined.new_size,
            "new_root": joined.new_root.hex(),
        }
        return Found("consistency", says, signed)
    if named == completeness.FORMAT:
        counted = Completeness.from_json(body).check(policy)
        says = {
            "stream": counted.stream,
            "heads_size": counted.size,
            "statements": counted.statements,
            "last": None if counted.last is None else counted.last.hex(),
        }
        return Found("completeness", says, counted.signed)
    if named == disclosed.FORMAT:
        values, signed = Disclosures.from_json(body).check(policy)
        told = [
            {"index": one.index, "name": one.disclosure.name, "value": one.disclosure.value, "to": one.to}
            for one in values
        ]
        return Found("disclosures", {"values": told}, signed)
    raise Malformed("The file is none of the forms of proof.", code="form", mend="see mingjian-verify proof --help")


def _place(found: Proof, entry: bytes, policy: Policy, *, form: str) -> Found:
    leaf = leaf_hash(entry)
    signed = found.check(leaf, policy)
    return Found(form, {"index": found.index, "id": leaf.hex()}, signed)


def _receipts(data: bytes, entry: bytes | None, policy: Policy, key: bytes) -> Found:
    receipts = [data]
    if not _is_receipt(data):
        inside, receipts = detach_receipts(data)
        if entry is not None and entry != inside:
            raise Refused("the file holds another entry than the one given", code="other-entry")
        entry = inside
    assert entry is not None
    act = open_statement(entry)
    # The policy's logs are the only origins that its owner trusts; entry 0 alone names no audience.
    origins = [log.key.name for log in policy.logs if act.audience in (None, log.key.name)]
    if not origins:
        raise Refused("the entry is meant for no log of the policy", code="audience")
    says: dict[str, Any] = {}
    for receipt in receipts:
        first: Refused | None = None
        for origin in origins:
            try:
                proven = check_receipt(receipt, entry, subject=act.stream, origin=origin, public_key=key)
            except Refused as error:
                first = first or error
                continue
            says = {"origin": origin, "index": proven.position, "id": act.id.hex()}
            says |= {"size": proven.size, "root": proven.root.hex()}
            break
        else:
            assert first is not None
            raise first
    return Found("cose", says)


def _answer(found: Found | None, refusal: Refused | None) -> dict[str, Any]:
    body: dict[str, Any] = {"ok": refusal is None, "code": None, "reason": None, "form": None}
    if refusal is not None:
        body |= {"code": refusal.code, "reason": plain(refusal.message)}
    if found is not None:
        body |= {"form": found.form} | _head(found) | found.says
    return body


def _head(found: Found) -> dict[str, Any]:
    if found.signed is None:
        return {"cosigned_by": []}
    head = found.signed.checkpoint
    names = [plain(one.key.name) for one in found.signed.cosignatures]
    return {"origin": plain(head.origin), "size": head.size, "root": head.root.hex(), "cosigned_by": names}


def _report(found: Found | None, refusal: Refused | None, lang: Lang) -> list[str]:
    side = 0 if lang == "zh" else 1
    lines = [_WORDS["title"][side]]
    if found is not None:
        for name, value in ({"form": found.form} | found.says | _head(found)).items():
            if value not in (None, []):
                text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
                lines.append(f"  {_WORDS[name][side]}: {plain(text)}")
    lines.append(_WORDS["good" if refusal is None else "bad"][side])
    if refusal is not None:
        lines.append(f"  {plain(refusal.message)}")
    return lines


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be read: {error.strerror or error}", code="unreadable", mend="look at its name and rights"
        ) from error
    if len(data) > limit:
        raise Malformed(f"{path} has more than {limit} bytes", code="file-size", mend="name another file")
    return data
