"""What really ran, replayed from its ledger by the simulator."""

# ruff: noqa: PLC0415 - a fixture puts benchmarks/ on the path, for this test alone

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.soak
def test_the_replay_of_a_real_run_has_the_turnaround_of_the_real_pool(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import clips
    import measure

    clip = clips.long_clip(tmp_path / "clips", 2)

    found = measure.script("twin_ours.py", tmp_path / "out", clip, 40, python=sys.executable)

    assert set(found) == {"background", "standard", "urgent"}
    for of in found.values():
        for percent in (50, 90):
            assert of[f"twin_{percent}"] == pytest.approx(of[f"real_{percent}"], rel=0.15, abs=0.5)
