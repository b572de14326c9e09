"""The script that measures the curves writes a file of curves that the library takes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import calibrate_quality
from rushes.media.quality.curves import load_curves
from rushes.media.quality.scale import quality_for
from rushes.media.running.builds import find_build


def test_curves_measured_on_a_clip_of_ones_own_are_used(tmp_path: Path) -> None:
    clip, out = tmp_path / "own.mkv", tmp_path / "curves.json"
    picture = "testsrc2=s=640x360:r=25,noise=alls=6:allf=t"
    subprocess.run(
        [
            find_build().path,
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            picture,
            "-frames:v",
            "8",
            "-c:v",
            "ffv1",
            clip,
        ],
        check=True,
    )

    done = calibrate_quality.main(
        ["--out", str(out), "--only", "libx264", "--quick", "--height", "360", "--clip", str(clip)]
    )

    assert done == 0
    written = json.loads(out.read_text(encoding="utf-8"))
    assert written["clips"] == ["own.mkv"]
    assert {(row["preset"], row["height"]) for row in written["curves"]} == {
        (preset, 360) for preset in ("medium", "veryfast", "slow")
    }
    own = quality_for("libx264", "medium", 80.0, 360, curves=load_curves(out))
    assert own.measured
    assert own.expected_vmaf > 75
