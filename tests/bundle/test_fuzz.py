"""Whatever bytes come as a bundle: an answer in words, never a traceback, never more memory than is stated."""

from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.verify.archive import Archive, write_archive
from ledger.verify.bundle import verify_bundle
from ledger.verify.bundle_format import MEMBERS, Scope

CASE = Scope(kind="case", stream="approval/a-1")
QUIET = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def good(world: Any) -> Path:
    path, _ = world.bundle(CASE, show="contact")
    return path


@QUIET
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=4))
def test_changed_bytes_are_refused_in_words(world: Any, good: Path, changes: list[tuple[float, int]]) -> None:
    raw = bytearray(good.read_bytes())
    for where, how in changes:
        raw[int(where * (len(raw) - 1))] ^= how
    path = good.with_name("fuzzed.mjb")
    path.write_bytes(raw)
    if raw != good.read_bytes():
        assert not verify_bundle(path, world.policy).ok


@QUIET
@given(name=st.sampled_from(MEMBERS[1:]), content=st.binary(max_size=400), keep=st.floats(0, 1))
def test_members_of_any_content_are_refused_in_words(
    world: Any, good: Path, name: str, content: bytes, keep: float
) -> None:
    with zipfile.ZipFile(good) as archive:
        was = archive.read(name)

    def put(parts: dict[str, bytes]) -> None:
        parts[name] = was[: int(len(was) * keep)] + content

    path = world.rewritten(good, put)
    if zipfile.ZipFile(path).read(name) != was:
        assert not verify_bundle(path, world.policy).ok


@QUIET
@given(raw=st.binary(max_size=300))
def test_any_bytes_are_no_bundle(world: Any, good: Path, raw: bytes) -> None:
    path = good.with_name("raw.mjb")
    path.write_bytes(raw)
    assert not verify_bundle(path, world.policy).ok


@QUIET
@given(contents=st.lists(st.binary(max_size=200), min_size=1, max_size=len(MEMBERS)))
def test_what_is_written_is_read_again_and_by_others(tmp_path_factory: Any, contents: list[bytes]) -> None:
    from io import BytesIO

    path = tmp_path_factory.mktemp("archive") / "a.zip"
    parts = dict(zip(MEMBERS, contents, strict=False))
    with path.open("wb") as file:
        write_archive(file, {name: BytesIO(content) for name, content in parts.items()})
    with Archive(path, allowed=MEMBERS) as archive:
        assert {name: b"".join(archive.chunks(name)) for name in archive.members} == parts
    with zipfile.ZipFile(path) as other:
        assert {name: other.read(name) for name in other.namelist()} == parts
    with pytest.raises(Malformed):
        Archive(path, allowed=MEMBERS[1:])


def test_memory_stays_bounded_whatever_the_file_claims(world: Any, good: Path) -> None:
    huge = bytes(40_000_000)
    for name in ("entries", "tree", "receipts", "disclosures.jsonl", "completeness.jsonl", "checkpoint"):
        path = world.rewritten(good, lambda parts, name=name: parts.update({name: huge}))
        tracemalloc.start()
        assert not verify_bundle(path, world.policy).ok
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 12_000_000, name
