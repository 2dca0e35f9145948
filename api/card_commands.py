"""``mingjian cards``: the rules of cards, adopted by two persons, and the cards: raised, answered, appealed, decided.

Whoever acts is named by ``--as`` and signs with the key kept here for them, or with the one in ``--signer FILE``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.options import DEFAULT_DATA, Data, Json, Source, derived
from api.output import answer, speaking
from api.registry_commands import As, AsOf, Signer, at_desk, done, registry_confirm
from ledger.errors import NotFound, Refused

if TYPE_CHECKING:
    from ledger.door.hall import Hall

cards_app = typer.Typer(no_args_is_help=True, help="Prompts and cards, and the rules by which they are raised.")

CardOf = Annotated[str, typer.Argument(metavar="CARD", help="The card's stream, as cards list names it.")]
UnitOf = Annotated[str | None, typer.Option("--unit", help="The unit to act for, where the appointment names none.")]
_LISTED = "rule colour unit clock due raised stage | case stream"


# ── Rules ──────────────────────────────────────────────────────────────────────────────────────────────────


@cards_app.command("rules")
def cards_rules(as_of: AsOf = None, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """The rule packs in force, with source and version. Example: mingjian cards rules --as-of 1000"""
    from api.questions import asked_position, stand
    from ledger.facts.card_rules import parse_pack
    from projections import registries

    with speaking(as_json=json), derived(data) as (hall, connection):
        _, as_of_then = asked_position(hall, as_of).within(stand(hall))
        packs, rules = [], []
        for row in registries.entries(connection, "rulepack", position=as_of_then["position"]):
            raw = row["data"]["pack"]
            pack = parse_pack(raw)
            adopted = {"statement": row["statement"], "index": row["leaf_index"], "adopted_us": row["recorded_us"]}
            packs.append({"pack": pack.name, "opens": raw.get("opens", "09:00"), "sha256": pack.sha256, **adopted})
            rules += [{"pack": pack.name, **rule} for rule in raw["rules"]]
        found = {"n": len(packs), "packs": packs, "rules": rules, "as_of": as_of_then}
        answer(found, as_json=json, columns={"rules": "pack id colour when version legal_basis source valid_from"})


@cards_app.command("propose")
def cards_propose(
    rules: Annotated[Path, typer.Argument(help="The rule file of the pack, new or in the old one's place.")],
    by: As,
    role: Annotated[str, typer.Option(help="catalogue_admin or supervisor.")] = "catalogue_admin",
    dry_run: Annotated[bool, typer.Option(help="Show first which cards would appear and vanish.")] = True,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Propose a pack of rules; a second person confirms. Example: mingjian cards propose pack.json --as staff/lin"""
    from ledger.facts.card_rules import pack_object, parse_pack
    from ledger.registry import catalogue
    from oversight.clock import SystemClock
    from oversight.dry_run import on_live

    with speaking(as_json=json):
        raw = pack_object(rules.read_bytes())
        pack = parse_pack(raw)
        with at_desk(data, by, signer, role) as (hall, desk):
            found = on_live(SystemClock(hall), pack, beside_others=True) if dry_run else {}
            answer(done(hall, catalogue.adopt_rules(desk, raw), pack=pack.name) | found, as_json=json)


