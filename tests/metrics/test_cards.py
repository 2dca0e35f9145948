"""The card back-test, and the rule files it accepts."""

from __future__ import annotations

import json
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.facts.metrics import Card, Colour, Term, backtest, deadlines, read_card_rules, threshold_rules

NINETY = threshold_rules(yellow="0.9", red="1.0")


def rule(**changes: Any) -> dict[str, Any]:
    return {
        "id": "Y-90",
        "colour": "yellow",
        "threshold": "0.9",
        "legal_basis": "样例",
        "source": "sample",
        "valid_from": "2011-01-01",
        "valid_to": None,
        "version": 1,
    } | changes


def pack(*rules: Any) -> bytes:
    return json.dumps({"pack": "sample", "rules": rules}).encode()


RED = rule(id="R-OVER", colour="red", threshold="1.0")


@pytest.mark.parametrize(
    ("end", "colour"), [(89, "green"), (90, "yellow"), (100, "yellow"), (101, "red"), (-5, "green")]
)
def test_yellow_comes_at_its_fraction_and_red_only_past_it(end: int, colour: str) -> None:
    found = backtest([("c", 0, 100, end)], rules=NINETY).as_json()
    assert {name for name, n in found.items() if n} == {colour}


def test_a_threshold_is_exactly_what_was_typed() -> None:
    # The binary float nearest to 0.3 lies below it: one microsecond short of three tenths would be yellow.
    rules = threshold_rules(yellow="0.3", red="1")
    assert backtest([("c", 0, 10**18 * 10, 10**18 * 3)], rules=rules).yellow == 1
    assert backtest([("c", 0, 10**18 * 10, 10**18 * 3 - 1)], rules=rules).green == 1


def test_open_cases_and_cases_without_a_span_are_counted_but_not_judged() -> None:
    terms: list[Term] = [
        ("open", 0, 10, None),
        ("no start", None, 10, 99),
        ("no deadline", 0, None, 99),
        ("due at the start", 5, 5, 99),
        ("due before the start", 5, 4, 99),
    ]
    found = backtest(terms, rules=NINETY)
    assert found.as_json() == {"green": 0, "yellow": 0, "red": 0, "open": 1, "unmeasured": 4}
    assert found.cards == ()


def test_no_cases() -> None:
    assert sum(backtest([], rules=NINETY).as_json().values()) == 0


TERMS = st.lists(
    st.tuples(st.text(max_size=3), st.integers(0, 50), st.integers(51, 99), st.none() | st.integers(0, 200))
)


@given(TERMS, st.integers(1, 150), st.integers(1, 150))
def test_colours_are_those_of_the_exact_fraction_used(terms: list[Term], yellow: int, above: int) -> None:
    low, high = Fraction(yellow, 100), Fraction(yellow + above, 100)
    text = [f"{n // 100}.{n % 100:02}" for n in (yellow, yellow + above)]
    found = backtest(iter(terms), rules=threshold_rules(yellow=text[0], red=text[1]))

    def colour(start: int, deadline: int, end: int) -> str:
        used = Fraction(end - start, deadline - start)
        return "red" if used > high else "yellow" if used >= low else "green"

    coloured = [(case, colour(s, d, e)) for case, s, d, e in terms if e is not None]  # type: ignore[arg-type]
    names = [name for _, name in coloured]
    assert (found.green, found.yellow, found.red) == tuple(map(names.count, ("green", "yellow", "red")))
    assert [(card.case, card.colour.value) for card in found.cards] == [c for c in coloured if c[1] != "green"]


@given(TERMS)
def test_a_red_card_at_the_whole_time_is_exactly_a_late_case(terms: list[Term]) -> None:
    assert backtest(terms, rules=NINETY).red == deadlines(terms).late


def test_a_rule_file_gives_the_same_cards_as_the_thresholds_it_states() -> None:
    terms: list[Term] = [("a", 0, 100, 50), ("b", 0, 100, 95), ("c", 0, 100, 150), ("d", 0, 100, 300)]
    rules = read_card_rules(pack(rule(id="RR-LAW", colour="red", threshold="2.5"), RED, rule()))
    found = backtest(terms, rules=rules)
    # A case counts once, under the highest card it reached.
    assert found.cards == (
        Card("b", "Y-90", Colour.YELLOW),
        Card("c", "R-OVER", Colour.RED),
        Card("d", "RR-LAW", Colour.RED),
    )
    assert (found.green, found.yellow, found.red) == (1, 1, 2)


def test_a_rule_keeps_what_the_file_says_of_it() -> None:
    found = read_card_rules(b"\xef\xbb\xbf" + pack(rule(valid_to="2011-12-31", version=3)))
    (only,) = found.rules
    assert (found.pack, only.id, only.colour, only.threshold) == ("sample", "Y-90", "yellow", Fraction(9, 10))
    assert (only.valid_from, only.valid_to, only.version) == (date(2011, 1, 1), date(2011, 12, 31), 3)
    assert (only.legal_basis, only.source) == ("样例", "sample")


@pytest.mark.parametrize(
    ("yellow", "red"), [("1.0", "0.9"), ("0.9", "0.9"), ("0", "1"), ("0.9", "x"), ("-1", "1"), ("0.9", "1e0")]
)
def test_thresholds_that_make_no_sense_are_refused(yellow: str, red: str) -> None:
    with pytest.raises(Malformed) as refused:
        threshold_rules(yellow=yellow, red=red)
    assert refused.value.mend


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"pack": "a", "pack": "b", "rules": []}', "twice"),
        (b'{"pack": "\\ud800", "rules": []}', "not JSON"),
        (b"[]", "not one pack"),
        (b'{"pack": "a"}', "not one pack"),
        (b'{"pack": "a", "rules": {}}', "not one pack"),
        (b'{"pack": "", "rules": []}', "pack is not a text"),
        (pack(), "no rules"),
        (pack("Y-90"), "rule 1 has not the keys"),
        (pack({"id": "Y-90"}), "rule 1 has not the keys"),
        (pack(rule(extra=1)), "rule 1 has not the keys"),
        (pack(rule(id=" ")), "id is not a text"),
        (pack(rule(colour="green")), "colour"),
        (pack(rule(colour=["red"])), "colour"),
        (pack(rule(threshold=0.9)), "threshold is not a text"),
        (pack(rule(threshold="90%")), "plain decimal"),
        (pack(rule(threshold="0.0")), "not above 0"),
        (pack(rule(version=True)), "version"),
        (pack(rule(version=0)), "version"),
        (pack(rule(version=2**53)), "version"),
        (pack(rule(valid_from="2011-02-30")), "valid_from is not a day"),
        (pack(rule(valid_from="20110201")), "valid_from is not a day"),
        (pack(rule(valid_to=20110201)), "valid_to is not a day"),
        (pack(rule(valid_to="2010-12-31")), "ends before it begins"),
        (pack(rule(), rule(threshold="0.8")), "same id"),
        (pack(rule(), rule(id="Y-2")), "contradict"),
        (pack(RED, rule(threshold="1.1")), "contradict"),
    ],
)
def test_a_rule_file_that_is_not_one_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as refused:
        read_card_rules(data)
    assert refused.value.mend
    json.dumps(refused.value.as_json()).encode()


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_no_bytes_break_the_reader(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_card_rules(data)
