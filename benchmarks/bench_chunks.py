"""One long clip in chunks, beside the same clip in one piece on the same cores: time, size, quality."""

from __future__ import annotations

import re
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import clips
import measure
from measure import Series
from report import AT_MOST, Goal, Options, Row, Section

import make_media

_CODECS = ("h264", "hevc", "av1")
_CHUNKS = 4
_PSNR = re.compile(r"average:([\d.]+|inf)")


def run(options: Options) -> Section:
    seconds = min(30, options.clip_s)
    section = Section(
        f"Chunked: {seconds} s of 1080p25 in {_CHUNKS} chunks, two at once on one thread each",
        "`encode_chunked` against `encode` on two threads, verification included in both. CPU is that of the "
        "process and of all that it starts.",
    )
    source = clips.long_clip(options.folder / "clips", seconds)
    folder = options.folder / "chunks"
    folder.mkdir(parents=True, exist_ok=True)
    for codec in _CODECS:
        _one(section, source, folder, codec, options.rounds)
    _on_the_pool(section, source, clips.long_clip(options.folder / "clips", 3), folder, options.rounds)
    return section


def _on_the_pool(section: Section, source: Path, short: Path, folder: Path, rounds: int) -> None:
    """The same of `transcode`, whose parts are invocations: started, published and put together."""

    def method(chunks: int) -> float:
        place = folder / f"pool-{chunks}"
        return float(measure.script("chunks_pool.py", source, place, "h264", chunks, short)["wall_s"])

    whole, parts = "h264 whole, on a pool of two slots", "h264 in chunks, on that pool"
    series, left_out = measure.interleave({whole: lambda: method(1), parts: lambda: method(_CHUNKS)}, rounds)
    section.left_out |= left_out
    if len(series) == 2:
        mine, other = series[parts], series[whole]
        row = Row(f"{whole}: wall-clock", measure.ratios(mine, other), None, mine, other, "s")
        section.rows.append(row)


def _one(section: Section, source: Path, folder: Path, codec: str, rounds: int) -> None:
    whole, parts = f"{codec} whole", f"{codec} in chunks"
    targets = {whole: folder / f"whole-{codec}.mp4", parts: folder / f"parts-{codec}.mp4"}
    found: dict[str, list[dict[str, Any]]] = {whole: [], parts: []}

    def method(name: str, count: int) -> float:
        said = measure.script("chunks_ours.py", source, targets[name], codec, count)
        found[name].append(said)
        return float(said["wall_s"])

    series, left_out = measure.interleave(
        {whole: lambda: method(whole, 1), parts: lambda: method(parts, _CHUNKS)}, rounds
    )
    section.left_out |= left_out
    if len(series) < 2:
        return
    for what, key, most, unit in (
        ("wall-clock", "wall_s", 1.05, "s"),
        ("CPU", "cpu_s", 1.02, "s"),
        ("size", "size_bytes", 1.01, "bytes"),
    ):
        mine, other = (Series(tuple(run[key] for run in found[name])) for name in (parts, whole))
        row = Row(f"{whole}: {what}", measure.ratios(mine, other), Goal(AT_MOST, most), mine, other, unit)
        section.rows.append(row)
    if _times(targets[parts]) != _times(targets[whole]):
        section.left_out[f"{codec}: frames and timestamps"] = (
            "they differ from those of the encode in one piece"
        )
        return
    lost = _psnr(source, targets[whole]) - _psnr(source, targets[parts])
    section.facts.append(f"{codec}: frames and timestamps equal; PSNR {-lost:+.3f} dB (goal: within 0.1 dB).")


def _times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert video.time_base is not None
        found = [packet.pts for packet in container.demux(video) if packet.pts is not None]
        return [pts * video.time_base for pts in sorted(found)]


def _psnr(source: Path, result: Path) -> float:
    ffmpeg = make_media.workshop(result.parent)._executable()  # noqa: SLF001 - as the clips are made with
    done = subprocess.run(
        [ffmpeg, "-nostdin", "-v", "info", "-i", str(result), "-i", str(source),
         "-lavfi", "[0:v][1:v]psnr", "-an", "-f", "null", "-"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    match = _PSNR.search(done.stderr)
    if done.returncode != 0 or match is None:
        raise measure.Failed(f"no PSNR of {result.name}: {done.stderr[-300:]}")
    return float(match[1])
