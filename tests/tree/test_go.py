"""Go's sumdb `tlog` and `note` accept what this tree makes and refuse it changed.

Needs `go` (1.26 or newer) on the PATH and the module golang.org/x/mod (fetched by Go's own client, or already
in its cache); without either, the test says so and is skipped: it is the outside judge, not the only one.

The module's version matters: the tile reader of 0.27 left full tiles unchecked where several subtrees of the
tree head lie in one tile, and so read our tiles with one of them changed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.keys import SigningKey
from ledger.tree.checkpoint import Checkpoint, sign_checkpoint
from ledger.tree.merkle import leaf_hash, prove_consistency, prove_inclusion, root_of
from ledger.tree.note import Algorithm, Signer, add_lines, encode_base64, split_note
from ledger.tree.tiles import tiles_for

SOURCE = Path(__file__).parent / "go"
LEAVES = [leaf_hash(f"record {i}".encode()) for i in range(70_000)]
LOG = Signer("hall.example/log", SigningKey.from_seed(b"\1" * 32))
WITNESS = Signer("witness.example", SigningKey.from_seed(b"\2" * 32), Algorithm.COSIGNATURE_V1)

Case = dict[str, Any]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[Case]], list[bool]]:
    """The Go program: a list of cases in, for each whether Go accepts it out."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not on the PATH: Go's sumdb code cannot be asked")
    work = tmp_path_factory.mktemp("go")
    shutil.copytree(SOURCE, work, dirs_exist_ok=True)
    env = os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}

    def run(*command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=work, env=env, input=stdin, capture_output=True, text=True, timeout=300, check=False
        )

    fetched = run(go, "mod", "download")
    if fetched.returncode != 0:
        pytest.skip(f"golang.org/x/mod is not to be had here: {fetched.stderr.strip()[-300:]}")
    built = run(go, "build", "-o", "treecheck", ".")
    assert built.returncode == 0, built.stderr

    def ask(cases: list[Case]) -> list[bool]:
        answer = run(str(work / "treecheck"), stdin=json.dumps(cases))
        assert answer.returncode == 0, answer.stderr
        accepted: list[bool] = json.loads(answer.stdout)
        assert len(accepted) == len(cases)
        return accepted

    return ask


def flipped(hash_: bytes, bit: int) -> bytes:
    changed = bytearray(hash_)
    changed[bit // 8 % 32] ^= 1 << bit % 8
    return bytes(changed)


def inclusion(index: int, size: int, path: list[bytes], root: bytes, leaf: bytes) -> Case:
    return {
        "kind": "inclusion",
        "index": index,
        "size": size,
        "path": [encode_base64(h) for h in path],
        "root": encode_base64(root),
        "leaf": encode_base64(leaf),
    }


def consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: list[bytes]) -> Case:
    return {
        "kind": "consistency",
        "old_size": old,
        "old_root": encode_base64(old_root),
        "size": new,
        "root": encode_base64(new_root),
        "path": [encode_base64(h) for h in path],
    }


def changed_paths(path: list[bytes]) -> list[list[bytes]]:
    flips = [[*path[:at], flipped(h, 37 * at), *path[at + 1 :]] for at, h in enumerate(path)]
    return [*flips, [*path, bytes(32)]] + ([path[:-1]] if path else [])


def test_go_agrees_about_every_proof_of_small_trees(
    judge: Callable[[list[Case]], list[bool]], rows_of: Callable[..., Any]
) -> None:
    good, bad = [], []
    for size in range(1, 40):
        rows, root = rows_of(LEAVES[:size]), root_of(LEAVES[:size])
        for index in range(size):
            path = prove_inclusion(index, size, rows)
            good.append(inclusion(index, size, path, root, LEAVES[index]))
            bad += [inclusion(index, size, p, root, LEAVES[index]) for p in changed_paths(path)]
            bad.append(inclusion(index, size, path, root, LEAVES[size]))
        for old in range(1, size + 1):
            old_root, path = root_of(LEAVES[:old]), prove_consistency(old, size, rows)
            good.append(consistency(old, old_root, size, root, path))
            bad += [consistency(old, old_root, size, root, p) for p in changed_paths(path)]
            bad.append(consistency(old, flipped(old_root, 5), size, root, path))
    assert all(judge(good))
    assert not any(judge(bad))


def test_go_agrees_about_a_tree_of_three_tile_levels(
    judge: Callable[[list[Case]], list[bool]], rows_of: Callable[..., Any]
) -> None:
    rows = rows_of(LEAVES)
    size, root = len(LEAVES), rows.frontier.root()
    good, bad = [], []
    for index in (0, 255, 256, 65_535, 65_536, 69_999):
        path = prove_inclusion(index, size, rows)
        good.append(inclusion(index, size, path, root, LEAVES[index]))
        bad += [inclusion(index, size, p, root, LEAVES[index]) for p in changed_paths(path)]
    for old in (1, 255, 65_536, 65_537, 69_999):
        old_root, path = root_of(LEAVES[:old]), prove_consistency(old, size, rows)
        good.append(consistency(old, old_root, size, root, path))
        bad += [consistency(old, old_root, size, root, p) for p in changed_paths(path)]
    assert all(judge(good))
    assert not any(judge(bad))


def test_go_reads_our_tiles_by_our_paths(
    judge: Callable[[list[Case]], list[bool]], rows_of: Callable[..., Any]
) -> None:
    rows = rows_of(LEAVES)
    tiles = {t.path: rows(t.level, t.index, t.width) for t in tiles_for(len(LEAVES))}
    picked = (0, 300, 65_535, 65_536, 69_999)

    def case(tiles: dict[str, bytes]) -> Case:
        return {
            "kind": "tiles",
            "size": len(LEAVES),
            "root": encode_base64(rows.frontier.root()),
            "leaves": {str(i): encode_base64(LEAVES[i]) for i in picked},
            "tiles": {path: encode_base64(data) for path, data in tiles.items()},
        }

    assert judge([case(tiles)]) == [True]
    touched = ("tile/0/000", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1")
    for path in touched:
        changed = tiles | {path: flipped(tiles[path][:32], 9) + tiles[path][32:]}
        assert judge([case(changed)]) == [False], path


def test_go_opens_our_signed_and_cosigned_checkpoint(judge: Callable[[list[Case]], list[bool]]) -> None:
    root = root_of(LEAVES[:100])
    head = Checkpoint(LOG.name, 100, root)
    signed = sign_checkpoint(head, LOG)
    cosigned = add_lines(split_note(signed), [WITNESS.sign(head.text, time_s=1_700_000_000)])
    case: Case = {
        "kind": "checkpoint",
        "vkey": str(LOG.key),
        "size": 100,
        "root": encode_base64(root),
        "note": signed.decode(),
    }
    watched = case | {"note": cosigned.decode(), "witness": str(WITNESS.key), "time_s": 1_700_000_000}
    assert judge([case, watched]) == [True, True]
    other = Signer(LOG.name, WITNESS.private_key)
    bad = [
        case | {"size": 101, "note": signed.decode().replace("\n100\n", "\n101\n")},
        case | {"note": sign_checkpoint(head, other).decode()},
        case | {"vkey": str(other.key)},
        case | {"vkey": str(LOG.key).replace("hall", "mall")},
        case | {"note": signed.decode()[:-1]},
        watched | {"time_s": 1_700_000_001},
        watched | {"note": signed.decode()},
    ]
    assert not any(judge(bad))
