"""What a tool's failure means."""

from __future__ import annotations
from typing import TYPE_CHECKING
from rushes.errors import PlatformError, RushesError

if TYPE_CHECKING:
    from rushes.media.process import ToolRun


def classify(run: ToolRun, build_major: int = 0) -> RushesError:
    return PlatformError(
        f"{run.argv[0]} failed: {run.stopped or run.exit_status}",
        code="tool-failed",
        details={"argv": list(run.argv), "exit_status": run.exit_status, "stderr_tail": run.stderr_tail},
    )
