"""``mingjian-verify mirror URL DIR --policy FILE``: bring a copy of a log up to date, and say what came of it."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from ledger.errors import Evidence, MingjianError, NotAllowed, NotFound, Refused
from ledger.terminal import plain
from ledger.tree.policy import Policy
from ledger.verify.copy import Step, open_copy
from ledger.verify.evidence import ContradictionError
from ledger.verify.fetch import LogClient, read_token
from ledger.verify.log_command import read_policy

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "done": (
        "副本已更新：{before} → {size} 条，根 {root}",
        "the copy went from {before} to {size} entries, root {root}",
    ),
    "same": ("副本已是最新：{size} 条，根 {root}", "the copy is up to date: {size} entries, root {root}"),
    "bad": ("副本未更新：{reason}", "the copy was left as it was: {reason}"),
    "evidence": ("证据：{evidence}", "evidence: {evidence}"),
}


def declare(commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "mirror",
        parents=[common],
        help="keep a full copy of a log that can serve",
        description="Fetch what is new of a log, prove that it continues the copy, and only then replace its head.",
    )
    add_source(parser)
    parser.add_argument("folder", metavar="DIR", type=Path, help="the copy: checkpoint, policy, tile/…")
    parser.set_defaults(run=run)


def add_source(parser: argparse.ArgumentParser) -> None:
    """The arguments of whoever reads a log over HTTP."""
    parser.add_argument("url", metavar="URL", help="what stands before /checkpoint, or before /log/checkpoint")
    parser.add_argument(
        "--policy", metavar="FILE", type=Path, required=True, help="your own C2SP tlog-policy: origin and keys"
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        type=Path,
        help="an auditor's token (default: MINGJIAN_TOKEN; a copy needs none)",
    )


def run(options: argparse.Namespace) -> int:
    """Bring the copy up to date; 0 when it is the log's settled head, 1 when the log contradicts it."""
    policy = Policy.parse(read_policy(options.policy))
    step: Step | None = None
    body: dict[str, Any] = {}
    with LogClient(options.url, token=read_token(options.token_file)) as log:
        try:
            with open_copy(options.folder, policy) as copy:
                held = copy.held
                try:
                    step = copy.sync(log)
                except ContradictionError as error:
                    # Beside the copy, not in it: a copy holds what was proved and nothing else.
                    folder = options.folder.absolute()
                    path = error.finding.save(folder.with_name(f"{folder.name}.evidence"), time.time_ns() // 1_000)
                    body = {"code": error.finding.kind, "reason": error.finding.says, "evidence": str(path)}
                except Refused as error:
                    if isinstance(error, NotFound | NotAllowed):
                        raise _unusable(error) from error
                    body = {"code": error.code, "reason": error.message}
        except Evidence as error:
            held, body = None, {"code": error.code, "reason": error.message}
    head = held if step is None else step.head
    answer = {
        "ok": step is not None,
        "before": 0 if held is None else held.checkpoint.size,
        "size": 0 if head is None else head.checkpoint.size,
        "root": None if head is None else head.checkpoint.root.hex(),
        "origin": None if head is None else plain(head.checkpoint.origin),
        "files": 0 if step is None else step.files,
        **({"code": None, "reason": None, "evidence": None} | body),
    }
    answer["reason"] = None if answer["reason"] is None else plain(answer["reason"])
    _tell(answer, options)
    return 0 if step is not None else 1


def _unusable(error: Refused) -> MingjianError:
    """No checkpoint where we looked, or not for us: nothing is known of the log."""
    mend = error.mend or "name what stands before /checkpoint"
    return type(error)(error.message, code=error.code, mend=mend)


def _tell(answer: dict[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        print(orjson.dumps(answer).decode())
        return
    side = 0 if options.lang == "zh" else 1
    key = "bad" if not answer["ok"] else "same" if answer["before"] == answer["size"] else "done"
    print(plain(_WORDS[key][side].format(**answer)))
    if answer["evidence"]:
        print(plain(_WORDS["evidence"][side].format(**answer)))
