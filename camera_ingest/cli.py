"""``mingjian-camera``: cameras added, recorded, looked at, cut and checked.

Exit codes: 0 done · 1 refused, or something is missing or changed · 2 wrong usage · 3 unavailable.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from camera_ingest import __doc__ as about
from camera_ingest.folders import check_id, is_remote
from camera_ingest.redact_command import declare as declare_redact
from ledger.errors import Malformed, MingjianError, Refused, Unavailable
from ledger.statement import instant_text, instant_us

if TYPE_CHECKING:
    from collections.abc import Iterator

    from camera_ingest.clip_command import Wanted
    from camera_ingest.remote import Away
    from ledger.door.hall import Hall

_Run = Callable[[argparse.Namespace], Mapping[str, Any]]
_LINES: Final = 50


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(argv)
    _log_to_stderr()
    run: _Run = options.run
    try:
        result = run(options)
    except MingjianError as error:
        _complain(error, as_json=options.json)
        return 3 if isinstance(error, Unavailable) else 1
    except OSError as error:
        told = Unavailable(f"{error.filename or 'the system'}: {error.strerror or error}", code="system")
        _complain(told, as_json=options.json)
        return 3
    except KeyboardInterrupt:
        return 130
    _answer(result, as_json=options.json)
    return 1 if result.get("ok") is False else 0


def _parser() -> argparse.ArgumentParser:
    import os

    parser = argparse.ArgumentParser(prog="mingjian-camera", description=about)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--data", type=Path, default=Path(os.environ.get("MINGJIAN_DATA", "data")), help="the ledger's folder"
    )
    common.add_argument("--json", action="store_true", help="one line of JSON on standard output")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    init = commands.add_parser("init", parents=[common], help="make a recorder on a machine of its own, and its key")
    init.add_argument("--name", required=True, metavar="recorder/NAME")
    init.add_argument("--policy", type=Path, required=True, metavar="FILE", help="whose ledger: its C2SP tlog-policy")
    init.set_defaults(run=_init)

    add = commands.add_parser("add", parents=[common], help="register a camera, or change what is said of it")
    add.add_argument("id", metavar="ID", nargs="?")
    where = add.add_mutually_exclusive_group(required=True)
    where.add_argument("--url", help="where its stream is read: rtsp://…; stays on this machine; - asks for it")
    where.add_argument("--onvif", metavar="HOST[:PORT]", help="ask the camera itself for its stream")
    where.add_argument("--csv", type=Path, metavar="FILE", help="many at once: id,url,windows,name,place,…")
    where.add_argument("--elsewhere", action="store_true", help="a recorder on another machine reads it")
    _password(add)
    add.add_argument("--untried", action="store_true", help="do not look whether its stream can be read")
    add.add_argument("--window", action="append", default=[], metavar="W", help="a window it covers; again for more")
    add.add_argument("--name", help="what people call it; the id unless given")
    add.add_argument("--place", default="hall", help="hall, counter, corridor, outside …")
    add.add_argument("--site")
    add.add_argument("--signage", help="the document that says people are told")
    add.add_argument("--assessment", help="the privacy impact assessment")
    add.add_argument("--mask", action="append", metavar="x/y/w/h", help="what nobody is shown; again for more")
    add.add_argument("--retention-days", type=int, default=30, metavar="N")
    add.add_argument("--recorder", default="recorder/1", help="the recorder that seals it: recorder/NAME")
    add.set_defaults(run=_add)

    discover = commands.add_parser("discover", parents=[common], help="ask the network, or one host, who is a camera")
    discover.add_argument("--at", metavar="HOST", help="ask this host alone, also behind a router")
    discover.add_argument("--wait-s", type=float, default=3.0, metavar="S")
    discover.add_argument("--profiles", action="store_true", help="ask each one for its streams, too")
    _password(discover)
    discover.set_defaults(run=_discover)

    run = commands.add_parser("run", parents=[common], help="record until Ctrl-C")
    run.add_argument("ids", nargs="*", metavar="ID", help="all of this machine's cameras unless given")
    run.add_argument("--every-s", type=float, default=60.0, help=argparse.SUPPRESS)
    run.add_argument("--segment-s", type=float, help=argparse.SUPPRESS)
    run.add_argument("--silence-s", type=float, help=argparse.SUPPRESS)
    run.add_argument("--health-s", type=float, help=argparse.SUPPRESS)
    run.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    _away(run, "of a ledger on another machine: https://…; its token has the scope recorder")
    run.add_argument("--seconds", type=float, help="end by itself after so many seconds")
    run.set_defaults(run=_record)

    status = commands.add_parser("status", parents=[common], help="what each camera does now; needs no ledger")
    status.set_defaults(run=_status)

    segments = commands.add_parser("segments", parents=[common], help="what was recorded in a span; needs no ledger")
    segments.add_argument("id", metavar="ID")
    _span(segments, required=True)
    segments.set_defaults(run=_segments)

    clip = commands.add_parser("clip", parents=[common], help="cut a clip, with the manifest that proves it")
    clip.add_argument("id", metavar="ID", nargs="?", help="a camera, with --from and --to; or --event alone")
    _span(clip, required=False)
    clip.add_argument("--event", metavar="EVENT", help="a disputed event: its statement's id, or its place in the log")
    clip.add_argument("--margin", default="10m", metavar="M", help="before and behind the event: 30s, 10m")
    clip.add_argument("--camera", metavar="ID", help="of an event: this camera alone, in place of all that saw it")
    clip.add_argument("--exact", action="store_true", help="a derivative too that begins and ends as was asked")
    clip.add_argument("--view", action="store_true", help="a derivative too that browsers play")
    clip.add_argument(
        "--complaint", metavar="C", help="name the clips in that complaint, and keep them for its viewers"
    )
    clip.add_argument("--out", type=Path, required=True, metavar="FILE", help="the clip; FILE.manifest.json beside it")
    clip.add_argument("--as", dest="actor", help="the custodian who cuts it")
    _away(clip, "on a recorder's machine: where its ledger is; the token has the scope operator")
    clip.add_argument("--key", type=Path, metavar="FILE", help="with --ledger: the custodian's key")
    clip.set_defaults(run=_clip)

    declare_redact(commands, common)

    hold = commands.add_parser("hold", parents=[common], help="have a span kept until the hold is released")
    hold.add_argument("id", metavar="ID")
    _span(hold, required=False)
    hold.add_argument("--extend", metavar="HOLD", help="have a provisional hold stay, in place of placing one")
    hold.add_argument("--ground", required=True, help="why: complaint/ID, say")
    hold.add_argument("--expires", type=_instant, help="a provisional hold lapses then")
    hold.add_argument("--as", dest="actor", help="the custodian who places it")
    hold.set_defaults(run=_hold)

    holds = commands.add_parser("holds", parents=[common], help="what is held, and what waits for a person")
    holds.add_argument("ids", nargs="*", metavar="ID", help="all of this machine's cameras unless given")
    holds.set_defaults(run=_holds)

    release = commands.add_parser("release", parents=[common], help="end a hold, by two persons")
    release.add_argument("id", metavar="ID")
    release.add_argument("hold", metavar="HOLD", help="the hold's statement id; with --confirm the proposal's")
    release.add_argument("--ground", default="over", help="why it may end")
    release.add_argument("--confirm", action="store_true", help="confirm a proposal, as a second person")
    release.add_argument("--as", dest="actor", help="who does it")
    release.set_defaults(run=_release)

    purge = commands.add_parser("purge", parents=[common], help="destroy what is past its retention and not held")
    purge.add_argument("ids", nargs="*", metavar="ID")
    purge.add_argument("--as", dest="actor", help="the custodian who does it")
    purge.set_defaults(run=_purge)

    store = commands.add_parser("store", parents=[common], help="where sealed footage is carried; shown, or set")
    store.add_argument("--url", help="s3://BUCKET/PREFIX or file:///PATH; credentials by the AWS variables")
    store.add_argument("--endpoint", help="the address of a store that is not Amazon's: https://…")
    store.add_argument("--keep-hours", type=float, help="how long a local copy stays once it is carried (24)")
    store.add_argument("--lock", choices=("governance", "compliance"), help="lock each object for its retention")
    store.set_defaults(run=_store)

    check = commands.add_parser("check", parents=[common], help="walk the disk against journal and ledger")
    check.set_defaults(run=_check)
    return parser


def _away(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--ledger", metavar="URL", help=what)
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="a file whose first line is the token")


def _password(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", default="", help="a name that the camera knows")
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="a file whose first line is its password; - asks for it: others see what stands on a command line",
    )


def _span(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--from", dest="since", required=required, type=_instant, metavar="A", help="RFC 3339")
    parser.add_argument("--to", dest="until", required=required, type=_instant, metavar="B", help="RFC 3339")


def _instant(text: str) -> int:
    try:
        return instant_us(text)
    except Malformed:
        pass
    try:  # what people type: an offset, no fraction
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an instant like 2026-03-04T09:00:00Z") from error
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} does not say its zone: end it with Z, or +08:00")
    return round(found.astimezone(UTC).timestamp() * 1_000_000)


# --------------------------------------------------------------------------------------------------------- commands


@contextmanager
def _ledger(data: Path) -> Iterator[Hall]:
    from ledger.door.hall import open_ledger

    if is_remote(data):
        raise Refused(
            "the ledger of this folder's recorders is on another machine",
            code="ledger-elsewhere",
            mend="do this there; here work add, run, clip --ledger URL, status, segments, store and check",
        )
    with open_ledger(data) as hall, hall.sequencing():
        yield hall


def _init(options: argparse.Namespace) -> Mapping[str, Any]:
    from camera_ingest.remote import make_recorder

    check_id(options.name.removeprefix("recorder/"))
    if not options.name.startswith("recorder/"):
        raise Malformed("a recorder's name begins with recorder/", code="usage", mend="--name recorder/2")
    found = make_recorder(options.data, options.name, options.policy.read_bytes())
    add = f"mingjian keys add {found['actor']} --public {found['public_key']} --proof {found['proof']} --custody device"
    return found | {"register": f"{add} --as officer/1"}


def _away_of(options: argparse.Namespace) -> Away | None:
    if (options.ledger is None) != (options.token_file is None) or (options.ledger is None) == is_remote(options.data):
        raise Malformed(
            "a ledger elsewhere is reached by an address and a token, from a folder that mingjian-camera init made",
            code="usage",
            mend="--ledger URL --token-file FILE there, neither beside the ledger",
        )
    if options.ledger is None:
        return None
    from camera_ingest.remote import Away

    return Away(options.ledger, options.token_file)


def _add(options: argparse.Namespace) -> Mapping[str, Any]:
    from camera_ingest.folders import Camera, write_camera
    from camera_ingest.listed import Listed, read_list
    from camera_ingest.registering import give_key, register

    if options.csv is not None:
        cameras = read_list(options.csv)
    elif options.id is None:
        raise Malformed("a camera needs an id", code="camera-id", mend="mingjian-camera add ID --url URL")
    else:
        check_id(options.id)
        check_id(options.recorder.removeprefix("recorder/"))
        cameras = [
            Listed(
                id=options.id,
                url="" if options.elsewhere else _url_of(options),
                windows=tuple(options.window),
                name=options.name or options.id,
                place=options.place,
                retention_days=options.retention_days,
                recorder=options.recorder,
                more={name: getattr(options, name) for name in ("site", "signage", "assessment")}
                | {"masks": options.mask},
            )
        ]
    streams = [None if options.untried or options.elsewhere else _try(one.url) for one in cameras]
    rows: list[dict[str, Any]] = []
    if is_remote(options.data):
        for one in cameras:
            write_camera(options.data, Camera(one.id, one.url, one.recorder, one.retention_days))
            words = [f" --window {window}" for window in one.windows]
            there = f"mingjian-camera add {one.id} --elsewhere --recorder {one.recorder}{''.join(words)}"
            rows.append({"camera": one.id, "recorder": one.recorder, "index": None, "register": there})
        return rows[0] if options.csv is None else {"cameras": rows}
    with _ledger(options.data) as hall:
        outcomes = []
        for one in cameras:
            outcome = register(
                hall,
                one.id,
                name=one.name,
                recorder=one.recorder,
                windows=one.windows,
                place=one.place,
                retention_days=one.retention_days,
                **one.more,
            )
            outcomes.append(outcome)
            if options.elsewhere:
                continue
            give_key(hall, one.recorder)
            write_camera(options.data, Camera(one.id, one.url, one.recorder, one.retention_days))
        placed = hall.wait_placed(outcomes)
    for one, outcome, stream in zip(cameras, outcomes, streams, strict=True):
        rows.append(
            {"camera": one.id, "recorder": one.recorder, "index": placed.get(outcome.id)}
            | ({} if stream is None else {"stream": stream})
        )
    return rows[0] if options.csv is None else {"cameras": rows}


def _try(url: str) -> dict[str, Any]:
    """What the stream is; a camera that is only silent now may be registered, one that is none may not."""
    from camera_ingest.probing import probe

    try:
        return probe(url)
    except Unavailable as error:
        return {"silent": error.message, "code": error.code}


def _url_of(options: argparse.Namespace) -> str:
    from camera_ingest.onvif import ask, with_password

    if options.onvif is None:
        url = _asked("the camera's address: ") if options.url == "-" else str(options.url)
        if options.password_file is None:
            return url
        return with_password(url, options.user, _first_line(options.password_file))
    password = _first_line(options.password_file)
    device = ask(options.onvif, user=options.user, password=password)
    return with_password(device.profiles[0].url, options.user, password)


def _first_line(path: Path | None) -> str:
    if path is None:
        return ""
    return _asked("password: ") if path == Path("-") else path.read_text().partition("\n")[0]


def _asked(what: str) -> str:
    """What somebody types, unseen, or another program says."""
    from getpass import getpass

    return getpass(what) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")


def _discover(options: argparse.Namespace) -> Mapping[str, Any]:
    from camera_ingest.onvif import ask, discover

    rows = []
    for one in discover(at=options.at, wait_s=options.wait_s):
        row = one.as_json()
        if options.profiles:
            try:
                row |= ask(one.address, user=options.user, password=_first_line(options.password_file)).as_json()
            except MingjianError as error:
                row["error"] = {"code": error.code, "message": error.message}
        rows.append(row)
    return {"cameras": rows}


def _record(options: argparse.Namespace) -> Mapping[str, Any]:
    from camera_ingest.supervising import chosen, supervise

    more = []
    for name in ("segment_s", "silence_s", "health_s"):
        value = getattr(options, name)
        if value is not None:
            more += [f"--{name.replace('_', '-')}", str(value)]
    supervise(
        options.data,
        options.ids,
        every_s=options.every_s,
        more=more,
        seconds=options.seconds,
        away=_away_of(options),
        parent=options.parent,
    )
    return {"cameras": [camera.id for camera in chosen(options.data, options.ids)], "recorded": True}


def _status(options: argparse.Namespace) -> Mapping[str, Any]:
    from camera_ingest.archive import store_state
    from camera_ingest.folders import footage, read_cameras, recorder_named
    from camera_ingest.remote import ledger_state

    rows = []
    for camera in read_cameras(options.data).values():
        folder = footage(options.data) / camera.recorder.removeprefix("recorder/")
        seen = _read(folder / camera.id / "seen.json")
        sealed, stopped = _read(folder / "sealed.json"), _read(folder / "stopped.json")
        rows.append(
            {
                "camera": camera.id,
                "recorder": camera.recorder,
                "state": seen.get("state", "never"),
                "cause": seen.get("cause"),
                "told": seen.get("told"),
                "last_segment_end": seen.get("end"),
                "sealed_at": sealed.get("at"),
                "stopped_why": stopped.get("why"),
                "ledger": ledger_state(recorder_named(options.data, camera.recorder)),
                "store": store_state(recorder_named(options.data, camera.recorder), camera.id),
            }
        )
    return {"cameras": rows}


def _read(path: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _segments(options: argparse.Namespace) -> Mapping[str, Any]:
    from camera_ingest.folders import camera_named, recorder_named
    from camera_ingest.spans import span_of

    camera = camera_named(options.data, options.id)
    span = span_of(recorder_named(options.data, camera.recorder), camera.id, options.since, options.until)
    names = ("run", "seq", "start", "end", "groups", "packets", "bytes", "root", "reason")
    return {
        "camera": camera.id,
        "segments": [
            {name: one.says[name] for name in names}
            | {"offset_us": one.says["clock"]["offset_us"], "ntp_synced": one.says["clock"]["ntp_synced"]}
            for one in span.segments
        ],
        "gaps": [
            {"from": instant_text(gap.since_us), "to": instant_text(gap.until_us), "cause": gap.cause}
            for gap in span.gaps
        ],
    }


def _clip(options: argparse.Namespace) -> Mapping[str, Any]:
    from camera_ingest import clip_command
    from camera_ingest.clip_command import Wanted, ask_recorder

    names = ("since", "until", "event", "margin", "exact", "view", "complaint", "actor")
    given = {name: getattr(options, name) for name in names}
    wanted = Wanted(camera=options.id or options.camera, out=str(options.out), **given)
    wanted.check()
    if (away := _away_of(options)) is not None:
        return _clip_away(options, wanted, away)
    if (answer := ask_recorder(options.data, wanted)) is not None:
        return answer
    with _ledger(options.data) as hall:
        return clip_command.cut_wanted(hall, wanted)


def _clip_away(options: argparse.Namespace, wanted: Wanted, away: Away) -> Mapping[str, Any]:
    """On a recorder's machine; what else a clip may need is at the ledger."""
    from camera_ingest.clip_command import cut_by, told
    from camera_ingest.clips import Cut, cut
    from camera_ingest.folders import Camera, recorder_named
    from camera_ingest.remote import Custodian, Remote, find_event
    from ledger.keys import SigningKey

    if options.key is None or options.actor is None or wanted.exact or wanted.view or wanted.complaint is not None:
        raise Malformed(
            "on a recorder's machine a clip is cut by a custodian with a key of their own, and nothing is made of it",
            code="usage",
            mend="clip (ID --from A --to B|--event E) --out FILE --ledger URL --token-file FILE --as ACTOR --key FILE",
        )
    key = SigningKey.from_pem(options.key.read_bytes())

    def cut_there(camera: Camera, since_us: int, until_us: int, out: Path) -> Cut:
        remote = Remote(options.data, recorder_named(options.data, camera.recorder), away)
        by = Custodian(remote, away, options.actor, key)
        return cut(remote, by.say, remote.recorder, camera.id, since_us, until_us, out)

    event, cuts, missed = cut_by(options.data, wanted, partial(find_event, options.data, away), cut_there)
    return told(event, [{"camera": id_} | one.as_json() for id_, one in cuts], missed)


