"""Viewings that go on: the process that shows their camera, the pieces that wait to be fetched, and their ends.

One process shows a camera to all who watch it, for coding masked pictures costs as much as recording several cameras.

Promise: no picture is had of a viewing that does not stand in the log; each one ends, and its end says which footage
was shown: when whoever watches leaves, asks for nothing more for ``LOST_S``, has watched for half an hour, loses the
right, when what must not be shown of the camera changes, or the process is gone. ``MAX_VIEWS`` go on at once, of one
actor ``MAX_VIEWS_EACH``, each with a few pieces in memory and no more: whoever is slow misses some.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import orjson
import psycopg
import structlog

from ledger.cases.grants import system_desk
from ledger.cases.patrol import end_view, open_view, role_for, watcher
from ledger.door.hall import Hall
from ledger.errors import Conflict, MingjianError, NotAllowed, NotFound, Unavailable
from ledger.facts.cameras import masks_digest
from ledger.facts.patrol import MAX_VIEW_US, VIEWED
from ledger.facts.registry import Registry

MAX_VIEWS: Final = 8
MAX_VIEWS_EACH: Final = 3
LOST_S: Final = 10.0
WAIT_S: Final = 2.0
MAX_PIECE_BYTES: Final = 16 << 20
_PIECES: Final = 4
_LOOK_S: Final = 0.5
log = structlog.get_logger("live")


@dataclass(slots=True)
class Feed:
    """A process that shows one camera under one set of masks, and whom it is shown to."""

    camera: str
    masks: tuple[str, ...]
    process: subprocess.Popen[bytes]
    views: list[View] = field(default_factory=list)
    start: tuple[dict[str, Any], bytes] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, header: dict[str, Any], body: bytes) -> None:
        """A piece came, for everybody."""
        with self.lock:
            if header["kind"] == "start":
                self.start = header, body
            for view in self.views:
                view.put(header, body)

    def join(self, view: View) -> None:
        """Show it to one more, from the next coded group on."""
        with self.lock:
            self.views.append(view)
            if self.start is not None:
                view.put(*self.start)

    def leave(self, view: View) -> bool:
        """Show it to one less; whether nobody is left."""
        with self.lock:
            self.views = [one for one in self.views if one is not view]
            return not self.views


@dataclass(slots=True)
class View:
    """One viewing. ``start``, ``pieces``: what may be fetched, each with its number."""

    id: str
    actor: str
    camera: str
    window: str | None
    feed: Feed
    lost_s: float
    start: tuple[int, dict[str, Any], bytes] | None = None
    pieces: deque[tuple[int, dict[str, Any], bytes]] = field(default_factory=lambda: deque(maxlen=_PIECES))
    came: threading.Condition = field(default_factory=threading.Condition)
    last: int = 0
    began: float = field(default_factory=time.monotonic)
    asked: float = field(default_factory=time.monotonic)
    shown_us: tuple[int, int] | None = None
    over: str | None = None

    def put(self, header: dict[str, Any], body: bytes) -> None:
        """A piece came."""
        with self.came:
            self.last += 1
            piece = (self.last, header, body)
            if header["kind"] == "start":
                self.start = piece
                self.pieces.clear()  # they were of another initialisation
            else:
                self.pieces.append(piece)
            self.came.notify_all()

    def take(self, after: int, wait_s: float) -> tuple[int, bytes]:
        """The pieces behind number ``after``, as soon as there are some, and the number of the last."""
        with self.came:
            self.asked = time.monotonic()
            self.came.wait_for(lambda: self.last > after or self.over is not None, timeout=wait_s)
            self.asked = time.monotonic()
            if self.over is not None:
                return self.last, orjson.dumps({"kind": "end", "cause": self.over}) + b"\n"
            found = [one for one in ([self.start] if self.start else []) + list(self.pieces) if one[0] > after]
            for _, header, _ in found:
                if header["kind"] == "group":
                    since = self.shown_us[0] if self.shown_us else header["since_us"]
                    self.shown_us = (since, max(header["until_us"], since + 1))
            return self.last, b"".join(orjson.dumps(header) + b"\n" + body for _, header, body in found)


class LiveViews:
    """The viewings of one ledger's cameras, as far as they are recorded on this machine."""

    def __init__(self, hall: Hall, *, max_views: int = MAX_VIEWS, lost_s: float = LOST_S) -> None:
        self._hall, self._max, self._lost_s = hall, max_views, lost_s
        self._lock = threading.Lock()
        self._views: dict[str, View] = {}
        self._feeds: dict[tuple[str, tuple[str, ...]], Feed] = {}
        self._opening: Counter[str] = Counter()
        self._sweeper: threading.Thread | None = None

    def open(self, actor: str, camera: str, *, window: str | None, **said: Any) -> View:
        """State that ``actor`` watches a camera, and begin to show it. ``said``: purpose, complaint, words."""
        _, registry = self._hall.door.registry()
        masks = masks_of(registry, camera)
        if not is_here(self._hall, camera):
            raise NotFound(
                f"{camera} is not recorded on this machine",
                code="camera-elsewhere",
                mend="watch it where its recorder runs",
            )
        desk = watcher(self._hall, actor)
        with self._lock:
            going = Counter(view.actor for view in self._views.values() if view.over is None) + self._opening
            # Asked first: who has taken their share must not be told that others have.
            if going[actor] >= MAX_VIEWS_EACH:
                raise Conflict(
                    f"{actor} watches {MAX_VIEWS_EACH} cameras already", code="live-yours", mend="end one of them"
                )
            if going.total() >= self._max:
                raise Unavailable(
                    f"{self._max} cameras are being watched already", code="live-full", mend="end one, or wait"
                )
            self._opening[actor] += 1
        try:
            # The statement first: a process that does not start has shown nothing, and its end says so.
            name, _ = open_view(desk, camera, window=window, **said)
            try:
                view = self._join(name, actor, camera, window, masks)
            except OSError as error:
                end_view(system_desk(self._hall), name, cause="broken-off", span_us=None)
                raise Unavailable(f"the camera cannot be shown: {error.strerror}", code="system") from error
        finally:
            with self._lock:
                self._opening[actor] -= 1
        return view

    def _join(self, name: str, actor: str, camera: str, window: str | None, masks: tuple[str, ...]) -> View:
        with self._lock:
            feed = self._feeds.get((camera, masks))
            if feed is None:
                words = [word for mask in masks for word in ("--mask", mask)]
                command = [sys.executable, "-m", "camera_ingest.live", "--data", str(self._hall.data)]
                command += ["--camera", camera, *words]
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)  # noqa: S603 our own
                feed = self._feeds[camera, masks] = Feed(camera, masks, process)
                threading.Thread(target=self._read, args=(feed,), name=f"live-{camera}", daemon=True).start()
            view = self._views[name] = View(name, actor, camera, window, feed, self._lost_s)
            feed.join(view)
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep, name="live", daemon=True)
                self._sweeper.start()
            return view

    def named(self, view: str, actor: str | None) -> View:
        """A viewing that goes on, asked for by whoever opened it (NotFound, NotAllowed)."""
        found = self._views.get(view)
        if found is None:
            raise NotFound("this viewing is over", code="live-over", mend="open it again, with the purpose")
        if actor != found.actor:
            raise NotAllowed("another is watching there", code="live-viewer", mend="open one of your own")
        return found

    def take(self, view: str, actor: str | None, after: int) -> tuple[int, bytes]:
        """The next pieces of a viewing; asks again whether it may go on."""
        found = self.named(view, actor)
        _, registry = self._hall.door.registry()
        if role_for(registry, found.actor, VIEWED) is None:
            self.end(found, "right")
            raise NotAllowed("the right to watch is gone", code="live-right", mend="ask who appoints people")
        if masks_of(registry, found.camera) != found.feed.masks:
            self.end(found, "masks")
        return found.take(after, WAIT_S)

    def end(self, view: View, cause: str) -> None:
        """End a viewing and state which footage was shown in it; once."""
        with view.came:
            if view.over is not None:
                return
            view.over = cause
            view.came.notify_all()
        with self._lock:
            is_last = view.feed.leave(view)
            if is_last:
                self._drop(view.feed)
        if is_last:
            view.feed.process.kill()
            view.feed.process.wait()
        try:
            end_view(system_desk(self._hall), view.id, cause=cause, span_us=view.shown_us)
        except (MingjianError, psycopg.Error) as error:
            log.error("the end of a viewing could not be stated", view=view.id, why=str(error).strip())
        # Whoever asks once more learns why; then nobody knows it any more.
        threading.Timer(2 * WAIT_S, self._forget, (view.id,)).start()

    def _drop(self, feed: Feed) -> None:
        """Nobody joins it any more."""
        if self._feeds.get((feed.camera, feed.masks)) is feed:
            del self._feeds[feed.camera, feed.masks]

    def end_all(self) -> None:
        """End what goes on: the server stops."""
        for view in list(self._views.values()):
            self.end(view, "server")

    def _forget(self, view: str) -> None:
        with self._lock:
            self._views.pop(view, None)

    def _sweep(self) -> None:
        while True:
            time.sleep(_LOOK_S)
            with self._lock:
                if not self._views:
                    self._sweeper = None
                    return
                going = list(self._views.values())
            now = time.monotonic()
            for view in going:
                if now - view.asked > view.lost_s:
                    self.end(view, "left")
                elif (now - view.began) * 1e6 > MAX_VIEW_US:
                    self.end(view, "term")

    def _read(self, feed: Feed) -> None:
        cause = "broken-off"
        stream = feed.process.stdout
        assert stream is not None
        with stream:
            while (piece := _piece(stream)) is not None:
                if piece[0]["kind"] == "end":
                    cause = str(piece[0]["cause"])
                    break
                feed.put(*piece)
        with self._lock:
            self._drop(feed)
        for view in list(feed.views):
            self.end(view, cause)


