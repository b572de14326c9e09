"""Loads that studios know, made to size, and what befalls a pool under them.

What an invocation takes is a guess of the usual order of magnitude, and each figure stands here to be read;
a replay of a real ledger needs none. A *stream* is one delivery of work: a camera card, a plate, a clip of
the archive. `Demand` multiplies one dimension at a time. This module must not know the pool.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rushes.core.money import parse_dollars
from rushes.simulator.load import Arrival, Loss, RunTime, Scenario

__all__ = ["DIMENSIONS", "SCENARIOS", "Demand", "scenario"]

HOUR: Final = 3600.0
GIB: Final = float(1 << 30)
DIMENSIONS: Final = ("streams", "duration", "codecs", "regions")

INSPECT: Final = RunTime(0.05, 0.3)
PROXY: Final = RunTime(25.0, 90.0)
PLATE: Final = RunTime(20.0, 45.0)
TRANSCODE: Final = RunTime(400.0, 1800.0)
RENDITION: Final = RunTime(12.0, 30.0)
CARD_CLIP_S: Final = 45.0
ARCHIVE_CLIP_S: Final = 900.0
PLATE_S: Final = 6.0
RENDITION_S: Final = 15.0
AV1_FACTOR: Final = 4.0
"""What an AV1 encode takes against an H.264 encode of the same clip, in core-seconds: software, ordinary
presets. It is the assumption behind `codecs`; measure yours with `rushes encoders --calibrate`."""
VIRAL_CAP: Final = "1.00"


@dataclass(frozen=True, slots=True)
class Demand:
    """How much arrives, as multiples of the ordinary; one dimension each.

    Args:
        streams: as many deliveries.
        duration: clips as long: the run time and the output of each.
        codecs: every encode is made in so many codecs, each further one an AV1.
        regions: every output is made in so many regions, each by itself.
    """

    streams: float = 1.0
    duration: float = 1.0
    codecs: float = 1.0
    regions: float = 1.0

    def __post_init__(self) -> None:
        for name in DIMENSIONS:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} needs a factor above 0, not {getattr(self, name):g}")


def scenario(name: str, demand: Demand = Demand(), seed: int = 1) -> Scenario:
    """A scenario by its name, with so much demand."""
    found = SCENARIOS[name](demand.streams, seed)
    load = [made for arrival in found.load for made in _demanded(arrival, demand)]
    return replace(found, load=tuple(load), assumed=(*found.assumed, *_assumed(demand)))


def quiet_day(scale: float = 1.0, seed: int = 1) -> Scenario:
    """Twenty-four hours of dailies: cards come in through the day, an archive is transcoded behind them.

    Every half an hour from 8 to 19 o'clock a card of about 40 clips is inspected and proxied; 150 transcodes
    of the archive are there from the start.
    """
    return Scenario(_day(scale, seed), assumed=_MEDIA)


def turnover(scale: float = 1.0, seed: int = 1) -> Scenario:
    """A quiet day into which 4,000 plates fall at 17:40, urgent, wanted within the hour."""
    return Scenario((*_day(scale, seed), _plates(scale)), assumed=_MEDIA)


def many_shows(scale: float = 1.0, seed: int = 1) -> Scenario:
    """Twelve shows that deliver their cards within the same hour, one of them ten times as many."""
    chance = random.Random(seed)  # noqa: S311 - a simulation that can be repeated
    arrivals: list[Arrival] = []
    for number in range(12):
        show = f"show-{number + 1:02d}"
        clips = _some(600 if number == 0 else 60, scale)
        arrivals += _card(f"{show}-card", clips, chance.uniform(0, HOUR), show)
    return Scenario(tuple(arrivals), assumed=_MEDIA)


def viral_spike(scale: float = 1.0, seed: int = 1) -> Scenario:
    """A quiet day; at 20:00 a clip goes viral: 6,000 renditions of a show that may spend $1."""
    spike = Arrival(
        20 * HOUR, "renditions", _some(6000, scale), RENDITION, "ladder", "standard", "social", cpu=2.0,
        memory=GIB, media_s=RENDITION_S,
    )  # fmt: skip
    return Scenario((*_day(scale, seed), spike), caps={"social": parse_dollars(VIRAL_CAP)}, assumed=_MEDIA)


def spot_reclaim(scale: float = 1.0, seed: int = 1) -> Scenario:
    """The turnover; at 17:55 the provider takes back 40 of a hundred hosts for half an hour."""
    loss = Loss(17 * HOUR + 55 * 60, 18 * HOUR + 25 * 60, share=0.4, why="spot reclaimed")
    return Scenario((*_day(scale, seed), _plates(scale)), losses=(loss,), assumed=_MEDIA)


def device_loss(scale: float = 1.0, seed: int = 1) -> Scenario:
    """A quiet day whose cards are proxied on devices, half of which fail at 14:00 and are back at 16:00."""
    day = [replace(one, gpu=0.25, cpu=0.5) if one.function == "proxy" else one for one in _day(scale, seed)]
    loss = Loss(14 * HOUR, 16 * HOUR, gpu=0.5, why="devices lost")
    return Scenario(tuple(day), losses=(loss,), assumed=(*_MEDIA, "A proxy takes a quarter of a device."))


SCENARIOS: Final[dict[str, Callable[[float, int], Scenario]]] = {
    "quiet-day": quiet_day,
    "turnover": turnover,
    "many-shows": many_shows,
    "viral-spike": viral_spike,
    "spot-reclaim": spot_reclaim,
    "device-loss": device_loss,
}

_GUESS: Final = (
    "Run times are log-normal guesses. Medians: an inspection takes 0.05 s, a proxy 25 s of 2 cores, a plate "
    "20 s of 2 cores, a transcode of the archive 400 s of 4 cores."
)
_MEDIA: Final = (_GUESS,)


def _demanded(arrival: Arrival, demand: Demand) -> Sequence[Arrival]:
    """One arrival as many times as is asked for."""
    if arrival.media_s:
        times = RunTime(arrival.run_time.median_s * demand.duration, arrival.run_time.p95_s * demand.duration)
        arrival = replace(arrival, run_time=times, media_s=arrival.media_s * demand.duration)
    made = [arrival]
    if not arrival.media_s:
        return made
    count = round(arrival.count * (demand.codecs - 1))
    if count > 0:
        slow = RunTime(arrival.run_time.median_s * AV1_FACTOR, arrival.run_time.p95_s * AV1_FACTOR)
        made.append(
            replace(arrival, batch=f"{arrival.batch}-av1", count=count, run_time=slow, function="av1")
        )
    elif count < 0:
        made = [replace(arrival, count=max(arrival.count + count, 1))]
    for one in list(made):
        more = round(one.count * (demand.regions - 1))
        if more > 0:
            made.append(replace(one, batch=f"{one.batch}-elsewhere", count=more))
    return made


def _assumed(demand: Demand) -> list[str]:
    said = []
    if demand.streams != 1:
        said.append(f"{demand.streams:g} times as many deliveries, at the same times.")
    if demand.duration != 1:
        said.append(f"Clips are {demand.duration:g} times as long, and so is the work on them.")
    if demand.codecs != 1:
        said.append(
            f"Encodes are made in {demand.codecs:g} codecs; each further one is AV1 in software and takes "
            f"{AV1_FACTOR:g} times as long as the first."
        )
    if demand.regions != 1:
        said.append(f"Outputs are encoded in {demand.regions:g} regions, each by itself; nothing is copied.")
    return said


def _day(scale: float, seed: int) -> tuple[Arrival, ...]:
    chance = random.Random(seed)  # noqa: S311 - as above
    arrivals = [_archive(_some(150, scale), at=0.0)]
    for half_hour in range(16, 38):
        at = half_hour * HOUR / 2 + chance.uniform(0, 600)
        clips = _some(chance.randint(25, 55), scale)
        arrivals += _card(f"card-{half_hour}", clips, at, "dailies")
    return tuple(arrivals)


def _plates(scale: float) -> Arrival:
    at = 17 * HOUR + 40 * 60
    return Arrival(
        at, "plates", _some(4000, scale), PLATE, "pull", "urgent", "vfx", cpu=2.0, memory=2 * GIB,
        deadline=at + HOUR, media_s=PLATE_S,
    )  # fmt: skip


def _some(count: int, scale: float) -> int:
    return max(round(count * scale), 1)


def _card(name: str, clips: int, at: float, show: str) -> tuple[Arrival, Arrival]:
    inspected = Arrival(at, f"{name}-inspect", clips, INSPECT, "inspect", show=show, memory=GIB / 4)
    proxied = Arrival(
        at, f"{name}-proxy", clips, PROXY, "proxy", show=show, cpu=2.0, memory=GIB, media_s=CARD_CLIP_S
    )
    return inspected, proxied


def _archive(clips: int, at: float) -> Arrival:
    return Arrival(
        at, "archive", clips, TRANSCODE, "transcode", "background", "archive", cpu=4.0, memory=4 * GIB,
        media_s=ARCHIVE_CLIP_S,
    )  # fmt: skip
