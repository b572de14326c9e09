"""Declared tools in a body: whose fault their failures are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rushes import Asset, Cancelled, Context, Function, MediaError, PlatformError, Result, function
from rushes.runtime.attempts.attempt import Made, Task, run_attempt


class Nothing(Result):
    """A body that only runs its tool."""


@function(version="1", tools=["sh"])
def licence(clip: Asset, ctx: Context) -> Nothing:
    """Run an engine that refuses to start."""
    ctx.run("sh", ["-c", "echo no licence left >&2; exit 3"])
    return Nothing()


@function(version="1", tools=["sleep"])
def long(clip: Asset, ctx: Context) -> Nothing:
    """Run an engine for long."""
    ctx.run("sleep", ["60"])
    return Nothing()


@function(version="1", tools=["ffmpeg"])
def decode(clip: Asset, ctx: Context) -> Nothing:
    """Decode a clip with ffmpeg."""
    ctx.run("ffmpeg", ["-nostdin", "-v", "error", "-i", f"file:{clip.path}", "-f", "null", "-"])
    return Nothing()


@pytest.fixture
def clip(tmp_path: Path) -> Asset:
    path = tmp_path / "a.mov"
    path.write_bytes(b"no clip at all" * 100)
    return Asset(str(path))


def attempt(body: Function[Any, Any], clip: Asset, *, cancelled: bool = False) -> Made:
    return run_attempt(Task(body, clip, body.params()), lambda *_: None, lambda _: None, lambda: cancelled)


def test_a_tool_that_fails_says_its_last_word_and_is_tried_again(clip: Asset) -> None:
    with pytest.raises(PlatformError, match="exit status 3: no licence left") as caught:
        attempt(licence, clip)

    assert caught.value.code == "tool-failed"


def test_a_cancelled_tool_is_a_cancelled_attempt_and_not_the_machines_fault(clip: Asset) -> None:
    with pytest.raises(Cancelled):
        attempt(long, clip, cancelled=True)


def test_a_clip_that_ffmpeg_cannot_read_is_at_fault_also_when_the_author_calls_it(clip: Asset) -> None:
    with pytest.raises(MediaError):
        attempt(decode, clip)
