"""What a recorder's clocks were worth while a segment was written."""

from __future__ import annotations

import ctypes
import statistics
import time
from dataclasses import dataclass, field
from typing import Any, Final

_UNSYNCED: Final = 0x40
_ERROR: Final = 5  # adjtimex(2): TIME_ERROR


class _Timex(ctypes.Structure):
    # struct timex of adjtimex(2), as far as it is read; the kernel writes 208 bytes.
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def ntp_state() -> tuple[bool, int | None]:
    """Whether the kernel holds the clock to be synchronised, and its largest error in µs."""
    timex = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return False, None
    if state < 0:
        return False, None
    return state != _ERROR and not timex.status & _UNSYNCED, int(timex.maxerror)


@dataclass(slots=True)
class SegmentClock:
    """Arrivals of one segment's packets, and what the camera's sender reports said of its clock."""

    start_us: int  # of the first packet: the earliest that any packet's arrival allows
    monotonic_us: int
    offsets_us: list[int] = field(default_factory=list)

    @classmethod
    def begin(cls, now_us: int) -> SegmentClock:
        """The clock of a segment whose first packet arrives now."""
        return cls(now_us, time.monotonic_ns() // 1000)

    def see(self, now_us: int, since_start_us: int, camera_us: int | None) -> None:
        """A packet arrived that is so much later than the first; ``camera_us``: its time by the camera's clock."""
        # A packet never arrives before it was made: whichever came fastest is nearest to the truth.
        self.start_us = min(self.start_us, now_us - since_start_us)
        if camera_us is not None:
            self.offsets_us.append(camera_us - now_us)

    def says(self) -> dict[str, Any]:
        """The clock fields of a segment's line. ``offset_us``: the camera's clock less ours, transit with it."""
        synced, error_us = ntp_state()
        offsets = self.offsets_us
        spread = None
        if offsets:
            spread = {"max": max(offsets), "median": int(statistics.median_low(offsets)), "min": min(offsets)}
        return {
            "camera_reports": len(offsets),
            "monotonic_us": self.monotonic_us,
            "ntp_error_us": error_us,
            "ntp_synced": synced,
            "offset_us": spread,
        }


def camera_time(packet: Any) -> int | None:
    """When the camera says the packet was made (µs since 1970), from its RTCP sender reports; None without one."""
    for side in packet.iter_sidedata():
        if side.data_type == "prft":
            return int.from_bytes(bytes(side)[:8], "little", signed=True)
    return None
