"""A list of cameras as a table: CSV with a head line, one camera a line.

    id,url,windows,name,place,site,signage,assessment,retention_days,recorder
    hall-1,rtsp://10.0.0.11/stream1,w1;w2,East counter,counter,,,,30,recorder/1

Promise: ``read_list`` reads the whole table before anything is done, and says of every line that cannot be taken what
is wrong with it. Only ``id`` and ``url`` must be there; several windows stand with semicolons between them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from camera_ingest.folders import DEFAULT_RECORDER, check_id
from ledger.errors import Malformed, Refused

MAX_BYTES: Final = 4 << 20
RETENTION_DAYS: Final = 30
_COLUMNS: Final = (
    *("id", "url", "windows", "name", "place"),
    *("site", "signage", "assessment", "retention_days", "recorder"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of the table."""

    id: str
    url: str
    windows: tuple[str, ...] = ()
    name: str
    place: str = "hall"
    retention_days: int = RETENTION_DAYS
    recorder: str = DEFAULT_RECORDER
    more: dict[str, Any] = field(default_factory=dict)
    """site, signage, assessment, where they are given."""


def read_list(path: Path) -> list[Listed]:
    """The cameras in the table at ``path`` (Malformed with every line that is wrong)."""
    if path.stat().st_size > MAX_BYTES:
        raise Malformed(f"{path} is larger than {MAX_BYTES >> 20} MiB", code="camera-list", mend="cut it into parts")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"{path} is not UTF-8 text", code="camera-list", mend="save it as CSV UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    found: dict[str, Listed] = {}
    wrong: list[str] = []
    try:
        head = reader.fieldnames or []
        if not {"id", "url"} <= set(head) or set(head) - set(_COLUMNS):
            raise Malformed(
                f"{path}: the head line has {', '.join(map(repr, head))[:200]}",
                code="camera-list",
                mend=f"the columns are {','.join(_COLUMNS)}; id and url must be there",
            )
        for row in reader:
            try:
                one = _listed(row)
                if one.id in found:
                    raise Malformed(f"{one.id} stands twice", code="camera-list")
                found[one.id] = one
            except Refused as error:
                wrong.append(f"line {reader.line_num}: {error.message}")
    except csv.Error as error:
        wrong.append(f"line {reader.line_num}: {error}")
    if wrong or not found:
        told = "; ".join(wrong[:5]) or "there is no camera in it"
        raise Malformed(
            f"{path}: {told}", code="camera-list", mend="mend the lines; nothing was registered", wrong=wrong
        )
    return list(found.values())


def _listed(row: dict[str | None, str | list[str] | None]) -> Listed:
    if None in row or None in row.values():
        raise Malformed("it has another number of columns than the head line", code="camera-list")
    said = {str(name): str(value).strip() for name, value in row.items()}
    given: dict[str, str] = {name: value for name, value in said.items() if value}
    if "id" not in given or "url" not in given:
        raise Malformed("id and url must be there", code="camera-list")
    days = given.get("retention_days", str(RETENTION_DAYS))
    if not (days.isascii() and days.isdigit()):
        raise Malformed(f"{days!r:.40} is no number of days", code="camera-list")
    check_id(given.get("recorder", DEFAULT_RECORDER).removeprefix("recorder/"))
    return Listed(
        id=check_id(given["id"]),
        url=given["url"],
        windows=tuple(_split(given.get("windows", ""))),
        name=given.get("name", given["id"]),
        place=given.get("place", "hall"),
        retention_days=int(days),
        recorder=given.get("recorder", DEFAULT_RECORDER),
        more={name: given[name] for name in ("site", "signage", "assessment") if name in given},
    )


def _split(text: str) -> Iterator[str]:
    return (part.strip() for part in text.split(";") if part.strip())
