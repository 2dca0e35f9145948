"""Canonical JSON (RFC 8785), in the subset the ledger speaks.

Objects have ASCII keys, numbers are integers within ±(2^53 − 1), nothing nests deeper than 16. In that subset
``orjson`` with sorted keys *is* the canonical form (the ``rfc8785`` package is the oracle in the tests), so
parsing is: decode, look at every value, encode again, compare bytes.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from ledger.errors import Malformed

MAX_INTEGER: Final = 2**53 - 1
MAX_DEPTH: Final = 16


def _look(value: Any, depth: int) -> None:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise Malformed(f"the integer {value} is beyond ±(2^53 − 1)", code="json-integer")
        return
    if depth >= MAX_DEPTH:
        raise Malformed(f"JSON nested deeper than {MAX_DEPTH}", code="json-depth")
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not key.isascii():
                raise Malformed(f"the key {key!r} is not ASCII", code="json-key")
            _look(item, depth + 1)
        return
    if kind is list or kind is tuple:
        for item in value:
            _look(item, depth + 1)
        return
    raise Malformed(f"a value of kind {kind.__name__} has no place in a statement", code="json-kind")


def canonical_json(value: Any) -> bytes:
    """The canonical bytes of ``value`` (Malformed when it is outside the subset)."""
    _look(value, 0)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:  # a lone surrogate
        raise Malformed(f"not writable as JSON: {error}", code="json-text") from error


def parse_canonical_json(raw: bytes) -> Any:
    """The value of canonical ``raw`` (Malformed for any other spelling of the same value)."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error}", code="json") from error
    if canonical_json(value) != raw:
        raise Malformed("the JSON is not in canonical form (RFC 8785)", code="json-canonical")
    return value
