"""The tools that a body runs by itself: an ffmpeg graph, and executables that its function declared.

Imported when the first is run: it pulls in the media stack. This module must not know encodes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ffmpeg

from rushes.errors import CallerError, PlatformError
from rushes.media.planning.graph import guard_graph
from rushes.media.running.builds import find_build
from rushes.media.running.dialect import check
from rushes.media.running.process import ToolRun, run_ffmpeg, run_tool
from rushes.media.running.progress import LineProgress
from rushes.runtime.attempts.supervising import supervision

if TYPE_CHECKING:
    from rushes.asset import Output
    from rushes.runtime.attempts.local_context import LocalContext

__all__ = ["run_declared", "run_graph"]


def run_graph(ctx: LocalContext, stream: Any, *, total_s: float | None) -> ToolRun:
    """As of `rushes.Context.ffmpeg`."""
    build = find_build()
    ctx.evidence.build = build.facts()
    argv = ["-y", *guard_graph(ffmpeg.get_args(stream))]
    run = run_ffmpeg(build, argv, supervision=supervision(ctx), total_s=total_s)
    ctx.evidence.runs.append(run)
    return check(run, build.major)


def run_declared(
    ctx: LocalContext,
    tool: str,
    argv: Sequence[str | Path | Output],
    *,
    progress: Callable[[str], float | None] | None,
) -> ToolRun:
    """As of `rushes.Context.run`."""
    function = ctx.task.function
    if tool not in function.tools:
        raise CallerError(
            f"{function.name} ran {tool!r}, which it did not declare.",
            code="undeclared-tool",
            fix=f'Add it to the decorator: @function(..., tools=["{tool}"]).',
        )
    found, major = _executable(ctx, tool)
    run = run_tool(
        [found, *(os.fspath(a) for a in argv)],
        supervision=supervision(ctx),
        progress_parser=LineProgress(progress) if progress else None,
    )
    ctx.evidence.runs.append(run)
    return check(run, major)


def _executable(ctx: LocalContext, tool: str) -> tuple[str, int]:
    """Where a tool is, and ffmpeg's major version; 0 for others.

    ffmpeg comes with Rushes: its build is meant, whatever lies on PATH.
    """
    if tool == "ffmpeg":
        build = find_build()
        ctx.evidence.build = build.facts()
        return str(build.path), build.major
    found = shutil.which(tool)
    if found is None:
        raise PlatformError(
            f"{ctx.task.function.name} needs the tool {tool!r}, which is not on PATH here.",
            code="no-tool",
            fix=f"Install {tool} or add its folder to PATH.",
        )
    return found, 0
