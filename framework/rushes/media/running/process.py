"""The one place where a media tool is run: started in its box, watched, and ended with all that it started.

Nothing here knows what an encode is, and nothing is raised for a tool that fails: `dialect.check` does that.
What goes in and comes out is `supervision`, and can be had here as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import IO

from rushes.errors import CallerError
from rushes.media.running.box import find_box
from rushes.media.running.builds import Build
from rushes.media.running.company import COMPANY
from rushes.media.running.dialect import check
from rushes.media.running.progress import FfmpegProgress, Progress, ProgressParser
from rushes.media.running.starting import started
from rushes.media.running.supervision import Supervision, ToolCall, ToolRun, never
from rushes.media.running.watchdog import TICK_S, Limits, Stopped
from rushes.media.running.watched_run import WatchedRun

__all__ = [
    "Limits",
    "Progress",
    "Stopped",
    "Supervision",
    "ToolCall",
    "ToolRun",
    "check",
    "never",
    "run_ffmpeg",
    "run_tool",
]


def run_tool(
    argv: Sequence[str],
    *,
    supervision: Supervision | None = None,
    stdin: IO[bytes] | int | None = None,
    progress_parser: ProgressParser | None = None,
    environ: Mapping[str, str] | None = None,
) -> ToolRun:
    """Run a tool to its end, whatever that is.

    Args:
        argv: the executable and its arguments; never a shell's line.
        supervision: limits, progress, cancellation, log.
        stdin: an open file for it to read; None for nothing.
        progress_parser: reads its stdout, and its stderr where it wants that.
        environ: its environment; None for ours without credentials.

    Raises:
        CallerError: the executable is not there or cannot be executed.
        PlatformError: the system could not start it, or not in the box that `RUSHES_BOX` asks for.
    """
    supervision = supervision or Supervision()
    company = COMPANY.get()
    if company is not None:
        return company.run(ToolCall(tuple(argv), supervision, stdin, progress_parser, environ))
    box = supervision.box or find_box()
    run = WatchedRun(tuple(argv), supervision, progress_parser, box.level)
    with started(run.argv, supervision, box, stdin=stdin, environ=environ) as child:
        run.follow(child)
    return run.result(child)


def run_ffmpeg(
    build: Build,
    args: Sequence[str],
    *,
    supervision: Supervision | None = None,
    total_s: float | None = None,
    level: str = "warning",
) -> ToolRun:
    """Run one ffmpeg command behind the options that every one gets.

    Its stdout carries `-progress`, so an output to ``-`` or ``pipe:`` is refused (``-f null -`` is fine: it
    writes nothing).

    Args:
        build: which ffmpeg.
        args: inputs, filters, outputs; overwriting (`-y`), `-xerror` and the like are the caller's policy.
        supervision: limits, progress, cancellation, log.
        total_s: duration of the result in seconds; with it each report knows its fraction.
        level: ffmpeg's log level; filters that print a result need ``info``.

    Raises:
        CallerError: an output is a pipe, or the build cannot be executed.
        PlatformError: the system could not start it.
    """
    _refuse_pipes(args)
    supervision = supervision or Supervision()
    if total_s is not None:
        supervision = replace(supervision, on_progress=_with_share(supervision.on_progress, total_s))
    # fmt: off
    fixed = ("-hide_banner", "-nostdin", "-v", level,
             "-progress", "pipe:1", "-nostats", "-stats_period", str(TICK_S))
    # fmt: on
    return run_tool(
        (str(build.path), *fixed, *args), supervision=supervision, progress_parser=FfmpegProgress()
    )


def _refuse_pipes(args: Sequence[str]) -> None:
    for before, argument in pairwise(("", *args)):
        is_pipe = argument.startswith("pipe:") or (argument == "-" and not _writes_nothing(args))
        if is_pipe and before not in ("-i", "-progress"):
            raise CallerError(
                f"ffmpeg's output {argument!r} is a pipe, which carries its progress here.",
                code="bad-output",
                fix="Write to a file in the scratch folder.",
            )


def _writes_nothing(args: Sequence[str]) -> bool:
    return ("-f", "null") in pairwise(args)


def _with_share(
    report: Callable[[Progress], None] | None, total_s: float
) -> Callable[[Progress], None] | None:
    if report is None:
        return None
    receive = report
    return lambda progress: receive(replace(progress, share=progress.fraction(total_s)))
