"""A16: footage that there should be is not there.

Two reasons: a gap in a camera's recording (``gap_detected`` or ``recording_stopped`` until it went on) of over
``GAP_US`` while somebody worked at a window that the camera covers; and a complaint whose clip is missing though the
camera was registered for that span and its retention had not run out.

Base rate: of all cases of the log, those that show it. A camera that has never recorded is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ledger.facts.anomalies.found import DAY_US, Anomaly, Reasons
from ledger.facts.anomalies.live import Case, Register
from ledger.statement import instant_us

GAP_US: Final = 60_000_000
_STOPS: Final = frozenset({"gap_detected", "recording_stopped"})
_GOES_ON: Final = frozenset({"gap_ended", "recording_started"})

Visits = Callable[[str, int, int], list[int]]


class MissingFootage:
    """The detector. ``visits``: the leaves of acts at a window in a span; ``until_us``: recorded time of the log."""

    def __init__(self, register: Register, visits: Visits, until_us: int) -> None:
        """Nothing seen yet."""
        self._register, self._visits, self._until_us = register, visits, until_us
        self._reasons = Reasons("A16")

    def judge(self, case: Case) -> None:
        """Look at a camera's footage, or at a complaint."""
        if case.kind == "footage":
            self._camera(case)
        elif case.kind == "complaint":
            self._complaint(case)

    def _camera(self, case: Case) -> None:
        _, windows, _ = self._register.cameras.get(case.stream.partition("/")[2], (0, (), 0))
        since: tuple[int, int] | None = None
        gaps: list[tuple[int, int, list[int]]] = []
        for act in case.acts:
            when = instant_us(act.data["at"]) if "at" in act.data else act.at_us
            if act.verb in _STOPS:
                since = since or (when, act.leaf)
            elif act.verb in _GOES_ON:
                began = instant_us(act.data["since"]) if "since" in act.data else since[0] if since else when
                gaps.append((began, when, [*([since[1]] if since else []), act.leaf]))
                since = None
        if since is not None:
            gaps.append((since[0], self._until_us, [since[1]]))
        for began, ended, leaves in gaps:
            if ended - began < GAP_US:
                continue
            seen = [leaf for window in windows for leaf in self._visits(window, began, ended)]
            if seen:
                minutes = f"{(ended - began) / 60_000_000:.0f}"
                self._reasons.did(
                    "gap",
                    case.leaf,
                    [*leaves, *seen],
                    f"窗口办理期间录像缺失 {minutes} 分钟",
                    f"{minutes} minutes without a recording while its windows were at work",
                    strength=float(ended - began),
                )

    def _complaint(self, case: Case) -> None:
        received = case.acts[0]
        for act in case.acts:
            if act.verb != "clip_missing":
                continue
            known = self._register.cameras.get(str(act.data.get("camera")))
            days = 0 if known is None else known[2]
            if received.recorded_us - instant_us(act.data["since"]) < days * DAY_US:
                self._reasons.did(
                    "clip",
                    case.leaf,
                    [act.leaf, received.leaf],
                    f"投诉时录像应在保存期内，却无法提供（{act.data.get('reason')}）",
                    f"footage that should still have been there was not to be had ({act.data.get('reason')})",
                    strength=1.0,
                )

    def found(self, cases: int) -> Iterator[Anomaly]:
        """One row per camera or complaint."""
        return self._reasons.found(at_all=cases)
