"""C2SP tlog-policy: the file's form, and which sets of cosignatures meet a quorum."""

from __future__ import annotations

from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.keys import SigningKey
from ledger.tree.note import Algorithm, VerifierKey
from ledger.tree.policy import Group, Log, Policy, Witness, origin_of


def key(number: int, *, name: str = "", log: bool = False) -> VerifierKey:
    algorithm = Algorithm.ED25519 if log else Algorithm.COSIGNATURE_V1
    return VerifierKey(name or f"key{number}.example", SigningKey.from_seed(bytes([number]) * 32).public, algorithm)


L, L2 = key(100, log=True, name="hall.example/log"), key(101, log=True)
X1, X2, X3, Y1, Y2, Y3 = (key(i) for i in range(6))

# The example of the specification, with keys.
EXAMPLE = f"""\
# two organisations
log {L}

witness X1 {X1}
witness X2 {X2}   https://x2.example/submit
\twitness\tX3\t{X3}\t
group X-witnesses 2 X1 X2 X3

witness Y1 {Y1}
witness Y2 {Y2}
witness Y3 {Y3}
group Y-witnesses any Y1 Y2 Y3

  # both of them
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
""".encode()


def test_the_example_of_the_specification_parses() -> None:
    policy = Policy.parse(EXAMPLE)
    assert policy.logs == (Log(L),)
    assert policy.witnesses[1] == Witness("X2", X2, "https://x2.example/submit")
    assert policy.groups == (
        Group("X-witnesses", 2, ("X1", "X2", "X3")),
        Group("Y-witnesses", 1, ("Y1", "Y2", "Y3")),
        Group("X-and-Y", 2, ("X-witnesses", "Y-witnesses")),
    )
    assert policy.quorum == "X-and-Y"
    assert policy.keys == (L, X1, X2, X3, Y1, Y2, Y3)
    assert Policy.parse(policy.to_bytes()) == policy


def test_groups_of_groups_are_met_as_their_members_are() -> None:
    policy = Policy.parse(EXAMPLE)
    xs, ys = {X1, X2, X3}, {Y1, Y2, Y3}
    everyone = [*xs, *ys]
    for cosigners in chain.from_iterable(combinations(everyone, n) for n in range(7)):
        expected = len(xs & set(cosigners)) >= 2 and len(ys & set(cosigners)) >= 1
        assert policy.is_met_by(set(cosigners)) is expected


def test_one_witness_can_be_the_quorum() -> None:
    policy = Policy((Log(L),), (Witness("w", X1), Witness("v", X2)), quorum="w")
    assert policy.is_met_by({X1})
    assert not policy.is_met_by({X2})


def test_no_quorum_is_always_met() -> None:
    policy = Policy.parse(f"log {L}\nquorum none\n".encode())
    assert policy == Policy((Log(L),))
    assert policy.is_met_by(set())


def test_a_key_that_is_not_a_witness_counts_for_nothing() -> None:
    policy = Policy.parse(EXAMPLE)
    same_key_other_name = VerifierKey("elsewhere.example", X1.public_key, Algorithm.COSIGNATURE_V1)
    assert not policy.is_met_by({L, X1, same_key_other_name, Y1})


def test_the_origin_is_the_log_keys_name() -> None:
    assert origin_of(str(L)) == origin_of(L) == "hall.example/log"


