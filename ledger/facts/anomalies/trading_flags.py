"""A18: signs in a public purchase that ask for a second look (red flags of the Open Contracting Partnership).

    single      a tender open to all with one bid only
    short       less time for bids than ``LEAST_DAYS`` (Tendering Law, article 24: twenty days; a sample value)
    alike       bids of which two lie within a ten-thousandth of each other
    spread      the dearest bid over three times the cheapest, with three bids or more
    winner      one supplier wins over half of a buyer's awards, of at least five, by the lower Wilson bound
    amended     the tender amended more than once after publication, or the contract's sum raised by over a tenth
                (Government Procurement Law, article 49)

Base rate: of the procedures in which it could have shown, those that show it, never more than of all cases: a procedure
is one case of the log. A procedure is named for its rarest sign.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

from ledger.facts.anomalies.found import DAY_US, Anomaly, Reasons
from ledger.facts.anomalies.live import Act, Case
from ledger.facts.exact import wilson
from ledger.statement import instant_us

LEAST_DAYS: Final = 20
ALIKE: Final = Fraction(1, 10_000)
SPREAD: Final = 3
RAISED: Final = Fraction(11, 10)
LEAST_AWARDS: Final = 5


class TradingFlags:
    """The detector. Keeps buyer, supplier and award of each procedure."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._reasons = Reasons("A18")
        self._awards: dict[str, dict[str, list[tuple[int, int]]]] = {}

    def judge(self, case: Case) -> None:
        """Look at one procedure."""
        if case.kind != "trading":
            return
        by: dict[str, list[Act]] = {}
        for act in case.acts:
            by.setdefault(act.verb, []).append(act)
        first: dict[str, Act] = {verb: acts[0] for verb, acts in by.items()}
        bids = by.get("bid_received", [])
        if "bids_opened" in by:
            opened = by["bids_opened"][-1]
            if first["planned"].data.get("method") == "open" and len(bids) == 1:
                self._did(case, "single", [bids[0], opened], "公开招标仅一家投标", "an open tender with a single bid")
            self._prices(case, opened, bids)
        if "tender_published" in by:
            published = by["tender_published"][-1]
            closes = [published, *by.get("tender_amended", [])][-1]
            days = (instant_us(closes.data["closes"]) - published.recorded_us) / DAY_US
            if days < LEAST_DAYS:
                zh, en = f"投标期仅 {days:.1f} 天", f"only {days:.1f} days for bids"
                self._did(case, "short", [published, closes], zh, en, strength=LEAST_DAYS - days)
        amended = by.get("tender_amended", [])
        if len(amended) > 1:
            zh, en = f"招标文件修改 {len(amended)} 次", f"the tender was amended {len(amended)} times"
            self._did(case, "amended", amended, zh, en, strength=float(len(amended)))
        self._contract(case, by)
        if "awarded" in by:
            award = by["awarded"][-1]
            mine = self._awards.setdefault(str(first["planned"].data.get("buyer")), {})
            mine.setdefault(str(award.data["supplier"]), []).append((case.leaf, award.leaf))

    def _prices(self, case: Case, opened: Act, bids: list[Act]) -> None:
        given: dict[str, Any] = opened.data.get("prices", {})
        prices = sorted(fen for fen in given.values() if type(fen) is int and fen > 0)
        if any(b - a <= ALIKE * b for a, b in pairwise(prices)):
            self._did(case, "alike", [opened, *bids], "投标报价几乎相同", "two bids at nearly the same price")
        if len(prices) > 2 and prices[-1] > SPREAD * prices[0]:
            times = f"{prices[-1] / prices[0]:.1f}"
            self._did(
                case,
                "spread",
                [opened],
                f"最高报价为最低的 {times} 倍",
                f"the dearest bid is {times} times the cheapest",
            )

    def _contract(self, case: Case, by: dict[str, list[Act]]) -> None:
        if "contract_signed" not in by or "contract_amended" not in by:
            return
        signed, last = by["contract_signed"][0], by["contract_amended"][-1]
        if last.data["fen"] > RAISED * signed.data["fen"]:
            by_share = f"{last.data['fen'] / max(signed.data['fen'], 1) - 1:.0%}"
            acts = [signed, *by["contract_amended"]]
            self._did(case, "amended", acts, f"合同金额追加 {by_share}", f"the contract's sum was raised by {by_share}")

    def _did(self, case: Case, reason: str, acts: list[Act], zh: str, en: str, *, strength: float = 0.0) -> None:
        self._reasons.did(reason, case.leaf, [act.leaf for act in acts], zh, en, strength=strength)

    def found(self, cases: int) -> Iterator[Anomaly]:
        """One row per procedure."""
        for buyer, suppliers in sorted(self._awards.items()):
            n = sum(map(len, suppliers.values()))
            for supplier, awards in sorted(suppliers.items()):
                low, _ = wilson(len(awards), n) or (0, 0)
                if n >= LEAST_AWARDS and low > Fraction(1, 2):
                    leaves = [leaf for _, leaf in awards]
                    zh = f"{supplier} 中得 {buyer} 的 {len(awards)}/{n} 次采购"
                    en = f"{supplier} won {len(awards)} of {n} awards of {buyer}"
                    for case, leaf in awards:
                        self._reasons.did("winner", case, [leaf, *leaves], zh, en)
        return self._reasons.found(at_all=cases)
