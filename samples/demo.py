"""`make demo`: real clips inspected and proxied by the engine on this machine, with the commands that did it.

    python samples/demo.py [DIR]

Everything lands in DIR (default ``demo``), the engine's own state included: nothing else is touched.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import make_media

# One of each thing that makes footage awkward, next to the real clips.
_GENERATED = ("prores.mov", "timecode_drop.mxf", "hdr10.mp4", "vfr.mkv", "rotated_90.mov", "multi_mono_8.mov",
              "sequence.exr")  # fmt: skip
# What to make when the real clips cannot be had.
_INSTEAD = ("h264_24p.mp4", "hevc.mkv", "av1.mkv", "dnxhr.mxf")


def main(argv: list[str]) -> int:
    """Runs the demonstration in a folder and returns the first exit code that is not 0."""
    home = Path(argv[0] if argv else "demo").absolute()
    footage, proxies = home / "footage", home / "proxies"
    footage.mkdir(parents=True, exist_ok=True)
    _fill(footage)
    # The worker's state lies in the demo's folder too, and the worker goes when the demo is done.
    environ = os.environ | {"RUSHES_HOME": str(home / "state"), "RUSHES_IDLE": "20s"}
    try:
        return _show(environ, home, footage, proxies)
    finally:
        subprocess.run([_rushes(), "drain"], env=environ, capture_output=True, check=False)


def _show(environ: dict[str, str], home: Path, footage: Path, proxies: Path) -> int:
    for command in (
        ["run", "inspect", _short(footage), "--format", "table"],
        ["run", "proxy", _short(footage), "--out", _short(proxies), "--height", "180"],
    ):
        print(f"\n$ rushes {shlex.join(command)}", flush=True)
        done = subprocess.run([_rushes(), *command], env=environ, check=False)
        if done.returncode != 0:
            print(f"\nthat command left {done.returncode}; the demo stops here.", file=sys.stderr)
            return done.returncode
    _summary(home, proxies)
    return 0


def _fill(footage: Path) -> None:
    """Puts the clips into a folder, as a camera card would arrive."""
    found = make_media.real_clips(Path(__file__).parent.parent / ".media" / "real")
    if found.problem:
        print(f"The real clips could not be fetched ({found.problem}): generated ones stand in for them.")
    for path in found.paths:
        _copy(path, footage / path.name)
    shop = make_media.workshop(Path(__file__).parent.parent / ".media" / "generated")
    for name in (*_GENERATED, *(_INSTEAD if found.problem else ())):
        made = shop.get(name)
        if make_media.RECIPES[name].alone:
            _copy(made, footage / name)
            continue
        for frame in made.parent.glob(f"*{made.suffix}"):
            _copy(frame, footage / name.split(".")[0] / frame.name)


def _copy(source: Path, target: Path) -> None:
    # A clip that is there already keeps its time: the same footage is the same work.
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _summary(home: Path, proxies: Path) -> None:
    made = list(proxies.rglob("*.mov"))
    print(f"\n{len(made)} proxies are in {_short(proxies)}, each with a receipt that says how it was made.")
    print("Do it again (make demo) and only what is missing is done.")
    print(f"Your own footage:  {_short(Path(_rushes()))} run proxy ~/footage --out ~/proxies")
    print(f"All of this is in {_short(home)}, and the clips that it began with in .media: both can go.")


def _rushes() -> str:
    """The command that was installed beside this Python."""
    return str(Path(sys.executable).parent / "rushes")


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
