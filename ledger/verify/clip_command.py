"""``mingjian-verify clip FILE --manifest FILE --policy FILE``: footage checked offline, and what it does not show.

A clip may be a part of the one that the manifest was made for: any of its groups, in their order. With the manifest of
a redaction its lineage is checked instead; ``--clip`` adds the clip that it was made of, picture by picture.
"""

from __future__ import annotations

import argparse
import mmap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from ledger.errors import Refused, Unavailable
from ledger.statement import instant_text
from ledger.terminal import Lang, plain
from ledger.tree.policy import MAX_POLICY_BYTES, Policy
from ledger.verify import derivative, redaction
from ledger.verify.clip import MAX_MANIFEST_BYTES, Shown, check_clip, format_of
from ledger.verify.derivative import ShownDerivative, check_derivative
from ledger.verify.redaction import ShownRedaction, check_redaction

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_Shown: TypeAlias = Shown | ShownRedaction | ShownDerivative
_TITLES: Final = {redaction.FORMAT: "title_redaction", derivative.FORMAT: "title_derivative"}
_MADE_OF_CLIPS: Final[dict[str, Callable[..., ShownRedaction | ShownDerivative]]] = {
    redaction.FORMAT: check_redaction,
    derivative.FORMAT: check_derivative,
}
_WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("录像片段核验", "Check of a clip"),
    "title_derivative": ("播放用派生录像来源核验", "Check of a derivative's lineage"),
    "kind": ("派生方式", "made by"),
    "derived_by": ("制作人", "made by whom"),
    "encoder": ("编码器", "encoder"),
    "title_redaction": ("遮盖录像来源核验", "Check of a redaction's lineage"),
    "redacted_by": ("遮盖人", "redacted by"),
    "confirmed_by": ("确认人", "confirmed by"),
    "grant": ("授权", "grant"),
    "viewer": ("授权对象", "granted to"),
    "tracks": ("人脸轨迹", "faces followed"),
    "clear": ("未遮盖的轨迹", "faces left clear"),
    "masks": ("手绘与固定遮盖", "masks"),
    "uncovered": ("可能有人而未遮盖的时段", "spans where somebody may be seen"),
    "clip_checked": ("原片段已逐帧核验", "the clip itself was checked"),
    "camera": ("摄像机", "camera"),
    "recorder": ("录像设备", "recorder"),
    "from": ("起", "from"),
    "to": ("止", "to"),
    "groups": ("编码组", "coded groups"),
    "groups_in_manifest": ("清单所列编码组", "groups in the manifest"),
    "packets": ("帧数", "pictures"),
    "gaps": ("缺口", "gaps"),
    "camera_offset_ms": ("摄像机时钟偏差（毫秒）", "camera's clock ahead (ms)"),
    "origin": ("日志", "log"),
    "size": ("签名大小", "signed size"),
    "cosigned_by": ("见证", "cosigned by"),
    "good": ("核验通过", "VERIFIED"),
    "bad": ("核验未通过", "NOT VERIFIED"),
    "not_proved": ("未证明", "Not proved"),
}
_NOT_PROVED: Final[dict[str, tuple[str, str]]] = {
    "lens": ("镜头所见为真：只证明封存后未改", "what the lens saw: only that nothing changed since"),
    "place": ("摄像机当时所在与朝向", "where the camera stood and where it looked"),
    "time": ("时刻：录像设备的时钟当时未同步", "the time: the recorder's clock was not synchronised"),
    "key": ("设备密钥此后未被吊销", "that the recorder's key was not revoked since"),
    "part": ("清单所列、文件中没有的编码组", "what the manifest lists and the file does not hold"),
    "between": ("缺口之间没有别的录像", "that nothing else was recorded in the gaps"),
    "recovered": ("录像设备中断处之后的画面", "what followed where the recorder was cut off"),
    "cause": ("缺口的原因", "why there are gaps"),
    "pixels": ("遮盖之外的画面未改，遮盖之下无人可辨", "that only what is covered was changed, and hides all"),
    "packed": ("本文件画面即原片段画面：须以原片段逐帧核验", "that its pictures are the clip's: the clip shows that"),
    "encoded": ("重新编码后的画面与原片段相同", "that the pictures encoded anew look like the clip's"),
    "clip": ("原片段未提供，未逐帧核验", "the pictures of the clip that it was made of, which is not at hand"),
    "confirmed": ("未经第二人确认", "that a second person confirmed it"),
    "rights": ("陈述人当时有此权限：须核验整个日志", "that its signers had the right: mingjian-verify log shows that"),
}  # fmt: skip


