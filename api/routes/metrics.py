"""The figures of the hall: each by its name, whole or by a dimension, as of a position, for staff or for everybody."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query

from api.access import Access
from api.metric_questions import figure, listed
from api.problems import RESPONSES
from api.routes.params import AsOf
from ledger.door.hall import Hall

Name = Annotated[str, Path(pattern="^[a-z][a-z0-9-]*$", max_length=40, description="A figure, or `scorecard`")]
By = Annotated[Literal["unit", "window", "item", "centre", "tier", "zone"] | None, Query()]
Moment = Annotated[str | None, Query(max_length=40, description="A local day, or an instant")]


def routes(hall: Hall, access: Access) -> APIRouter:
    """Under ``/api/metrics``."""
    router = APIRouter(prefix="/api/metrics", tags=["figures"], responses=RESPONSES)
    reader = Depends(access.reader)

    @router.get("", dependencies=[reader])
    def metrics() -> dict[str, Any]:
        """Every figure with its words in both languages, its version and the digest of its definition."""
        return listed()

    @router.get("/{name}", dependencies=[reader])
    def metric(
        name: Name,
        by: By = None,
        since: Moment = None,
        until: Moment = None,
        as_of: AsOf = None,
        public: bool = False,
    ) -> dict[str, Any]:
        """One figure of since ≤ t < until (recorded time), with n, period, position and the rules it stands on."""
        return figure(hall, name, by=by, since=since, until=until, as_of=as_of, public=public)

    return router
