"""What the routes' parameters have in common."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Path, Query

# PostgreSQL's text holds no U+0000: what cannot be there need not be asked.
PATTERN: Final = r"^[^\x00]*$"
MAX_LENGTH: Final = 300

Source = Annotated[str, Path(pattern=PATTERN, max_length=MAX_LENGTH, description="The source's name")]
Text = Annotated[str | None, Query(pattern=PATTERN, max_length=MAX_LENGTH)]
Attribute = Annotated[str, Query(pattern=PATTERN, max_length=MAX_LENGTH, description="A date that the source names so")]
AsOf = Annotated[str | None, Query(max_length=40, description="A position (number of entries) or a recorded time")]
ClaimedTime = Annotated[str, Query(max_length=40, description="A claimed time, like 2011-06-01T00:00:00Z")]
MaybeClaimedTime = Annotated[str | None, Query(max_length=40, description="A claimed time, like 2011-06-01T00:00:00Z")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0, le=2**31)]
