"""C2SP tlog-checkpoint: a head opens only under its own log's name, signed, and cosigned as asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Malformed, MingjianError, Refused
from ledger.keys import SigningKey
from ledger.tree.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.tree.merkle import EMPTY_ROOT
from ledger.tree.note import Algorithm, Signer, add_lines, sign_note, split_note
from ledger.tree.policy import Group, Log, Policy, Witness


def signer(name: str, seed: int, algorithm: Algorithm = Algorithm.ED25519) -> Signer:
    return Signer(name, SigningKey.from_seed(bytes([seed]) * 32), algorithm)


LOG = signer("hall.example/log", 1)
FIRST = signer("first.example", 2, Algorithm.COSIGNATURE_V1)
SECOND = signer("second.example", 3, Algorithm.COSIGNATURE_V1)
HEAD = Checkpoint("hall.example/log", 20_852_163, bytes(range(32)))
BARE = Policy(logs=(Log(LOG.key),))
WITNESSED = Policy(
    logs=(Log(LOG.key),),
    witnesses=(Witness("w1", FIRST.key), Witness("w2", SECOND.key)),
    groups=(Group("both", 2, ("w1", "w2")),),
    quorum="both",
)


def cosigned(*witnesses: Signer) -> bytes:
    lines = [witness.sign(HEAD.text, time_s=1_700_000_000) for witness in witnesses]
    return add_lines(split_note(sign_checkpoint(HEAD, LOG)), lines)


def test_the_text_is_three_lines() -> None:
    assert HEAD.text == "hall.example/log\n20852163\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert Checkpoint.parse(HEAD.text) == HEAD


def test_the_example_of_the_specification_parses() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    checkpoint = Checkpoint.parse(text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert checkpoint.text == text


lines = st.text(st.characters(blacklist_categories=["Cs"], min_codepoint=32), min_size=1, max_size=30)


@given(lines, st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32), st.lists(lines, max_size=3).map(tuple))
def test_every_checkpoint_reads_back(origin: str, size: int, root: bytes, extensions: tuple[str, ...]) -> None:
    checkpoint = Checkpoint(origin, size, root, extensions)
    assert Checkpoint.parse(checkpoint.text) == checkpoint


ROOT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n\n",
        f"o\n1\n{ROOT}",
        "o\n1\n",
        f"\n1\n{ROOT}\n",
        f"o\n\n{ROOT}\n",
        f"o\n01\n{ROOT}\n",
        f"o\n+1\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n1_0\n{ROOT}\n",
        f"o\n١\n{ROOT}\n",
        f"o\n 1\n{ROOT}\n",
        f"o\n9223372036854775808\n{ROOT}\n",
        f"o\n{'9' * 5000}\n{ROOT}\n",
        f"o\n1\n{ROOT[:-1]}\n",
        f"o\n1\n{ROOT[4:]}\n",
        f"o\n1\n{ROOT[:-2]}9=\n",
        f"o\n1\n{ROOT}\n\n",
        f"o\n1\n{ROOT}\n\nextension\n",
        f"o\n0\n{ROOT}\n",
    ],
)
def test_a_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Checkpoint.parse(text)


def test_a_signed_head_opens_under_its_policy() -> None:
    data = sign_checkpoint(HEAD, LOG)
    opened = open_checkpoint(data, BARE)
    assert (opened.checkpoint, opened.log.key, opened.cosignatures, opened.note) == (HEAD, LOG.key, (), data)


def test_the_empty_tree_has_a_head_too() -> None:
    empty = Checkpoint(LOG.name, 0, EMPTY_ROOT)
    assert open_checkpoint(sign_checkpoint(empty, LOG), BARE).checkpoint == empty


def test_no_byte_of_a_signed_head_can_be_changed() -> None:
    data = sign_checkpoint(HEAD, LOG)
    for at in range(len(data)):
        with pytest.raises(MingjianError):
            open_checkpoint(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], BARE)


def test_a_log_speaks_only_for_itself() -> None:
    other = signer("other.example", 4)
    both = Policy(logs=(Log(LOG.key), Log(other.key)))
    note = sign_note(HEAD.text, other)
    with pytest.raises(Refused) as refused:
        open_checkpoint(note, both)
    assert refused.value.code == "checkpoint-not-of-log"
    with pytest.raises(Malformed):
        sign_checkpoint(HEAD, other)
    with pytest.raises(Malformed):
        sign_checkpoint(HEAD, Signer(LOG.name, LOG.private_key, Algorithm.COSIGNATURE_V1))


def test_witnesses_alone_do_not_make_a_head() -> None:
    text = split_note(sign_checkpoint(HEAD, LOG)).text
    lines = [witness.sign(text, time_s=1) for witness in (FIRST, SECOND)]
    note = add_lines(split_note(sign_note(text, signer("unknown.example", 8))), lines)
    with pytest.raises(Refused) as refused:
        open_checkpoint(note, WITNESSED)
    assert refused.value.code == "checkpoint-not-of-log"


def test_a_quorum_is_asked_for() -> None:
    opened = open_checkpoint(cosigned(FIRST, SECOND), WITNESSED)
    assert [(v.key, v.time_s) for v in opened.cosignatures] == [
        (FIRST.key, 1_700_000_000),
        (SECOND.key, 1_700_000_000),
    ]
    for note in (cosigned(), cosigned(FIRST), cosigned(SECOND)):
        with pytest.raises(Refused) as refused:
            open_checkpoint(note, WITNESSED)
        assert refused.value.code == "quorum-not-met"


def test_without_the_quorum_the_log_and_every_known_line_are_still_verified() -> None:
    opened = open_checkpoint(cosigned(FIRST), WITNESSED, need_quorum=False)
    assert [v.key for v in opened.cosignatures] == [FIRST.key]
    bad = add_lines(split_note(cosigned()), [FIRST.sign("another\n", time_s=1)])
    with pytest.raises(Refused):
        open_checkpoint(bad, WITNESSED, need_quorum=False)


def test_a_line_that_nothing_pins_is_named_and_not_counted() -> None:
    opened = open_checkpoint(cosigned(FIRST), BARE)
    assert (opened.cosignatures, [line.name for line in opened.unknown]) == ((), ["first.example"])


def test_two_lines_of_one_key_are_refused() -> None:
    data = sign_checkpoint(HEAD, LOG)
    with pytest.raises(Malformed):
        open_checkpoint(data + f"{split_note(data).lines[0]}\n".encode(), BARE)
