"""The media that is measured on: the sample clips of this project, copied until there are enough of them.

Nothing here may import `rushes`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "samples"))

import make_media

__all__ = ["long_clip", "many_clips", "one_clip"]


def one_clip(folder: Path) -> Path:
    """An ordinary small clip: a real one where it can be had."""
    real = make_media.real_clips(folder / "real").paths
    return real[0] if real else make_media.workshop(folder).get("h264.mp4")


def many_clips(folder: Path, count: int, answers: Callable[[Path], bool]) -> tuple[list[Path], int, int]:
    """At least `count` files: each kind of sample clip and the real ones, as many copies of each as it takes.

    A kind that `answers` refuses is left out, so that all methods are given the same files and none is
    timed on an error. Gives the files in an order that mixes the kinds, how many kinds there are, and how
    many of them are real clips.
    """
    shop = make_media.workshop(folder)
    names = [r.name for r in make_media.RECIPES.values() if r.set == "good" and r.alone]
    shop.root.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(shop.get, names))
    real = list(make_media.real_clips(folder / "real").paths)
    kinds = [path for path in [*made, *real] if path.is_file() and answers(path)]
    copies = folder / "copies"
    copies.mkdir(exist_ok=True)
    files = []
    for number in range(-(-count // len(kinds))):
        for path in kinds:
            target = copies / f"{path.stem}_{number:03}{path.suffix}"
            if not target.exists():
                shutil.copyfile(path, target)
                stamp = 1_700_000_000_000_000_000 + number * 1_000_000_007
                os.utime(target, ns=(stamp, stamp))
            files.append(target)
    return files, len(kinds), sum(path in real for path in kinds)


def long_clip(folder: Path, seconds: int) -> Path:
    """A 1080p25 clip with stereo sound: real footage, looped and scaled, where it can be had."""
    target = folder / f"long_{seconds}.mp4"
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    real = [path for path in make_media.real_clips(folder / "real").paths if "bikes" in path.name]
    picture: Sequence[str] = ["-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=25,noise=alls=8:allf=t"]
    if real:
        picture = ["-stream_loop", "-1", "-i", str(real[0])]
    aside = target.with_suffix(".part.mp4")
    subprocess.run(
        [make_media.workshop(folder)._executable(), "-nostdin", "-y", "-v", "error",  # noqa: SLF001
         *picture, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
         "-map", "0:v", "-map", "1:a", "-t", str(seconds), "-vf", "scale=1920:1080,fps=25,format=yuv420p",
         "-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-c:a", "aac", "-ac", "2", str(aside)],
        check=True,
    )  # fmt: skip
    aside.rename(target)
    return target
