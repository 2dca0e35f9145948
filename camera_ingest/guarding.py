"""What a hold keeps is kept in the store too: object lock's legal hold, put on its objects and taken off again.

    RECORDER/CAMERA/guarded.json    {object: [since, until] in µs}: which objects have one

Promise: within a minute of a hold, or of the carrying of what it holds, nobody destroys the objects in the store,
whatever their own term, until no hold stands over them any more. Only where the store locks (``lock`` in its settings).
Cut off anywhere, or with the store away, it is done again: an object is noted when it has its hold, and forgotten when
it has none.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from camera_ingest.archive import Archive, blob_name
from camera_ingest.folders import Recorder
from camera_ingest.spans import span_of
from ledger.errors import NotFound
from ledger.facts.footage import Hold
from ledger.files import replace_file
from ledger.store.sequencer import now_us

_FILE: Final = "guarded.json"
_LATER_US: Final = 120_000_000
"""A segment of a span may be told so long after it."""


class Guard:
    """Keeps the store's holds as the ledger's are. One for a process; it remembers which holds need no more looks."""

    def __init__(self) -> None:
        self._done: set[tuple[str, Hashable]] = set()

    def __call__(self, recorder: Recorder, camera: str, holds: Mapping[Any, Hold]) -> int:
        """Look after one camera's objects under ``holds``, by what tells them apart; how many were changed."""
        archive, now = Archive.of(recorder), now_us()
        if archive.settings is None or archive.settings.lock is None:
            return 0
        path, changed = recorder.camera(camera) / _FILE, 0
        guarded = _read(path)
        stand = {id_: one for id_, one in holds.items() if one.covers(one.since_us, one.until_us, now_us=now)}
        for id_, hold in stand.items():
            if (camera, id_) in self._done:
                continue
            segments = span_of(recorder, camera, hold.since_us, hold.until_us).segments
            carried = [one for one in segments if archive.is_carried(camera, one)]
            for one in carried:
                if (name := blob_name(recorder, camera, one.says)) not in guarded:
                    archive.blobs.hold(name, on=True)
                    guarded[name] = [one.start_us, one.end_us]
                    _write(path, guarded)
                    changed += 1
            if len(carried) == len(segments) and hold.until_us < now - _LATER_US:
                self._done.add((camera, id_))
        self._done = {(other, id_) for other, id_ in self._done if other != camera or id_ in stand}
        for name, (since, until) in list(guarded.items()):
            if not any(one.covers(since, until, now_us=now) for one in stand.values()):
                with suppress(NotFound):  # what is missing, `check` says
                    archive.blobs.hold(name, on=False)
                del guarded[name]
                _write(path, guarded)
                changed += 1
        return changed


def _read(path: Path) -> dict[str, list[int]]:
    try:
        return dict(orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}


def _write(path: Path, guarded: Mapping[str, list[int]]) -> None:
    replace_file(path, orjson.dumps(dict(guarded)), durable=True)
