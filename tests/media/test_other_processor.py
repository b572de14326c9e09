"""A tool that was built for another processor dies on every clip, and says nothing against any of them."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from rushes.asset import Asset
from rushes.core.host_health import DOUBTS, Part
from rushes.core.retry import RetryAfter, decide
from rushes.media.describing.second_opinion import blamed
from rushes.media.running.dialect import classify
from rushes.media.running.process import ToolRun

DIED = [-signal.SIGILL, 128 + signal.SIGILL]


@pytest.mark.parametrize("status", DIED)
def test_it_is_the_builds_fault_and_the_host_looks_at_its_tools(status: int) -> None:
    error = classify(ToolRun(("/opt/ffmpeg", "-i", "/cards/a.mov"), status, 1.0, 1.0, ""), 7)
    assert (error.kind, error.code) == ("platform", "crashed")
    assert "nothing is said against a.mov" in error.message
    assert DOUBTS[error.code] is Part.tools
    assert isinstance(decide(error.kind, error.code, 1, 0, 2, 7), RetryAfter)


@pytest.mark.parametrize("status", DIED)
def test_nobody_decodes_the_clip_to_find_a_fault_in_it(tmp_path: Path, status: int) -> None:
    error = classify(ToolRun(("/opt/ffmpeg", "-i", "/cards/a.mov"), status, 1.0, 1.0, ""), 7)
    assert blamed(error, Asset(str(tmp_path / "damaged.mov"))) is error
