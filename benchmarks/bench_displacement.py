"""What a swarm feels of the work that it displaces, and what that work feels of the swarm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import clips
import measure
from measure import Failed, Series
from report import AT_MOST, Goal, Options, Row, Section

_SHORT_S = 4
_EMPTY, _FULL = "on an empty pool", "on a pool full of background encodes"


def run(options: Options) -> Section:
    section = Section(
        "Displacement: urgent encodes on two cores that background encodes have",
        f"`transcode` of 1080p25 clips, H.264, preset medium, two threads each: urgent ones of {_SHORT_S} s, "
        f"background ones of {options.clip_s} s. Start: from the submission being committed until the urgent "
        "ffmpeg is there and every other one stands still. First packet: until it has written to its output. "
        "Displaced: two encodes, each three times, by work that uses no processor time; CPU is the worker's "
        "and of all that it starts.",
    )
    long = clips.long_clip(options.folder / "clips", options.clip_s)
    short = clips.long_clip(options.folder / "clips", _SHORT_S)
    folder = options.folder / "displacement"
    folder.mkdir(parents=True, exist_ok=True)

    def ours(what: str, state: str) -> dict[str, Any]:
        return measure.script("displacement_ours.py", what, folder / f"{what}-{state}", long, short, state)

    _bursts(section, options.rounds, ours)
    _starts(section, options.rounds, ours, long, folder)
    _aside(section, options.rounds, ours)
    return section


def _bursts(section: Section, rounds: int, ours: Callable[[str, str], dict[str, Any]]) -> None:
    series = _in_turn(
        section,
        rounds,
        {_EMPTY: lambda: ours("burst", "empty"), _FULL: lambda: ours("burst", "full")},
        "wall_s",
    )
    if series is not None:
        mine, other = (series[name]["wall_s"] for name in (_FULL, _EMPTY))
        ratio = measure.ratios(mine, other)
        section.rows.append(
            Row("a burst of three on a full pool against the same on an empty pool: wall-clock", ratio,
                Goal(AT_MOST, 1.05), mine, other, "s")
        )  # fmt: skip


def _starts(
    section: Section, rounds: int, ours: Callable[[str, str], dict[str, Any]], long: Path, folder: Path
) -> None:
    bare = "the same ffmpeg, bare"
    series = _in_turn(
        section,
        rounds,
        {
            f"one {_EMPTY}": lambda: ours("start", "empty"),
            f"one {_FULL}": lambda: ours("start", "full"),
            bare: lambda: measure.script("packet_bare.py", long, folder / "bare.mp4"),
        },
        "packet_s",
    )
    if series is None:
        return
    empty, full = series[f"one {_EMPTY}"], series[f"one {_FULL}"]
    mine, other = full["start_s"], empty["start_s"]
    what = "started on a full pool against a warm idle start"
    section.rows.append(Row(what, measure.ratios(mine, other), Goal(AT_MOST, 3.0), mine, other, "s"))
    mine, packet = full["packet_s"], series[bare]["packet_s"]
    other = Series(tuple(a + b for a, b in zip(packet.values, full["start_s"].values, strict=True)))
    what = "first packet on a full pool against that start and a bare ffmpeg's first packet"
    section.rows.append(Row(what, measure.ratios(mine, other), Goal(AT_MOST, 1.0), mine, other, "s"))


def _aside(section: Section, rounds: int, ours: Callable[[str, str], dict[str, Any]]) -> None:
    hashes: dict[str, list[str]] = {}
    paused: list[int] = []

    def run(what: str) -> dict[str, Any]:
        said = ours(what, "empty")
        hashes.setdefault(what, []).extend(said["sha256"])
        if what == "displaced":
            paused.append(int(said["paused"]))
            if said["paused"] < 5:
                raise Failed(f"the encodes stood aside {said['paused']} times only")
        return said

    methods = {"undisturbed": lambda: run("undisturbed"), "displaced": lambda: run("displaced")}
    series = _in_turn(section, rounds, methods, "cpu_s")
    if series is None:
        return
    mine, other = series["displaced"]["cpu_s"], series["undisturbed"]["cpu_s"]
    what = "background encodes that were displaced, against the same undisturbed: CPU"
    section.rows.append(Row(what, measure.ratios(mine, other), Goal(AT_MOST, 1.02), mine, other, "s"))
    same = len({digest for found in hashes.values() for digest in found}) == 1
    section.facts.append(
        f"Displaced {Series(tuple(map(float, paused)))} times; the outputs are "
        f"{'byte for byte the same, displaced or not' if same else '**not the same**'}."
    )


def _in_turn(
    section: Section, rounds: int, methods: Mapping[str, Callable[[], dict[str, Any]]], shown: str
) -> dict[str, dict[str, Series]] | None:
    """Everything that each method says, as series; None where one of them failed."""
    said: dict[str, list[dict[str, Any]]] = {name: [] for name in methods}

    def one(name: str) -> float:
        found = methods[name]()
        said[name].append(found)
        return float(found[shown])

    series, left_out = measure.interleave({name: partial(one, name) for name in methods}, rounds)
    section.left_out |= left_out
    if len(series) < len(methods):
        return None
    return {
        name: {
            key: Series(tuple(float(run[key]) for run in runs))
            for key, value in runs[0].items()
            if isinstance(value, int | float)
        }
        for name, runs in said.items()
    }
