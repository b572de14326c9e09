"""Files that ask for gigabytes: all processes of the attempt stay inside what its function declares."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import make_media
from rushes import catalog
from rushes.engines.local import LocalEngine

pytestmark = pytest.mark.timeout(240)

GIB = 1024**3
BOMBS = [
    recipe.name
    for recipe in make_media.RECIPES.values()
    if recipe.set == "hostile" and recipe.facts["expect"] == "limited"
]

# Runs one step over one file in a process of its own, and looks every 5 ms at what all of them hold.
_WATCHED = """
import json, os, sys, threading
from pathlib import Path
from rushes.asset import Asset
from rushes.errors import RushesError
from rushes.media.running.allowance import allow
from rushes.media.encoding.encode import encode
from rushes.media.running.family import descendants, resident_bytes
from rushes.media.describing.inspection import describe
from rushes.media.running.process import Limits, Supervision
from rushes.media.profile import Profile
from rushes.media.readers.reader import walls
step, out, declared, names = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
allow(declared)
walls()
peak, over = 0, threading.Event()
def watch():
    global peak
    while not over.wait(0.005):
        peak = max(peak, sum(map(resident_bytes, {os.getpid(), *descendants(os.getpid())})))
threading.Thread(target=watch).start()
limits = Limits(stall_s=60, time_s=120, memory_bytes=declared)
profile = Profile.model_validate({"video": {"codec": "h264", "speed": "ultrafast"}, "container": "mp4"})
said = {}
try:
    for name in names:
        try:
            if step == "inspect":
                describe(name, count_frames=True)
            else:
                held = Supervision(limits=limits, cwd=out)
                encode(Asset.of(name), out / "o.mp4", profile, supervision=held)
            said[name] = "ok"
        except RushesError as error:
            said[name] = f"{error.kind}/{error.code}"
finally:
    over.set()
print(json.dumps({"peak": peak, "said": said}))
"""


def watched(step: str, out: Path, declared: int, *clips: Path) -> Any:
    argv = [sys.executable, "-c", _WATCHED, step, str(out), str(declared), *map(str, clips)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=230)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_bomb_that_is_inspected_stays_inside_a_gigabyte(media: make_media.Workshop, tmp_path: Path) -> None:
    found = watched("inspect", tmp_path, GIB, *map(media, BOMBS))

    assert found["peak"] < GIB
    assert {what.split("/")[0] for what in found["said"].values()} <= {"ok", "media"}


def test_a_bomb_that_is_encoded_stays_inside_what_its_function_declares(
    media: make_media.Workshop, tmp_path: Path
) -> None:
    found = watched("encode", tmp_path, 2 * GIB, *map(media, BOMBS))

    assert found["peak"] < 2 * GIB
    # Of memory the machine may have had too little; of everything else the file has too much.
    assert {what.split("/")[0] for what in found["said"].values()} <= {"ok", "media", "platform"}
    blamed = {what for what in found["said"].values() if what.startswith("platform")}
    assert blamed <= {"platform/out-of-memory", "platform/memory-limit"}


def test_the_pool_goes_on_behind_bombs(rushes_home: Path, media: make_media.Workshop) -> None:
    assert rushes_home.is_dir()
    inspect = catalog.find("inspect")
    engine = LocalEngine()
    try:
        clips = [str(media(name)) for name in (*BOMBS, "h264.mp4")]
        before = {slot["pid"] for slot in engine.pool()["slots"]}

        outcomes = {Path(outcome.asset).name: outcome for outcome in inspect.map(clips)}

        assert outcomes["h264.mp4"].ok
        for name in BOMBS:
            error = outcomes[name].error
            assert error is None or error["kind"] == "media", (name, error)
            assert outcomes[name].finished.attempts == 1, name
        assert before <= {slot["pid"] for slot in engine.pool()["slots"]}
    finally:
        engine.control("stop")
        engine.close()
