"""``mingjian-verify metrics DIR --policy FILE [NAME]``: audit an exported log and make its figures again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from ledger.errors import Malformed
from ledger.terminal import plain
from ledger.tree.policy import Policy
from ledger.verify.log import verify_log
from ledger.verify.log_command import as_json, jobs, read_policy
from ledger.verify.words import label

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_OF_VERDICT = ("ok", "origin", "size", "root", "simulated", "first_bad", "reason", "code")


def declare(commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "metrics",
        parents=[common],
        help="audit an exported log and make its figures again, from its statements alone",
        description="Audit an exported log and make its figures again. A log that does not hold has no figures.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="holds checkpoint and tile/…")
    parser.add_argument("name", metavar="NAME", nargs="?", help="of one figure (default: all)")
    parser.add_argument("--policy", metavar="FILE", type=Path, required=True, help="your own C2SP tlog-policy")
    parser.add_argument("--by", help="unit, window, item, centre, tier or zone")
    parser.add_argument("--from", dest="since", metavar="DAY", help="a day or an instant")
    parser.add_argument("--to", dest="until", metavar="DAY", help="the first day or instant after the period")
    parser.add_argument("--as-of", metavar="P", help="a position or a recorded time")
    parser.add_argument("--public", action="store_true", help="of one quarter, as of its end, small cells hidden")
    parser.add_argument("--formula", metavar="FILE", type=Path, help="the scorecard's, instead of the sample")
    parser.add_argument("--jobs", metavar="N", type=jobs, help="processes (default: one for each core)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Audit, count, tell, and answer with the exit code."""
    from ledger.facts.figures.answers import Period, answerable, ask, is_public, public_quarter
    from ledger.facts.figures.scorecard import Formula
    from ledger.verify.metrics import Followed

    policy = Policy.parse(read_policy(options.policy))
    period = Period.parse(options.since, options.until)
    formula = None if options.formula is None else Formula.read(options.formula.read_bytes())
    options.public = is_public(options.name, public=options.public)
    followed = Followed(**_as_of(options, period.until_us))
    verdict = verify_log(options.folder, policy, workers=options.jobs, follow=followed)
    told = as_json(verdict, options.lang)
    answers: list[dict[str, Any]] = []
    if verdict.ok:
        followed.end(told["size"])
        if followed.position > told["size"]:
            raise Malformed(f"the log has {told['size']} entries, not {followed.position}", code="position")
        if options.public:
            period = public_quarter(period, now_us=followed.newest_us or 0)
        names = [options.name] if options.name else answerable(by=options.by, public=options.public)
        for name in names:
            answers.append(
                ask(followed, name, by=options.by, period=period, public=options.public, formula=formula,
                    lenient=options.name is None)
            )  # fmt: skip
    answer = {name: told[name] for name in _OF_VERDICT} | {"metrics": answers}
    if options.json:
        print(orjson.dumps(answer).decode())
    else:
        print(label("good" if verdict.ok else "bad", options.lang))
        if not verdict.ok:
            print(f"  {plain(str(told['first_bad']))}: {plain(str(told['reason']))}")
        for one in answers:
            print(f"{one['metric']}  {plain(one[options.lang])}")
            print("  " + orjson.dumps({k: v for k, v in one.items() if k not in ("metric", "zh", "en")}).decode())
    return 0 if verdict.ok else 1


def _as_of(options: argparse.Namespace, until_us: int | None) -> dict[str, Any]:
    from ledger.facts.figures.answers import public_position_us
    from ledger.statement import instant_us

    if options.public:
        return {"until_us": public_position_us(until_us, as_of=options.as_of)}
    if options.as_of is None:
        return {}
    if options.as_of.isascii() and options.as_of.isdigit():
        return {"position": int(options.as_of)}
    return {"until_us": instant_us(options.as_of)}
