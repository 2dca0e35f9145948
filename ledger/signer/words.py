"""What a person is shown before signing, in both languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from ledger.facts.first_policy import FIRST_POLICY
from ledger.facts.types import type_named
from ledger.keys import thumbprint
from ledger.signer.draft import Asked, Checked
from ledger.statement import Draft, Statement
from ledger.terminal import Lang, plain

_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "title": ("将要签名的内容", "What will be signed"),
    "again": ("您看过之后，又有新的陈述加入；它们可能改变您所看到的情况", "Since you looked, this came in"),
    "log": ("账本", "log"),
    "actor": ("签名者", "actor"),
    "role": ("角色", "role"),
    "unit": ("单位", "unit"),
    "window": ("窗口", "window"),
    "stream": ("卷宗", "stream"),
    "place": ("序号", "place in it"),
    "type": ("事项", "act"),
    "at": ("自称时间", "claimed time"),
    "request": ("请求编号", "request"),
    "causes": ("起因", "because of"),
    "seen": ("已核验的检查点", "checkpoint verified"),
    "key": ("密钥", "key"),
    "data": ("内容", "content"),
    "public": ("明文写入账本", "in clear in the log"),
    "sealed": ("密封，账本中只有摘要", "sealed: only a digest in the log"),
    "pseudonym": ("化名，由大厅给出，此处无法核对", "pseudonym of the hall's; cannot be checked here"),
    "digests": ("重申此前密封的内容", "repeats what was sealed before"),
    "sign": ("签名吗？输入 yes 或 no：", "Sign this? yes or no: "),
    "done": ("已签名、入册并核验", "Signed, placed and verified"),
    "index": ("条目序号", "entry's index"),
    "kept": ("凭据保存在", "the proof is kept in"),
    "public_key": ("公钥", "public key"),
    "thumbprint": ("密钥指纹", "thumbprint"),
    "origin": ("账本", "log"),
    "proof": ("持有证明", "proof of possession"),
    "content": ("请交给密钥官员的登记内容", "for the key officers, to propose and confirm"),
    "name": ("名称", "name"),
    "first": ("第一位密钥官员", "first officer"),
    "second": ("第二位密钥官员", "second officer"),
    "you": ("（本密钥）", " (this key)"),
    "log_key": ("日志公钥", "log key"),
    "receipt_key": ("回执公钥", "receipt key"),
    "clock_key": ("时钟公钥", "clock key"),
    "rules": ("首个权限策略", "first rights policy"),
    "shipped": ("程序自带的策略", "the one that this program ships"),
    "other": ("另一份策略，请先阅读", "another one: read it first"),
    "successor_of": ("接续的旧账本末尾", "goes on from the closed log"),
    "opens": ("确认的开账条目", "confirms entry 0"),
    "opened": ("已签名；请把文件交还给机器", "Signed; hand the file back to the machine"),
    "passphrase": ("密钥口令：", "Passphrase of the key: "),
    "repeat": ("再输入一次：", "Once more: "),
    "unfinished": ("未完成的签名都已办结", "nothing is unfinished any more"),
}


def word(key: str, lang: Lang) -> str:
    """A label."""
    return _WORDS[key][0 if lang == "zh" else 1]


def show(asked: Asked, checked: Checked, lang: Lang) -> list[str]:
    """All that will be signed, one line each."""
    act = checked.act
    place = f"{act.seq}" if act.prev is None else f"{act.seq} ← {act.prev.hex()[:16]}…"
    rows = [
        ("log", act.audience),
        ("actor", act.actor),
        ("role", act.role),
        ("unit", act.unit),
        ("window", act.window),
        ("stream", act.stream),
        ("place", place),
        ("type", act.type),
        ("at", act.at),
        ("request", act.request),
        ("causes", " ".join(cause.hex() for cause in act.causes) or None),
        ("seen", f"{act.seen_size} {act.seen_root.hex()[:16]}…"),
        ("key", act.kid.hex()),
    ]
    lines = [word("title", lang), *(f"  {word(key, lang)}: {plain(value)}" for key, value in rows if value is not None)]
    fields = type_named(act.type).fields
    lines.append(f"  {word('data', lang)}:")
    for name, value in asked.values.items():
        privacy = fields[name].privacy if name in fields else "public"
        # With digests a confirmation repeats pseudonyms as they stand: those were compared.
        privacy = "public" if privacy == "pseudonym" and asked.digests is not None else privacy
        told = f" {act.data[name]}" if privacy == "pseudonym" else ""
        lines.append(f"    {plain(name)} = {_text(value)}   ({word(privacy, lang)}{told})")
    if asked.digests:
        lines.append(f"    {word('digests', lang)}: {' '.join(asked.digests)}")
    return lines


def show_opening(draft: Draft, kid: bytes, lang: Lang) -> list[str]:
    """What an officer signs when a ledger is opened: entry 0 in full, or the confirmation of it."""
    lines = [word("title", lang), f"  {word('type', lang)}: {draft.type}", f"  {word('at', lang)}: {draft.at}"]
    if draft.seq > 1:
        lines += [f"  {word('log', lang)}: {draft.audience}", f"  {word('opens', lang)}: {draft.data['opened']}"]
        return [*lines, f"  {word('key', lang)}: {kid.hex()}"]
    data = draft.data
    lines.append(f"  {word('name', lang)}: {plain(data['name'])}")
    for which in ("first", "second"):
        officer = data["officers"][which]
        print_ = thumbprint(bytes.fromhex(officer["key"]))
        mine = word("you", lang) if print_ == kid else ""
        lines.append(f"  {word(which, lang)}: {officer['actor']}  {print_.hex()}{mine}  ({officer['custody']})")
    lines += [f"  {word(name, lang)}: {data[name]}" for name in ("log_key", "receipt_key", "clock_key")]
    told = "shipped" if data["policy"] == FIRST_POLICY else "other"
    lines.append(f"  {word('rules', lang)}: {word(told, lang)}")
    if told == "other":
        lines.append(f"    {_text(data['policy'])}")
    if "successor_of" in data:
        lines.append(f"  {word('successor_of', lang)}:")
        lines += [f"    {plain(line)}" for line in data["successor_of"].splitlines()]
    return lines


def show_between(came: Sequence[Statement], lang: Lang) -> list[str]:
    """The statements that came in between."""
    return [
        word("again", lang),
        *(f"  {act.seq}  {act.at}  {act.actor}  {act.type}  {_text(act.data)}" for act in came),
    ]


def _text(value: Any) -> str:
    return plain(orjson.dumps(value).decode())
