"""``mingjian demo seed``: the district played from its opening to a day, in a new ledger.

Promise: the same seed, scale and end give the same log, byte for byte but for how values are encrypted in the vault;
registries and the length of the history do not depend on the scale, only how much happens. The keys of a demo follow
from its seed: anybody can compute them, and nothing true belongs into it. A play that was cut off leaves a file that
says so; the folder is not continued but begun anew.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import orjson

from api.demo.centres import Centres
from api.demo.district import district
from api.demo.duties import Duties
from api.demo.oddities import Oddities
from api.demo.opening import open_district
from api.demo.play import Play, Script, at, derived
from api.demo.stories import ITEMS, STORIES, Story
from api.demo.visits import Hall as Windows
from api.demo.visits import arrivals, cases_of_days
from ledger.door.hall import create_ledger, open_ledger
from ledger.door.keyring import Keyring
from ledger.errors import Conflict, Refused
from ledger.facts.card_rules import read_pack
from ledger.facts.clocks import SHANGHAI
from ledger.facts.exact import number
from ledger.files import write_file
from ledger.keys import SigningKey
from oversight.clock import sample

if TYPE_CHECKING:
    from rich.progress import TaskID

CASES: Final = 67_530
ON_THE_SPOT: Final = 48_621
"""As the source counts them, up to 2013-10-31."""
WEEKS: Final = 26
LEAST: Final = 0.002
MOST: Final = 10
ANSWERS: Final = "demo/answers.jsonl"
RECIPE: Final = "demo/recipe.json"
FIRST_YEAR: Final = 2013
_NAME: Final = "mingjian.demo/haicang"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """What was played."""

    cases: int
    on_the_spot: int
    events: int
    answers: Path

    def as_json(self) -> dict[str, Any]:
        """``{"cases", "events", "on_the_spot_ratio", "answer_key"}``."""
        ratio = Fraction(self.on_the_spot, self.cases) if self.cases else Fraction(0)
        return {
            "cases": self.cases,
            "events": self.events,
            "on_the_spot_ratio": number(ratio),
            "answer_key": str(self.answers),
        }


def yesterday() -> date:
    """The last day that is over, where the hall is."""
    return datetime.now(SHANGHAI).date() - timedelta(days=1)


def seed(
    data: Path,
    *,
    scale: float,
    seed: int,
    end: date,
    rules: bytes | None = None,
    progress: Progress = lambda *_: None,
) -> Seeded:
    """Play the district into the new folder ``data`` up to the end of the day ``end``.

    ``rules``: the pack of cards that the district adopts; a sample unless given.
    """
    _check(data, scale, end)
    secret = derived(b"mingjian demo", f"{seed}/{end.isoformat()}/{scale}")
    first = _first_day(end)
    opening = at(first - timedelta(days=3), 8)
    n, on_the_spot = round(CASES * scale), round(ON_THE_SPOT * scale)
    _make_keys(data, secret)
    (data / "demo").mkdir(mode=0o700, exist_ok=True)
    recipe = {"seed": seed, "scale": scale, "end": end.isoformat(), "done": False}
    write_file(data / RECIPE, orjson.dumps(recipe), durable=True)
    progress("opening", 0, 1)
    create_ledger(data, name=_NAME, clock=lambda: opening)
    with open_ledger(data) as hall:
        rng = Random(int.from_bytes(derived(secret, "rng"), "big"))
        play = Play(
            hall=hall,
            secret=secret,
            rng=rng,
            now_us=opening,
            end_us=at(end + timedelta(days=1)),
            district=district(Random(int.from_bytes(derived(secret, "district"), "big")), first=first, last=end),
        )
        duties = Duties(play, Random(rng.getrandbits(64)))
        packs = [sample() if rules is None else rules]
        if not read_pack(packs[0]).clocks:
            packs.append(sample("trading"))
        play.begin(opening, open_district(play, packs))
        play.run(at(first))
        play.flush()
        progress("opening", 1, 1)
        days = [
            day for day in (first + timedelta(days=k) for k in range((end - first).days + 1)) if play.is_working(day)
        ]
        centres = Centres(play, Random(rng.getrandbits(64)), scale, days)
        centres.start()
        windows = Windows.opened(play, centres)
        oddities = Oddities(play, windows, centres, duties, Random(rng.getrandbits(64)), days, scale)
        oddities.plant()
        told = _begin_stories(play, days)
        left, left_on_the_spot = max(0, n - told), max(0, on_the_spot - told)
        for number_, (day, kinds) in enumerate(cases_of_days(days, left, left_on_the_spot, rng), start=1):
            arrivals(windows, day, kinds)
            centres.day(number_ - 1, day)
            play.run(at(day + timedelta(days=1)))
            progress("playing", number_, len(days))
        play.run(play.end_us)
        play.flush()
        play.door.close()
        play.keep_keys()
        answers = data / ANSWERS
        write_file(answers, b"".join(orjson.dumps(row) + b"\n" for row in oddities.close()), durable=True)
        events = hall.reader.head().size
        # Nothing is owed: the system clock need not look at every case when it begins.
        write_file(data / "clock.json", orjson.dumps({"position": events}))
    write_file(data / RECIPE, orjson.dumps(recipe | {"done": True}), durable=True)
    return Seeded(cases=n, on_the_spot=on_the_spot, events=events, answers=answers)


def _begin_stories(play: Play, days: list[date]) -> int:
    """Put the six stories on the stage, a week or two after each other; how many cases they bring."""
    for number_, story in enumerate(STORIES.values()):
        first = 6 + 13 * number_
        script = story(play, partial(_ahead, days, first))
        play.begin(at(days[first], 8), _told(script))
    return len(ITEMS)


def _ahead(days: list[date], first: int, ahead: int) -> date:
    return days[min(first + ahead, len(days) - 1)]


def _told(story: Story) -> Script:
    yield from story


def _check(data: Path, scale: float, end: date) -> None:
    if not LEAST <= scale <= MOST:
        raise Refused(f"a scale lies from {LEAST} to {MOST}, not at {scale}", code="scale", mend="try --scale 0.02")
    if end > yesterday():
        raise Refused(f"{end} is not over yet", code="end", mend=f"name a day up to {yesterday()}")
    if _first_day(end).year < FIRST_YEAR or (_first_day(end) - timedelta(days=7)).year < FIRST_YEAR:
        raise Refused(
            f"no calendar before {FIRST_YEAR} is known, and {WEEKS} weeks are played",
            code="end",
            mend=f"name a day from {FIRST_YEAR}-07-15 on",
        )
    check_whole(data)
    if (data / "keys").exists():
        raise Conflict(
            f"there is a ledger in {data}; a play begins in an empty folder",
            code="ledger-exists",
            mend="name a new folder: mingjian demo seed --data DIR",
        )


def check_whole(data: Path) -> None:
    """Refuse a folder in which a play was cut off: what it holds is no whole history."""
    if (data / RECIPE).exists() and not orjson.loads((data / RECIPE).read_bytes())["done"]:
        raise Conflict(
            f"a play in {data} was cut off, and is not continued",
            code="demo-cut-off",
            mend=f"begin anew: remove {data}, or name another folder",
        )


def _first_day(end: date) -> date:
    """The Monday on which the hall opens."""
    first = end - timedelta(weeks=WEEKS)
    return first + timedelta(days=-first.weekday() % 7)


def _make_keys(data: Path, secret: bytes) -> None:
    keyring = Keyring(data)
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    (keyring.folder / "actors").mkdir(parents=True, exist_ok=True)
    keyring.folder.chmod(0o700)
    for name in ("log", "receipt", "clock", "actors/officer+1", "actors/officer+2"):
        key = SigningKey.from_seed(derived(secret, f"own/{name}"))
        path = keyring.folder / f"{name}.pem"
        path.write_bytes(key.to_pem())
        path.chmod(0o600)
    for name in ("door", "names"):
        path = keyring.folder / f"{name}.secret"
        path.write_bytes(derived(secret, f"own/{name}"))
        path.chmod(0o600)


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """A bar on standard error, or where that is no terminal a line at each tenth of the way."""
    if not sys.stderr.isatty():
        yield _tenths
        return
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TimeRemainingColumn

    with Bar(*Bar.get_default_columns()[:3], TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield show


def _tenths(what: str, done: int, total: int) -> None:
    if done * 10 // total > (done - 1) * 10 // total:
        print(f"{what}: {done * 100 // total} %", file=sys.stderr, flush=True)
