"""What the runtime hands to every piece of media work, and how a tool ended. Values only.

This module must not know how a tool is run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from rushes.media.running.box import Box, Level
from rushes.media.running.progress import Progress, ProgressParser
from rushes.media.running.watchdog import Limits, Stopped

__all__ = ["Supervision", "ToolCall", "ToolRun", "never"]


def never() -> bool:
    """The `cancelled` of work that nobody cancels."""
    return False


@dataclass
class Supervision:
    """What the runtime hands to every piece of media work.

    Args:
        limits: what one tool may use.
        on_progress: called in the caller's thread with each report; what it raises stops the tool.
        cancelled: asked about four times a second; True stops the tool.
        log_path: where a tool's stderr is kept, redacted and bounded; appended to.
        cwd: the folder that the tool runs in, and may write to.
        reads: files and folders that it reads without its words naming them: what a filter graph opens.
        box: the box that it runs in; None for the one of this process.
        source_bytes: how much it will read, where its reading is to tell how far it is until it says so
            itself: ffmpeg says nothing before all of its outputs have begun, and a contact sheet begins last.
    """

    limits: Limits = field(default_factory=Limits)
    on_progress: Callable[[Progress], None] | None = None
    cancelled: Callable[[], bool] = never
    log_path: Path | None = None
    cwd: Path | None = None
    reads: Sequence[str | os.PathLike[str]] = ()
    box: Box | None = None
    source_bytes: int | None = None


@dataclass(frozen=True)
class ToolRun:
    """How a tool ended.

    Args:
        argv: what was started, without the words of the box around it.
        exit_status: 0 and above as it exited, negative for the signal that ended it.
        seconds: from start to end.
        cpu_s: processor seconds, its children's and its box's included.
        stderr_tail: the first 8 KiB and the last 64 KiB of what it wrote, redacted.
        progress: its last report.
        stopped: why we stopped it, or None when it ended by itself.
        stdout_tail: the same of its stdout, where that was not ffmpeg's progress.
        log_path: where all of its stderr is.
        box: the level of the box that it ran in.
    """

    argv: tuple[str, ...]
    exit_status: int
    seconds: float
    cpu_s: float
    stderr_tail: str
    progress: Progress | None = None
    stopped: Stopped | None = None
    stdout_tail: str = ""
    log_path: Path | None = None
    box: Level = "rlimits"

    @property
    def ok(self) -> bool:
        """It ended by itself and says that all went well. Only `verify` knows whether that is true."""
        return self.exit_status == 0 and self.stopped is None


@dataclass(frozen=True)
class ToolCall:
    """A tool as somebody wants it run: the arguments of `run_tool`."""

    argv: tuple[str, ...]
    supervision: Supervision
    stdin: IO[bytes] | int | None = None
    progress_parser: ProgressParser | None = None
    environ: Mapping[str, str] | None = None
