"""What a rule pack would do before anyone adopts it: the cards that would appear, and those that would vanish.

Promise: nothing is stated. On live cases the comparison is with the cards in the log that were not revoked, instants
by the same code that raises them; a rule's validity is not applied, since a dry run asks most of all what it would
have done before. Streaks hang on cards that do not exist yet and are left out.

On an imported source the clock is the source's own start and deadline in plain elapsed time, closed cases only, and of
each case the highest card alone, as whenever a clock is known only afterwards. No card is ever raised on imported
history, so there none can vanish. A rule that reckons in working days or by another clock than the promise cannot be
asked of it and is named in ``left_out``.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Any

import orjson

from ledger.errors import Malformed
from ledger.facts.card_rules import Colour, Pack, PastDue, Rule, Share, Streak, read_pack
from ledger.facts.metrics import read_card_rules
from ledger.statement import instant_text
from ledger.store.database import Connection
from oversight.clock import SystemClock
from projections import imported


def on_live(clock: SystemClock, pack: Pack, *, beside_others: bool = False) -> dict[str, Any]:
    """``{"appear", "vanish", "left_out"}`` of ``pack`` over all live cases.

    ``beside_others``: it would be in force beside the other packs, so only cards of its own name can vanish.
    """
    left_out = [rule.id for rule in pack.rules if isinstance(rule.when, Streak)]
    appear: list[dict[str, Any]] = []
    vanish: list[dict[str, Any]] = []
    for would, raised in clock.would_raise(pack):
        appear += [card for stream, card in would.items() if stream not in raised]
        vanish += [
            card
            for stream, card in raised.items()
            if stream not in would
            and card["rule"] not in left_out
            and not (beside_others and card["pack"] != pack.name)
        ]
    return {
        "appear": [_row(card) for card in sorted(appear, key=_order)],
        "vanish": [_row(card) for card in sorted(vanish, key=_order)],
        "left_out": left_out,
    }


def on_source(connection: Connection, source: str, pack: Pack) -> dict[str, Any]:
    """The same over an imported source, whose cases are named by their streams."""
    thresholds, left_out = _thresholds(pack)
    appear = []
    for stream, start, deadline, end in imported.measured(connection, source):
        used, allowed = end - start, deadline - start
        passed = [
            (rule.colour.rank, share, past, rule)
            for rule, share, past in thresholds
            if (used > share * allowed if past else used >= share * allowed)
        ]
        if passed:
            _, share, past, rule = max(passed, key=lambda each: each[:2])
            at = start + -(-share.numerator * allowed // share.denominator) + past
            appear.append({"case": stream, "rule": rule.id, "colour": str(rule.colour), "fired": instant_text(at)})
    return {"appear": appear, "vanish": [], "left_out": left_out}


def _thresholds(pack: Pack) -> tuple[list[tuple[Rule, Fraction, bool]], list[str]]:
    """Rules as shares of the time allowed; ``True``: only past it. And those that cannot be asked."""
    found = [(rule, *_share(rule)) for rule in pack.rules if _can_ask(rule)]
    return found, [rule.id for rule in pack.rules if not _can_ask(rule)]


def _can_ask(rule: Rule) -> bool:
    return isinstance(rule.when, Share | PastDue) and rule.when.clock == "promise"


def _share(rule: Rule) -> tuple[Fraction, bool]:
    if isinstance(rule.when, Share):
        return rule.when.share, rule.colour is Colour.RED
    return Fraction(1), True


def read_any(data: bytes) -> Pack:
    """A pack, or the rule file of a back-test: its thresholds are shares of the promise, red only past them."""
    try:
        return read_pack(data)
    except Malformed as error:
        if not _is_back_test(data):
            raise
        del error
    old = read_card_rules(data)
    rules = tuple(
        Rule(
            id=rule.id,
            colour=Colour(str(rule.colour)),
            when=Share("promise", rule.threshold),
            legal_basis=rule.legal_basis,
            source=rule.source,
            valid_from=rule.valid_from,
            valid_to=rule.valid_to,
            version=rule.version,
        )
        for rule in old.rules
    )
    return Pack(old.pack, (9, 0), rules, hashlib.sha256(data).hexdigest())


def _is_back_test(data: bytes) -> bool:
    try:
        rules = orjson.loads(data)["rules"]
        return all("threshold" in rule for rule in rules)
    except (ValueError, KeyError, TypeError):
        return False


def _order(card: dict[str, Any]) -> tuple[int, str, str]:
    return card["fired_us"], card["case"], card["rule"]


def _row(card: dict[str, Any]) -> dict[str, Any]:
    return {
        "case": card["case"],
        "rule": card["rule"],
        "colour": card["colour"],
        "fired": instant_text(card["fired_us"]),
    }
