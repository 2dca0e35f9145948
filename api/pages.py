"""What the pages have in common: templates in two languages, links that keep the language, times as people read them.

A page is rendered here and works without scripts; what a script adds is a smoother way to the same addresses. Every
page is a question with its state in the address, and says as of when it is answered. Times are shown as Beijing time,
the time of the hall; a time typed without an offset is read so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from api import words
from api.log_questions import is_simulated
from api.problems import status_of
from api.questions import claimed_us
from api.translations import LANGUAGES, Language, translations
from ledger.door.hall import Hall
from ledger.errors import Evidence, MingjianError
from ledger.statement import instant_text, instant_us

HALL_ZONE: Final = timezone(timedelta(hours=8))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
HEADERS: Final = {"Cache-Control": "no-store"}


def content_policy(media: str = "'none'") -> str:
    """The content security policy of a page that shows films from ``media``: nothing else is loaded from elsewhere."""
    return (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:;"
        f" media-src {media}; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


class Pages:
    """Renders templates for one ledger."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._environments = {language: _environment(language) for language in LANGUAGES}

    def render(self, request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """The page in the language that the address names, Chinese without one."""
        language = language_of(request)
        environment = self._environments[language]
        query = {name: value for name, value in request.query_params.items() if name not in ("lang", "code", "part")}
        html = environment.get_template(template).render(
            lang=language,
            here=request.url.path,
            languages={other: page_url(request.url.path, query, other) for other in LANGUAGES},
            url=lambda path, **parts: page_url(path, parts, language),
            origin=self._hall.origin,
            **values,
        )
        return HTMLResponse(html, status_code=status, headers=HEADERS)

    def page(self, request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A page about the ledger's content: it says so where the history is made up."""
        return self.render(
            request,
            template,
            status=status,
            simulated=is_simulated(self._hall),
            findings=self._hall.findings.all(),
            **values,
        )

    def error(self, request: Request, error: MingjianError, *, status: int | None = None) -> HTMLResponse:
        """The error in the reader's language: whose fault, what, and how to mend it."""
        status = status or status_of(error)
        title, advice = words.ERRORS.get(error.code, words.FAMILIES.get(status, words.FAMILIES[400]))
        return self.render(
            request,
            "error.html",
            status=status,
            simulated=False,
            findings=(),
            error=error,
            evidence=isinstance(error, Evidence),
            title=title,
            advice=advice,
            needs_link=error.code in ("session", "link"),
        )


def _environment(language: Language) -> Environment:
    environment = Environment(
        loader=PackageLoader("api"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]
    environment.filters |= {
        "moment": moment,
        "local": local_input,
        "short": short,
        "us": us_of,
        "day": last_day,
        "age": age,
    }
    environment.globals |= {
        "words": words,
        "language_names": LANGUAGES,
        "local_moment": local_moment,
    }
    return environment


def language_of(request: Request) -> Language:
    """The language that the address names; Chinese without one."""
    return "en" if request.query_params.get("lang") == "en" else "zh"


def page_url(path: str, parts: Mapping[str, Any], language: Language) -> str:
    """An address with what is set among ``parts``, in the language given."""
    query = {name: value for name, value in parts.items() if value not in (None, "", False)}
    if language != "zh":
        query["lang"] = language
    return quote(path) + (f"?{urlencode(query, doseq=True)}" if query else "")


def us_of(text: str) -> int:
    """Microseconds of an RFC 3339 text."""
    return instant_us(text)


def _local(us: int | str) -> datetime:
    return (_EPOCH + timedelta(microseconds=instant_us(us) if isinstance(us, str) else us)).astimezone(HALL_ZONE)


def moment(us: int | str) -> str:
    """An instant as people read it: Beijing time, to the second."""
    return _local(us).strftime("%Y-%m-%d %H:%M:%S")


def last_day(us: int) -> str:
    """The day whose last instant this is: a clock that runs out at midnight is due on the day before."""
    return _local(us - 1).strftime("%Y-%m-%d")


def local_input(us: int) -> str:
    """An instant as a ``datetime-local`` field holds it."""
    return _local(us).strftime("%Y-%m-%dT%H:%M:%S")


def short(hex_text: str) -> str:
    """The first eight digits of a long hexadecimal name."""
    return hex_text[:8]


def age(seconds: float) -> tuple[int, str]:
    """An age in its largest whole unit: s, min, h or d."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return int(seconds // size), unit
    return max(0, int(seconds)), "s"


def local_moment(text: str) -> int:
    """A time as somebody typed it, in microseconds: Beijing time where it names no offset (Malformed if none)."""
    text = text.strip()
    try:
        typed = datetime.fromisoformat(text)
    except ValueError:
        return claimed_us(text)
    # The first and last year have local days that no calendar has.
    if typed.tzinfo is not None or not 2 <= typed.year <= 9998:
        return claimed_us(text)
    return (typed.replace(tzinfo=HALL_ZONE) - _EPOCH) // timedelta(microseconds=1)


def typed_position(text: str | None) -> str | None:
    """As of when, as somebody typed it: a position, or a time."""
    text = (text or "").strip()
    if not text or (text.isascii() and text.isdigit()):
        return text[:20] or None
    return instant_text(local_moment(text))
