"""Our `transcode` of one clip on a warm pool, as a script that prints one line of JSON.

transcode_ours.py FOLDER CLIP
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import clips
import measure

from rushes import catalog
from rushes.engines.local import LocalEngine


def main(folder: str, source: str) -> None:
    place = Path(folder)
    for old in ("home", "out"):
        shutil.rmtree(place / old, ignore_errors=True)
    os.environ["RUSHES_HOME"] = str(place / "home")
    os.environ["RUSHES_CPU"] = "2"
    transcode = catalog.find("transcode")
    engine = LocalEngine()
    try:
        warm = clips.long_clip(place.parent / "clips", 1)
        transcode.with_options(out=str(place / "out" / "warm")).remote(str(warm), speed="medium")
        worker = int(engine.hello["pid"])
        with measure.cost_of([os.getpid(), worker]) as cost:
            batch = transcode.with_options(out=str(place / "out")).map([source], speed="medium")
            outcomes = list(batch)
        (outcome,) = outcomes
        assert outcome.ok, outcome.error
        assert not outcome.finished.cached
        assert Path(outcome.outputs[0]).stat().st_size > 0
        receipt = json.loads(Path(str(outcome.finished.receipt)).read_text())
        argv = [command for command in receipt["argv"] if "-i" in command][-1]
    finally:
        engine.control("stop")
    print(json.dumps({"wall_s": cost.wall_s, "cpu_s": cost.cpu_s, "argv": argv}))


if __name__ == "__main__":
    main(*sys.argv[1:])
