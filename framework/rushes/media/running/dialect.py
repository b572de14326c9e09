"""What a tool's failure means: one error with one sentence, and who has to act.

Read in this order: our own reason for stopping it, the text that it wrote, its exit status. This module is
pure; it must not know how a tool is run or what is done about the error.
"""

from __future__ import annotations

import re
import signal
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from rushes.errors import Cancelled, MediaError, PlatformError, RushesError
from rushes.media.running.failures import (
    BY_EXIT_STATUS,
    FALSE_SUCCESS,
    FRAMES_DUPLICATED,
    GENERIC,
    NAMED_FILES,
    ROWS,
    KnownFailure,
)
from rushes.media.running.redact import redact

if TYPE_CHECKING:
    from rushes.media.running.process import ToolRun

__all__ = ["NO_SUCH_INSTRUCTION", "check", "claims_success_falsely", "classify", "damage_in"]

_SENTENCE_CHARACTERS: Final = 240
# "[h264 @ 0x55f2c1] ": where in ffmpeg a line comes from means nothing to its reader.
_ORIGIN: Final = re.compile(r"^(?:\[[^\]]*@ 0x[0-9a-f]+\]\s*)+", re.IGNORECASE)
_FROM_SIX_ON: Final = 6
NO_SUCH_INSTRUCTION: Final = frozenset({-signal.SIGILL, 128 + signal.SIGILL})
"""How a program ends that was built for another processor: it does so on every clip."""


def classify(run: ToolRun, build_major: int = 0) -> RushesError:
    """The error that a failed run stands for.

    Its `details` have ``argv``, ``exit_status``, ``stderr_tail``, ``log`` and ``action`` (`failures.Action`).

    Args:
        run: a run that was stopped, ended with another status than 0, or only claims success.
        build_major: ffmpeg's major version: before 6 its exit status says nothing. 0 if unknown.
    """
    source = _source_of(run)
    if run.stopped is not None:
        return _stopped(run, source)
    for row in ROWS:
        found = row.pattern.search(run.stderr_tail)
        if found:
            return _by_row(row, run, source, found[0])
    if FRAMES_DUPLICATED.search(run.stderr_tail):
        return _timestamps(run, source)
    return _by_exit_status(run, source, build_major)


def check(run: ToolRun, build_major: int = 0) -> ToolRun:
    """`run`, if the tool ended by itself with exit status 0 and does not say otherwise.

    Raises:
        RushesError: what `classify` makes of it.
    """
    if not run.ok or claims_success_falsely(run):
        raise classify(run, build_major)
    return run


def claims_success_falsely(run: ToolRun) -> bool:
    """Whether ffmpeg exits 0 although it says that it could not finish its output."""
    return run.exit_status == 0 and FALSE_SUCCESS.search(run.stderr_tail) is not None


def damage_in(run: ToolRun) -> str | None:
    """What ffmpeg said of damage in its source, in a run that it may well have ended with 0; else None."""
    row = next(row for row in ROWS if row.code == "damaged")
    found = row.pattern.search(run.stderr_tail)
    return _plain(found[0]) if found else None


def _stopped(run: ToolRun, source: str) -> RushesError:
    details = _details(run, "retry")
    tool = _tool_of(run)
    after = f"after {run.seconds:.0f} s"
    if run.stopped == "cancelled":
        return Cancelled(f"{tool} was cancelled {after}.", details=_details(run, "fail"))
    if run.stopped in ("timeout", "output") and FRAMES_DUPLICATED.search(run.stderr_tail):
        return _timestamps(run, source)
    if run.stopped == "stalled":
        return PlatformError(
            f"{tool} made no progress with {source} and was stopped {after}.",
            code="stalled",
            fix="It is tried again; if it stalls again, the clip or its disk is at fault.",
            details=details,
        )
    if run.stopped == "timeout":
        return PlatformError(
            f"{tool} took too long with {source} and was stopped {after}.",
            code="timeout",
            fix="Allow more time, or look at what else runs on this machine.",
            details=details,
        )
    if run.stopped == "memory":
        return PlatformError(
            f"{tool} needed more memory for {source} than it may have.",
            code="memory-limit",
            fix="Give the function more memory (Resources(memory=...)).",
            details=details,
        )
    return MediaError(
        f"{source} makes more output than its limit allows.",
        code="output-limit",
        fix="Raise the limit if this size is right.",
        details=_details(run, "fail"),
    )


