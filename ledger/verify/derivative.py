"""A derivative's lineage: a file for players, back to the clip it was made of, back to what the recorder sealed.

A derivative is for looking. Where it was encoded anew its pictures are not those that were sealed; where it was only
packed anew they are, which its clip shows. Proved is that a custodian stated that this very file was made of that clip,
and that the clip's seconds were sealed. Its manifest holds

    {"format": "mingjian-derivative@v1", "file": {"sha256", "bytes"}, "report": { … what was done … },
     "clip_manifest": base64 of the clip's own manifest, "extracted": {"entry", "proof"}, "derived": {"entry", "proof"}}

    recorder's lines ◀─ clip's manifest ◀─ clip_extracted ◀─ clip_derived (clip, sha256, report)

Nothing that a manifest says of itself is believed: each of its members is bound by a digest in a proved statement.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import orjson

from ledger.errors import Malformed, Refused
from ledger.statement import instant_us
from ledger.tree.policy import Policy
from ledger.verify.clip import check_clip, check_lines, placed_entry
from ledger.verify.fmp4 import Bytes
from ledger.verify.redaction import EXTRACTED, report_digest

FORMAT: Final = "mingjian-derivative@v1"
DERIVED: Final = "footage.clip_derived.v1"
KINDS: Final = frozenset({"remuxed", "transcoded", "exact_cut"})
_MEMBERS: Final = {"format", "file", "report", "clip_manifest", "extracted", "derived"}


@dataclass(frozen=True, slots=True)
class ShownDerivative:
    """What is proved of a derivative; the span is the one stated of it, by the recorder's clock."""

    camera: str
    kind: str
    since_us: int
    until_us: int
    derived_by: str
    encoder: str | None
    origin: str
    size: int
    clip_checked: bool  # the clip was at hand, and each of its pictures is sealed


def check_derivative(
    digest: str, size: int, manifest: bytes, policy: Policy, *, clip: Bytes | None = None
) -> ShownDerivative:
    """What the manifest shows of a file of that SHA-256 and length; Refused what does not hang together."""
    try:
        return _check(digest, size, orjson.loads(manifest), policy, clip)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise Malformed(f"the manifest lacks or misspells something: {error!r:.80}", code="manifest") from error


def _check(digest: str, size: int, body: dict[str, Any], policy: Policy, clip: Bytes | None) -> ShownDerivative:
    if body["format"] != FORMAT or body.keys() != _MEMBERS:
        raise Malformed(f"the manifest is not a {FORMAT}", code="manifest", mend="take the file made with it")
    report = body["report"]
    derived, signed = placed_entry(body["derived"], policy)
    extracted, _ = placed_entry(body["extracted"], policy)
    said = derived.data
    if derived.type != DERIVED or extracted.type != EXTRACTED or said["kind"] not in KINDS:
        raise Refused("its statements are of another kind", code="lineage")
    if (said["sha256"], body["file"]["sha256"], body["file"]["bytes"]) != (digest, digest, size):
        raise Refused("the file is not the one that was stated", code="file-changed")
    if said["report"] != report_digest(report) or report["kind"] != said["kind"]:
        raise Refused("what was done was stated otherwise", code="report")
    if (said["clip"], said["clip_sha256"]) != (extracted.id.hex(), extracted.data["sha256"]):
        raise Refused("it was made of another clip", code="lineage")
    parent = base64.b64decode(body["clip_manifest"], validate=True)
    if sha256(parent).hexdigest() != extracted.data["manifest"]:
        raise Refused("the clip's manifest is another", code="clip-manifest")
    camera, since_us, until_us = check_lines(parent, policy)
    if not extracted.stream == derived.stream == f"footage/{camera}":
        raise Refused("the clip is of another camera", code="lineage")
    since, until = instant_us(said["since"]), instant_us(said["until"])
    if not since_us <= since < until <= until_us:
        raise Refused("it is said to show what its clip does not", code="span")
    if clip is not None:
        if sha256(clip).hexdigest() != said["clip_sha256"]:
            raise Refused("the clip given is another", code="lineage")
        check_clip(clip, parent, policy)
    return ShownDerivative(
        camera=camera,
        kind=said["kind"],
        since_us=since,
        until_us=until,
        derived_by=derived.actor,
        encoder=report["encoder"],
        origin=signed.checkpoint.origin,
        size=signed.checkpoint.size,
        clip_checked=clip is not None,
    )
