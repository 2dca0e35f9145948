"""``mingjian-verify monitor URL --policy FILE --state DIR``: follow a log, and say at once what contradicts it.

One line for each look with ``--json``. Exit codes: 0 nothing wrong · 1 a contradiction (evidence was written; following
ends) · 2 wrong usage · 3 the log cannot be had · 4 nothing wrong but an alarm stands. 3 and 4 end only ``--once``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from ledger.errors import Evidence, Unavailable
from ledger.terminal import plain
from ledger.tree.policy import Policy
from ledger.tree.promise import MAX_PROMISE_BYTES
from ledger.verify.fetch import read_token
from ledger.verify.log_command import jobs, read_policy
from ledger.verify.mirror_command import add_source
from ledger.verify.monitor import MAX_AGE_S, Look, open_monitor

if TYPE_CHECKING:
    from argparse import _SubParsersAction

INTERVAL_S: Final = 30.0
_WORDS: Final[dict[str, tuple[str, str]]] = {
    "good": ("{size} 条，未见异常（已核对 {entries} 条）", "{size} entries, nothing wrong ({entries} checked)"),
    "simulated": ("其中 {} 批是模拟的历史", "{} of its batches are simulated history"),
    "alarm": ("警报 {code}：{detail}", "alarm {code}: {detail}"),
    "finding": ("矛盾 {kind}：{says}", "CONTRADICTION {kind}: {says}"),
    "evidence": ("证据：{}", "evidence: {}"),
    "rejected": ("所示检查点不属于您的策略中的日志", "the head that is shown is not one of the log in your policy"),
    "unreached": ("无法取得日志", "the log cannot be had"),
}


def declare(commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "monitor",
        parents=[common],
        help="follow a log over HTTP: hash and judge everything, compare with witnesses, copies and promises",
        description="Follow a log, judge everything in it, and write evidence when it contradicts itself or others.",
    )
    add_source(parser)
    parser.add_argument(
        "--state", metavar="DIR", type=Path, required=True, help="copy, memory and evidence of this one"
    )
    parser.add_argument("--once", action="store_true", help="look once (default: until something contradicts)")
    parser.add_argument(
        "--interval", metavar="S", type=_seconds, default=INTERVAL_S, help=f"between looks (default {INTERVAL_S:g})"
    )
    parser.add_argument("--mirror", metavar="URL", action="append", default=[], help="a copy to compare with")
    parser.add_argument("--witness", metavar="URL", action="append", default=[], help="a witness to compare with")
    parser.add_argument(
        "--promise", metavar="FILE", type=Path, nargs="+", action="extend", default=[], help="promises to hold it to"
    )
    parser.add_argument(
        "--max-age", metavar="S", type=_seconds, default=MAX_AGE_S, help="of the newest batch, before an alarm"
    )
    parser.add_argument(
        "--max-cosigned-age", metavar="S", type=_seconds, default=MAX_AGE_S, help="of the newest quorum, likewise"
    )
    parser.add_argument("--jobs", metavar="N", type=jobs, help="processes for signatures (default: one for each core)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look, tell, and look again; the exit code."""
    policy = Policy.parse(read_policy(options.policy))
    token = read_token(options.token_file)
    promises = {str(path): _read_promise(path) for path in options.promise}
    try:
        with open_monitor(
            options.url,
            policy,
            options.state,
            token=token,
            witnesses=options.witness,
            mirrors=options.mirror,
            workers=options.jobs,
            promises=promises,
            max_age_s=options.max_age,
            max_cosigned_age_s=options.max_cosigned_age,
        ) as monitor:
            while True:
                look = monitor.look()
                _tell(look, monitor.save(look), options)
                code = _exit_code(look)
                if options.once or code == 1:
                    return code
                time.sleep(options.interval)
    except Evidence as error:
        # Our own copy was changed under us: nothing about the log, and nothing to go on from.
        if options.json:
            print(orjson.dumps(error.as_json(), default=str).decode())
        else:
            print(plain(f"{error.message}; {error.mend}"))
        return 1


def _exit_code(look: Look) -> int:
    if not look.ok:
        return 1
    if not look.reached:
        return 3
    return 4 if look.alarms else 0


def as_json(look: Look, evidence: list[Path]) -> dict[str, Any]:
    """A look as one JSON object."""
    settled, latest = look.settled, look.latest
    first = look.findings[0] if look.findings else None
    sizes = None if settled is None or latest is None else latest.checkpoint.size - settled.checkpoint.size
    return {
        "ok": look.ok,
        "code": None if first is None else first.kind,
        "reason": None if first is None else plain(first.says),
        "url": plain(look.url),
        "reached": look.reached,
        "origin": None if settled is None else plain(settled.checkpoint.origin),
        "size": 0 if settled is None else settled.checkpoint.size,
        "root": None if settled is None else settled.checkpoint.root.hex(),
        "latest": None if latest is None else latest.checkpoint.size,
        "uncosigned": sizes,
        "entries": look.entries,
        "signatures": look.signatures,
        "voided": look.voided,
        "suspect": look.suspect,
        "outside": look.outside,
        "simulated": look.simulated,
        "batch_age_s": _rounded(look.batch_age_s),
        "cosigned_age_s": _rounded(look.cosigned_age_s),
        "witnesses": [{"url": plain(one.url), "size": one.size, "state": one.state} for one in look.witnesses],
        "mirrors": [{"url": plain(one.url), "size": one.size, "state": one.state} for one in look.mirrors],
        "shown": look.shown,
        "promises": [
            {"file": plain(one.name), "state": one.state, "detail": plain(one.detail)} for one in look.promises
        ],
        "alarms": [{"code": one.code, "detail": plain(one.detail)} for one in look.alarms],
        "findings": [
            {"kind": one.kind, "says": plain(one.says), "evidence": str(path)}
            for one, path in zip(look.findings, evidence, strict=True)
        ],
    }


def _tell(look: Look, evidence: list[Path], options: argparse.Namespace) -> None:
    if options.json:
        print(orjson.dumps(as_json(look, evidence)).decode(), flush=True)
        return
    side = 0 if options.lang == "zh" else 1
    lines = [_WORDS["alarm"][side].format(code=one.code, detail=one.detail) for one in look.alarms]
    for one, path in zip(look.findings, evidence, strict=True):
        lines += [_WORDS["finding"][side].format(kind=one.kind, says=one.says), _WORDS["evidence"][side].format(path)]
    if look.rejected:
        lines.append(_WORDS["rejected"][side])
    elif not look.reached:
        lines.append(_WORDS["unreached"][side])
    elif look.ok and look.settled is not None:
        lines.append(_WORDS["good"][side].format(size=look.settled.checkpoint.size, entries=look.entries))
    if look.simulated:
        lines.append(_WORDS["simulated"][side].format(look.simulated))
    print("\n".join(map(plain, lines)), flush=True)


def _rounded(age_s: float | None) -> float | None:
    return None if age_s is None else round(age_s, 1)


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < 1e9:
        raise ValueError
    return number


def _read_promise(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_PROMISE_BYTES + 1)
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be read: {error.strerror or error}", code="unreadable", mend="look at its name and rights"
        ) from error