def _piece(pipe: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    line = pipe.readline(4096)
    if not line.endswith(b"\n"):
        return None
    header: dict[str, Any] = orjson.loads(line)
    size = int(header.get("bytes", 0))
    if size > MAX_PIECE_BYTES:
        return {"kind": "end", "cause": "group-size"}, b""
    body = pipe.read(size)
    return (header, body) if len(body) == size else None


def masks_of(registry: Registry, camera: str) -> tuple[str, ...]:
    """What must not be shown of a camera (NotFound where there is none)."""
    entry = registry.entries.get(f"camera/{camera}")
    if entry is None or entry.closed:
        raise NotFound(f"there is no camera {camera:.64}", code="no-camera", mend="mingjian-camera status lists them")
    return tuple(entry.data.get("masks", ()))


def is_here(hall: Hall, camera: str) -> bool:
    """Whether the camera is recorded on this machine."""
    return _folder(hall, camera) is not None


def _folder(hall: Hall, camera: str) -> Path | None:
    footage = hall.data / "footage"
    try:
        known = orjson.loads((footage / "cameras.json").read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    said = known.get(camera)
    return None if said is None else footage / str(said["recorder"]).removeprefix("recorder/") / camera


def thumbnail(hall: Hall, registry: Registry, camera: str) -> bytes:
    """The last small picture of a camera, made with the masks that stand now (NotFound)."""
    path = _thumbnail(hall, registry, camera)
    if path is None:
        raise NotFound(
            f"there is no picture of {camera} with its masks of now", code="no-thumbnail", mend="wait a minute"
        )
    return path.read_bytes()


def has_thumbnail(hall: Hall, registry: Registry, camera: str) -> bool:
    """Whether there is one."""
    return f"camera/{camera}" in registry.entries and _thumbnail(hall, registry, camera) is not None


def _thumbnail(hall: Hall, registry: Registry, camera: str) -> Path | None:
    folder, masks = _folder(hall, camera), masks_of(registry, camera)
    path = None if folder is None else folder / f"thumbnail-{masks_digest(masks)}.jpg"
    return path if path is not None and path.is_file() else None