def _hold(options: argparse.Namespace) -> Mapping[str, Any]:
    from camera_ingest.folders import camera_named, recorder_named
    from camera_ingest.keeping import extend_hold, place_hold
    from camera_ingest.registering import custodian
    from camera_ingest.sealing import seal_lines

    if (options.extend is None) == (options.since is None or options.until is None):
        raise Malformed(
            "a hold is placed on a span, or extended", code="usage", mend="give --from and --to, or --extend HOLD"
        )
    camera = camera_named(options.data, options.id)
    with _ledger(options.data) as hall:
        desk = custodian(hall, options.actor)
        if options.extend is not None:
            outcome = extend_hold(desk, camera.id, options.extend, ground=options.ground, expires_us=options.expires)
            placed = hall.wait_placed([outcome])
            return {"camera": camera.id, "hold": options.extend, "index": placed.get(outcome.id)}
        outcome = place_hold(
            desk, camera.id, options.since, options.until, ground=options.ground, expires_us=options.expires
        )
        # What is held is sealed at once: a hold on what nobody has promised holds nothing.
        seal_lines(hall, recorder_named(options.data, camera.recorder))
        placed = hall.wait_placed([outcome])
    return {"camera": camera.id, "hold": outcome.id.hex(), "index": placed.get(outcome.id)}