def _by_row(row: KnownFailure, run: ToolRun, source: str, found: str) -> RushesError:
    named = _file_in(run.stderr_tail) if "{file}" in row.sentence else None
    said = row.sentence.format(source=source, found=_plain(found).rstrip("."), file=named or source)
    message = said.replace("..", ".")
    return row.error(message, code=row.code, fix=row.fix, details=_details(run, row.action))


def _file_in(text: str) -> str | None:
    """The name of the file that a failure is about, where ffmpeg says it."""
    found = next((match for pattern in NAMED_FILES if (match := pattern.search(text))), None)
    return _plain(found[1].removeprefix("file:")) if found else None


def _by_exit_status(run: ToolRun, source: str, build_major: int) -> RushesError:
    status = run.exit_status
    tool = _tool_of(run)
    if status == -signal.SIGKILL or status == 128 + signal.SIGKILL:
        return PlatformError(
            f"{tool} was killed by the system while it worked on {source}; most often memory had run out.",
            code="killed",
            fix="Give it more memory, or run fewer at once.",
            details=_details(run, "retry"),
        )
    if status in NO_SUCH_INSTRUCTION:
        return PlatformError(
            f"{tool} met an instruction that this machine's processor does not have (SIGILL); nothing is "
            f"said against {source}.",
            code="crashed",
            fix="Use a build for this processor (RUSHES_FFMPEG); `rushes doctor` tries the one that is here.",
            details=_details(run, "retry"),
        )
    if status < 0 or status in (128 + signal.SIGABRT, 128 + signal.SIGSEGV, 128 + signal.SIGXFSZ):
        number = -status if status < 0 else status - 128
        return PlatformError(
            f"{tool} crashed on {source} ({_signal_name(number)}).",
            code="crashed",
            fix="It is tried again in software; a clip that crashes it again is set aside.",
            details=_details(run, "retry"),
        )
    code = BY_EXIT_STATUS.get(status) if _is_ffmpeg(run) else None
    # 255 is a stop from outside in every version, the others mean nothing before 6.
    if code is not None and (status in (69, 255) or build_major == 0 or build_major >= _FROM_SIX_ON):
        row = next(row for row in ROWS if row.code == code)
        return _by_row(row, run, source, f"exit status {status}")
    last = _last_line(run.stderr_tail)
    return PlatformError(
        f"{tool} failed on {source} with exit status {status}" + (f": {last}" if last else "."),
        code="tool-failed",
        fix="Its log has the whole of what it said.",
        details=_details(run, "retry"),
    )


def _timestamps(run: ToolRun, source: str) -> MediaError:
    return MediaError(
        f"{source} has a gap in its timestamps that would be filled with thousands of repeated frames.",
        code="timestamps",
        fix="Keep its own frame rate (variable), or mend the clip's timestamps.",
        details=_details(run, "fail"),
    )


def _details(run: ToolRun, action: str) -> dict[str, Any]:
    return {
        "argv": [redact(argument) for argument in run.argv],
        "exit_status": run.exit_status,
        "stopped": run.stopped,
        "stderr_tail": run.stderr_tail,
        "log": str(run.log_path) if run.log_path else None,
        "action": action,
    }


def _source_of(run: ToolRun) -> str:
    """The name of the first input, or what else to call the clip."""
    for option, value in pairwise(run.argv):
        if option == "-i":
            return _plain(PurePath(value.removeprefix("file:")).name)
    return "the clip"


def _tool_of(run: ToolRun) -> str:
    return "ffmpeg" if _is_ffmpeg(run) else _plain(PurePath(run.argv[0]).name)


def _is_ffmpeg(run: ToolRun) -> bool:
    return PurePath(run.argv[0]).name.startswith("ffmpeg")


def _last_line(text: str) -> str:
    for line in reversed(text.splitlines()):
        if not GENERIC.search(line):
            return _plain(line)
    return ""


def _plain(text: str) -> str:
    """One line for a sentence: no origin, no line breaks, not too long."""
    line = " ".join(_ORIGIN.sub("", redact(text).strip()).split())
    return line if len(line) <= _SENTENCE_CHARACTERS else f"{line[:_SENTENCE_CHARACTERS]}…"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
