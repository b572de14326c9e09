"""A ladder of five rungs from one decode, beside five runs that make a rung each; all of it ours."""

from __future__ import annotations

import subprocess
from pathlib import Path

import clips
import measure
from measure import Series
from report import AT_MOST, Goal, Options, Row, Section

import make_media

_ONE, _FIVE = "one ladder of five rungs", "five ladders of one rung"
_MOST_S = 10


def run(options: Options) -> Section:
    seconds = min(_MOST_S, options.clip_s)
    source = camera_clip(options.folder / "clips", seconds)
    megabits = source.stat().st_size * 8 / seconds / 1e6
    section = Section(
        f"A ladder: {seconds} s of 1080p25 at {megabits:.0f} Mbit/s, five rungs of H.264, preset veryfast",
        "1080, 720, 480, 360 and 240 lines at 5 to 0.4 Mbit/s, with sound, each read back and verified. "
        "CPU is that of the process and all that it starts.",
    )
    found: dict[str, list[dict[str, float]]] = {_ONE: [], _FIVE: []}

    def method(name: str, how: str) -> float:
        said = measure.script("ladder_ours.py", options.folder / "ladder", source, how)
        found[name].append(said)
        return float(said["cpu_s"])

    series, section.left_out = measure.interleave(
        {_ONE: lambda: method(_ONE, "one"), _FIVE: lambda: method(_FIVE, "five")}, options.rounds
    )
    if len(series) < 2:
        return section
    for what, key, goal in (("CPU", "cpu_s", Goal(AT_MOST, 0.55)), ("wall-clock", "wall_s", None)):
        mine, other = (Series(tuple(run[key] for run in found[name])) for name in (_ONE, _FIVE))
        section.rows.append(Row(f"{_FIVE}: {what}", measure.ratios(mine, other), goal, mine, other, "s"))
    return section


def camera_clip(folder: Path, seconds: int) -> Path:
    """The long clip as a camera would have written it: long groups at a high bit rate."""
    target = folder / f"camera_{seconds}.mp4"
    if target.exists():
        return target
    source = clips.long_clip(folder, seconds)
    aside = target.with_suffix(".part.mp4")
    subprocess.run(
        [make_media.workshop(folder)._executable(), "-nostdin", "-y", "-v", "error",  # noqa: SLF001
         "-i", str(source), "-c:v", "libx264", "-preset", "veryfast", "-b:v", "45M", "-qmin", "1",
         "-c:a", "copy", str(aside)],
        check=True,
    )  # fmt: skip
    aside.rename(target)
    return target