def _holds(options: argparse.Namespace) -> Mapping[str, Any]:
    from camera_ingest.folders import recorder_named
    from camera_ingest.keeping import held_bytes, standing
    from camera_ingest.registering import custodian
    from camera_ingest.supervising import chosen

    rows, bytes_ = [], 0
    with _ledger(options.data) as hall:
        desk = custodian(hall)
        for camera in chosen(options.data, options.ids):
            state = standing(desk, camera.id)
            bytes_ += held_bytes(desk, recorder_named(options.data, camera.recorder), camera.id)
            for waits, holds in ((False, state.holds), (True, state.deferred)):
                rows += [
                    {
                        "camera": camera.id,
                        "hold": id_.hex(),
                        "from": instant_text(hold.since_us),
                        "to": instant_text(hold.until_us),
                        "ground": hold.ground,
                        "provisional": hold.provisional,
                        "waits": waits,
                        "expires": None if hold.expires_us is None else instant_text(hold.expires_us),
                    }
                    for id_, hold in holds.items()
                ]
    return {"holds": rows, "held_bytes": bytes_}


def _release(options: argparse.Namespace) -> Mapping[str, Any]:
    from camera_ingest.keeping import propose_release, release
    from camera_ingest.registering import custodian, second

    with _ledger(options.data) as hall:
        if options.confirm:
            outcome = release(
                custodian(hall, options.actor) if options.actor else second(hall), options.id, options.hold
            )
        else:
            desk = custodian(hall, options.actor)
            outcome = propose_release(desk, options.id, options.hold, ground=options.ground)
        placed = hall.wait_placed([outcome])
    name = "released" if options.confirm else "proposal"
    return {"camera": options.id, name: outcome.id.hex(), "index": placed.get(outcome.id)}


