"""A target VMAF on real footage: how near the whole clip comes, and what the search and the check cost."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import measure
from measure import Series
from report import AT_MOST, Goal, Options, Row, Section

import make_media

_TARGET = 93.0
_CODECS = ("h264", "hevc", "av1")
_MOST_ROUNDS = 3
# A shorter clip is its own sample, or nearly: each value that is tried costs a whole encode of it.
_GOAL_FROM_S = 60
# Six looks of two real clips, ten to twelve seconds each: whole, mirrored and enlarged, a small part of it.
_PARTS = (
    "[0:v]scale=1280:720,trim=0:10",
    "[1:v]scale=1694:720,crop=1280:720,trim=0:10",
    "[0:v]hflip,crop=960:540:100:50,scale=1280:720,trim=3:13",
    "[1:v]scale=1694:720,hflip,crop=960:540:100:50,scale=1280:720,trim=5:15",
    "[0:v]crop=640:360:300:200,scale=1280:720,trim=0:10",
    "[1:v]scale=1694:720,crop=1280:720,vflip,trim=0:12",
)


def run(options: Options) -> Section:
    section = Section(
        f"A target VMAF of {_TARGET:g} on {options.clip_s} s of real footage at 720p25",
        "Search on samples and encode, beside an encode with the value that was found. The VMAF is of "
        "the whole result, one frame in three.",
    )
    folder = options.folder / "quality"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        clip = _footage(folder, options.clip_s)
    except measure.Failed as reason:
        section.left_out["a target VMAF"] = str(reason)
        return section
    for codec in _CODECS:
        _measure(section, clip, folder, codec, options)
    return section


def _measure(section: Section, clip: Path, folder: Path, codec: str, options: Options) -> None:
    rounds = min(options.rounds, _MOST_ROUNDS)
    goal = Goal(AT_MOST, 1.6) if options.clip_s >= _GOAL_FROM_S else None
    target = folder / f"{codec}.mkv"
    searched: list[dict[str, Any]] = []
    plain: list[dict[str, Any]] = []

    def search() -> float:
        searched.append(measure.script("quality_ours.py", clip, target, codec, _TARGET))
        return float(searched[-1]["wall_s"])

    def bare() -> float:
        if not searched:
            search()
            searched.pop()
        value = searched[-1]["quality"] if searched else 23
        plain.append(measure.script("quality_ours.py", clip, target, codec, f"={value}"))
        return float(plain[-1]["wall_s"])

    _, left_out = measure.interleave({f"{codec}, searched": search, f"{codec}, plain": bare}, rounds)
    section.left_out |= left_out
    if left_out or not searched:
        return
    for what, key in (("wall-clock", "wall_s"), ("CPU", "cpu_s")):
        mine, other = (Series(tuple(float(one[key]) for one in ran)) for ran in (searched, plain))
        against = f"{codec}: a plain encode: {what}"
        section.rows.append(Row(against, measure.ratios(mine, other), goal, mine, other, "s"))
    got = Series(tuple(float(one["vmaf"]) for one in searched))
    off = Series(tuple(abs(one - _TARGET) for one in got.values))
    wished = Series((_TARGET,) * len(got.values))
    section.rows.append(Row(f"{codec}: points off the target", off, Goal(AT_MOST, 1.0), got, wished, "VMAF"))
    last = searched[-1]
    section.facts.append(
        f"{codec}: {last['tries']} tries, value {last['quality']:g}; predicted {last['predicted']:.1f} and "
        f"{last['predicted_bytes'] / 1e6:.1f} MB, got {last['vmaf']:.1f}, {last['size_bytes'] / 1e6:.1f} MB"
    )


def _footage(folder: Path, seconds: int) -> Path:
    """Real clips, looped and cropped in six ways, in a row."""
    target = folder / f"footage_{seconds}.mp4"
    if target.exists():
        return target
    found = make_media.real_clips(folder / "real")
    if found.problem:
        raise measure.Failed(found.problem)
    named = {path.stem: path for path in found.paths}
    loops = [
        word
        for name in ("bigbuckbunny", "bikes")
        for word in ("-stream_loop", "-1", "-t", "20", "-i", str(named[name]))
    ]
    chains = [f"{part},fps=25,setsar=1,setpts=PTS-STARTPTS[p{n}]" for n, part in enumerate(_PARTS)]
    joined = "".join(f"[p{n}]" for n in range(len(_PARTS))) + f"concat=n={len(_PARTS)}:v=1:a=0[o]"
    aside = target.with_suffix(".part.mp4")
    subprocess.run(
        [make_media.workshop(folder)._executable(), "-nostdin", "-y", "-v", "error", *loops,  # noqa: SLF001
         "-filter_complex", ";".join([*chains, joined]), "-map", "[o]", "-t", str(seconds),
         "-c:v", "libx264", "-preset", "veryfast", "-crf", "14", "-g", "100", str(aside)],
        check=True,
    )  # fmt: skip
    aside.rename(target)
    return target
