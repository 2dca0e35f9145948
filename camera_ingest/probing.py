"""Whether an address gives pictures that can be recorded, asked before a camera is registered.

Promise: ``probe`` answers within its time, whatever the other side does: the library that reads foreign streams runs
in a process of its own, which is ended when it is late. The address goes to it by standard input, for it may hold a
password that a list of processes would show.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Final

import orjson

from ledger.errors import Malformed, NotAllowed, NotFound, Refused, Unavailable

TIMEOUT_S: Final = 10.0
_WORDS: Final[dict[str, tuple[type[Refused] | type[Unavailable], str, str]]] = {
    "password": (NotAllowed, "does not let us in: wrong name or password", "rtsp://NAME:PASSWORD@HOST/…"),
    "no_such_stream": (NotFound, "has no such stream", "mingjian-camera discover shows each camera's streams"),
    "not_video": (Malformed, "is no video", "name the address of a camera's stream: rtsp://HOST/…"),
    "codec": (Malformed, "is in a coding that is not recorded", "have the camera send H.264 or H.265"),
    "unreachable": (Unavailable, "cannot be reached", "look at its cable and its address"),
    "disconnect": (Unavailable, "ended at once", "look whether the camera allows another reader"),
    "stall": (Unavailable, "did not answer in time", "look at its cable and its address"),
}


def probe(url: str, *, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """``{"codec", "width", "height"}`` of the stream at ``url``; the error says why there is none."""
    try:
        done = subprocess.run(  # noqa: S603 - this module, by this interpreter
            [sys.executable, "-m", __name__],
            input=url.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
        found = orjson.loads(done.stdout)
    except subprocess.TimeoutExpired:
        found = {"cause": "stall"}
    except orjson.JSONDecodeError:  # the library died of what it was sent
        found = {"cause": "not_video"}
    cause = found.get("cause")
    if cause is None:
        return dict(found)
    kind, what, mend = _WORDS.get(cause, _WORDS["unreachable"])
    raise kind(f"the stream {what}", code=f"camera-{cause.replace('_', '-')}", mend=mend)


def _ask(url: str) -> dict[str, Any]:
    import av

    from camera_ingest.recording import cause_of
    from camera_ingest.segments import CODECS

    options = {"rtsp_transport": "tcp", "timeout": "8000000"} if url.startswith(("rtsp://", "rtsps://")) else {}
    try:
        with av.open(url, options=options) as container:
            if not container.streams.video:
                return {"cause": "not_video"}
            stream = container.streams.video[0]
            if stream.codec_context.name not in CODECS:
                return {"cause": "codec"}
            context = stream.codec_context
            return {"codec": context.name, "width": context.width, "height": context.height}
    except (OSError, av.FFmpegError) as error:
        return {"cause": cause_of(error)}


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(_ask(sys.stdin.buffer.read().decode())))
