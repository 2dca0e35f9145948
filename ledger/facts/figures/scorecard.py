"""A score (绩效考评): shares weighed by a formula that is data, with an id, a version and a source.

Promise: the score of a unit is Σ weight · share / Σ weight over the components that exist for it, exactly; where less
is better one minus the share counts. What does not exist for a unit (n is 0) neither helps nor harms it, and it shows.
A formula is refused (Malformed) unless each component names a share that there is, with a whole weight above 0, and
unless an early-closing component stands beside the reopen rate: speed alone would pay for fake closings.

    {"id": "sample-scorecard", "version": 1, "source": "sample",
     "components": [{"metric": "on-time", "figure": "on_time", "weight": 30, "higher_is_better": true}]}
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from ledger.errors import Malformed
from ledger.facts.exact import Ratio
from ledger.facts.figures.definitions import METRICS
from ledger.facts.rule_files import read_rules

_MEMBERS: Final = {"id", "version", "source", "components"}
_COMPONENT: Final = {"metric", "figure", "weight", "higher_is_better"}


@dataclass(frozen=True, slots=True)
class Component:
    """One share and its weight."""

    metric: str
    figure: str
    weight: int
    higher_is_better: bool


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula as its file says. ``digest``: SHA-256 of the file, hex."""

    id: str
    version: int
    source: str
    components: tuple[Component, ...]
    digest: str

    @classmethod
    def read(cls, data: bytes) -> Formula:
        """The formula of a file."""
        found = read_rules(data)
        if not isinstance(found, dict) or found.keys() != _MEMBERS or not isinstance(found["components"], list):
            raise _bad("it is not one formula", mend=f"give exactly {', '.join(sorted(_MEMBERS))}")
        if type(found["version"]) is not int or not all(isinstance(found[name], str) for name in ("id", "source")):
            raise _bad("id and source are texts, the version a whole number", mend="mend the one that is not")
        components = tuple(_component(one) for one in found["components"])
        if not components or len({(one.metric, one.figure) for one in components}) < len(components):
            raise _bad("it has no component, or one twice", mend="name each share once")
        names = {one.metric for one in components}
        if "early-closing" in names and "reopened" not in names:
            raise _bad("it rewards early closing and does not look at reopened cases", mend="add the figure reopened")
        return cls(found["id"], found["version"], found["source"], components, hashlib.sha256(data).hexdigest())

    @classmethod
    @lru_cache(maxsize=1)
    def sample(cls) -> Formula:
        """The sample that is shipped: no city's own."""
        return cls.read(files("ledger.facts.figures").joinpath("scorecard_sample.json").read_bytes())

    def as_json(self) -> dict[str, Any]:
        """As its file says, with the file's digest."""
        return {
            "id": self.id,
            "version": self.version,
            "source": self.source,
            "digest": self.digest,
            "components": [asdict(one) for one in self.components],
        }


def score(formula: Formula, shares: Mapping[Component, Ratio]) -> Fraction | None:
    """The weighed mean of the shares that exist; None where none does."""
    points, weights = Fraction(0), 0
    for component in formula.components:
        value = shares[component].value if component in shares else None
        if value is not None:
            points += component.weight * (value if component.higher_is_better else 1 - value)
            weights += component.weight
    return points / weights if weights else None


def _component(found: Any) -> Component:
    if not isinstance(found, dict) or found.keys() != _COMPONENT:
        raise _bad("a component has not its members", mend=f"give exactly {', '.join(sorted(_COMPONENT))}")
    metric = METRICS.get(found["metric"]) if isinstance(found["metric"], str) else None
    if metric is None or not metric.grouped:
        raise _bad(f"{found['metric']} is no figure of units", mend="mingjian metrics list names them")
    empty = metric.fold({name: () for name in metric.measures}, 0).values
    if not isinstance(empty.get(found["figure"]), Ratio):
        shares = ", ".join(name for name, value in empty.items() if isinstance(value, Ratio))
        raise _bad(f"{found['figure']} is no share of {metric.name}", mend=f"its shares: {shares or 'none'}")
    if type(found["weight"]) is not int or found["weight"] < 1 or type(found["higher_is_better"]) is not bool:
        raise _bad("a weight is a whole number above 0, higher_is_better true or false", mend="mend it")
    return Component(**found)


def _bad(what: str, *, mend: str) -> Malformed:
    return Malformed(f"The formula cannot be used: {what}", code="formula-malformed", mend=mend)
