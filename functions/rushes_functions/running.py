"""Runs the media core's commands through the context of a function, each telling of its part of the whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from rushes import Context
from rushes.media.ladders.renditions import Runner
from rushes.media.running.process import ToolRun
from rushes.media.running.progress import FfmpegProgress

__all__ = ["through"]

_FFMPEG: Final = ("-hide_banner", "-nostdin", "-v", "warning", "-progress", "pipe:1", "-nostats")


def through(ctx: Context, low: float = 0.0, high: float = 1.0) -> Runner:
    """A runner for a function that declares the tool ``ffmpeg``.

    Args:
        ctx: of the attempt.
        low: the share of the whole that is done when a command starts.
        high: that when it has ended.
    """

    def run(args: Sequence[str], total_s: float | None) -> ToolRun:
        return ctx.run("ffmpeg", [*_FFMPEG, *args], progress=_share(total_s, low, high))

    return run


def _share(total_s: float | None, low: float, high: float) -> Callable[[str], float | None]:
    parser = FfmpegProgress()

    def read(line: str) -> float | None:
        progress = parser.feed(line.encode() + b"\n")
        share = None if progress is None else progress.fraction(total_s)
        return None if share is None else low + (high - low) * share

    return read
