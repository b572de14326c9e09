"""Running what several bodies want of one clip at the same time: as one command where that can be.

What a shared command says is taken for everybody's only when it ended well and says nothing of damage. When
it did not, each command runs by itself, so that the one that is to blame fails, alone. This module must not
know bodies or threads; it is handed tools to run and gives an answer to each.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final, TypeVar

from rushes.errors import RushesError
from rushes.joint import shared_memory
from rushes.media.running.dialect import claims_success_falsely, damage_in
from rushes.media.running.process import Supervision, ToolCall, ToolRun, run_tool
from rushes.media.running.progress import FfmpegProgress, Progress
from rushes.media.running.shared_command import Command, groups, merged, parse_command
from rushes.media.running.watchdog import Limits

__all__ = ["Answer", "run_calls"]

Answer = ToolRun | RushesError | OSError
N = TypeVar("N", int, float)
_TEXT_BYTES: Final = 64 * 1024
"""What is staged beside a command is a link, or a text this short."""


def run_calls(calls: Sequence[ToolCall]) -> list[Answer]:
    """How each of some tools ended, or why it could not be started, in their order.

    Raises:
        BaseException: what a signal's handler raises ends the tool that runs and passes through.
    """
    commands, staged = _looked_at(calls)
    answers: dict[int, Answer] = {}
    for group in groups(commands, staged):
        together = [(calls[n], command) for n in group if (command := commands[n]) is not None]
        shared = _shared(together) if len(group) > 1 else None
        for place, number in enumerate(group):
            if isinstance(shared, list):
                answers[number] = shared[place]
            else:
                answers[number] = _alone(calls[number], shared)
    return [answers[number] for number in range(len(calls))]


def _looked_at(calls: Sequence[ToolCall]) -> tuple[list[Command | None], list[dict[str, str]]]:
    """Each command, where others can share it, and what lies staged for it.

    One whose folder was removed shares nothing: its own body tells why it failed.
    """
    commands: list[Command | None] = []
    staged: list[dict[str, str]] = []
    for call in calls:
        command = _shareable(call)
        try:
            staged.append(_staged(call, command))
        except OSError:
            command = None
            staged.append({})
        commands.append(command)
    return commands, staged


def _shareable(call: ToolCall) -> Command | None:
    given = call.stdin is None and call.environ is None and call.supervision.box is None
    return parse_command(call.argv) if given and call.supervision.cwd is not None else None


@dataclass(frozen=True, slots=True)
class _InVain:
    """A shared command that did not end well.

    Args:
        reason: one sentence.
        cpu_s: what each of those that shared it bears of its processor time.
    """

    reason: str
    cpu_s: float = 0.0


def _alone(call: ToolCall, before: _InVain | None) -> Answer:
    """Run a tool by itself, after the command that it shared with others has failed, if it had."""
    if before is not None and call.supervision.log_path is not None:
        with suppress(OSError), call.supervision.log_path.open("a", encoding="utf-8") as log:
            log.write(f"the command that was shared with others did not end well: {before.reason}\n")
    try:
        run = run_tool(
            call.argv,
            supervision=call.supervision,
            stdin=call.stdin,
            progress_parser=call.progress_parser,
            environ=call.environ,
        )
    except (RushesError, OSError) as error:  # its folder may have gone: that is for its own body to tell
        return error
    return run if before is None else replace(run, cpu_s=run.cpu_s + before.cpu_s)


def _shared(together: Sequence[tuple[ToolCall, Command]]) -> list[Answer] | _InVain:
    """The answers of a group; else why its shared command did not end well, or could not be started."""
    calls = [call for call, _ in together]
    argv = merged([command for _, command in together])
    try:
        with _folder(together) as cwd:
            supervision = replace(_supervision(calls, cwd), source_bytes=_to_read(argv))
            run = run_tool(argv, supervision=supervision, progress_parser=_Told(calls))
    except RushesError as error:
        return _InVain(error.message)
    except OSError as error:  # a folder of one of them was removed
        return _InVain(f"{type(error).__name__}: {error}")
    if run.stopped != "cancelled" and (
        not run.ok or claims_success_falsely(run) or damage_in(run) is not None
    ):
        said = run.stderr_tail.strip().splitlines()
        reason = said[-1] if said else f"it ended with status {run.exit_status}"
        return _InVain(reason, run.cpu_s / len(calls))
    # What it cost belongs to all of them alike, so that the sum of their receipts is what was spent.
    return [replace(run, cpu_s=run.cpu_s / len(calls)) for _ in calls]


def _supervision(calls: Sequence[ToolCall], cwd: Path) -> Supervision:
    """Of a shared command: the room of all of them, the patience of the most patient."""
    each = [call.supervision for call in calls]
    limits = [one.limits for one in each]
    folders = [one.cwd for one in each if one.cwd is not None]
    return Supervision(
        limits=Limits(
            stall_s=_together([one.stall_s for one in limits], max),
            time_s=_together([one.time_s for one in limits], max),
            memory_bytes=_together(
                [one.memory_bytes for one in limits], lambda each: round(shared_memory(each))
            ),
            output_bytes=_together([one.output_bytes for one in limits], sum),
            cpu_s=_together([one.cpu_s for one in limits], sum),
            address_space=all(one.address_space for one in limits),
        ),
        on_progress=lambda progress: _tell_all(each, progress),
        cancelled=lambda: any(one.cancelled() for one in each),
        log_path=next((one.log_path for one in each if one.log_path is not None), None),
        cwd=cwd,
        reads=[*folders, *(path for one in each for path in one.reads)],
    )


def _together(values: Sequence[N | None], combine: Callable[[Sequence[N]], N]) -> N | None:
    known = [value for value in values if value is not None]
    return combine(known) if len(known) == len(values) else None


class _Told(FfmpegProgress):
    """Reads the progress of a shared command for its watchdog, and lets each call read it in its own way."""

    def __init__(self, calls: Sequence[ToolCall]) -> None:
        super().__init__()
        self._calls = calls

    def feed(self, data: bytes) -> Progress | None:
        for call in self._calls:
            progress = None if call.progress_parser is None else call.progress_parser.feed(data)
            if progress is not None and call.supervision.on_progress is not None:
                call.supervision.on_progress(progress)
        return super().feed(data)


def _to_read(argv: Sequence[str]) -> int | None:
    """How many bytes the inputs of a command have, each as often as it is named."""
    total = 0
    for option, name in pairwise(argv):
        if option == "-i":
            try:
                total += Path(name.removeprefix("file:")).stat().st_size
            except OSError:  # the pattern of a sequence
                return None
    return total


def _tell_all(each: Sequence[Supervision], progress: Progress) -> None:
    """What its reading tells of a shared command; what its own words tell, each call hears by itself."""
    if progress.share is not None:
        for one in each:
            if one.on_progress is not None:
                one.on_progress(progress)


# -- the folder that it runs in -------------------------------------------------------------------------


def _staged(call: ToolCall, command: Command | None) -> dict[str, str]:
    """The files of a command's own folder that its graphs name, and what tells them from others."""
    if command is None or call.supervision.cwd is None:
        return {}
    with os.scandir(call.supervision.cwd) as entries:
        files = [entry for entry in entries if not entry.is_dir()]
        return {entry.name: _mark(entry) for entry in files if command.reads_staged(entry.name)}


def _mark(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return f"link {Path(entry.path).readlink()}"
    if entry.is_file() and entry.stat().st_size <= _TEXT_BYTES:
        return f"text {hashlib.sha256(Path(entry.path).read_bytes()).hexdigest()}"
    return f"only {entry.path}"


@contextmanager
def _folder(together: Sequence[tuple[ToolCall, Command]]) -> Iterator[Path]:
    """A folder with links to what each graph reads; what a graph has written goes to its command's folder."""
    folder = Path(tempfile.mkdtemp(prefix="shared-", dir=together[0][0].supervision.cwd))
    links: Mapping[str, str] = {
        name: os.path.join(call.supervision.cwd or "", name)  # noqa: PTH118 - it is for a link
        for call, command in together
        for name in _staged(call, command)
    }
    try:
        for name, path in links.items():
            (folder / name).symlink_to(path)
        yield folder
        for made in [entry for entry in folder.iterdir() if entry.name not in links]:
            owner = next((call for call, command in together if command.reads_staged(made.name)), None)
            if owner is not None and owner.supervision.cwd is not None:
                shutil.move(made, owner.supervision.cwd / made.name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