W = f"witness a {X1}\nwitness b {X2}\nwitness c {X3}\n"
MALFORMED = {
    "nothing at all": "",
    "no quorum": f"log {L}\n",
    "two quorums": "quorum none\nquorum none\n",
    "no final newline": f"log {L}\nquorum none",
    "a carriage return": f"log {L}\r\nquorum none\n",
    "a nul": "# \0\nquorum none\n",
    "a delete character": "# \x7f\nquorum none\n",
    "an unknown line": "quorum none\nmirror a\n",
    "an upper-case keyword": "Quorum none\n",
    "a no-break space for a blank": f"log\u00a0{L}\nquorum none\n",
    "a log without a key": "log\nquorum none\n",
    "a log with a name": f"log a {L} https://a.example\nquorum none\n",
    "a bad log key": "log nothing\nquorum none\n",
    "a log with a witness's key type": f"log {X1}\nquorum none\n",
    "a witness with a log's key type": f"witness a {L}\nquorum none\n",
    "a log twice": f"log {L}\nlog {L} https://a.example\nquorum none\n",
    "a log key twice under two names": f"log {L}\nlog {key(100, log=True, name='b')}\nquorum none\n",
    "a witness key twice": f"witness a {X1}\nwitness b {key(0, name='b')}\nquorum none\n",
    "a witness name twice": f"witness a {X1}\nwitness a {X2}\nquorum none\n",
    "a witness and a group of one name": W + "group a all b c\nquorum none\n",
    "a witness called none": f"witness none {X1}\nquorum none\n",
    "a group called none": W + "group none any a\nquorum none\n",
    "a quorum nobody named": "quorum a\n",
    "a quorum named below": f"quorum a\nwitness a {X1}\n",
    "a group member named below": f"group g any a\nwitness a {X1}\nquorum g\n",
    "a group that holds itself": W + "group g any a g\nquorum g\n",
    "a group without members": "group g all\nquorum none\n",
    "none as a member": W + "group g any a none\nquorum g\n",
    "a member twice in a group": W + "group g 2 a a\nquorum g\n",
    "a member of two groups": W + "group g any a\ngroup h any a b\nquorum h\n",
    "a group in two groups": W + "group g any a\ngroup h any g\ngroup i any g b\nquorum i\n",
    "none of a group": W + "group g 0 a b\nquorum g\n",
    "more than all of a group": W + "group g 3 a b\nquorum g\n",
    "a leading zero": W + "group g 01 a b\nquorum g\n",
    "a threshold in words": W + "group g most a b\nquorum g\n",
    "a huge threshold": W + f"group g {'9' * 5000} a b\nquorum g\n",
    "too long": "#" * (1 << 20) + "\nquorum none\n",
    "too many groups": W
    + "".join(f"group g{i} any {f'g{i - 1}' if i else 'a'}\n" for i in range(1001))
    + "quorum none\n",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_file_that_breaks_a_rule_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Policy.parse(text.encode())


def test_an_error_names_its_line() -> None:
    with pytest.raises(Malformed) as refused:
        Policy.parse(b"# first\n\nlog nothing\nquorum none\n")
    assert refused.value.details["line"] == 3


def test_names_are_octets() -> None:
    # A letter K, a Kelvin sign and a byte that is not UTF-8 are three names.
    data = b"witness K %b\nwitness \xe2\x84\xaa %b\nwitness \xff %b\ngroup g 2 K \xe2\x84\xaa \xff\nquorum g\n"
    data %= (str(X1).encode(), str(X2).encode(), str(X3).encode())
    policy = Policy.parse(data)
    assert len({w.name for w in policy.witnesses}) == 3
    assert policy.to_bytes() == data


def test_lines_that_a_file_cannot_hold_are_not_written() -> None:
    for wrong in ("", "two words", "tab\t", "line\n", "\ud800"):
        with pytest.raises(Malformed):
            Policy((), (Witness(wrong, X1),))
        with pytest.raises(Malformed):
            Policy((Log(L, wrong),))


def test_a_policy_made_by_hand_keeps_the_same_rules() -> None:
    both = (Witness("a", X1), Witness("b", X2))
    with pytest.raises(Malformed):
        Policy((), both, quorum="c")
    with pytest.raises(Malformed):
        Policy((), both, (Group("g", 1, ("h",)), Group("h", 1, ("a",))), "g")


words = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters=" "), min_size=1)


@given(st.data())
def test_every_policy_reads_back(data: st.DataObject) -> None:
    names = data.draw(st.lists(words.filter(lambda w: w != "none"), unique=True, max_size=9))
    half = len(names) // 2
    witnesses = [Witness(n, key(i), data.draw(st.none() | words)) for i, n in enumerate(names[:half])]
    free, groups = names[:half], []
    for name in names[half:]:
        if not free:
            break
        members = data.draw(st.lists(st.sampled_from(free), unique=True, min_size=1))
        groups.append(Group(name, data.draw(st.integers(1, len(members))), tuple(members)))
        free = [n for n in free if n not in members] + [name]
    quorum = data.draw(st.sampled_from(["none", *names[: half + len(groups)]]))
    policy = Policy((Log(L), Log(L2, "u")), tuple(witnesses), tuple(groups), quorum)
    assert Policy.parse(policy.to_bytes()) == policy


@given(st.binary(max_size=200))
def test_any_bytes_are_a_policy_or_refused(data: bytes) -> None:
    try:
        Policy.parse(data + b"\nquorum none\n")
    except Malformed:
        return
    assert b"quorum" not in data.split()
