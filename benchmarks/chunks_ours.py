"""One encode of one clip, whole or in chunks, as a script that prints one line of JSON.

chunks_ours.py CLIP TARGET CODEC CHUNKS
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

# In a bubblewrap box the processor time of a tool is known only as last seen; here it has to be all of it.
os.environ["RUSHES_BOX"] = "rlimits"

from rushes.asset import Asset
from rushes.media.chunking.chunked import encode_chunked
from rushes.media.describing.inspection import describe
from rushes.media.encoding.encode import encode
from rushes.media.profile import Profile, VideoWish
from rushes.media.running.builds import find_build

SPEEDS = {"h264": "medium", "hevc": "veryfast", "av1": "8"}
THREADS = 2


def main(clip: str, target: str, codec: str, chunks: str) -> None:
    source, place, count = Asset.of(clip), Path(target), int(chunks)
    profile = Profile.model_validate(
        {"video": VideoWish.model_validate({"codec": codec, "speed": SPEEDS[codec]}), "threads": THREADS}
    )
    # What a warm slot knows already, whichever way it encodes.
    build, info = find_build(), describe(source)
    began, before = time.perf_counter(), _cpu_s()
    if count == 1:
        made = encode(source, place, profile, build=build, info=info)
    else:
        made = encode_chunked(source, place, profile, chunks=count, build=build, info=info)
        assert not any("whole" in warning for warning in made.warnings), made.warnings
    wall, cpu = time.perf_counter() - began, _cpu_s() - before
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "size_bytes": made.size_bytes, "frames": made.frames}))


def _cpu_s() -> float:
    """Of this process and of all its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main(*sys.argv[1:])
