"""Small clips that differ: cuts of real footage in sizes, lengths and codecs of all sorts; some patterns.

Nothing here may import `rushes`.
"""

from __future__ import annotations

import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import clips  # noqa: F401 - puts samples/ on the path

import make_media

__all__ = ["varied_clips"]

SIZES = ((192, 108), (320, 180), (426, 240), (480, 270), (640, 360), (854, 480))
CODECS = {
    "h264": (["-c:v", "libx264", "-preset", "veryfast", "-crf", "20"], "yuv420p", ".mov"),
    "hevc": (
        ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"],
        "yuv420p",
        ".mp4",
    ),
    "mpeg4": (["-c:v", "mpeg4", "-q:v", "4"], "yuv420p", ".mov"),
    "mjpeg": (["-c:v", "mjpeg", "-q:v", "4"], "yuvj420p", ".mov"),
    "prores": (["-c:v", "prores_ks", "-profile:v", "0"], "yuv422p10le", ".mov"),
}
TEST_PICTURES = ("testsrc2=s={0}x{1}:r={2}", "mandelbrot=s={0}x{1}:r={2}")
REAL = 0.85
"""Of the clips so many are of real footage, where there is any."""


def varied_clips(folder: Path, count: int) -> list[Path]:
    """`count` clips, the same each time; a folder for each piece of footage, as for a roll."""
    folder.mkdir(parents=True, exist_ok=True)
    real = list(make_media.real_clips(folder.parent / "real").paths)
    draw = random.Random(5)  # noqa: S311 - a sample, not a secret
    asked = [_recipe(draw, number, folder, real) for number in range(count)]
    executable = str(make_media.workshop(folder)._executable())  # noqa: SLF001
    with ThreadPoolExecutor(2) as makers:
        list(makers.map(lambda one: _make(executable, *one), asked))
    return [target for target, _ in asked]


def _recipe(draw: random.Random, number: int, folder: Path, real: list[Path]) -> tuple[Path, list[str]]:
    width, height = draw.choice(SIZES)
    rate, seconds = draw.choice((24, 25, 30)), draw.uniform(1.5, 7)
    codec = draw.choice(list(CODECS))
    coded, pix_fmt, suffix = CODECS[codec]
    is_real, footage, pattern = draw.random() < REAL, draw.random(), draw.choice(TEST_PICTURES)
    start, part, x, y = draw.uniform(0, 3), draw.uniform(0.5, 1), draw.random(), draw.random()
    with_sound = draw.random() < 0.6
    picture = ["-f", "lavfi", "-i", pattern.format(width, height, rate)]
    filters, roll = f"format={pix_fmt}", pattern.partition("=")[0]
    if real and is_real:
        source = real[int(footage * len(real))]
        roll = source.stem
        picture = ["-stream_loop", "-1", "-ss", f"{start:.2f}", "-i", str(source)]
        cut = f"crop=iw*{part:.2f}:ih*{part:.2f}:(iw-ow)*{x:.2f}:(ih-oh)*{y:.2f}"
        filters = f"{cut},scale={width}:{height},setsar=1,fps={rate},format={pix_fmt}"
    sound = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-map", "0:v", "-map", "1:a"]
    heard = [*sound, "-c:a", "aac"] if with_sound else ["-map", "0:v"]
    target = folder / roll / f"{number:04}_{codec}_{width}{suffix}"
    return target, [*picture, *heard, "-t", f"{seconds:.2f}", "-vf", filters, *coded]


def _make(executable: str, target: Path, arguments: list[str]) -> None:
    if target.exists():
        return
    target.parent.mkdir(exist_ok=True)
    aside = target.with_name(f"part-{target.name}")
    subprocess.run([executable, "-nostdin", "-y", "-v", "error", *arguments, str(aside)], check=True)
    aside.rename(target)
