"""The full audit by ``mingjian-verify``, process to process, against bare loops over the same bytes."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

from nacl.bindings import crypto_sign_open

from ledger.keys import SigningKey
from ledger.statement import draft_bytes
from tests.bench.rounds import alternate, seconds
from tests.bench.stand import Stand, program, run
from tests.bench.statements import make_drafts
from tests.bench.table import Row, at_least, at_most

# What the rival does: every entry of every bundle read and hashed, nothing else looked at.
_HASH = """
import hashlib, pathlib, sys
for path in sorted(pathlib.Path(sys.argv[1], "tile", "entries").rglob("*")):
    if path.is_file():
        raw, at = path.read_bytes(), 0
        while at < len(raw):
            end = at + 2 + int.from_bytes(raw[at : at + 2], "big")
            hashlib.sha256(raw[at + 2 : end]).digest()
            at = end
"""


def rows(stand: Stand) -> Iterator[Row]:
    """The audit of the hashes alone, with every signature, and of nothing new after an audit before."""
    log = stand.exported
    verdict = json.loads(_verify(log))
    size = verdict["size"]
    bare = _bare_rate(1000 if stand.quick else 8000)

    found = alternate(
        {
            "ours": lambda: seconds(lambda: _verify(log, "--hashes-only")),
            "rules": lambda: seconds(lambda: _verify(log, "--no-signatures")),
            "hash": lambda: seconds(lambda: run(sys.executable, "-c", _HASH, log)),
        },
        rounds=stand.rounds,
    )
    ratio = found["ours"] / found["hash"]
    yield Row(
        name="audit-hashes",
        what=f"files, hashes and signed root (--hashes-only), {size:,} entries",
        ours=f"{found['ours']:.2f} s",
        rival=f"read and SHA-256 {found['hash']:.2f} s",
        ratio=ratio,
        aims=(at_most(ratio, 2),),
        limit=f"read and hash: the rival's figure; with every rule but the signatures {found['rules']:.2f} s",
    )

    found = alternate(
        {
            "ours": lambda: size / seconds(lambda: _verify(log)),
            "bare": lambda: _bare_rate(1000 if stand.quick else 8000),
        },
        rounds=stand.rounds,
    )
    ratio = found["ours"] / found["bare"]
    yield Row(
        name="audit-signatures",
        what=f"full audit with signatures, all {_cores()} cores, {size:,} entries",
        ours=f"{found['ours']:,.0f}/s",
        rival=f"PyNaCl's bare verify loop, all cores {found['bare']:,.0f}/s",
        ratio=ratio,
        aims=(at_least(ratio, 0.7),),
        limit=f"the signature: {bare / _cores():,.0f}/s a core",
    )

    with tempfile.TemporaryDirectory() as folder:
        state = ("--state", Path(folder) / "state")
        whole = seconds(lambda: _verify(log, *state))
        again = alternate({"again": lambda: seconds(lambda: _verify(log, *state))}, rounds=stand.rounds)["again"]
    yield Row(
        name="audit-again",
        what=f"audit again, nothing new (--state), {size:,} entries",
        ours=f"{again:.2f} s",
        rival=f"the audit before it {whole:.2f} s",
        ratio=again / whole,
        aims=(),
        limit="start-up, the list of files, and reading what was remembered",
    )


def _verify(log: Path, *options: str | Path) -> str:
    return run(program("mingjian-verify"), "log", log, "--policy", log / "policy", *options, "--json")


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _bare_rate(each: int) -> float:
    """Signatures verified a second by all cores at once; start-up is not counted."""
    context = get_context("spawn")
    barrier = context.Barrier(_cores() + 1)
    running = [context.Process(target=_bare, args=(barrier, each), daemon=True) for _ in range(_cores())]
    for process in running:
        process.start()
    barrier.wait(60)
    began = time.perf_counter()
    barrier.wait(120)
    rate = each * _cores() / (time.perf_counter() - began)
    for process in running:
        process.join()
    return rate


def _bare(barrier: Barrier, count: int) -> None:
    key = SigningKey.generate()
    messages = [draft_bytes(draft, key.thumbprint)[2] for draft in make_drafts(count)]
    signatures = [key.sign(message) for message in messages]
    barrier.wait(60)
    for signature, message in zip(signatures, messages, strict=True):
        crypto_sign_open(signature + message, key.public)
    barrier.wait(120)
