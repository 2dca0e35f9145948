"""``mingjian-camera redact FILE --out FILE``: everyone in a clip covered, and, by a second person, confirmed.

redact CLIP --out FILE [--mask x,y,w,h …] [--grant G [--clear TRACK …]]
redact FILE --confirm --seen N --as ACTOR        N: the uncovered spans that were looked at
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.errors import Malformed

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def declare(commands: _SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Add the command, and the one that the server calls for a viewer."""
    redact = commands.add_parser("redact", parents=[common], help="a film of a clip in which everyone is covered")
    redact.add_argument("file", type=Path, metavar="FILE", help="the clip; with --confirm the redaction")
    redact.add_argument("--out", type=Path, metavar="FILE", help="the film; FILE.manifest.json beside it")
    redact.add_argument("--manifest", type=Path, metavar="FILE", help="FILE's own; beside it unless given")
    redact.add_argument("--grant", help="made under it: its viewer is burned in, and tracks that it names may be clear")
    redact.add_argument("--clear", action="append", default=[], metavar="TRACK", help="left clear; again for more")
    redact.add_argument("--mask", action="append", default=[], metavar="x,y,w,h", help="covered; again for more")
    redact.add_argument("--confirm", action="store_true", help="as a second person: it may leave")
    redact.add_argument("--seen", type=int, default=0, metavar="N", help="with --confirm: uncovered spans looked at")
    redact.add_argument("--as", dest="actor", help="who does it")
    redact.set_defaults(run=run)
    # Without a help of its own it is not listed: nobody but the server calls it.
    watermark = commands.add_parser("watermark", description="a span of a film with a text burned in, for one viewer")
    watermark.add_argument("file", type=Path)
    watermark.add_argument("--out", type=Path, required=True)
    watermark.add_argument("--text", required=True)
    watermark.add_argument("--since-us", type=int, required=True)
    watermark.add_argument("--until-us", type=int, required=True)
    watermark.add_argument("--mask", action="append", default=[], help="x/y/w/h: what is not shown of the camera")
    watermark.set_defaults(run=_watermark, json=True)


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Make a redaction, or confirm one."""
    from camera_ingest.redaction import manifest_beside, parse_mask, redact_alone, redact_clip
    from camera_ingest.registering import custodian
    from ledger.door.hall import open_ledger

    beside = options.manifest or manifest_beside(options.file)
    if options.confirm:
        return _confirm(options, beside)
    if options.out is None:
        raise Malformed("a redaction is written somewhere", code="usage", mend="--out FILE")
    masks = [parse_mask(one) for one in options.mask]
    # A film that comes with no manifest is covered too, and nothing is said of where it is from.
    if options.manifest is None and options.grant is None and not options.clear and not beside.exists():
        made = redact_alone(options.file, options.out, masks=masks)
    else:
        with open_ledger(options.data) as hall, hall.sequencing():
            made = redact_clip(
                hall,
                custodian(hall, options.actor),
                options.file,
                options.out,
                manifest=beside,
                grant=options.grant,
                clear=options.clear,
                masks=masks,
            )
    names = ("pictures", "tracks", "uncovered", "masks", "privacy_masks", "audio", "watermark")
    return {
        "out": str(made.out),
        "manifest": str(made.manifest),
        "sha256": made.sha256,
        **{name: made.report[name] for name in names},
        "redaction": made.name,
        "grant": options.grant,
        "statement": None if made.outcome is None else made.outcome.id.hex(),
        "confirmed": False,
    }


def _confirm(options: argparse.Namespace, manifest: Path) -> Mapping[str, Any]:
    from camera_ingest.redaction import confirm, second_person
    from ledger.door.hall import open_ledger

    with open_ledger(options.data) as hall, hall.sequencing():
        desk = second_person(hall, options.actor)
        outcome = confirm(hall, desk, options.file, seen=options.seen, manifest=manifest)
    return {
        "file": str(options.file),
        "manifest": str(manifest),
        "redaction": outcome.stream.partition("/")[2],
        "statement": outcome.id.hex(),
        "confirmed": True,
    }


def _watermark(options: argparse.Namespace) -> Mapping[str, Any]:
    from camera_ingest.masks import masks_of
    from camera_ingest.watermark import watermark_film

    span = {"since_us": options.since_us, "until_us": options.until_us}
    count = watermark_film(options.file, options.out, options.text, masks=masks_of(options.mask), **span)
    return {"out": str(options.out), "pictures": count}
