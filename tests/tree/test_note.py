"""C2SP signed-note: what Go signs opens here, known lines must hold, unknown ones say nothing."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Malformed, MingjianError, Refused
from ledger.keys import SigningKey
from ledger.tree.note import (
    MAX_NOTE_BYTES,
    Algorithm,
    SignatureLine,
    Signer,
    SplitNote,
    VerifierKey,
    add_lines,
    decode_base64,
    encode_base64,
    open_note,
    sign_note,
    split_note,
    verify_line,
)

# The worked example in the documentation of Go's sumdb/note, with its published key.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SEED = decode_base64("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
GO_NOTE = f"{GO_TEXT}\n{GO_LINE}".encode()
# The example line of tlog-cosignature, whose time the specification states.
COSIGNED = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
).encode()


def signer(name: str, seed: int, algorithm: Algorithm = Algorithm.ED25519) -> Signer:
    return Signer(name, SigningKey.from_seed(bytes([seed]) * 32), algorithm)


LOG = signer("log.example/hall", 1)
OTHER = signer("other.example", 2)
WITNESS = signer("witness.example", 3, Algorithm.COSIGNATURE_V1)


def test_the_note_of_gos_documentation_opens() -> None:
    key = VerifierKey.parse(GO_VKEY)
    assert str(key) == GO_VKEY
    note = open_note(GO_NOTE, [key])
    assert (note.text, [v.key for v in note.verified], note.unknown) == (GO_TEXT, [key], ())


def test_the_note_of_gos_documentation_is_signed_alike() -> None:
    neumann = Signer("PeterNeumann", SigningKey.from_seed(GO_SEED))
    assert sign_note(GO_TEXT, neumann) == GO_NOTE


def test_the_cosigned_example_of_the_specification_splits() -> None:
    split = split_note(COSIGNED)
    assert split.text.startswith("example.com/behind-the-sofa\n20852163\n")
    assert [line.name for line in split.lines] == ["example.com/behind-the-sofa", "witness.example.com/w1"]
    assert int.from_bytes(split.lines[1].signature[:8]) == 1_679_315_147
    assert split.to_bytes() == COSIGNED


def test_the_text_may_hold_empty_lines() -> None:
    text = "first\n\nsecond\n\n\n"
    assert open_note(sign_note(text, LOG), [LOG.key]).text == text


@given(st.text(st.characters(blacklist_categories=["Cs"], min_codepoint=32) | st.just("\n"), max_size=200))
def test_every_text_reads_back(text: str) -> None:
    note = open_note(sign_note(text + "\n", LOG, OTHER), [OTHER.key])
    assert note.text == text + "\n"
    assert [line.name for line in note.unknown] == [LOG.name]


@given(st.binary(max_size=300))
def test_bytes_that_are_no_note_are_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        open_note(data, [LOG.key])


def test_no_byte_of_a_note_can_be_changed() -> None:
    note = sign_note("text of a note\n", LOG)
    for at in range(len(note)):
        for bit in range(8):
            changed = note[:at] + bytes([note[at] ^ 1 << bit]) + note[at + 1 :]
            with pytest.raises(MingjianError):
                open_note(changed, [LOG.key])


LINE = str(LOG.sign("text\n")) + "\n"
MALFORMED = {
    "empty": b"",
    "no signature": b"text\n",
    "no signature after the gap": b"text\n\n",
    "no empty line": f"text\n{LINE}".encode(),
    "no final newline": f"text\n\n{LINE}".encode()[:-1],
    "text and lines only parted": f"text\n\n\n\nx{LINE}".encode(),
    "an empty line after the signatures": f"text\n\n{LINE}\n".encode(),
    "not UTF-8": f"text\n\n{LINE}".encode() + b"\xff\n",
    "a surrogate": b"text\xed\xa0\x80\n\n" + LINE.encode(),
    "a carriage return": f"text\r\n\n{LINE}".encode(),
    "a tab": f"te\txt\n\n{LINE}".encode(),
    "a nul": f"te\0xt\n\n{LINE}".encode(),
    "a hyphen for the dash": f"text\n\n{LINE}".replace("— ", "- ").encode(),
    "no space after the dash": f"text\n\n{LINE}".replace("— ", "—").encode(),
    "no name": "text\n\n—  AAAAAAA=\n".encode(),
    "a plus in a name": "text\n\n— a+b AAAAAAA=\n".encode(),
    "a no-break space in a name": "text\n\n— a\u00a0b AAAAAAA=\n".encode(),
    "an ideographic space in a name": "text\n\n— a\u3000b AAAAAAA=\n".encode(),
    "no signature in the line": "text\n\n— name \n".encode(),
    "a key id only": "text\n\n— name AAAAAA==\n".encode(),
    "base64 without padding": "text\n\n— name AAAAAAA\n".encode(),
    "base64 for URLs": "text\n\n— name AA-_AAA=\n".encode(),
    "base64 with stray bits": "text\n\n— name AAAAAAB=\n".encode(),
    "a space behind the base64": "text\n\n— name AAAAAAA= \n".encode(),
    "101 signatures": f"text\n\n{LINE * 101}".encode(),
    "too long": b"x" * MAX_NOTE_BYTES + f"\n\n{LINE}".encode(),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_note_is_refused_whole(data: bytes) -> None:
    with pytest.raises(Malformed):
        open_note(data, [LOG.key])


def test_100_signatures_are_read() -> None:
    unknown = "".join(f"— name{i} AAAAAAA=\n" for i in range(99))
    note = open_note(f"text\n\n{unknown}{LINE}".encode(), [LOG.key])
    assert len(note.unknown) == 99


def test_an_unknown_line_says_nothing() -> None:
    stranger = signer(LOG.name, 9)
    note = sign_note("text\n", stranger, LOG)
    opened = open_note(note, [LOG.key])
    # Same name, other id: kept aside, neither counted nor fatal.
    assert [v.key for v in opened.verified] == [LOG.key]
    assert opened.unknown == (stranger.sign("text\n"),)


def test_a_note_that_no_known_key_signed_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        open_note(sign_note("text\n", OTHER), [LOG.key])
    assert refused.value.code == "note-unverified"
    assert refused.value.details["signed_by"] == [f"other.example+{OTHER.key.key_id.hex()}"]


def test_one_bad_line_of_a_known_key_refuses_the_note() -> None:
    bad = LOG.sign("another text\n")
    for note in (
        add_lines(split_note(sign_note("text\n", OTHER)), [bad]),
        # Also behind a good line of the same key.
        f"text\n\n{LINE}{bad}\n".encode(),
    ):
        with pytest.raises(Refused) as refused:
            open_note(note, [LOG.key, OTHER.key])
        assert refused.value.code == "note-bad-signature"


def test_a_signature_of_the_wrong_length_is_a_bad_one() -> None:
    line = LOG.sign("text\n")
    for signature in (line.signature[:-1], line.signature + b"\0", b"\0"):
        note = add_lines(SplitNote("text\n", ()), [SignatureLine(line.name, line.key_id, signature)])
        with pytest.raises(Refused) as refused:
            open_note(note, [LOG.key])
        assert refused.value.code == "note-bad-signature"


@given(st.binary(min_size=64, max_size=64))
def test_a_forged_line_is_refused(signature: bytes) -> None:
    line = SignatureLine(LOG.name, LOG.key.key_id, signature)
    with pytest.raises(Refused):
        verify_line(line, "text\n", LOG.key)


@pytest.mark.parametrize("point", ["00" * 32, "01" + "00" * 31, "ec" + "ff" * 30 + "7f", "ff" * 32])
def test_a_key_under_which_anybody_could_sign_is_none(point: str) -> None:
    with pytest.raises(Malformed):
        VerifierKey("name", bytes.fromhex(point))


def test_two_keys_that_cannot_be_told_apart_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # Four bytes collide by search only; the search is skipped here, the rule is not.
    monkeypatch.setattr(VerifierKey, "key_id", b"same")
    with pytest.raises(Malformed) as refused:
        open_note(GO_NOTE, [LOG.key, signer(LOG.name, 9).key])
    assert refused.value.code == "ambiguous-key"


def test_a_cosignature_states_its_time() -> None:
    text = split_note(COSIGNED).text
    line = WITNESS.sign(text, time_s=1_679_315_147)
    note = open_note(add_lines(split_note(sign_note(text, LOG)), [line]), [LOG.key, WITNESS.key])
    assert [v.time_s for v in note.verified] == [None, 1_679_315_147]
    # The message is as the specification writes it: two lines, then the note's text.
    message = b"cosignature/v1\ntime 1679315147\n" + text.encode()
    assert line.signature == (1_679_315_147).to_bytes(8) + WITNESS.private_key.sign(message)


def test_a_cosignature_with_another_time_does_not_hold() -> None:
    line = WITNESS.sign("text\n", time_s=7)
    for time in (8, 0, 2**63 + 7):
        moved = SignatureLine(line.name, line.key_id, time.to_bytes(8) + line.signature[8:])
        with pytest.raises(Refused):
            verify_line(moved, "text\n", WITNESS.key)


def test_a_cosignature_states_a_time_below_2_63_even_if_it_is_signed() -> None:
    late = 2**63
    signature = WITNESS.private_key.sign(f"cosignature/v1\ntime {late}\ntext\n".encode())
    line = SignatureLine(WITNESS.name, WITNESS.key.key_id, late.to_bytes(8) + signature)
    with pytest.raises(Refused):
        verify_line(line, "text\n", WITNESS.key)


def test_a_plain_signature_is_not_a_cosignature_nor_the_reverse() -> None:
    plain = Signer(WITNESS.name, WITNESS.private_key)
    assert plain.key.key_id != WITNESS.key.key_id
    with pytest.raises(Refused):
        verify_line(plain.sign("text\n"), "text\n", WITNESS.key)
    for wrong, time_s in ((WITNESS, None), (plain, 7), (WITNESS, -1), (WITNESS, 2**63)):
        with pytest.raises(Malformed):
            wrong.sign("text\n", time_s=time_s)


def test_a_new_line_replaces_the_old_one_of_its_key() -> None:
    note = add_lines(split_note(sign_note("text\n", LOG)), [WITNESS.sign("text\n", time_s=1)])
    note = add_lines(split_note(note), [WITNESS.sign("text\n", time_s=2)])
    opened = open_note(note, [LOG.key, WITNESS.key])
    assert [v.time_s for v in opened.verified] == [None, 2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no newline",
        "tab\t\n",
        "nul\0\n",
        # Would read back as another text, with a line that nobody made.
        "text\n\n— name AAAAAAA=",
    ],
)
def test_a_text_that_no_note_can_hold_is_not_signed(text: str) -> None:
    with pytest.raises(Malformed):
        sign_note(text, LOG)


@given(st.text(max_size=20), st.binary(min_size=32, max_size=32), st.sampled_from(Algorithm))
def test_every_vkey_reads_back(name: str, seed: bytes, algorithm: Algorithm) -> None:
    try:
        key = VerifierKey(name, SigningKey.from_seed(seed).public, algorithm)
    except Malformed:
        assert name == "" or "+" in name or any(c.isspace() or c < " " for c in name)
        return
    assert VerifierKey.parse(str(key)) == key


def vkey_of(encoded: bytes) -> str:
    """A vkey with the right id, whatever it encodes."""
    key_id = sha256(b"name\n" + encoded).hexdigest()[:8]
    return f"name+{key_id}+{encode_base64(encoded)}"


def test_a_vkey_with_the_right_id_is_read() -> None:
    assert VerifierKey.parse(vkey_of(b"\x04" + LOG.private_key.public)).algorithm is Algorithm.COSIGNATURE_V1


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "PeterNeumann",
        GO_VKEY[:-1],
        GO_VKEY + "\n",
        GO_VKEY.replace("c74f20a3", "c74f20a4"),
        GO_VKEY.replace("c74f20a3", "C74F20A3"),
        GO_VKEY.replace("c74f20a3", "0c74f20a3"),
        GO_VKEY.replace("PeterNeumann", ""),
        GO_VKEY.replace("PeterNeumann", "Peter Neumann"),
        GO_VKEY.replace("PeterNeumann", "PeterNeuman"),
        "x" * 5000 + GO_VKEY,
        vkey_of(bytes(33)),
        vkey_of(b"\x01" + bytes(31)),
        vkey_of(b"\x01" + bytes(33)),
        vkey_of(b"\x06" + bytes(1312)),
    ],
)
def test_a_vkey_that_does_not_fit_itself_is_refused(vkey: str) -> None:
    with pytest.raises(Malformed):
        VerifierKey.parse(vkey)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2028b", "a\nb", "\ud800", "x" * 1025])
def test_a_name_that_no_line_can_hold_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        VerifierKey(name, LOG.private_key.public)


def test_a_private_key_does_not_show_itself() -> None:
    assert (bytes([1]) * 32).hex() not in repr(LOG)
    assert repr(bytes([1]) * 32) not in repr(LOG)
