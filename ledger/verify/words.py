"""What an audit says to people, in both languages: a sentence for each code of reason, and the labels of the report.

The codes are for machines and never change their meaning; ``docs/spec/verify-log.md`` lists them with the step that
gives them.
"""

from __future__ import annotations

from typing import Final

from ledger.terminal import Lang

REASONS: Final[dict[str, tuple[str, str]]] = {
    # the signed head
    "checkpoint": ("检查点格式不正确", "the checkpoint is not well formed"),
    "note-unverified": ("策略中没有任何密钥签过该检查点", "no key of the policy has signed the checkpoint"),
    "note-bad-signature": ("检查点上已知密钥的签名不成立", "a known key's signature on the checkpoint does not hold"),
    "checkpoint-not-of-log": ("检查点不属于策略中的日志", "the checkpoint is not of a log in the policy"),
    "quorum-not-met": ("见证签名不足策略所要求的数目", "the witnesses' cosignatures do not meet the policy's quorum"),
    "went-back": ("日志比先前核验过的短", "the log is shorter than what was verified before"),
    "not-joined": ("日志与先前核验过的不是同一段历史", "the log does not begin with what was verified before"),
    # the files
    "policy": ("日志自带的策略文件与您的策略不符", "the log's own policy file does not agree with yours"),
    "file-missing": ("文件缺失", "the file is missing"),
    "file-extra": ("该大小的日志没有此文件", "a log of this size has no such file"),
    "file-kind": ("不是普通文件", "it is not a plain file"),
    "file-size": ("文件长度不正确", "the file has the wrong length"),
    "bundle": ("条目包不能完整拆分", "the bundle does not hold exactly its entries"),
    # the tree
    "entry-hash": ("条目在签名之后被改动", "the entry was changed after its tree was signed"),
    "tile-hash": ("哈希瓦片与条目不符", "the tile does not follow from the entries"),
    "root": ("条目得不出已签名的根", "the entries do not lead to the signed root"),
    "batch-end": ("检查点不在批次末尾", "the checkpoint does not lie where a batch ends"),
    # entries 0 and 1
    "genesis": ("账本的开启不成立", "the opening of the ledger does not hold"),
    "origin": ("第 0 条与检查点的原点不符", "entry 0 opens another log than the checkpoint's"),
    "log-key": ("第 0 条写明的日志密钥与策略不符", "entry 0 names another log key than the policy"),
    "successor": ("第 0 条所写的旧账末尾不成立", "the closed log's last head, named in entry 0, does not hold"),
    # every entry
    "malformed": ("不是合格的陈述", "it is not a well-formed statement of this log"),
    "batch": ("批次次序不正确", "the order of batches is broken"),
    "batch-time": ("批次时间倒退", "the batch goes back in time"),
    "bracket": ("批次时间越出外部时间的区间", "the batch's time lies outside what was signed elsewhere"),
    "heads": ("案卷首尾与日志不符", "the case heads are not those of the tree"),
    "time-token": ("时间戳所指的树不存在", "the time token is over a head that this log never had"),
    "carried": ("所附检查点不属于本日志", "the checkpoint carried in the batch is not one of this log"),
    "chain": ("流内序号或前项中断", "seq or prev does not continue the stream"),
    "request": ("同一请求出现两次", "the actor has made this request before"),
    "seen": ("所见的树不是签名者当时能见到的", "the tree it claims to have seen is not one that could be seen then"),
    "signature": ("签名不成立", "its signature does not hold"),
    "invalid": ("陈述无效而未作废", "it is not valid here, and was not voided"),
    "void": ("作废不成立", "it voids without ground"),
}

LABELS: Final[dict[str, tuple[str, str]]] = {
    "title": ("日志核验", "Audit of a log"),
    "origin": ("日志", "log"),
    "size": ("签名大小", "signed size"),
    "root": ("签名根", "signed root"),
    "successor_of": ("接续的旧账", "goes on from the closed log"),
    "predecessor": ("旧账末尾", "its last head"),
    "signed": ("由旧账密钥签名", "signed by that log's key"),
    "unpinned": ("策略中没有旧账的密钥，签名未核对", "the policy has no key of that log: not checked"),
    "entries": ("已重算条目", "entries re-hashed"),
    "since": ("先前已核验、本次未重读", "of them verified before, not read again"),
    "signatures": ("成立的签名", "signatures that hold"),
    "voided": ("已作废陈述", "voided statements"),
    "suspect": ("可疑密钥期间的陈述", "in suspect ranges of revoked keys"),
    "outside": ("自称时间越出区间", "claimed times outside their bracket"),
    "overdue": ("到时应记而未记", "should have been stated by the system clock and was not"),
    "overdue_entry": ("应于 {} 前记：{}，{}", "by {}: {}, {}"),
    "outside_entry": ("第 {} 条：自称 {}，区间 {} 至 {}", "entry {}: claims {}, bracket {} to {}"),
    "bounded_below": ("有最早时间的条目", "entries with an earliest time"),
    "cosigned": ("计入时间的见证检查点", "cosigned heads that give a time"),
    "tokens": ("时间戳令牌", "RFC 3161 time tokens"),
    "bounded": ("时间上下均受外部限定的条目", "entries bracketed from outside"),
    "bounded_above": ("有最迟时间的条目", "entries with a latest time"),
    "widest_s": ("最宽区间（秒）", "widest bracket, seconds"),
    "unknown_carried": ("批次内无人担保的签名行", "on carried heads, lines that nothing pins"),
    "simulated": ("模拟历史的批次", "batches of simulated history"),
    "cosigned_by": ("见证", "cosigned by"),
    "unknown_signatures": ("无人担保的签名行", "signature lines that nothing pins"),
    "good": ("核验通过", "VERIFIED"),
    "bad": ("核验未通过", "NOT VERIFIED"),
    "entry": ("第 {} 条", "entry {}"),
    "file": ("文件 {}", "file {}"),
    "also": ("并且", "also"),
    "unopened": ("（未打开任何陈述）", "(no statement was opened)"),
    "unchecked": ("（未逐一核验签名）", "(signatures of the statements were not checked)"),
    "own_policy": (
        "注意：策略文件就在被核验的文件夹里，它证明不了日志属于谁",
        "note: the policy lies in the folder that is checked, so it does not prove whose log this is",
    ),
}


def label(key: str, lang: Lang) -> str:
    """A label of the report."""
    zh, en = LABELS[key]
    return zh if lang == "zh" else en


def reason(code: str, detail: str, lang: Lang) -> str:
    """The sentence of a code, with its detail (which is in English: names, numbers and what was found)."""
    zh, en = REASONS[code]
    text = zh if lang == "zh" else en
    if not detail:
        return text
    return f"{text}：{detail}" if lang == "zh" else f"{text}: {detail}"
