"""Who may ask what: tokens in the ``Authorization`` header, or for reading a browser's session.

Each kind of route hangs on one of the dependencies here; a route without one is for everyone.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final

from fastapi import Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.sessions import SESSION_S, Sessions
from api.tokens import Tokens
from ledger.door.hall import Hall
from ledger.errors import NotAllowed

_BEARER: Final = HTTPBearer(auto_error=False, scheme_name="token", description="A token made by `mingjian token SCOPE`")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]


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

    def drafter(self, bearer: Bearer) -> str:
        """Drafts are made for operators, and for recorders of what they state themselves; the scope."""
        scope = None if bearer is None else self._tokens.scope(bearer.credentials)
        if scope == "recorder":
            return scope
        self.operator(bearer)
        return "operator"

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

    def has_session(self, request: Request) -> bool:
        """Whether the browser that asks has a session here."""
        session = request.cookies.get(self.cookie)
        return session is not None and self.sessions.holds(session)

    def actor(self, request: Request) -> str | None:
        """As whom the browser that asks may act; None: it may only read."""
        session = request.cookies.get(self.cookie)
        return None if session is None else self.sessions.actor_of(session)

    def enter(self, response: Response, session: str, *, secure: bool) -> None:
        """Give the browser its session."""
        response.set_cookie(self.cookie, session, max_age=SESSION_S, httponly=True, samesite="strict", secure=secure)
