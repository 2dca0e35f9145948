"""The server as the signer's side sees it: JSON and bytes over HTTP, bounded in size and time, believed in nothing."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from ledger.errors import Conflict, Malformed, NotAllowed, NotFound, Refused, Unavailable

MAX_ANSWER_BYTES: Final = 16 << 20
"""Of a draft with as many entries between as a server shows, in hex."""
TIMEOUT_S: Final = 20.0
_KINDS: Final[dict[int, type[Refused]]] = {403: NotAllowed, 404: NotFound, 409: Conflict, 422: Malformed}


@dataclass(frozen=True, slots=True)
class Server:
    """One server; ``token`` is of scope operator. Redirections are not followed: the person named the address."""

    url: str
    token: str | None = None
    timeout_s: float = TIMEOUT_S

    def get(self, path: str) -> bytes:
        """The bytes at ``path``."""
        return self._ask("GET", path, None)

    def get_json(self, path: str) -> Any:
        """The JSON at ``path``."""
        return _json(self.get(path))

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON answer to a JSON body."""
        return _json(self._ask("POST", path, orjson.dumps(body)))

    def _ask(self, method: str, path: str, body: bytes | None) -> bytes:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise Malformed(f"{self.url} is not the address of a server", code="url", mend="like http://127.0.0.1:8080")
        headers = {"Connection": "close"} | ({} if body is None else {"Content-Type": "application/json"})
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            if parts.scheme == "http":
                connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=self.timeout_s)
            else:
                context = ssl.create_default_context()
                connection = http.client.HTTPSConnection(
                    parts.hostname, parts.port, timeout=self.timeout_s, context=context
                )
            try:
                connection.request(method, parts.path.rstrip("/") + path, body, headers)
                with connection.getresponse() as response:
                    status, content = response.status, response.read(MAX_ANSWER_BYTES + 1)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unavailable(f"{self.url} does not answer: {error}", code="unreachable", mend="try again") from error
        if len(content) > MAX_ANSWER_BYTES:
            raise Unavailable(f"{self.url} answers with more than {MAX_ANSWER_BYTES} bytes", code="answer")
        if not 200 <= status < 300:
            raise _problem(status, content)
        return content


def _problem(status: int, content: bytes) -> Refused | Unavailable:
    """What the server refused, in its own words and by its own code."""
    try:
        body = orjson.loads(content)
        title, code, mend = str(body["title"]), str(body["code"]), str(body.get("detail", ""))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        title, code, mend = f"the server answers {status}", f"http-{status}", ""
    if status >= 500:
        return Unavailable(f"the server: {title}", code=code, mend=mend)
    return _KINDS.get(status, Refused)(f"the server: {title}", code=code, mend=mend)


def _json(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Unavailable("the server's answer is not JSON", code="answer") from error
