"""``mingjian-verify bundle FILE --policy FILE``: check a bundle, and tell who did what when, and what that proves."""

from __future__ import annotations

import argparse
import base64
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from ledger.errors import Malformed, Unavailable
from ledger.statement import instant_text
from ledger.terminal import Lang, plain
from ledger.tree.policy import MAX_POLICY_BYTES, Policy
from ledger.verify.bundle import BundleVerdict, verify_bundle
from ledger.verify.words import REASONS

if TYPE_CHECKING:
    from argparse import _SubParsersAction

EVIDENCE: Final = "mingjian-bundle-evidence@v1"
_NEVER: Final = 253_402_300_800
_LISTED: Final = 200
_VALUE_CHARS: Final = 200

_REASONS: Final[dict[str, tuple[str, str]]] = {
    "bundle": ("不是合格的证据包", "it is not a well-formed bundle"),
    "manifest": ("清单与内容不符", "the manifest does not agree with what is there"),
    "member": ("成员与清单不符或格式不正确", "the member is not well formed, or not the one that the manifest names"),
    "receipt": ("回执不成立", "the receipt does not hold"),
    "completeness": ("完整性证明不成立", "the proof of completeness does not hold"),
    "cut-off": ("办件的陈述不完整", "statements of the stream are missing"),
    "disclosure": ("披露的值不是当初密封的值", "the value shown is not one that was sealed there"),
    "not-granted": ("没有人批准披露该值", "nobody granted that this value be shown"),
    "value-erased": ("披露了已删除的值", "a value is shown that was erased"),
}
_WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("证据包核验", "Check of a bundle"),
    "origin": ("日志", "log"),
    "size": ("签名大小", "signed size"),
    "root": ("签名根", "signed root"),
    "as_of": ("截至", "as of"),
    "scope": ("范围", "scope"),
    "cosigned_by": ("见证", "cosigned by"),
    "unknown_signatures": ("无人担保的签名行", "signature lines that nothing pins"),
    "entries": ("已重算条目", "entries re-hashed"),
    "signatures": ("成立的签名", "signatures that hold"),
    "statements": ("范围内的陈述", "statements in scope"),
    "receipts": ("成立的回执", "receipts that hold"),
    "voided": ("已作废陈述", "voided statements"),
    "suspect": ("可疑密钥期间的陈述", "in suspect ranges of revoked keys"),
    "outside": ("自称时间越出区间", "claimed times outside their bracket"),
    "simulated": ("模拟历史的批次", "batches of simulated history"),
    "what": ("谁在何时做了什么", "Who did what, and when"),
    "more": ("其余 {} 条未列出", "{} more are not listed"),
    "shown": ("披露的值", "Values shown"),
    "proved": ("已证明", "Proved"),
    "open": ("未证明", "NOT proved"),
    "good": ("核验通过", "VERIFIED"),
    "bad": ("核验未通过", "NOT VERIFIED"),
    "entry": ("第 {} 条", "entry {}"),
    "file": ("{}", "{}"),
    "evidence": ("证据写入", "evidence written to"),
    "by": ("由", "by"),
    "custody_actor": ("本人保管密钥", "own key"),
    "custody_device": ("设备密钥", "device key"),
    "custody_server": ("密钥由账本代管", "key kept by the ledger"),
    "custody_": ("密钥不明", "key unknown"),
    "erased_by": ("已删除，见第 {} 条", "erased by {}"),
    "closed": ("{} 个密封值", "{} sealed"),
    "void": ("已作废", "VOIDED"),
    "recorded": ("记录于", "recorded"),
    "bracket": ("外部时间区间", "by outside time between"),
}
_CLAIMS: Final[dict[str, tuple[str, str]]] = {
    "place": (
        "每一条都在 {size} 条的已签名树中，一字未改",
        "every entry stands unchanged in the signed tree of {size}",
    ),
    "signed": (
        "每条陈述由账本规则所登记的密钥签名",
        "each statement is signed by a key that the rules in the bundle register",
    ),
    "rights": ("每条陈述在其位置上有权作出，否则已作废", "each statement was allowed at its place, or is voided"),
    "chain": ("每个流从第一条起没有缺口", "no stream in the bundle has a gap from its first statement on"),
    "complete": (
        "截至第 {complete} 条，该办件正好有这些陈述，不多不少",
        "as of size {complete} the case had exactly these statements, and no more",
    ),
    "rules": (
        "截至第 {rules} 条，包内的规则流都是完整的",
        "as of size {rules} every stream of rules in the bundle is whole",
    ),
    "period": ("该时段内的条目一条不少", "no entry of the period is left out"),
    "whole": ("整个日志都在包内并重放", "the whole log is in the bundle, and was replayed"),
    "times": ("记录时间是经营方所称的，各批次次序不倒退", "recorded times are the operator's, and never go back"),
    "witnessed": ("见证人看到了同一个树头", "witnesses have seen the same head"),
    "erased": ("{erased} 个值由两人依法删除", "{erased} values were erased by two persons, on a stated ground"),
    "shown": ("披露的 {shown} 个值正是当初密封的值", "the {shown} values shown are those that were sealed"),
}
_OPEN: Final[dict[str, tuple[str, str]]] = {
    "newest": ("这是最新的树头，之后没有别的", "that this is the newest head, and nothing came after it"),
    "unwitnessed": (
        "没有别人看到过另一段历史（没有见证签名）",
        "that nobody was shown another history (no witness cosigned)",
    ),
    "incomplete": (
        "没有更多陈述：包内没有可用的完整性证明",
        "that there are no more statements: no proof of completeness",
    ),
    "later": ("第 {complete} 条之后该办件没有新陈述", "that nothing was stated of the case after size {complete}"),
    "other_rules": (
        "包外没有别的规则（另一条任命或策略）；整本日志才能证明",
        "that no other rules exist outside the bundle (an appointment, a policy); only the whole log shows that",
    ),
    "true_heads": (
        "案头根是真的；重放日志者才知道",
        "that the stated case heads are true; whoever replays the log finds out",
    ),
    "outside_time": ("陈述的真实时间：没有外部时间约束", "when it really was: nothing from outside bounds the times"),
    "server": (
        "{server} 条用账本代管的密钥签名，经营方也能签",
        "{server} are signed with keys the ledger keeps: it could sign too",
    ),
    "closed": ("{sealed} 个密封值的内容", "what {sealed} sealed values say"),
    "simulated": ("任何真事：历史是模拟的", "anything that happened: the history says that it is simulated"),
    "never": ("从未提交的事", "anything that was never submitted"),
}


