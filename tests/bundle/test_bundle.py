"""What a bundle proves, and that nothing in it can be changed, left out, put in or swapped unseen."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.exchange.bundle import period
from ledger.registry import erasure
from ledger.statement import instant_text, open_statement
from ledger.tree.subset import prove_subset
from ledger.verify import cli
from ledger.verify.bundle import BundleVerdict, verify_bundle
from ledger.verify.bundle_format import MEMBERS, Manifest, Scope, line, record

CASE = Scope(kind="case", stream="approval/a-1")
Rewrite = Callable[[Path, Callable[[dict[str, bytes]], None]], Path]


def check(world: Any, path: Path) -> BundleVerdict:
    return verify_bundle(path, world.policy)


def batches(world: Any) -> list[tuple[int, int, int]]:
    with world.hall.database.use("reader") as connection:
        return connection.execute("SELECT first, size, recorded_us FROM ledger.batches ORDER BY first").fetchall()


def a_period(world: Any, first: int = 2, last: int = 6) -> Scope:
    rows = batches(world)
    return period(world.hall, f"{instant_text(rows[first][2])}..{instant_text(rows[last][2])}")


@pytest.fixture(scope="module")
def case_bundle(world: Any) -> Path:
    path, _ = world.bundle(CASE, show="applicant")
    return path


# ------------------------------------------------------------------------------------------------- what is proved


def test_a_case_is_proved_whole_with_who_did_what_under_whose_key(world: Any, case_bundle: Path) -> None:
    verdict = check(world, case_bundle)
    assert verdict.fault is None
    told = [(one["type"], one["actor"], one["custody"]) for one in verdict.statements]
    assert told[:2] == [
        ("approval.applied.v1", "staff/chen", "server"),
        ("approval.accepted.v1", "staff/chen", "server"),
    ]
    assert verdict.complete_as_of is not None
    assert verdict.rules_as_of == verdict.complete_as_of
    assert verdict.receipts == verdict.in_scope
    assert [(value["name"], value["value"]) for value in verdict.values] == [("applicant", "张三")]
    assert verdict.sealed == 2  # contact and note stay closed
    raw = case_bundle.read_bytes()
    assert b"13800000000" not in raw
    assert b"papers seen" not in raw


def test_all_and_a_period_are_proved(world: Any) -> None:
    path, done = world.bundle(Scope(kind="all"))
    verdict = check(world, path)
    assert (verdict.fault, verdict.entries) == (None, done.manifest.size)
    assert len(zipfile.ZipFile(path).read("tree")) == 0
    path, done = world.bundle(a_period(world))
    verdict = check(world, path)
    assert verdict.fault is None
    scope = done.manifest.scope
    assert scope.first is not None
    assert scope.stop is not None
    assert verdict.in_scope == scope.stop - scope.first


def test_an_erased_case_says_by_which_statement(world: Any) -> None:
    stream = min(world.streams())
    path, _ = world.bundle(Scope(kind="case", stream=stream))
    verdict = check(world, path)
    assert verdict.fault is None
    by = {index for one in verdict.statements for index in one["erased_by"]}
    [made] = [one["index"] for one in verdict.statements if one["type"] == "erasure.made.v1"]
    assert by == {made}
    assert len(verdict.erased) == sum(one["sealed"] for one in verdict.statements)


def test_the_same_log_and_checkpoint_give_the_same_bytes(world: Any) -> None:
    one, other = (world.bundle(CASE)[0] for _ in range(2))
    assert one.read_bytes() == other.read_bytes()


def test_without_case_heads_it_says_that_completeness_is_not_proved(world: Any, case_bundle: Path) -> None:
    def drop(parts: dict[str, bytes]) -> None:
        del parts["completeness.jsonl"]

    verdict = check(world, world.rewritten(case_bundle, drop, streams=0))
    assert verdict.fault is None
    assert verdict.complete_as_of is None


# -------------------------------------------------------------------------------------------- what must be caught


@pytest.mark.parametrize("name", MEMBERS)
def test_a_flipped_bit_in_any_member_is_caught(world: Any, case_bundle: Path, name: str, tmp_path: Path) -> None:
    raw = case_bundle.read_bytes()
    with zipfile.ZipFile(case_bundle) as archive:
        info = archive.getinfo(name)
        start = info.header_offset + 30 + len(name)
        for at in {start, start + info.file_size // 2, start + info.file_size - 1, info.header_offset + 8}:
            changed = bytearray(raw)
            changed[at] ^= 1
            path = tmp_path / "flipped.mjb"
            path.write_bytes(changed)
            assert not check(world, path).ok, (name, at)


@pytest.mark.parametrize("name", MEMBERS[1:])
def test_a_flipped_bit_is_caught_also_where_the_manifest_was_made_to_agree(
    world: Any, case_bundle: Path, name: str
) -> None:
    size = len(zipfile.ZipFile(case_bundle).read(name))
    for at in range(0, size, max(1, size // 40)):

        def flip(parts: dict[str, bytes], at: int = at) -> None:
            parts[name] = parts[name][:at] + bytes([parts[name][at] ^ 1]) + parts[name][at + 1 :]

        assert not check(world, world.rewritten(case_bundle, flip)).ok, (name, at)


@pytest.mark.parametrize("name", [name for name in MEMBERS if name not in ("manifest.json", "completeness.jsonl")])
def test_a_dropped_member_is_caught(world: Any, case_bundle: Path, name: str) -> None:
    assert not check(world, world.rewritten(case_bundle, lambda parts: parts.pop(name) and None)).ok


def test_a_member_put_in_swapped_or_named_twice_is_caught(world: Any, case_bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(case_bundle) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}

    def written(pairs: list[tuple[str, bytes]], **how: Any) -> Path:
        path = tmp_path / "other.mjb"
        with zipfile.ZipFile(path, "w", **how) as out:
            for name, content in pairs:
                info = zipfile.ZipInfo(name)
                info.create_system = 0
                out.writestr(info, content, compress_type=how.get("compression", 0))
        return path

    pairs = list(parts.items())
    for bad in (
        [*pairs, ("extra", b"x")],
        [*pairs, ("../../etc/passwd", b"x")],
        [*pairs, ("/etc/x", b"x")],
        [pairs[1], pairs[0], *pairs[2:]],
        [("entries/", b""), *pairs],
    ):
        assert check(world, written(bad)).fault is not None, bad[-1][0]
    bomb = written([*pairs[:2], ("entries", bytes(30_000_000))], compression=zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 100_000
    assert check(world, bomb).fault is not None
    swapped = dict(pairs, checkpoint=parts["tree"], tree=parts["checkpoint"])
    assert check(world, written(list(swapped.items()))).fault is not None
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = written([*pairs, ("tree", parts["tree"])])
    assert check(world, twice).fault is not None


def test_bytes_before_between_and_behind_are_caught(world: Any, case_bundle: Path, tmp_path: Path) -> None:
    raw = case_bundle.read_bytes()
    for changed in (b"x" + raw, raw + b"x", raw[:-1], raw[: len(raw) // 2], b"", raw + raw):
        path = tmp_path / "longer.mjb"
        path.write_bytes(changed)
        assert check(world, path).fault is not None


def entries_without(world: Any, parts: dict[str, bytes], keep: Callable[[int, Any], bool]) -> None:
    """Leave entries out as an operator can: with a tree that fits what is left."""
    left, size = [], Manifest.parse(parts["manifest.json"]).size
    for index, entry in world.records(parts["entries"]):
        if keep(index, open_statement(entry)):
            left.append((index, entry))
    indexes = [index for index, _ in left]
    parts["entries"] = b"".join(record(*one) for one in left)
    parts["tree"] = b"".join(prove_subset(indexes, size, world.hall.reader.read_tile))
    if "receipts" in parts:
        parts["receipts"] = b"".join(record(*one) for one in world.records(parts["receipts"]) if one[0] in indexes)


def test_the_cut_tail_of_a_case_is_caught_by_its_heads(world: Any) -> None:
    path, _ = world.bundle(CASE)
    last = max(one["seq"] for one in check(world, path).statements if one["stream"] == CASE.stream)

    def cut(parts: dict[str, bytes]) -> None:
        entries_without(world, parts, lambda _, act: (act.stream, act.seq) != (CASE.stream, last))

    verdict = check(world, world.rewritten(path, cut))
    assert verdict.fault is not None
    assert (verdict.fault.code, verdict.fault.where) == ("cut-off", "completeness.jsonl")


@pytest.mark.parametrize(
    ("type_", "code"),
    [
        ("key.added.v1", "invalid"),
        ("staff.appointed.v1", "invalid"),
        ("ledger.confirmed.v1", "genesis"),
        ("log.batch.v1", "batch"),
        ("item.published.v1", "invalid"),
        ("approval.applied.v1", "chain"),
        ("disclosure.granted.v1", "not-granted"),
        ("heads.stated.v1", "completeness"),
    ],
)
def test_what_is_left_out_is_missed(world: Any, case_bundle: Path, type_: str, code: str) -> None:
    def cut(parts: dict[str, bytes]) -> None:
        entries_without(world, parts, lambda _, act: act.type != type_)
        if type_ == "disclosure.granted.v1":
            del parts["completeness.jsonl"]

    more = {"streams": 0} if type_ == "disclosure.granted.v1" else {}
    verdict = check(world, world.rewritten(case_bundle, cut, **more))
    assert verdict.fault is not None
    assert verdict.fault.code in (code, "completeness", "chain", "seen", "invalid"), verdict.fault


def test_an_entry_left_out_of_a_period_is_missed(world: Any) -> None:
    path, done = world.bundle(a_period(world))
    scope = done.manifest.scope
    assert scope.stop is not None
    for gone in (scope.stop - 1, scope.first):
        verdict = check(
            world,
            world.rewritten(path, lambda parts, gone=gone: entries_without(world, parts, lambda i, _: i != gone)),
        )
        assert verdict.fault is not None


def test_a_period_that_claims_more_than_its_entries_is_caught(world: Any) -> None:
    path, done = world.bundle(a_period(world))
    earlier = instant_text(batches(world)[1][2])
    with zipfile.ZipFile(path) as archive:
        body = json.loads(archive.read("manifest.json"))
    body["scope"]["start"] = earlier
    verdict = check(world, world.rewritten(path, lambda parts: None, scope=Scope.from_json(body["scope"])))
    assert verdict.fault is not None
    assert "period" in verdict.fault.detail
    assert done.manifest.scope.start != earlier


def test_a_value_that_was_not_sealed_there_or_not_granted_is_refused(world: Any, case_bundle: Path) -> None:
    [(applied, _)] = erasure.chosen(world.hall, CASE.stream, ["contact"])
    [value] = [one for one in world.hall.vault.open(applied.sd).values() if one.name == "contact"]
    index = world.hall.reader.placed([applied.id])[applied.id]

    def ungranted(parts: dict[str, bytes]) -> None:
        parts["disclosures.jsonl"] += line({"index": index, "disclosure": value.text})

    verdict = check(world, world.rewritten(case_bundle, ungranted, disclosures=2))
    assert verdict.fault is not None
    assert verdict.fault.code == "not-granted"

    def elsewhere(parts: dict[str, bytes]) -> None:
        parts["disclosures.jsonl"] = parts["disclosures.jsonl"].replace(f'"index":{index}'.encode(), b'"index":0')

    verdict = check(world, world.rewritten(case_bundle, elsewhere))
    assert verdict.fault is not None
    assert verdict.fault.code == "disclosure"


# --------------------------------------------------------------------------------------------------- the command


def test_the_command_tells_both_languages_codes_and_evidence(
    world: Any, case_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy"
    policy.write_bytes(world.policy.to_bytes())
    for lang, good in (("en", "NOT proved"), ("zh", "未证明")):
        assert cli.main(["bundle", str(case_bundle), "--policy", str(policy), "--lang", lang]) == 0
        out = capsys.readouterr().out
        assert good in out
        assert "张三" in out
    assert cli.main(["bundle", str(case_bundle), "--policy", str(policy), "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["ok"] is True
    assert "complete" in body["proved"]
    assert "newest" in body["not_proved"]

    bad = world.rewritten(case_bundle, lambda parts: parts.update(tree=bytes(32)))
    assert cli.main(["bundle", str(bad), "--policy", str(policy), "--json"]) == 1
    body = json.loads(capsys.readouterr().out)
    assert (body["ok"], body["code"], body["first_bad"]) == (False, "root", "entries")
    kept = json.loads(Path(body["evidence"]).read_text("utf-8"))
    assert kept["code"] == "root"
    assert kept["checkpoint"].startswith(world.hall.origin)

    other = tmp_path / "other"
    other.write_bytes(world.stranger().to_bytes())
    assert cli.main(["bundle", str(case_bundle), "--policy", str(other), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["first_bad"] == "checkpoint"
    assert cli.main(["bundle", str(tmp_path / "none"), "--policy", str(policy), "--json"]) == 3
    capsys.readouterr()
    assert cli.main(["bundle", str(case_bundle), "--policy", str(case_bundle), "--json"]) == 2
