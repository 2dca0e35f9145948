"""``mingjian-verify log DIR --policy FILE``: audit an exported log and say what came of it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import Unavailable
from ledger.terminal import Lang, plain
from ledger.tree.policy import MAX_POLICY_BYTES, Policy
from ledger.verify.files import Fault
from ledger.verify.log import Verdict, verify_log
from ledger.verify.words import label, reason

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from ledger.facts.duties import Duty
    from ledger.verify.replay import Outside

_COUNTS: Final = ("voided", "suspect", "outside", "simulated", "overdue")
_NEVER: Final = 253_402_300_800  # Unix seconds of the year 10000


def declare(commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "log",
        parents=[common],
        help="audit an exported log: files, tree, order, times, keys, rights, signatures",
        description="Audit an exported log: every file, every hash, every statement, every signature.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="holds checkpoint and tile/…")
    parser.add_argument(
        "--policy", metavar="FILE", type=Path, required=True, help="your own C2SP tlog-policy: origin and keys"
    )
    parser.add_argument(
        "--no-signatures", action="store_true", help="leave out the statements' signatures (fast; proves less)"
    )
    parser.add_argument(
        "--hashes-only", action="store_true", help="files, hashes and the signed head alone; no statement is opened"
    )
    parser.add_argument(
        "--state", metavar="FILE", type=Path, help="remember what was verified; the next audit reads only what is new"
    )
    parser.add_argument("--jobs", metavar="N", type=jobs, help="processes (default: one for each core)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Audit, report, and answer with the exit code."""
    policy = Policy.parse(read_policy(options.policy))
    progress = _Progress() if sys.stderr.isatty() else None
    try:
        verdict = verify_log(
            options.folder,
            policy,
            signatures=not options.no_signatures,
            hashes_only=options.hashes_only,
            workers=options.jobs,
            state=None if options.hashes_only else options.state,
            progress=progress or (lambda _done, _size: None),
        )
    finally:
        if progress is not None:
            progress.clear()
    if options.json:
        # Loads in a third of the time of the quicker library, and writes one line.
        print(json.dumps(as_json(verdict, options.lang), ensure_ascii=False, separators=(",", ":")))
    else:
        if options.policy.resolve().is_relative_to(options.folder.resolve()):
            print(label("own_policy", options.lang), file=sys.stderr)
        print("\n".join(_report(verdict, options.lang, left_out=_left_out(options))))
    return 0 if verdict.ok else 1


def _left_out(options: argparse.Namespace) -> str | None:
    """The label of what was not asked."""
    return "unopened" if options.hashes_only else "unchecked" if options.no_signatures else None


def as_json(verdict: Verdict, lang: Lang = "en") -> dict[str, Any]:
    """The verdict as one JSON object: ``first_bad`` is an entry's index, a file's name or null."""
    fault = verdict.faults[0] if verdict.faults else None
    head = None if verdict.signed is None else verdict.signed.checkpoint
    return {
        "ok": verdict.ok,
        "size": 0 if head is None else head.size,
        "entries": verdict.entries,
        "since": verdict.since,
        "signatures": verdict.signatures,
        "first_bad": None if fault is None else _where(fault),
        "reason": None if fault is None else _reason(fault, lang),
        "code": None if fault is None else fault.code,
        "origin": None if head is None else plain(head.origin),
        "root": None if head is None else head.root.hex(),
        **{name: getattr(verdict, name) for name in _COUNTS},
        "outside_first": [_outside(one) for one in verdict.outside_first],
        "overdue_first": [_overdue(one) for one in verdict.overdue_first],
        "successor_of": _predecessor(verdict),
        "times": _times(verdict),
        "cosigned_by": [{"name": plain(name), "time": at} for name, at in _cosigned(verdict)],
        "unknown_signatures": _unknown(verdict),
        "unknown_carried": {plain(name): count for name, count in verdict.unknown_carried.items()},
    }


def _outside(one: Outside) -> dict[str, Any]:
    moments = {"at": one.at_us, "after": one.after_us, "before": one.before_us}
    return {"index": one.index} | {name: _instant(us) for name, us in moments.items()}


def _overdue(one: Duty) -> dict[str, Any]:
    """``{"stream", "type", "rule", "due"}``; of a card, the stream is the case."""
    rule, stream = one.values.get("rule"), one.values.get("case", one.stream)
    return {"stream": plain(stream), "type": one.type, "rule": rule, "due": _instant(one.due_us)}


def _predecessor(verdict: Verdict) -> dict[str, Any] | None:
    """The closed log that this one goes on from; ``signed`` is null where the policy has no key of it."""
    found = verdict.predecessor
    if found is None:
        return None
    return {
        "origin": plain(found.origin),
        "size": found.size,
        "root": found.root.hex(),
        "signed": True if found.signed else None,
    }


