"""The words of the pages, in Chinese and English, and the check that none is missing.

Message ids are the English words themselves, so only Chinese needs a catalogue: ``locale/zh/LC_MESSAGES/messages.po``.
It is read and compiled in memory; no compiled catalogue is kept anywhere. A text is marked by ``_()``, or by ``N_()``
where it stands in a table and is translated later.

    python -m api.translations           fails (exit 1) when the catalogue is not what templates and code say
    python -m api.translations --write   brings new ids into the catalogue, to be translated, and drops old ones
"""

from __future__ import annotations

import gettext
import io
import sys
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

Language = Literal["zh", "en"]
LANGUAGES: Final[dict[Language, str]] = {"zh": "中文", "en": "English"}
HERE: Final = Path(__file__).parent
CATALOGUE: Final = HERE / "locale" / "zh" / "LC_MESSAGES" / "messages.po"
_METHODS: Final = [("**.py", "python"), ("templates/**.html", "jinja2")]
# As ``api.pages`` renders them; a template that cannot be read is an error, not nothing to translate.
_OPTIONS: Final = {"templates/**.html": {"silent": "false", "trim_blocks": "true", "lstrip_blocks": "true"}}
_KEYWORDS: Final = {"_": None, "gettext": None, "N_": None, "ngettext": (1, 2)}


def N_(text: str) -> str:
    """Mark a text of a table for translation."""
    return text


@lru_cache
def translations(language: Language) -> gettext.NullTranslations:
    """The compiled words of a language; those of English are the ids."""
    if language == "en":
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, _catalogue())
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def _catalogue() -> Catalog:
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="zh")


def _wanted() -> Catalog:
    """What templates and code ask for now."""
    found = Catalog(locale="zh", project="mingjian", fuzzy=False)
    for path, _, message, comments, context in extract_from_dir(
        HERE, method_map=_METHODS, options_map=_OPTIONS, keywords=_KEYWORDS
    ):
        found.add(message, locations=[(f"api/{path}", 1)], auto_comments=comments, context=context)
    return found


def problems() -> list[str]:
    """What is missing, left over or not translated in the catalogue, in words."""
    known, wanted = _catalogue(), _wanted()
    missing = [f"missing: {message.id!r}" for message in wanted if message.id and message.id not in known]
    stale = [f"no longer used: {message.id!r}" for message in known if message.id and message.id not in wanted]
    empty = [
        f"not translated: {message.id!r}"
        for message in known
        if message.id and (message.fuzzy or not message.string or not all(message.string))
    ]
    wrong = [f"{message.id!r}: {error}" for message, errors in known.check() for error in errors]
    return sorted(missing + stale + empty + wrong)


def write() -> None:
    """Bring the catalogue up to what templates and code say."""
    known = _catalogue() if CATALOGUE.exists() else Catalog(locale="zh")
    known.update(_wanted(), no_fuzzy_matching=True)
    known.obsolete.clear()
    with CATALOGUE.open("wb") as file:
        write_po(file, known, width=120, sort_output=True, omit_header=True, no_location=True, ignore_obsolete=True)


def main(words: list[str]) -> int:
    """The check of ``make check``."""
    if words == ["--write"]:
        write()
    found = problems()
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
