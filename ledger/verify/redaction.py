"""A redaction's lineage, from the file that left back to what the recorder sealed; bytes in, what is proved out.

A redaction is encoded anew, so its pictures cannot be proved one by one. Proved is what stands in the log: that a
custodian stated that this very file was made of that clip, what was covered and what was left clear, under which
grant, and who confirmed it. Its manifest holds

    {"format": "mingjian-redaction@v1", "file": {"sha256", "bytes"}, "report": { … what was done … },
     "clip_manifest": base64 of the clip's own manifest,
     "extracted": {"entry", "proof"}, "redacted": …, "grant": … or null, "confirmed": … or null}

    recorder's lines ◀─ clip's manifest ◀─ clip_extracted ◀─ clip_redacted ◀─ redaction_confirmed
                                            (sha256, manifest)  (clip, sha256, report)   (redacted)

Nothing that a manifest says of itself is believed: each of its members is bound by a digest in a proved statement.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import orjson

from ledger.errors import Malformed, Refused
from ledger.facts.grants import CONFIRMED, GRANTED, REDACTED
from ledger.statement import Statement, canonical_json, instant_us
from ledger.tree.policy import Policy
from ledger.verify.clip import check_clip, check_lines, format_of, placed_entry
from ledger.verify.fmp4 import Bytes

FORMAT: Final = "mingjian-redaction@v1"
EXTRACTED: Final = "footage.clip_extracted.v1"
_MEMBERS: Final = {"format", "file", "report", "clip_manifest", "extracted", "redacted", "grant", "confirmed"}
_REPORT: Final = {
    "audio",
    "clip",
    "cover_us",
    "height",
    "masks",
    "model",
    "pictures",
    "privacy_masks",
    "tracks",
    "uncovered",
    "watermark",
    "width",
}


@dataclass(frozen=True, slots=True)
class ShownRedaction:
    """What is proved of a redaction; the span is that of its clip, by the recorder's clock."""

    camera: str
    since_us: int
    until_us: int
    redacted_by: str
    confirmed_by: str | None
    grant: str | None
    viewer: str | None
    tracks: int
    clear: tuple[str, ...]
    masks: int
    uncovered: int
    origin: str
    size: int
    clip_checked: bool  # the clip was at hand, and each of its pictures is sealed


def report_digest(report: Mapping[str, Any]) -> str:
    """What stands of a report in the log."""
    return sha256(canonical_json(dict(report))).hexdigest()


def is_redaction(manifest: bytes) -> bool:
    """Whether a manifest says that it is a redaction's."""
    return format_of(manifest) == FORMAT


def check_redaction(
    digest: str, size: int, manifest: bytes, policy: Policy, *, clip: Bytes | None = None
) -> ShownRedaction:
    """What the manifest shows of a file of that SHA-256 and length; Refused what does not hang together."""
    try:
        return _check(digest, size, orjson.loads(manifest), policy, clip)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise Malformed(f"the manifest lacks or misspells something: {error!r:.80}", code="manifest") from error


def _check(digest: str, size: int, body: dict[str, Any], policy: Policy, clip: Bytes | None) -> ShownRedaction:
    if body["format"] != FORMAT or body.keys() != _MEMBERS:
        raise Malformed(
            f"the manifest is not a {FORMAT}", code="manifest", mend="take the file made with the redaction"
        )
    report = body["report"]
    if report.keys() != _REPORT:
        raise Malformed("the manifest's report lacks something, or has more", code="manifest")
    if body["redacted"] is None or body["extracted"] is None:
        raise Refused(
            "the manifest names no statement: nothing is proved of this file",
            code="no-lineage",
            mend="redact the clip that mingjian-camera clip made, beside its manifest",
        )
    redacted, signed = placed_entry(body["redacted"], policy)
    extracted, _ = placed_entry(body["extracted"], policy)
    said = redacted.data
    _must(redacted.type == REDACTED and extracted.type == EXTRACTED, "its statements are of another kind", "lineage")
    _must(
        (said["sha256"], body["file"]["sha256"], body["file"]["bytes"]) == (digest, digest, size),
        "the file is not the one that was stated",
        "file-changed",
    )
    _must(said["report"] == report_digest(report), "what was done was stated otherwise", "report")
    _must(said["clip"] == extracted.id.hex(), "it was made of another clip", "lineage")
    _must(said["clip_sha256"] == report["clip"] == extracted.data["sha256"], "it was made of another clip", "lineage")
    parent = base64.b64decode(body["clip_manifest"], validate=True)
    _must(sha256(parent).hexdigest() == extracted.data["manifest"], "the clip's manifest is another", "clip-manifest")
    camera, since_us, until_us = check_lines(parent, policy)
    _must(extracted.stream == f"footage/{camera}", "the clip is of another camera", "lineage")
    clear = tuple(str(one["track"]) for one in report["tracks"] if one["clear"])
    _must(
        clear == tuple(said.get("clear", ()))
        and said["tracks"] == len(report["tracks"])
        and said["masks"] == len(report["masks"]) + len(report["privacy_masks"])
        and said["uncovered"] == len(report["uncovered"]),
        "what was covered was stated otherwise",
        "report",
    )
    if clip is not None:
        _must(sha256(clip).hexdigest() == report["clip"], "the clip given is another", "lineage")
        check_clip(clip, parent, policy)
    return ShownRedaction(
        camera=camera,
        since_us=since_us,
        until_us=until_us,
        redacted_by=redacted.actor,
        confirmed_by=_confirmed(body["confirmed"], redacted, policy),
        grant=said.get("grant"),
        viewer=_granted(body["grant"], redacted, clear, policy),
        tracks=said["tracks"],
        clear=clear,
        masks=said["masks"],
        uncovered=said["uncovered"],
        origin=signed.checkpoint.origin,
        size=signed.checkpoint.size,
        clip_checked=clip is not None,
    )


def _confirmed(raw: dict[str, Any] | None, redacted: Statement, policy: Policy) -> str | None:
    if raw is None:
        return None
    act, _ = placed_entry(raw, policy)
    _must(
        act.type == CONFIRMED and act.stream == redacted.stream and act.data["redacted"] == redacted.id.hex(),
        "it was another redaction that was confirmed",
        "confirmed",
    )
    _must(act.actor != redacted.actor, "whoever made it confirmed it", "confirmed")
    return act.actor


def _granted(raw: dict[str, Any] | None, redacted: Statement, clear: tuple[str, ...], policy: Policy) -> str | None:
    """For whom it was made, where that stands in a grant that lets those faces be seen."""
    named = redacted.data.get("grant")
    if raw is None:
        _must(named is None, "the grant that it names is not in the manifest", "grant")
        return None
    act, _ = placed_entry(raw, policy)
    _must(
        act.type == GRANTED and act.stream == named and act.data["clip"] == redacted.data["clip"],
        "it was made under another grant",
        "grant",
    )
    allowed = act.data.get("tracks", ()) if "unblurred" in act.data["rights"] else ()
    _must(set(clear) <= set(allowed), "faces were left clear that no grant names", "grant")
    _must(redacted.at_us < instant_us(act.data["expires"]), "the grant had expired", "grant")
    return str(act.data["viewer"])


def _must(holds: bool, otherwise: str, code: str) -> None:
    if not holds:
        raise Refused(otherwise, code=code)
