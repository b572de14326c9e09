"""One encode of one clip to a target VMAF, or with a value that is known, as one line of JSON.

quality_ours.py CLIP TARGET-FILE CODEC VMAF       searches, encodes; then measures it all
quality_ours.py CLIP TARGET-FILE CODEC =VALUE     encodes with that value
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
from rushes.media.encoding.encode import encode
from rushes.media.measuring.metrics import measure
from rushes.media.measuring.target import find_quality
from rushes.media.profile import Profile
from rushes.media.quality.scale import with_quality
from rushes.media.running.builds import find_build

SPEEDS = {"h264": "medium", "hevc": "fast", "av1": "8"}


def main(clip: str, target: str, codec: str, wish: str) -> None:
    source, place, build = Asset.of(clip), Path(target), find_build()
    video = {"codec": codec, "speed": SPEEDS[codec]}
    profile = Profile.model_validate({"container": "mkv", "video": video, "threads": 2})
    began, before = time.perf_counter(), _cpu_s()
    said: dict[str, object] = {}
    if wish.startswith("="):
        encode(source, place, with_quality(profile, float(wish[1:])), build=build)
    else:
        found = find_quality(source, profile, float(wish), build=build)
        encode(source, place, found.profile, build=build)
        said = {
            "quality": found.quality,
            "tries": len(found.tries),
            "predicted": found.predicted.vmaf,
            "predicted_bytes": found.predicted.size_bytes,
        }
    said |= {"wall_s": time.perf_counter() - began, "cpu_s": _cpu_s() - before}
    if not wish.startswith("="):
        said["vmaf"] = measure(place, source, build=build, every=3, also=False).vmaf.mean
        said["size_bytes"] = place.stat().st_size
    print(json.dumps(said))


def _cpu_s() -> float:
    """Of this process and of all its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main(*sys.argv[1:])
