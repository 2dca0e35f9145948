"""Who may ask what: tokens in the ``Authorization`` header, or for reading a browser's session.

Each kind of route hangs on one of the dependencies here; a route without one is for everyone.

What a browser brings along by itself counts only for what our own pages ask: ``check_origin`` refuses what another site
has a browser send, before any route; ``is_foreign`` says of the rest whether another site's page asks for it.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final

from fastapi import Path, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.sessions import SESSION_S, Sessions
from api.tokens import RECORDER, Tokens
from ledger.door.hall import Hall
from ledger.errors import NotAllowed

_BEARER: Final = HTTPBearer(auto_error=False, scheme_name="token", description="A token made by `mingjian token SCOPE`")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
_OURS: Final = ("same-origin", "none")
"""What ``Sec-Fetch-Site`` says of a request by a page of ours, or by a person themselves."""
_SAFE: Final = ("GET", "HEAD", "OPTIONS")


def check_origin(request: Request) -> None:
    """Refuse what another site's page has a browser send (NotAllowed). Programs say nothing of where they come from.

    On https and on this machine a browser says how near the asking page is, and no page can have it say otherwise;
    where it does not, the origin that it names must be ours.
    """
    if request.method in _SAFE:
        return
    check_own(request)
    origin = request.headers.get("origin")
    if "sec-fetch-site" in request.headers or origin is None:
        return
    # A proxy that ends TLS hides the scheme, not the name.
    if origin.partition("://")[2] != request.headers.get("host"):
        raise _foreign()


def check_own(request: Request) -> None:
    """Refuse what a browser says another site's page asks for, by whatever way (NotAllowed)."""
    if request.headers.get("sec-fetch-site", "none") not in _OURS:
        raise _foreign()


def _foreign() -> NotAllowed:
    return NotAllowed("another site's page asks for this", code="origin", mend="do it on a page of this server")


def is_foreign(request: Request) -> bool:
    """Whether another site's page asks for it, as a part of its own; who comes here by a link there is no such."""
    said = request.headers
    came = said.get("sec-fetch-mode") == "navigate" and said.get("sec-fetch-dest", "document") == "document"
    return said.get("sec-fetch-site", "none") not in _OURS and not came


class Access:
    """The dependencies of one ledger's routes."""

    def __init__(self, hall: Hall) -> None:
        self._tokens = Tokens(hall.data)
        self.sessions = Sessions(hall.data)
        # Cookies know no ports: two ledgers served on one machine must not end each other's sessions.
        self.cookie: Final = f"mingjian_{hashlib.sha256(hall.origin.encode()).hexdigest()[:8]}"

    def _check(self, bearer: HTTPAuthorizationCredentials | None, scope: str, what: str) -> None:
        if bearer is None or self._tokens.scope(bearer.credentials) != scope:
            raise NotAllowed(f"{what}: a token of scope {scope}", code="token", mend=f"mingjian token {scope}")

    def auditor(self, bearer: Bearer) -> None:
        """Entries are for auditors."""
        self._check(bearer, "auditor", "entries are for auditors")

    def operator(self, bearer: Bearer) -> None:
        """Drafts keep sealed values at once, so not everybody may have one made."""
        self._check(bearer, "operator", "drafts are made for operators")

    def drafter(self, bearer: Bearer) -> str | None:
        """Drafts are made for operators (None), and for a recorder of what it states itself: that recorder's name."""
        scope = None if bearer is None else self._tokens.scope(bearer.credentials)
        if scope == "recorder":
            raise NotAllowed(
                "this token names no recorder", code="token", mend="mingjian token recorder/NAME makes one that does"
            )
        if scope is not None and scope.startswith(RECORDER):
            return scope
        self.operator(bearer)
        return None

    def recorder(self, name: Annotated[str, Path()], bearer: Bearer) -> None:
        """What the ledger has of a recorder is for operators, and for that recorder."""
        speaker = self.drafter(bearer)
        if speaker not in (None, f"{RECORDER}{name}"):
            raise NotAllowed(
                f"this token speaks for {speaker} alone", code="token", mend=f"mingjian token {RECORDER}{name}"
            )

    def reader(self, request: Request, bearer: Bearer) -> None:
        """Case data is for readers: a token, or the session of a browser."""
        if bearer is not None:
            self._check(bearer, "reader", "case data is for readers")
        elif not self.has_session(request):
            raise NotAllowed(
                "case data is for readers: a token of scope reader, or a session in the browser",
                code="session",
                mend="mingjian link prints a link that opens a session; mingjian token reader makes a token",
            )

    def _session(self, request: Request) -> str | None:
        return None if is_foreign(request) else request.cookies.get(self.cookie)

    def has_session(self, request: Request) -> bool:
        """Whether the browser that asks has a session here."""
        session = self._session(request)
        return session is not None and self.sessions.holds(session)

    def actor(self, request: Request) -> str | None:
        """As whom the browser that asks may act; None: it may only read."""
        session = self._session(request)
        return None if session is None else self.sessions.actor_of(session)

    def enter(self, response: Response, session: str, *, secure: bool) -> None:
        """Give the browser its session."""
        response.set_cookie(self.cookie, session, max_age=SESSION_S, httponly=True, samesite="strict", secure=secure)
