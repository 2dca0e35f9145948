"""What a person is shown before signing, in both languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from ledger.facts.types import type_named
from ledger.signer.draft import Asked, Checked
from ledger.statement import Statement
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
    "content": ("请交给密钥管理员的登记内容", "for the key officers, to propose and confirm"),
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


def show_between(came: Sequence[Statement], lang: Lang) -> list[str]:
    """The statements that came in between."""
    return [
        word("again", lang),
        *(f"  {act.seq}  {act.at}  {act.actor}  {act.type}  {_text(act.data)}" for act in came),
    ]


def _text(value: Any) -> str:
    return plain(orjson.dumps(value).decode())
