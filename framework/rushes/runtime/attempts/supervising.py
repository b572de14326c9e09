"""What the tools of an attempt run under: its limits, its watchdog, its log, and what they may read.

This module must not know which tool is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from rushes.asset import Asset
from rushes.media.running.process import Limits, Supervision
from rushes.media.running.progress import Progress

if TYPE_CHECKING:
    from rushes.declaration import Params
    from rushes.runtime.attempts.local_context import LocalContext

__all__ = ["checking", "supervision"]


def supervision(ctx: LocalContext) -> Supervision:
    """Of commands that make the result."""
    task, function = ctx.task, ctx.task.function

    def on_tool(progress: Progress) -> None:
        speed = f"{progress.speed:.1f}×" if progress.speed else ""
        ctx.report(-1.0 if progress.share is None else progress.share, speed)

    return Supervision(
        limits=Limits(
            stall_s=function.stall_s,
            time_s=function.timeout_s,
            memory_bytes=round(function.resources.vector()["memory"]),
        ),
        on_progress=on_tool,
        cancelled=lambda: ctx.cancelled,
        log_path=task.log,
        cwd=ctx.scratch,
        reads=[*(asset.path for asset in (task.source, *_assets_in(task.params))), *ctx.readable],
    )


def checking(ctx: LocalContext) -> Supervision:
    """Of commands that add nothing to the result: a sign of life, no progress."""
    return replace(supervision(ctx), on_progress=lambda _: ctx.report(-1.0, "checking the quality"))


def _assets_in(params: Params) -> Iterator[Asset]:
    """The assets among the parameters: a tool may read them, whether its words name them or a filter does."""
    for name in type(params).model_fields:
        value = getattr(params, name)
        for item in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(item, Asset):
                yield item
