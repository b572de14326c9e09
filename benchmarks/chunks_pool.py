"""One transcode on a pool of its own, whole or in chunks, as a script that prints one line of JSON.

chunks_pool.py CLIP FOLDER CODEC CHUNKS SHORT

The state folder is new, its slots are warm: the short clip has been encoded in chunks before the clock runs.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["RUSHES_CPU"] = "2"

from chunks_ours import SPEEDS, THREADS

from rushes.engines.local import LocalEngine
from rushes_functions.transcode import transcode

SLOTS = 2


def main(clip: str, folder: str, codec: str, chunks: str, short: str) -> None:
    with tempfile.TemporaryDirectory(prefix="rushes-bench-") as home:
        os.environ["RUSHES_HOME"] = home
        engine = LocalEngine()
        try:
            print(json.dumps(_measured(clip, short, Path(folder), codec, int(chunks))))
        finally:
            engine.control("stop")


def _measured(clip: str, short: str, folder: Path, codec: str, chunks: int) -> dict[str, float]:
    options: dict[str, Any] = {
        "preset": f"streaming-{codec}",
        "speed": SPEEDS[codec],
        "threads": THREADS,
    }
    transcode.with_options(out=str(folder / "warm"), force=True).remote(short, **options, chunks=SLOTS)
    here = transcode.with_options(out=str(folder), force=True)
    began = time.perf_counter()
    made = here.remote(clip, **options, chunks=chunks if chunks > 1 else "off")
    return {
        "wall_s": time.perf_counter() - began,
        "size_bytes": made.size_bytes,
        "frames": made.frames,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
