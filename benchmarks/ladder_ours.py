"""Five renditions of one clip, by one ladder or by five ladders of one rung, as a script that prints JSON.

ladder_ours.py FOLDER CLIP one|five
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import measure

from rushes.asset import Asset
from rushes.media.ladders.renditions import make_renditions, supervised
from rushes.media.ladders.rungs import Ladder, Rung
from rushes.media.running.builds import find_build
from rushes.media.running.process import Supervision

# Bit rates that streaming services publish for these sizes.
RUNGS = tuple(
    Rung(lines, bitrate=bits)
    for lines, bits in ((1080, 5_000_000), (720, 2_800_000), (480, 1_400_000), (360, 800_000), (240, 400_000))
)


def main(folder: str, source: str, how: str) -> None:
    place = Path(folder)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    build = find_build()
    groups = [RUNGS] if how == "one" else [(rung,) for rung in RUNGS]
    run = supervised(build, Supervision(cwd=place))
    frames: list[int | None] = []
    with measure.cost_of([os.getpid()]) as cost:
        for number, rungs in enumerate(groups):
            made = make_renditions(
                Asset.of(source),
                Ladder(rungs, speed="veryfast"),
                place / str(number),
                stills_folder=place,
                build=build,
                run=run,
            )
            frames += [picture.frames for picture in made.pictures]
    assert len(frames) == len(RUNGS)
    assert len(set(frames)) == 1, frames
    print(json.dumps({"wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "frames": frames[0]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