@cards_app.command("withdraw")
def cards_withdraw(
    pack: Annotated[str, typer.Argument(help="The pack's name.")],
    reason: Annotated[str, typer.Option(help="A code: replaced, mistaken …")],
    by: As,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Propose to end a pack; its cards stay. Example: mingjian cards withdraw sample-ninety --reason replaced"""
    from ledger.registry import catalogue

    with speaking(as_json=json), at_desk(data, by, signer, "catalogue_admin") as (hall, desk):
        answer(done(hall, catalogue.withdraw_rules(desk, pack, reason=reason), pack=pack), as_json=json)


@cards_app.command("confirm")
def cards_confirm(
    proposal: Annotated[str, typer.Argument(help="The proposal's id, hex.")],
    by: As,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Confirm rules that another proposed: from here on they hold. Example: mingjian cards confirm ID --as staff/wu"""
    registry_confirm(proposal, by, role="catalogue_admin", signer=signer, data=data, json=json)


@cards_app.command("dry-run")
def cards_dry_run(
    rules: Annotated[Path, typer.Option(help="The rule file to try.")],
    source: Annotated[str | None, typer.Option(help="An imported source, in the place of the live cases.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Cards that would appear and vanish under other rules. Example: mingjian cards dry-run --rules pack.json"""
    from api.questions import case_ids, stand
    from oversight.clock import SystemClock
    from oversight.dry_run import on_live, on_source, read_any

    with speaking(as_json=json):
        content = rules.read_bytes()
        pack = read_any(content)
        with derived(data) as (hall, connection):
            if source is None:
                found = on_live(SystemClock(hall), pack)
            else:
                found = on_source(connection, source, pack)
                ids = case_ids(hall, [card["case"] for card in found["appear"]])
                found["appear"] = [card | {"case": ids.get(card["case"], card["case"])} for card in found["appear"]]
            answer(found | {"as_of": stand(hall)}, as_json=json)


@cards_app.command("backtest")
def cards_backtest(
    source: Source,
    yellow: Annotated[str, typer.Option(help="Share of the limit at which a yellow card is raised.")] = "0.9",
    red: Annotated[str, typer.Option(help="Share of the limit past which a red card is raised.")] = "1.0",
    calendar_time: Annotated[bool, typer.Option("--calendar-time", help="Reckon in plain elapsed time.")] = False,
    rules: Annotated[Path | None, typer.Option(help="A rule file instead of the two shares.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Which cards a rule would have raised. Example: mingjian cards backtest --source permits --calendar-time"""
    from api.questions import stand
    from ledger.facts.metrics import read_card_rules, threshold_rules
    from projections import imported

    with speaking(as_json=json), derived(data) as (hall, connection):
        if rules is None and not calendar_time:
            raise Refused(
                "a source's own dates say nothing about its working days",
                code="calendar-time",
                mend="--calendar-time reckons in plain elapsed time; a rule file (--rules) may say otherwise",
            )
        pack = threshold_rules(yellow=yellow, red=red) if rules is None else read_card_rules(rules.read_bytes())
        found = imported.backtest(connection, source, pack)
        judged = {"n": found.n}
        answer(judged | found.as_json() | {"calendar_time": calendar_time, "as_of": stand(hall)}, as_json=json)


# ── Cards ──────────────────────────────────────────────────────────────────────────────────────────────────


@cards_app.command("list")
def cards_list(
    case: Annotated[str | None, typer.Option(help="Only of this case (its stream).")] = None,
    unit: Annotated[str | None, typer.Option(help="Only of this unit.")] = None,
    stage: Annotated[str | None, typer.Option(help="raised, answered, appealed, upheld or revoked.")] = None,
    as_of: AsOf = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """The cards raised, the newest first. Example: mingjian cards list --unit env --stage raised"""
    from api.questions import asked_position, stand
    from projections.cards import card_list

    with speaking(as_json=json), derived(data) as (hall, connection):
        position, as_of_then = asked_position(hall, as_of).within(stand(hall))
        found = card_list(connection, position=position, case=case, unit=unit, stage=stage, limit=limit)
        answer(found | {"as_of": as_of_then}, as_json=json, columns={"cards": _LISTED})


@cards_app.command("answer")
def cards_answer(
    card: CardOf,
    text: Annotated[str, typer.Argument(help="The answer; it is sealed.")],
    by: As,
    unit: UnitOf = None,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """The unit answers, within one working day. Example: mingjian cards answer card/4f… 等待勘查 --as staff/head"""
    _say(data, by, signer, "unit_head", card, "answered", {"answer": text}, unit=unit, json=json)


@cards_app.command("appeal")
def cards_appeal(
    card: CardOf,
    grounds: Annotated[str, typer.Argument(help="Why the card is wrong; it is sealed.")],
    by: As,
    unit: UnitOf = None,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """The unit appeals; a supervisor decides. Example: mingjian cards appeal card/4f… 不应计时 --as staff/head"""
    _say(data, by, signer, "unit_head", card, "appealed", {"grounds": grounds}, unit=unit, json=json)


@cards_app.command("uphold")
def cards_uphold(
    card: CardOf,
    by: As,
    reasons: Annotated[str | None, typer.Option(help="Why; sealed.")] = None,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """A supervisor decides that the card stands. Example: mingjian cards uphold card/4f… --as staff/du"""
    _say(data, by, signer, "supervisor", card, "upheld", {"reasons": reasons}, json=json)


@cards_app.command("revoke")
def cards_revoke(
    card: CardOf,
    reason: Annotated[str, typer.Option(help="A code: recomputed, mistaken, excused …")],
    by: As,
    reasons: Annotated[str | None, typer.Option(help="Why, in words; sealed.")] = None,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """A supervisor takes the card back. Example: mingjian cards revoke card/4f… --reason recomputed --as staff/du"""
    _say(data, by, signer, "supervisor", card, "revoked", {"reason": reason, "reasons": reasons}, json=json)


def _say(
    data: Path,
    by: str,
    signer: Path | None,
    role: str,
    card: str,
    verb: str,
    values: Mapping[str, Any],
    *,
    unit: str | None = None,
    json: bool,
) -> None:
    with speaking(as_json=json), at_desk(data, by, signer, role) as (hall, desk):
        _check_is_card(hall, card)
        if role == "unit_head":
            _, registry = hall.door.registry()
            desk = replace(desk, unit=unit or registry.appointment_of(by).unit)
        answer(done(hall, desk.say(card, f"card.{verb}.v1", values)), as_json=json)


def _check_is_card(hall: Hall, card: str) -> None:
    if not card.startswith("card/") or hall.reader.last_entry(card) is None:
        raise NotFound(
            f"there is no card {card:.80}", code="no-card", mend="mingjian cards list names each one's stream"
        )
