"""C2SP tlog-policy: which logs a reader accepts, and whose cosignatures must be on a checkpoint.

    # comment, or an empty line
    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> <all|any|k> <member>...       members: witnesses and groups of lines above
    quorum <name|none>                         exactly one

A checkpoint is accepted if one of the logs signed it and the quorum's witness cosigned it, or at least k of
the quorum's group's members are met in the same sense. Each name is a member at most once in the whole file,
so that no witness counts twice; each public key stands on one log line and one witness line at most.

The file is handed over outside the log that it judges. Here it is believed; only its form is checked. Log keys
are Ed25519 (0x01), witness keys Ed25519 cosignature (0x04). Limits: 1 MiB, 1,000 lines of each kind.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ledger.errors import Malformed
from ledger.tree.note import Algorithm, VerifierKey

NO_QUORUM = "none"
MAX_POLICY_BYTES = 1 << 20
MAX_LINES = 1_000

# Octets above 0x7F that are not UTF-8 stand as U+DC80 to U+DCFF; other surrogates stand for no octet.
_BAD_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")
_BLANK = re.compile(r"[ \t]+")
_THRESHOLD = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Log:
    """A log whose checkpoints are accepted; its key's name is its origin."""

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness. ``name`` means something in this file only; on a checkpoint it goes by its key's name."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Met if at least ``threshold`` of its members are."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy. ``Policy(logs=(Log(key),))`` asks for the log's signature only."""

    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NO_QUORUM

    def __post_init__(self) -> None:
        """Refuse what the file could not say."""
        if max(len(self.logs), len(self.witnesses), len(self.groups)) > MAX_LINES:
            raise Malformed(f"A policy has at most {MAX_LINES} logs, witnesses or groups.")
        _check_keys("log", Algorithm.ED25519, [log.key for log in self.logs])
        _check_keys("witness", Algorithm.COSIGNATURE_V1, [witness.key for witness in self.witnesses])
        urls = [log.url for log in self.logs] + [witness.url for witness in self.witnesses]
        for url in urls:
            if url is not None:
                _check_word(url)
        free: set[str] = set()
        names = {NO_QUORUM}
        named: tuple[Witness | Group, ...] = (*self.witnesses, *self.groups)
        for item in named:
            _check_word(item.name)
            if item.name in names:
                raise Malformed(f"The policy names {item.name!r} twice, or gives a name that is taken.")
            if isinstance(item, Group):
                _check_group(item, names - {NO_QUORUM}, free)
                free.difference_update(item.members)
            names.add(item.name)
            free.add(item.name)
        if self.quorum not in names:
            raise Malformed(f"The quorum {self.quorum!r} is not a witness or group of this policy.")

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """Every key of the policy, for opening a note."""
        return (*(log.key for log in self.logs), *(witness.key for witness in self.witnesses))

    def is_met_by(self, cosigners: Collection[VerifierKey]) -> bool:
        """Whether these keys, whose cosignatures were verified, are enough."""
        met = {NO_QUORUM} | {witness.name for witness in self.witnesses if witness.key in cosigners}
        # Groups refer only to what stands above them: one pass in order decides all.
        for group in self.groups:
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(group.name)
        return self.quorum in met

    def to_bytes(self) -> bytes:
        """The policy file."""
        lines = [_line("log", str(log.key), log.url) for log in self.logs]
        lines += [_line("witness", w.name, str(w.key), w.url) for w in self.witnesses]
        for group in self.groups:
            threshold = "all" if group.threshold == len(group.members) else str(group.threshold)
            lines.append(_line("group", group.name, threshold, *group.members))
        lines.append(_line("quorum", self.quorum))
        return "".join(lines).encode(errors="surrogateescape")

    @classmethod
    def parse(cls, data: bytes) -> Policy:
        """Read a policy file; an error names the line."""
        if len(data) > MAX_POLICY_BYTES:
            raise Malformed(f"A policy has at most {MAX_POLICY_BYTES} bytes; this one has {len(data)}.")
        # Names are octets to the specification. This decoding loses none and makes no two of them equal.
        text = data.decode(errors="surrogateescape")
        if not text.endswith("\n") or _BAD_CHARACTER.search(text):
            raise Malformed("Every line of a policy ends in a newline; tab is the only other control character.")
        logs: list[Log] = []
        witnesses: list[Witness] = []
        groups: list[Group] = []
        quorum: list[str] = []
        above: set[str] = set()
        for number, line in enumerate(text[:-1].split("\n"), start=1):
            words = _BLANK.split(line.strip(" \t"))
            match words:
                case [first, *_] if first == "" or first.startswith("#"):
                    continue
                case ["log", vkey, *url] if len(url) <= 1:
                    logs.append(Log(_key(vkey, number), *url))
                case ["witness", name, vkey, *url] if len(url) <= 1:
                    witnesses.append(Witness(name, _key(vkey, number), *url))
                    above.add(name)
                case ["group", name, threshold, *members] if members:
                    _check_above(members, above, number)
                    groups.append(Group(name, _threshold(threshold, len(members), number), tuple(members)))
                    above.add(name)
                case ["quorum", name] if not quorum:
                    _check_above([name], above | {NO_QUORUM}, number)
                    quorum.append(name)
                case _:
                    raise Malformed(
                        f"Line {number} of the policy is not understood: {line[:80]!r}.",
                        mend="Lines are log, witness, group, and one quorum.",
                        line=number,
                    )
        if not quorum:
            raise Malformed("The policy has no quorum line.", mend="Write `quorum none` to ask for no witness.")
        return cls(tuple(logs), tuple(witnesses), tuple(groups), quorum[0])


def origin_of(log: VerifierKey | str) -> str:
    """The origin of the log with this key or vkey: what the first line of its checkpoints must be."""
    return (VerifierKey.parse(log) if isinstance(log, str) else log).name


def _check_keys(kind: str, algorithm: Algorithm, keys: Sequence[VerifierKey]) -> None:
    if len({key.public_key for key in keys}) != len(keys):
        raise Malformed(f"Two {kind} lines of the policy have the same public key.")
    if any(key.algorithm is not algorithm for key in keys):
        raise Malformed(f"A {kind}'s key has the signature type 0x{algorithm:02x}.")


def _check_group(group: Group, names: set[str], free: set[str]) -> None:
    if not 1 <= group.threshold <= len(group.members):
        raise Malformed(f"The group {group.name!r} asks for {group.threshold} of {len(group.members)}.")
    for member in group.members:
        if member not in names:
            raise Malformed(f"The group {group.name!r} has a member not named above it: {member!r}.")
    if len(set(group.members)) != len(group.members) or not free.issuperset(group.members):
        raise Malformed(
            f"A member of the group {group.name!r} is a member already.",
            mend="List each witness and group once in the whole file: nobody counts twice.",
        )


def _check_word(word: str) -> None:
    if not word or " " in word or "\t" in word or "\n" in word or _BAD_CHARACTER.search(word):
        raise Malformed(f"{word[:80]!r} is not one word of a policy.")


def _check_above(names: Sequence[str], above: set[str], number: int) -> None:
    for name in names:
        if name not in above:
            raise Malformed(
                f"Line {number} of the policy refers to {name[:80]!r}, which no line above names.", line=number
            )


def _key(vkey: str, number: int) -> VerifierKey:
    try:
        return VerifierKey.parse(vkey)
    except Malformed as error:
        raise Malformed(f"Line {number} of the policy: {error.message}", mend=error.mend, line=number) from error


def _threshold(word: str, count: int, number: int) -> int:
    if word == "all":
        return count
    if word == "any":
        return 1
    if _THRESHOLD.fullmatch(word):
        return int(word)
    raise Malformed(f"Line {number} of the policy: a group asks for all, any or a number.", line=number)


def _line(*words: str | None) -> str:
    return " ".join(word for word in words if word is not None) + "\n"