def _purge(options: argparse.Namespace) -> Mapping[str, Any]:
    from camera_ingest.folders import recorder_named
    from camera_ingest.keeping import purge
    from camera_ingest.registering import custodian
    from camera_ingest.supervising import chosen

    with _ledger(options.data) as hall:
        desk = custodian(hall, options.actor)
        done = [
            one
            for camera in chosen(options.data, options.ids)
            for one in purge(hall, desk, recorder_named(options.data, camera.recorder), camera.id)
        ]
        hall.wait_placed([one.outcome for one in done])
    return {
        "purged": [{"camera": one.camera, "segments": one.segments, "bytes": one.bytes} for one in done],
        "segments": sum(one.segments for one in done),
        "bytes": sum(one.bytes for one in done),
    }


def _check(options: argparse.Namespace) -> Mapping[str, Any]:
    from camera_ingest.checking import check, check_away

    if is_remote(options.data):
        return check_away(options.data).as_json()
    with _ledger(options.data) as hall:
        return check(hall, options.data).as_json()


def _store(options: argparse.Namespace) -> Mapping[str, Any]:
    from dataclasses import asdict

    from camera_ingest.blobs import Blobs, check_settings, read_settings, write_settings

    if options.url is None:
        found = read_settings(options.data)
        return {"store": None if found is None else asdict(found)}
    names = ("url", "endpoint", "keep_hours", "lock")
    settings = check_settings({name: getattr(options, name) for name in names})
    Blobs(settings).check()
    write_settings(options.data, settings)
    return {"store": asdict(settings)}


# ----------------------------------------------------------------------------------------------------------- answers


def _log_to_stderr() -> None:
    import structlog

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def _answer(result: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(orjson.dumps(result).decode())
        return
    for name, value in result.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            print(f"{name}: {len(value)}")
            for row in value[:_LINES]:
                print("  " + "  ".join(f"{key} {_words(inner)}" for key, inner in row.items()))
        else:
            print(f"{name}: {_words(value)}")


def _words(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, dict):
        return " ".join(f"{name} {_words(inner)}" for name, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_words, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _complain(error: MingjianError, *, as_json: bool) -> None:
    if as_json:
        print(orjson.dumps(error.as_json(), default=str).decode())
        return
    print(f"error: {error.message}", file=sys.stderr)
    if error.mend:
        print(f"       {error.mend}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
