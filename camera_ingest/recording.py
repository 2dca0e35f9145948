"""One camera recorded: connected, cut into segments, watched for silence, and connected again.

Two threads. The *reader* asks the library for packets and hands them to ``take``; it may hang for ever, whatever
time-outs the library was given. The *keeper* looks on: when no picture came for ``silence_s`` it takes the recording
away from that reader, seals what there is, says the gap, and starts another. A reader that wakes up late finds that
its turn is over.

    (nothing) ── recording_started ─▶ segment … segment ── gap_detected ─▶ gap_ended, segment … ── recording_stopped

Promise: from the first line of a camera on, every moment is in a segment, in a gap that was said with its cause, or
in the last unsealed group. The end of a stream is a gap, not an end: a camera that is switched off looks the same.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOSPC
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import structlog

from camera_ingest.clocks import SegmentClock, camera_time
from camera_ingest.folders import Camera, Recorder, write_state
from camera_ingest.journal import Journal
from camera_ingest.segments import CODECS, Name, SegmentWriter, segment_says, settle
from ledger.errors import MingjianError, Refused
from ledger.statement import instant_text, instant_us
from ledger.store.sequencer import now_us
from ledger.verify.clip import Line

log = structlog.get_logger()
_JUMP_S: Final = 10
_WAIT_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_TICK_S: Final = 0.5
_ASK_S: Final = 0.5
"""Between two looks at the camera's own clock: reading a packet's side data costs as much as writing the packet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long things take."""

    segment_s: float = 10.0
    silence_s: float = 5.0
    open_s: float = 10.0
    back_off_s: tuple[float, ...] = _WAIT_S


class Recording:
    """The recording of one camera. ``sealed``: called with each segment's file and line."""

    def __init__(
        self,
        camera: Camera,
        recorder: Recorder,
        journal: Journal,
        *,
        last: Line | None,
        pace: Pace,
        sealed: Callable[[str, Path, Line], None] = lambda *_: None,
    ) -> None:
        self._camera, self._journal, self._pace, self._sealed = camera, journal, pace, sealed
        self._folder = recorder.camera(camera.id)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._turn = 0
        self._stopping = threading.Event()
        self._gap: tuple[str, str] | None = None  # since when, and why
        if last is not None and last.says["kind"] == "gap_detected":
            self._gap = (last.says["at"], last.says["cause"])
        self._known = last is not None and last.says["kind"] != "recording_stopped"
        self._run, self._seq, self._previous = "", 0, None
        self._begun: Fraction | None = None  # the run's first dts, in seconds
        self._begun_dts, self._begun_mono, self._last_dts, self._end_us = 0, 0.0, 0, 0
        self._tick_s = 0.0  # a float: exact fractions for each packet would cost more than writing it
        self._writer: SegmentWriter | None = None
        self._clock = SegmentClock(0, 0)
        self._first_dts, self._ask_at = 0, 0.0
        self._heard = time.monotonic()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._keep, name=f"keep-{camera.id}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_stop(self) -> None:
        """Have it end soon."""
        self._stopping.set()

    def stop(self) -> None:
        """Seal what there is and end; waits for it."""
        self._stopping.set()
        self._thread.join(timeout=30)

    @property
    def failure(self) -> Exception | None:
        """Why this recording cannot go on at all: a full disk, a journal that cannot be written."""
        return self._failure

    # --------------------------------------------------------------------------------------------------- keeper

    def _keep(self) -> None:
        failures = 0
        try:
            while not self._stopping.is_set():
                cause = self._one_turn()
                with self._lock:
                    went_on = self._begun is not None
                    self._end_run(cause)
                failures = 0 if went_on else failures + 1
                if not self._stopping.is_set():
                    waits = self._pace.back_off_s
                    wait = waits[min(failures, len(waits)) - 1] if failures else waits[0]
                    self._stopping.wait(wait * random.uniform(0.8, 1.2))  # noqa: S311 so that cameras do not come all at once
            if self._known:
                self._journal.append("recording_stopped", camera=self._camera.id, at=instant_text(now_us()))
            self._tell("stopped")
        except Exception as error:  # the keeper is all there is: what ends it is told to the worker
            log.error("recording ended", camera=self._camera.id, error=str(error))
            self._failure = error
            self._journal.drop_ballast()
            with self._lock, suppress(OSError):
                self._end_run("disk_full" if isinstance(error, OSError) and error.errno == ENOSPC else "failure")

    def _one_turn(self) -> str:
        """Record until the stream ends, fails or falls silent; the cause."""
        with self._lock:
            self._turn += 1
            turn = self._turn
        ended: list[str] = []
        reader = threading.Thread(target=self._read, args=(turn, ended), name=f"read-{self._camera.id}", daemon=True)
        self._heard = time.monotonic() + self._pace.open_s  # opening may take longer than a silence
        reader.start()
        try:
            while reader.is_alive():
                reader.join(_TICK_S)
                if self._failure is not None:
                    raise self._failure
                if self._stopping.is_set():
                    return "stopped"
                if time.monotonic() - self._heard > self._pace.silence_s:
                    return "stall"
            return ended[0] if ended else "disconnect"
        finally:
            with self._lock:
                self._turn += 1  # whoever reads still has no more say

    # --------------------------------------------------------------------------------------------------- reader

    def _read(self, turn: int, ended: list[str]) -> None:
        try:
            ended.append(self._read_stream(turn))
        except MingjianError as error:
            ended.append(error.code)
            if not isinstance(error, Refused):
                self._failure = error
        except (OSError, av.FFmpegError) as error:
            cause = cause_of(error)
            ended.append(cause)
            if cause == "disk_full":
                self._failure = error
        except Exception as error:  # whatever a foreign stream does to the library is the camera's gap, not our end
            log.warning("reading failed", camera=self._camera.id, error=repr(error)[:200])
            ended.append("not_video")

    def _read_stream(self, turn: int) -> str:
        is_rtsp = self._camera.url.startswith(("rtsp://", "rtsps://"))
        # The library's own socket time-out: PyAV's looks at a clock before each read, which costs a tenth of all.
        limit_us = str(round(self._pace.open_s * 1_000_000))
        options = {"rtsp_transport": "tcp", "timeout": limit_us} if is_rtsp else {}
        with av.open(self._camera.url, options=options) as container:
            if not container.streams.video:
                raise Refused("there is no picture in this stream", code="not_video")
            stream = container.streams.video[0]
            if stream.codec_context.name not in CODECS:
                raise Refused(f"{stream.codec_context.name} is not recorded", code="codec")
            for packet in container.demux(stream):
                if packet.size and not self._take(turn, packet, stream):
                    break
        return "disconnect"

    def _take(self, turn: int, packet: Any, stream: Any) -> bool:
        """Record one packet; False when the reader is to end."""
        with self._lock:
            if turn != self._turn:
                return False
            # A few µs for each packet are a tenth of all: each thing is asked for once, and what is slow now and then.
            now, mono, dts, pts, is_key = now_us(), time.monotonic(), packet.dts, packet.pts, packet.is_keyframe
            self._heard = mono
            # Until the first sender report the library may give no time; such pictures cannot be placed.
            if dts is None or pts is None or (self._writer is None and not is_key):
                return True
            if self._begun is not None and self._jumps(dts, mono):
                self._end_run("pts_jump")
                if not is_key:
                    return True
            if is_key and self._due(dts):
                self._end_segment("full")
            if self._writer is None:
                self._begin_segment(packet, stream, now, mono)
            assert self._writer is not None
            since = dts - self._first_dts
            camera_us = None
            if mono >= self._ask_at:
                camera_us, self._ask_at = camera_time(packet), mono + _ASK_S
            self._clock.see(now, round(since * self._tick_s * 1_000_000), camera_us)
            self._last_dts = dts
            packet.pts, packet.dts = pts - self._first_dts, since
            self._writer.mux(packet)
            return True

    def _jumps(self, dts: int, mono: float) -> bool:
        if dts <= self._last_dts:
            return True
        gone_s: float = (dts - self._begun_dts) * self._tick_s
        step_s: float = (dts - self._last_dts) * self._tick_s
        return step_s > _JUMP_S or abs(gone_s - (mono - self._begun_mono)) > _JUMP_S + 0.01 * gone_s

    def _due(self, dts: int) -> bool:
        if self._writer is None:
            return False
        wish = self._folder / "cut"
        if wish.exists():
            wish.unlink(missing_ok=True)
            return True
        return (dts - self._first_dts) * self._tick_s >= self._pace.segment_s

    # ------------------------------------------------------------------------------------------------- segments

    def _begin_segment(self, packet: Any, stream: Any, now: int, mono: float) -> None:
        if self._begun is None:
            self._begun, self._begun_dts, self._begun_mono = packet.dts * stream.time_base, packet.dts, mono
            self._tick_s = float(stream.time_base)
            self._run, self._seq, self._previous = _run_name(now), 0, None
        self._seq += 1
        self._first_dts = packet.dts
        name = Name(self._run, self._seq, now, packet.dts * stream.time_base - self._begun)
        self._writer = SegmentWriter(self._folder / instant_text(now)[:10], name, stream)
        self._clock = SegmentClock.begin(now)
        if self._seq == 1:
            self._say_begun(now)

    def _say_begun(self, now: int) -> None:
        at = instant_text(now)
        if self._gap is not None:
            since, cause = self._gap
            self._journal.append("gap_ended", camera=self._camera.id, run=self._run, at=at, since=since, cause=cause)
        elif not self._known:
            self._journal.append("recording_started", camera=self._camera.id, run=self._run, at=at)
        self._gap, self._known = None, True
        self._tell("recording")

    def _end_segment(self, reason: str) -> None:
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        part = writer.close()
        if not writer.hashed.groups:
            part.unlink()
            return
        says = segment_says(
            writer.hashed,
            writer.name,
            camera=self._camera.id,
            start_us=self._clock.start_us,
            reason=reason,
            clock=self._clock.says(),
            file=f"{part.parent.name}/{writer.name.whole}",
            previous=self._previous,
        )
        # The line first: dying before the file has its name, the next start finds both and only renames.
        line = self._journal.append("segment", **says)
        path = settle(part, writer.name)
        self._previous, self._end_us = says["root"], instant_us(says["end"])
        self._sealed(self._camera.id, path, line)
        self._tell("recording", end=says["end"], seq=self._seq)

    def _end_run(self, cause: str) -> None:
        """Seal what there is, and say the gap that begins."""
        self._end_segment(cause)
        begun, self._begun = self._begun, None
        if cause == "stopped":
            return
        if self._gap is None:
            at = instant_text(self._end_us if begun is not None and self._end_us else now_us())
            self._journal.append("gap_detected", camera=self._camera.id, run=self._run or None, at=at, cause=cause)
            self._gap, self._known = (at, cause), True
        self._tell("gap", cause=cause)

    def _tell(self, state: str, **more: Any) -> None:
        said = {"state": state, "camera": self._camera.id, "told": instant_text(now_us()), "run": self._run or None}
        write_state(self._folder / "seen.json", said | more)


def _run_name(now: int) -> str:
    return instant_text(now).replace("-", "").replace(":", "")


def cause_of(error: OSError | av.FFmpegError) -> str:
    """The cause of a gap, from what the library or the system said."""
    if error.errno == ENOSPC:
        return "disk_full"
    match type(error).__name__:
        case "HTTPUnauthorizedError" | "HTTPForbiddenError":
            return "password"
        case "HTTPNotFoundError" | "HTTPClientError":
            return "no_such_stream"
        case "InvalidDataError" | "DemuxerNotFoundError" | "ProtocolNotFoundError" | "StreamNotFoundError":
            return "not_video"
        case "EOFError" | "ConnectionResetError" | "BrokenPipeError":
            return "disconnect"
        case "ExitError" | "TimeoutError":
            return "stall"
    return "unreachable"
