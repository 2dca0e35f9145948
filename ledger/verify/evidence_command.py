"""``mingjian-verify evidence FILE --policy FILE``: check again, offline, what a monitor or a copy wrote down."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from ledger.errors import Refused
from ledger.terminal import plain
from ledger.tree.policy import Policy
from ledger.verify.evidence import Shown, check_evidence, read_evidence
from ledger.verify.log_command import read_policy

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("证据核验", "Check of evidence"),
    "kind": ("种类", "kind"),
    "origin": ("日志", "log"),
    "sizes": ("签名大小", "signed sizes"),
    "noticed_at": ("发现于（发现者自述）", "noticed at (says who noticed)"),
    "alone": ("此文件本身足以证明", "THE FILE PROVES IT ALONE"),
    "with-copy": ("签名成立；其余须核验一份副本", "SIGNED; the rest shows in an audit of a copy"),
    "as-observed": ("签名成立；其余为发现者所述", "SIGNED; the rest is the word of whoever noticed"),
    "bad": ("不构成证据", "NO EVIDENCE"),
}


def declare(commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "evidence",
        parents=[common],
        help="check an evidence file: what it shows, and what it leaves to the one who noticed",
        description="Check again, offline, what a monitor or a copy wrote down against a log.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the evidence")
    parser.add_argument(
        "--policy", metavar="FILE", type=Path, required=True, help="your own C2SP tlog-policy: origin and keys"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 when the file shows what it says, 1 when it shows nothing."""
    policy = Policy.parse(read_policy(options.policy))
    data = read_evidence(options.file)
    shown, refusal = None, None
    try:
        shown = check_evidence(data, policy)
    except Refused as error:
        refusal = error
    answer = _answer(shown, refusal)
    if options.json:
        print(orjson.dumps(answer).decode())
    else:
        print("\n".join(_report(answer, options.lang)))
    return 0 if refusal is None else 1


def _answer(shown: Shown | None, refusal: Refused | None) -> dict[str, Any]:
    body: dict[str, Any] = {"ok": refusal is None, "code": None, "reason": None}
    if refusal is not None:
        body |= {"code": refusal.code, "reason": plain(refusal.message)}
    if shown is not None:
        body |= {
            "kind": shown.kind,
            "stands": shown.stands,
            "says": plain(shown.says),
            "noticed_at": plain(shown.noticed_at),
            "origin": plain(shown.heads[0].checkpoint.origin),
            "sizes": [head.checkpoint.size for head in shown.heads],
            **{name: plain(value) if isinstance(value, str) else value for name, value in shown.details.items()},
        }
    return body


def _report(answer: dict[str, Any], lang: str) -> list[str]:
    side = 0 if lang == "zh" else 1
    lines = [_WORDS["title"][side]]
    for name in ("kind", "origin", "sizes", "noticed_at"):
        if name in answer:
            lines.append(f"  {_WORDS[name][side]}: {answer[name]}")
    lines.append(_WORDS[answer.get("stands", "bad")][side])
    lines.append(f"  {answer.get('says') or answer['reason']}")
    return lines
