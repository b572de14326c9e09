"""One cold probe in a fresh process, the question asked again, and one-frame encodes beside them.

    python benchmarks/probe_ours.py FOLDER

The last line is JSON: seconds. The box and the bundled ffmpeg are found beforehand: whatever starts a tool
first has to, probe or not. Device nodes are left out, for what is measured is a host that has none.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rushes.media.devices import probe_cache
from rushes.media.devices.device_nodes import Nodes
from rushes.media.running.box import find_box
from rushes.media.running.builds import bundled_ffmpeg, find_build
from rushes.media.running.process import run_ffmpeg

_ENCODES = 5
_ONE_FRAME = [
    "-f", "lavfi", "-i", "color=c=gray:s=256x128:r=25", "-frames:v", "1", "-c:v", "libx264",
    "-pix_fmt", "yuv420p", "-f", "null", "-",
]  # fmt: skip


def main(folder: Path) -> dict[str, float]:
    shutil.rmtree(folder, ignore_errors=True)
    environ = {"RUSHES_HOME": str(folder)}
    probe_cache.look = Nodes  # type: ignore[attr-defined,assignment] # whatever this host has
    find_box()
    bundled_ffmpeg()
    cold_s = _timed(lambda: probe_cache.capability(environ, time.time()))
    cached_s = _timed(lambda: probe_cache.capability(environ, time.time()))
    found = probe_cache.capability(environ, time.time())
    if len(found.working(family="software")) < 10 or len(found.working()) != len(
        found.working(family="software")
    ):
        sys.exit(
            f"this probe found {len(found.working())} that work: it is not one of a host without devices"
        )
    build = find_build(environ=environ)
    encode_s = statistics.median(_timed(lambda: run_ffmpeg(build, _ONE_FRAME)) for _ in range(_ENCODES))
    return {"cold_s": cold_s, "cached_s": cached_s, "encode_s": encode_s, "encoders": len(found.working())}


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