def _times(verdict: Verdict) -> dict[str, int | None] | None:
    """What outside time says; null where no statement was opened."""
    found = verdict.times
    if found is None:
        return None
    return {
        "cosigned": found.cosigned,
        "tokens": found.tokens,
        "bounded_below": found.bounded_below,
        "bounded_above": found.bounded_above,
        "bounded": found.bounded,
        "widest_s": None if found.widest_us is None else found.widest_us // 1_000_000,
    }


def _report(verdict: Verdict, lang: Lang, *, left_out: str | None) -> list[str]:
    lines = [label("title", lang)]

    def tell(key: str, value: object) -> None:
        name = label(key, lang)
        # A Chinese character takes two columns.
        width = sum(1 + (char > "⺀") for char in name)
        lines.append(f"  {' ' * max(0, 36 - width)}{name}  {plain(str(value))}")

    if verdict.signed is not None:
        head = verdict.signed.checkpoint
        tell("origin", head.origin)
        tell("size", head.size)
        tell("root", head.root.hex())
        for name, at in _cosigned(verdict):
            tell("cosigned_by", f"{name} {at}")
        for line in _unknown(verdict):
            tell("unknown_signatures", line)
    if verdict.predecessor is not None:
        before = verdict.predecessor
        tell("successor_of", f"{before.origin} {before.size} {before.root.hex()}")
        tell("predecessor", label("signed" if before.signed else "unpinned", lang))
    tell("entries", verdict.entries)
    if verdict.since:
        tell("since", verdict.since)
    tell("signatures", f"{verdict.signatures} {'' if left_out is None else label(left_out, lang)}")
    for name in _COUNTS:
        if getattr(verdict, name):
            tell(name, getattr(verdict, name))
    for one in map(_outside, verdict.outside_first):
        lines.append("    " + plain(label("outside_entry", lang).format(*one.values())))
    for due in map(_overdue, verdict.overdue_first):
        what = f"{due['type']} {due['rule'] or ''}".rstrip()
        lines.append("    " + plain(label("overdue_entry", lang).format(due["due"], due["stream"], what)))
    for name, value in (_times(verdict) or {}).items():
        if value:
            tell(name, value)
    for name, count in verdict.unknown_carried.items():
        tell("unknown_carried", f"{name} × {count}")
    lines.append(label("good" if verdict.ok else "bad", lang))
    for number, fault in enumerate(verdict.faults):
        where = label("entry" if isinstance(fault.where, int) else "file", lang).format(_where(fault))
        lead = f"{label('also', lang)}: " if number else ""
        lines.append(f"  {lead}{where}: {_reason(fault, lang)}")
    return lines


def _where(fault: Fault) -> int | str:
    return fault.where if isinstance(fault.where, int) else plain(fault.where)


def _reason(fault: Fault, lang: Lang) -> str:
    return plain(reason(fault.code, fault.detail, lang))


def _cosigned(verdict: Verdict) -> list[tuple[str, str]]:
    found = () if verdict.signed is None else verdict.signed.cosignatures
    return [(one.key.name, _time(one.time_s or 0)) for one in found]


def _instant(us: int) -> str:
    from ledger.statement import instant_text  # with all it brings, as long as hashing a hundred thousand entries

    return instant_text(us)


def _time(time_s: int) -> str:
    return _instant(time_s * 1_000_000) if time_s < _NEVER else str(time_s)


def _unknown(verdict: Verdict) -> list[str]:
    found = () if verdict.signed is None else verdict.signed.unknown
    return [plain(f"{line.name}+{line.key_id.hex()}") for line in found]


def read_policy(path: Path) -> bytes:
    """The auditor's policy file."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_POLICY_BYTES + 1)
    except OSError as error:
        raise Unavailable(
            f"the policy {path} cannot be read: {error.strerror}",
            code="no-policy",
            mend="name the file that the ledger's officers handed to you",
        ) from error


def jobs(text: str) -> int:
    """A number of processes, as an argument."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


class _Progress:
    """One line on the terminal, drawn at most ten times a second."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._drawn = 0.0

    def __call__(self, done: int, size: int) -> None:
        now = time.monotonic()
        if now - self._drawn >= 0.1:
            self._drawn = now
            speed = done / max(now - self._start, 1e-9)
            sys.stderr.write(f"\r{done * 100 // size:>3} %  {done:,} / {size:,}  {speed:,.0f}/s\x1b[K")
            sys.stderr.flush()

    def clear(self) -> None:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
