"""A bare ffmpeg, from its start until it has written something, as a script that prints one line of JSON.

packet_bare.py CLIP TARGET
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from rushes.media.running.builds import find_build


def main(clip: str, target: str) -> None:
    place = Path(target)
    place.unlink(missing_ok=True)
    argv = [str(find_build().path), "-nostdin", "-v", "error", "-i", clip, "-map", "0:v:0", "-map", "0:a:0"]
    argv += ["-threads", "2", "-c:v", "libx264", "-preset", "medium", "-c:a", "aac", str(place)]
    began = time.perf_counter()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as process:
        while not (place.exists() and place.stat().st_size):
            assert process.poll() is None, "ffmpeg ended and wrote nothing"
            time.sleep(0.001)
        seconds = time.perf_counter() - began
        process.kill()
    print(json.dumps({"packet_s": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