def declare(commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "clip",
        parents=[common],
        help="check a clip of footage, or a part of one, against its manifest",
        description="Check offline that every picture of a clip is one that the recorder sealed, at its time.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the clip (MP4)")
    parser.add_argument("--manifest", metavar="FILE", type=Path, required=True, help="the manifest made with the clip")
    parser.add_argument(
        "--policy", metavar="FILE", type=Path, required=True, help="your own C2SP tlog-policy: origin and keys"
    )
    parser.add_argument("--clip", metavar="FILE", type=Path, help="of a redaction: the clip that it was made of")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check, report, and answer with the exit code."""
    policy = Policy.parse(_read(options.policy, MAX_POLICY_BYTES))
    manifest = _read(options.manifest, MAX_MANIFEST_BYTES)
    shown: _Shown | None = None
    refusal = None
    try:
        shown = check_file(options.file, manifest, policy, options.clip)
    except Refused as error:
        refusal = error
    if options.json:
        print(orjson.dumps(_answer(shown, refusal)).decode())
    else:
        title = _TITLES.get(format_of(manifest), "title")
        print("\n".join(_report(title, shown, refusal, options.lang)))
    return 0 if refusal is None else 1


def check_file(path: Path, manifest: bytes, policy: Policy, clip: Path | None = None) -> _Shown:
    """What a clip, a derivative or a redaction proves by its manifest (Refused when it does not hold)."""
    check = _MADE_OF_CLIPS.get(format_of(manifest))
    with _mapped(path) as data:
        if check is None:
            return check_clip(data, manifest, policy)
        digest, size = sha256(data).hexdigest(), len(data)
    if clip is None:
        return check(digest, size, manifest, policy)
    with _mapped(clip) as data:
        return check(digest, size, manifest, policy, clip=data)


@contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    """The bytes of a file, however many there are."""
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                yield memoryview(b"")
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data, memoryview(data) as view:
                yield view
    except OSError as error:
        raise _unreadable(path, error) from error


def not_proved(shown: _Shown) -> list[str]:
    """What a good clip or redaction leaves open, as codes."""
    left = ["lens", "place", "key"]
    if isinstance(shown, ShownDerivative):
        left += ["packed" if shown.kind == "remuxed" else "encoded", "rights"]
        return left if shown.clip_checked else [*left, "clip"]
    if isinstance(shown, ShownRedaction):
        left += ["pixels", "rights"]
        if not shown.clip_checked:
            left.append("clip")
        return left if shown.confirmed_by else [*left, "confirmed"]
    if not shown.ntp_synced:
        left.append("time")
    if shown.groups < shown.groups_in_manifest:
        left.append("part")
    if shown.gaps:
        left += ["between", "cause"]
    if shown.recovered:
        left.append("recovered")
    return left


def _answer(shown: _Shown | None, refusal: Refused | None) -> dict[str, Any]:
    body: dict[str, Any] = {"ok": refusal is None, "code": None, "reason": None}
    if refusal is not None:
        body |= {"code": refusal.code, "reason": plain(refusal.message)}
    return body if shown is None else {**body, **_says(shown), "not_proved": not_proved(shown)}


def _says(shown: _Shown) -> Mapping[str, Any]:
    if isinstance(shown, ShownRedaction):
        return _says_redaction(shown)
    if isinstance(shown, ShownDerivative):
        return _says_derivative(shown)
    offset = shown.camera_offset_us
    return {
        "camera": plain(shown.camera),
        "recorder": plain(shown.recorder),
        "from": instant_text(shown.since_us),
        "to": instant_text(shown.until_us),
        "groups": shown.groups,
        "groups_in_manifest": shown.groups_in_manifest,
        "packets": shown.packets,
        "whole": shown.whole,
        "gaps": [{"from": instant_text(gap.since_us), "to": instant_text(gap.until_us)} for gap in shown.gaps],
        "camera_offset_ms": None if offset is None else offset // 1000,
        "origin": plain(shown.origin),
        "size": shown.size,
        "cosigned_by": [plain(name) for name in shown.cosigned_by],
    }


def _says_redaction(shown: ShownRedaction) -> Mapping[str, Any]:
    return {
        "camera": plain(shown.camera),
        "from": instant_text(shown.since_us),
        "to": instant_text(shown.until_us),
        "redacted_by": plain(shown.redacted_by),
        "confirmed_by": None if shown.confirmed_by is None else plain(shown.confirmed_by),
        "grant": None if shown.grant is None else plain(shown.grant),
        "viewer": None if shown.viewer is None else plain(shown.viewer),
        "tracks": shown.tracks,
        "clear": [plain(one) for one in shown.clear],
        "masks": shown.masks,
        "uncovered": shown.uncovered,
        "clip_checked": shown.clip_checked,
        "origin": plain(shown.origin),
        "size": shown.size,
    }


def _says_derivative(shown: ShownDerivative) -> Mapping[str, Any]:
    return {
        "camera": plain(shown.camera),
        "kind": plain(shown.kind),
        "encoder": None if shown.encoder is None else plain(shown.encoder),
        "from": instant_text(shown.since_us),
        "to": instant_text(shown.until_us),
        "derived_by": plain(shown.derived_by),
        "clip_checked": shown.clip_checked,
        "origin": plain(shown.origin),
        "size": shown.size,
    }


def _report(title: str, shown: _Shown | None, refusal: Refused | None, lang: Lang) -> list[str]:
    side = 0 if lang == "zh" else 1
    lines = [_WORDS[title][side]]
    if shown is not None:
        for name, value in _says(shown).items():
            if name in _WORDS and value not in (None, []):
                lines.append(f"  {_WORDS[name][side]}: {_words(value)}")
    lines.append(_WORDS["good" if refusal is None else "bad"][side])
    if refusal is not None:
        lines.append(f"  {plain(refusal.message)}")
    if shown is not None:
        lines.append(f"{_WORDS['not_proved'][side]}:")
        lines += [f"  {_NOT_PROVED[code][side]}" for code in not_proved(shown)]
    return lines


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"{one['from']} – {one['to']}" if isinstance(one, dict) else str(one) for one in value)
    return str(value)


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) > limit:
        raise Refused(f"{path} has more than {limit} bytes", code="file-size", mend="name another file")
    return data


def _unreadable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"{path} cannot be read: {error.strerror or error}", code="unreadable", mend="look at its name and rights"
    )
