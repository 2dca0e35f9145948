"""Deterministic CBOR (RFC 8949 §4.2.1), just as much as statements, receipts and what is built of them need.

Promise: what the writers here write has one spelling, and ``Reader`` takes that spelling and no other: a number or a
length that could be shorter, an indefinite length, a text that is not UTF-8 and bytes that end too early are refused.
Nothing is built up from what a length claims: a piece is cut only where all its bytes are there.
"""

from __future__ import annotations

from ledger.errors import Malformed


def head(major: int, value: int) -> bytes:
    """The head of an item: its major type, and its value or length."""
    if value < 24:
        return bytes((major << 5 | value,))
    for extra, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << (8 * width):
            return bytes((major << 5 | extra,)) + value.to_bytes(width, "big")
    raise Malformed("a number beyond 64 bits", code="cbor")


def text(value: str) -> bytes:
    """A text string."""
    raw = value.encode()
    return head(3, len(raw)) + raw


def integer(value: int) -> bytes:
    """An integer of either sign."""
    return head(0, value) if value >= 0 else head(1, -1 - value)


def byte_string(raw: bytes) -> bytes:
    """A byte string."""
    return head(2, len(raw)) + raw


def head_at(raw: bytes, at: int, major: int) -> tuple[int, int]:
    """The value or length of the item at ``at``, which is of that major type; and where its head ends."""
    if at >= len(raw) or raw[at] >> 5 != major:
        raise Malformed(f"unexpected byte at {at}", code="cbor")
    low = raw[at] & 31
    if low < 24:
        return low, at + 1
    if low > 27:
        raise Malformed(f"indefinite or reserved length at {at}", code="cbor")
    width = 1 << (low - 24)
    end = at + 1 + width
    if end > len(raw):
        raise Malformed("the entry ends too early", code="cbor")
    value = int.from_bytes(raw[at + 1 : end], "big")
    if value < (24 if width == 1 else 1 << (4 * width)):
        raise Malformed(f"a number is not in its shortest form at {at}", code="cbor")
    return value, end


def string_at(raw: bytes, at: int, major: int) -> tuple[int, int]:
    """Where the content of the string at ``at``, of bytes (2) or text (3), begins and ends."""
    length, begin = head_at(raw, at, major)
    end = begin + length
    if end > len(raw):
        raise Malformed("the entry ends too early", code="cbor")
    return begin, end


def text_at(raw: bytes, at: int) -> tuple[str, int]:
    """The text string at ``at``, and where it ends."""
    # Almost all have a head of one or two bytes: one step instead of three.
    short = raw[at] - 0x60 if at < len(raw) else -1
    if 0 <= short < 24 and at + short < len(raw):
        begin = at + 1
        end = begin + short
    elif short == 24 and at + 1 < len(raw) and raw[at + 1] > 23 and at + 1 + raw[at + 1] < len(raw):
        begin = at + 2
        end = begin + raw[at + 1]
    else:
        begin, end = string_at(raw, at, 3)
    try:
        return raw[begin:end].decode(), end
    except UnicodeDecodeError as error:
        raise Malformed("a text is not UTF-8", code="cbor") from error


def integer_at(raw: bytes, at: int) -> tuple[int, int]:
    """The integer at ``at``, and where it ends."""
    if raw[at : at + 1] >= b"\x20":
        value, end = head_at(raw, at, 1)
        return -1 - value, end
    return head_at(raw, at, 0)


class Reader:
    """Reads items one after the other, from ``at``; Malformed for any other spelling or kind than the one asked for."""

    __slots__ = ("at", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 0

    def head(self, major: int) -> int:
        """The value or length of the next item, which is of that major type."""
        value, self.at = head_at(self.raw, self.at, major)
        return value

    def take_at(self, at: int, length: int) -> bytes:
        """So many bytes from ``at``; ``self.at`` stays where it is."""
        if at + length > len(self.raw):
            raise Malformed("the entry ends too early", code="cbor")
        return self.raw[at : at + length]

    def string(self, major: int) -> bytes:
        """The bytes of the next string, of bytes (2) or text (3)."""
        begin, self.at = string_at(self.raw, self.at, major)
        return self.raw[begin : self.at]

    def text(self) -> str:
        """The next text string."""
        value, self.at = text_at(self.raw, self.at)
        return value

    def integer(self) -> int:
        """The next integer."""
        value, self.at = integer_at(self.raw, self.at)
        return value

    def expect(self, literal: bytes, what: str) -> None:
        """Go past ``literal``, which must stand here; ``what`` names it in the error."""
        if self.raw[self.at : self.at + len(literal)] != literal:
            raise Malformed(f"the {what} is not what the profile fixes", code="profile")
        self.at += len(literal)