def declare(commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "bundle",
        parents=[common],
        help="check a case, a period or a whole log in one file, and tell what it proves",
        description="Check a bundle offline: every entry, signature, right, time, receipt and value in it.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the bundle")
    parser.add_argument(
        "--policy", metavar="FILE", type=Path, required=True, help="your own C2SP tlog-policy: origin and keys"
    )
    parser.add_argument(
        "--evidence", metavar="FILE", type=Path, help="where a contradiction is written (default: FILE.evidence.json)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check, report, and answer with the exit code."""
    policy = Policy.parse(_read_policy(options.policy))
    verdict = verify_bundle(options.file, policy)
    written = None if verdict.ok else _write_evidence(options, verdict)
    if options.json:
        print(orjson.dumps(as_json(verdict, options.lang, evidence=written)).decode())
    else:
        print("\n".join(_report(verdict, options.lang, written)))
    return 0 if verdict.ok else 1


def as_json(verdict: BundleVerdict, lang: Lang = "en", *, evidence: str | None = None) -> dict[str, Any]:
    """The verdict as one JSON object."""
    fault = verdict.fault
    head = None if verdict.signed is None else verdict.signed.checkpoint
    manifest = verdict.manifest
    return {
        "ok": verdict.ok,
        "first_bad": None if fault is None else fault.where if isinstance(fault.where, int) else plain(fault.where),
        "code": None if fault is None else fault.code,
        "reason": None if fault is None else _reason(verdict, lang),
        "evidence": evidence,
        "origin": None if head is None else plain(head.origin),
        "size": 0 if head is None else head.size,
        "root": None if head is None else head.root.hex(),
        "as_of": None if manifest is None else plain(manifest.as_of),
        "scope": None if manifest is None else manifest.scope.as_json(),
        "entries": verdict.entries,
        "signatures": verdict.signatures,
        "n": verdict.in_scope,
        "receipts": verdict.receipts,
        "voided": verdict.voided,
        "suspect": verdict.suspect,
        "outside": verdict.outside,
        "simulated": verdict.simulated,
        "sealed": verdict.sealed,
        "erased": len(verdict.erased),
        "erased_by": sorted(set(verdict.erased.values()))[:_LISTED],
        "complete_as_of": verdict.complete_as_of,
        "rules_as_of": verdict.rules_as_of,
        "cosigned_by": [{"name": plain(name), "time": at} for name, at in _cosigned(verdict)],
        "unknown_signatures": _unknown(verdict),
        "proved": _proved(verdict) if verdict.ok else [],
        "not_proved": _not_proved(verdict) if verdict.ok else [],
        "values": verdict.values,
        "statements": [
            {name: value for name, value in told.items() if not name.startswith("_")} for told in verdict.statements
        ]
        if verdict.ok
        else [],
    }


def _proved(verdict: BundleVerdict) -> list[str]:
    kind = "" if verdict.manifest is None else verdict.manifest.scope.kind
    says = {
        "place": True,
        "signed": True,
        "rights": True,
        "chain": True,
        "complete": verdict.complete_as_of is not None,
        "rules": kind != "all" and verdict.rules_as_of is not None,
        "period": kind == "period",
        "whole": kind == "all",
        "times": True,
        "witnessed": bool(_cosigned(verdict)),
        "erased": bool(verdict.erased),
        "shown": bool(verdict.values),
    }
    return [name for name, holds in says.items() if holds]


def _not_proved(verdict: BundleVerdict) -> list[str]:
    kind = "" if verdict.manifest is None else verdict.manifest.scope.kind
    bounded = any(told.get("not_before") or told.get("not_after") for told in verdict.statements)
    says = {
        "newest": True,
        "unwitnessed": not _cosigned(verdict),
        "incomplete": kind == "case" and verdict.complete_as_of is None,
        "later": verdict.complete_as_of is not None,
        "other_rules": kind != "all",
        "true_heads": kind != "all" and (verdict.complete_as_of or verdict.rules_as_of) is not None,
        "outside_time": not bounded,
        "server": verdict.server_keys > 0,
        "closed": verdict.sealed > 0,
        "simulated": verdict.simulated > 0,
        "never": True,
    }
    return [name for name, holds in says.items() if holds]


def _report(verdict: BundleVerdict, lang: Lang, written: str | None) -> list[str]:
    side = 0 if lang == "zh" else 1
    body = as_json(verdict, lang)
    lines = [_WORDS["title"][side]]
    facts = {name: body[name] for name in ("origin", "size", "root", "as_of")}
    facts["scope"] = None if body["scope"] is None else " ".join(map(str, body["scope"].values()))
    facts |= {"cosigned_by": ", ".join(f"{name} {at}" for name, at in _cosigned(verdict))}
    facts |= {"unknown_signatures": ", ".join(body["unknown_signatures"]), "entries": verdict.entries}
    facts |= {"signatures": verdict.signatures, "statements": verdict.in_scope}
    facts |= {name: body[name] for name in ("receipts", "voided", "suspect", "outside", "simulated")}
    for name, value in facts.items():
        if value or name in ("entries", "signatures"):
            lines.append(f"  {_WORDS[name][side]}: {plain(str(value))}")
    if verdict.ok:
        lines += _told(verdict, side)
        numbers = {
            "size": body["size"],
            "complete": verdict.complete_as_of,
            "rules": verdict.rules_as_of,
            "erased": len(verdict.erased),
            "shown": len(verdict.values),
            "server": verdict.server_keys,
            "sealed": verdict.sealed,
        }
        for title, names, words in (("proved", body["proved"], _CLAIMS), ("open", body["not_proved"], _OPEN)):
            lines.append(_WORDS[title][side])
            lines += [f"  - {words[name][side].format(**numbers)}" for name in names]
    lines.append(_WORDS["good" if verdict.ok else "bad"][side])
    if verdict.fault is not None:
        where = _WORDS["entry" if isinstance(verdict.fault.where, int) else "file"][side].format(body["first_bad"])
        lines.append(f"  {where}: {body['reason']}")
        if written is not None:
            lines.append(f"  {_WORDS['evidence'][side]}: {plain(written)}")
    return lines


def _told(verdict: BundleVerdict, side: int) -> list[str]:
    lines = [_WORDS["what"][side]]
    for told in verdict.statements[:_LISTED]:
        marks = []
        if told["voided"]:
            marks.append(_WORDS["void"][side])
        if told["erased_by"]:
            marks.append(_WORDS["erased_by"][side].format(", ".join(map(str, told["erased_by"]))))
        elif told["sealed"]:
            marks.append(_WORDS["closed"][side].format(told["sealed"]))
        custody = _WORDS.get(f"custody_{told['custody']}", _WORDS["custody_"])[side]
        text = f"{told['index']}  {told['at']}  {told['type']}  {_WORDS['by'][side]} {told['actor']} ({custody})"
        text += f"  {_WORDS['recorded'][side]} {told['recorded']}" if told["recorded"] else ""
        if told["not_before"] or told["not_after"]:
            text += f"  {_WORDS['bracket'][side]} {told['not_before'] or '…'} – {told['not_after'] or '…'}"
        lines.append("  " + plain("  ".join([text, *marks])))
    if verdict.in_scope > len(verdict.statements[:_LISTED]):
        lines.append("  " + _WORDS["more"][side].format(verdict.in_scope - len(verdict.statements[:_LISTED])))
    if verdict.values:
        lines.append(_WORDS["shown"][side])
        for value in verdict.values[:_LISTED]:
            text = orjson.dumps(value["value"]).decode()[:_VALUE_CHARS]
            lines.append("  " + plain(f"{value['index']}  {value['name']} = {text}"))
    return lines


def _reason(verdict: BundleVerdict, lang: Lang) -> str:
    assert verdict.fault is not None
    zh, en = (REASONS | _REASONS)[verdict.fault.code]
    text, detail = (zh if lang == "zh" else en), verdict.fault.detail
    return plain(text if not detail else f"{text}：{detail}" if lang == "zh" else f"{text}: {detail}")


def _write_evidence(options: argparse.Namespace, verdict: BundleVerdict) -> str | None:
    """What contradicts what, in one file; None where it cannot be written, which is said."""
    import hashlib

    assert verdict.fault is not None
    path = options.evidence or options.file.with_name(f"{options.file.name}.evidence.json")
    try:
        with options.file.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        body = {
            "format": EVIDENCE,
            "bundle_sha256": sha256,
            "first_bad": verdict.fault.where if isinstance(verdict.fault.where, int) else plain(verdict.fault.where),
            "code": verdict.fault.code,
            "reason": _reason(verdict, "en"),
            "checkpoint": None if verdict.signed is None else verdict.signed.note.decode(),
            "entry": None if verdict.evidence is None else base64.b64encode(verdict.evidence).decode(),
        }
        path.write_bytes(orjson.dumps(body, option=orjson.OPT_INDENT_2))
    except OSError as error:
        print(plain(f"note: no evidence is written to {path}: {error.strerror or error}"), file=sys.stderr)
        return None
    return str(path)


def _cosigned(verdict: BundleVerdict) -> list[tuple[str, str]]:
    found = () if verdict.signed is None else verdict.signed.cosignatures
    return [
        (one.key.name, instant_text(time_s * 1_000_000) if (time_s := one.time_s or 0) < _NEVER else str(time_s))
        for one in found
    ]


def _unknown(verdict: BundleVerdict) -> list[str]:
    found = () if verdict.signed is None else verdict.signed.unknown
    return [plain(f"{line.name}+{line.key_id.hex()}") for line in found]


def _read_policy(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_POLICY_BYTES + 1)
    except OSError as error:
        raise Unavailable(
            f"the policy {path} cannot be read: {error.strerror or error}",
            code="no-policy",
            mend="name the file that the ledger's officers handed to you",
        ) from error
    if len(data) > MAX_POLICY_BYTES:
        raise Malformed(f"{path} is too long to be a policy", code="policy")
    return data
