"""Loads that studios know, made to size: a quiet day, a turnover in the evening, many shows at once.

What an invocation takes is a guess of the usual order of magnitude, and each figure stands here to be read;
a replay of a real ledger needs none. `scale` multiplies how much arrives, not how long it takes. This module
must not know the pool.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from rushes.simulator.load import Arrival, RunTime

__all__ = ["SCENARIOS", "many_shows", "quiet_day", "turnover"]

HOUR: Final = 3600.0
GIB: Final = float(1 << 30)

INSPECT: Final = RunTime(0.05, 0.3)
PROXY: Final = RunTime(25.0, 90.0)
PLATE: Final = RunTime(20.0, 45.0)
TRANSCODE: Final = RunTime(400.0, 1800.0)


def quiet_day(scale: float = 1.0, seed: int = 1) -> tuple[Arrival, ...]:
    """Twenty-four hours of dailies: cards come in through the day, an archive is transcoded behind them.

    Every half an hour from 8 to 19 o'clock a card of about 40 clips is inspected and proxied; 150 transcodes
    of the archive are there from the start.
    """
    chance = random.Random(seed)  # noqa: S311 - a simulation that can be repeated
    arrivals = [_archive(_some(150, scale), at=0.0)]
    for half_hour in range(16, 38):
        at = half_hour * HOUR / 2 + chance.uniform(0, 600)
        clips = _some(chance.randint(25, 55), scale)
        arrivals += _card(f"card-{half_hour}", clips, at, "dailies")
    return tuple(arrivals)


def turnover(scale: float = 1.0, seed: int = 1) -> tuple[Arrival, ...]:
    """A quiet day into which 4,000 plates fall at 17:40, urgent, wanted within the hour."""
    at = 17 * HOUR + 40 * 60
    plates = Arrival(
        at, "plates", _some(4000, scale), PLATE, "pull", "urgent", "vfx", cpu=2.0, memory=2 * GIB,
        deadline=at + HOUR, media_s=6.0,
    )  # fmt: skip
    return (*quiet_day(scale, seed), plates)


def many_shows(scale: float = 1.0, seed: int = 1) -> tuple[Arrival, ...]:
    """Twelve shows that deliver their cards within the same hour, one of them ten times as many."""
    chance = random.Random(seed)  # noqa: S311 - as above
    arrivals: list[Arrival] = []
    for number in range(12):
        show = f"show-{number + 1:02d}"
        clips = _some(600 if number == 0 else 60, scale)
        arrivals += _card(f"{show}-card", clips, chance.uniform(0, HOUR), show)
    return tuple(arrivals)


SCENARIOS: Final[dict[str, Callable[[float, int], tuple[Arrival, ...]]]] = {
    "quiet-day": quiet_day,
    "turnover": turnover,
    "many-shows": many_shows,
}


def _some(count: int, scale: float) -> int:
    return max(round(count * scale), 1)


def _card(name: str, clips: int, at: float, show: str) -> tuple[Arrival, Arrival]:
    inspected = Arrival(at, f"{name}-inspect", clips, INSPECT, "inspect", show=show, memory=GIB / 4)
    proxied = Arrival(
        at, f"{name}-proxy", clips, PROXY, "proxy", show=show, cpu=2.0, memory=GIB, media_s=45.0
    )
    return inspected, proxied


def _archive(clips: int, at: float) -> Arrival:
    return Arrival(
        at, "archive", clips, TRANSCODE, "transcode", "background", "archive", cpu=4.0, memory=4 * GIB,
        media_s=900.0,
    )  # fmt: skip
