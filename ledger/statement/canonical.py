"""Canonical JSON (RFC 8785), in the subset the ledger speaks.

Objects have ASCII keys, numbers are integers within ±(2^53 − 1), nothing nests deeper than 16. In that subset
``orjson`` with sorted keys *is* the canonical form (the ``rfc8785`` package is the oracle in the tests), so
parsing is: decode, look at every value, encode again, compare bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

from ledger.errors import Malformed

MAX_DEPTH: Final = 16
_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_PLAIN: Final = frozenset({str, int, bool, type(None)})
_NESTING: Final = frozenset({dict, list, tuple})


def _look(items: Iterable[Any], depth: int) -> None:
    """Look at values of which each stands ``depth`` deep. The range of integers is orjson's to hold."""
    for item in items:
        kind = type(item)
        if kind in _PLAIN:
            continue
        if kind not in _NESTING:
            raise Malformed(f"a value of kind {kind.__name__} has no place in a statement", code="json-kind")
        if depth >= MAX_DEPTH:
            raise Malformed(f"JSON nested deeper than {MAX_DEPTH}", code="json-depth")
        if kind is dict:
            try:
                plain = "".join(item).isascii()
            except TypeError:
                plain = False
            if not plain:
                raise Malformed("an object has a key that is not an ASCII text", code="json-key")
            item = item.values()
        _look(item, depth + 1)


def canonical_json(value: Any) -> bytes:
    """The canonical bytes of ``value`` (Malformed when it is outside the subset)."""
    _look((value,), 0)
    return _written(value)


def _written(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=_OPTIONS)
    except orjson.JSONEncodeError as error:  # a large integer or a lone surrogate
        code = "json-integer" if "Integer" in str(error) else "json-text"
        raise Malformed(f"not writable as JSON: {error}", code=code) from error


def parse_canonical_json(raw: bytes) -> Any:
    """The value of canonical ``raw`` (Malformed for any other spelling of the same value)."""
    value = _read(raw)
    if canonical_json(value) != raw:
        raise _not_canonical()
    return value


def parse_canonical_object(raw: bytes, *, open_member: str) -> Any:
    """The same for whoever holds every member but one to a rule of its own: of an object only that one is looked at."""
    value = _read(raw)
    within = value.get(open_member) if type(value) is dict else None
    if within is None:
        _look((value,), 0)
    else:
        _look((within,), 1)
    if _written(value) != raw:
        raise _not_canonical()
    return value


def _read(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error}", code="json") from error


def _not_canonical() -> Malformed:
    return Malformed("the JSON is not in canonical form (RFC 8785)", code="json-canonical")
