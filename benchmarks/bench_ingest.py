"""One-pass ingest of four functions beside four passes of one function each; all of it ours."""

from __future__ import annotations

import subprocess
from pathlib import Path

import bench_ladder
import clips
import measure
from measure import Series
from report import AT_MOST, Goal, Options, Row, Section

import make_media

_ONE, _FOUR = "one pass", "four passes"
_MOST_S = 10
_GROUPS, _INTRA = "H.264 in long groups", "ProRes 422"


def run(options: Options) -> Section:
    seconds = min(_MOST_S, options.clip_s)
    folder = options.folder / "clips"
    sources = {_GROUPS: bench_ladder.camera_clip(folder, seconds), _INTRA: _prores_clip(folder, seconds)}
    sizes = ", ".join(f"{name} {path.stat().st_size / 1e6:.0f} MB" for name, path in sources.items())
    section = Section(
        f"Ingest: inspect, checksum, proxy and contact sheet of {seconds} s of 1080p25 ({sizes})",
        "SHA-256, an H.264 proxy of 360 lines with sound, 4×4 pictures; each function by itself, or all in "
        "one pass, in a process of its own. CPU is that of the process and all that it starts. Bytes are "
        "what the kernel read from storage for them, as a share of the file, which is dropped from the page "
        "cache before each function, or the pass.",
    )
    for name, source in sources.items():
        _measure(name, source, section, options)
    return section


def _measure(name: str, source: Path, section: Section, options: Options) -> None:
    found: dict[str, list[dict[str, float]]] = {_ONE: [], _FOUR: []}

    def method(how: str, word: str) -> float:
        said = measure.script("ingest_ours.py", options.folder / "ingest", source, word)
        found[how].append(said)
        return float(said["cpu_s"])

    ways = {_ONE: lambda: method(_ONE, "one"), _FOUR: lambda: method(_FOUR, "four")}
    series, left_out = measure.interleave(ways, options.rounds)
    section.left_out.update({f"{name}: {way}": reason for way, reason in left_out.items()})
    if len(series) < 2:
        return

    def of(how: str, key: str) -> Series:
        return Series(tuple(said[key] for said in found[how]))

    most = 0.65 if name == _GROUPS else 0.9
    for what, key, goal in (("CPU", "cpu_s", Goal(AT_MOST, most)), ("wall-clock", "wall_s", None)):
        mine, other = of(_ONE, key), of(_FOUR, key)
        section.rows.append(
            Row(f"{name}, {_FOUR}: {what}", measure.ratios(mine, other), goal, mine, other, "s")
        )
    read, file = of(_ONE, "read"), Series((1.0,) * len(found[_ONE]))
    # A hundredth is for the interpreter's own files, should they not be in memory.
    section.rows.append(
        Row(f"{name}, the file: bytes read", measure.ratios(read, file), Goal(AT_MOST, 1.01), read, file, "×")
    )
    section.rows.append(
        Row(
            f"{name}, {_FOUR}: bytes read",
            measure.ratios(read, of(_FOUR, "read")),
            None,
            read,
            of(_FOUR, "read"),
            "×",
        )
    )


def _prores_clip(folder: Path, seconds: int) -> Path:
    """The long clip as a camera that records every picture by itself would have written it."""
    target = folder / f"prores_{seconds}.mov"
    if target.exists():
        return target
    source = clips.long_clip(folder, seconds)
    aside = target.with_suffix(".part.mov")
    subprocess.run(
        [make_media.workshop(folder)._executable(), "-nostdin", "-y", "-v", "error",  # noqa: SLF001
         "-i", str(source), "-c:v", "prores_ks", "-profile:v", "standard", "-pix_fmt", "yuv422p10le",
         "-c:a", "pcm_s24le", str(aside)],
        check=True,
    )  # fmt: skip
    aside.rename(target)
    return target
