"""The one place where a media tool is started, watched and ended.

One thread, the caller's: it reads the tool's pipes, looks at its memory and its pace, and ends it with all
that it started when a limit is passed, somebody cancels, or an exception passes through. Nothing here knows
what an encode is, and nothing is raised for a tool that fails: `dialect.check` does that.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import IO, Final

from rushes.errors import CallerError, PlatformError
from rushes.media.box import Box, Level, find_box
from rushes.media.builds import Build
from rushes.media.child import Child, Rlimits, environment
from rushes.media.company import COMPANY
from rushes.media.dialect import check
from rushes.media.namespace import Namespace
from rushes.media.progress import FfmpegProgress, Progress, ProgressParser
from rushes.media.tail import Tail
from rushes.media.watchdog import TICK_S, Limits, Seen, Stopped, Watchdog

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

# ffmpeg ends a file properly on TERM, and a device gets its session back; a blocked open() never ends.
_GRACE_S: Final = 3.0
# Two looks at a box, by two cores.
_UNSEEN_CPU_S: Final = 0.5
# A killed process that is stuck in the kernel (a dead network mount) cannot be waited for.
_LAST_WAIT_S: Final = 10.0
_READ_BYTES: Final = 64 * 1024
# What has been read has not all been written.
_ALL_READ: Final = 0.99
# Beside its frames a tool maps its libraries and a stack a thread: 5.1 needs 0.4 GiB before the first frame.
_HEADROOM_BYTES: Final = 1024**3


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
    run = _Run(tuple(argv), supervision, progress_parser, box.level)
    with _started(run.argv, supervision, box, stdin=stdin, environ=environ) as child:
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


class _Run:
    """One tool from its first byte to its last."""

    def __init__(
        self, argv: tuple[str, ...], supervision: Supervision, parser: ProgressParser | None, level: Level
    ) -> None:
        self.argv = argv
        self._supervision = supervision
        self._parser = parser
        self._level = level
        self._stderr = Tail(supervision.log_path)
        self._stdout = Tail()
        self._heard = 0
        self._progress: Progress | None = None
        self._stopped: Stopped | None = None
        self._began = time.monotonic()
        self._seconds = 0.0

    def follow(self, child: Child) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(child.stdout, selectors.EVENT_READ, self._hear_stdout)
                selector.register(child.stderr, selectors.EVENT_READ, self._hear_stderr)
                if child.pidfd is not None:
                    selector.register(child.pidfd, selectors.EVENT_READ, None)
                self._watch(child, selector)
                if self._stopped is not None:
                    self._end(child, selector)
                _reap(child)
                while _hear(selector, 0.0):
                    pass
        finally:
            self._seconds = time.monotonic() - self._began
            self._stderr.close()

    def result(self, child: Child) -> ToolRun:
        status = -int(signal.SIGKILL) if child.exit_status is None else child.exit_status
        if self._level.startswith("bubblewrap") and self._stopped is None and status:
            self._check_box(status)
        return ToolRun(
            argv=self.argv,
            exit_status=status,
            seconds=self._seconds,
            cpu_s=child.cpu_s,
            stderr_tail=self._stderr.text(),
            progress=self._progress,
            stopped=self._stopped or _by_rlimit(status, child.cpu_s, self._supervision.limits),
            stdout_tail=self._stdout.text(),
            log_path=self._supervision.log_path,
            box=self._level,
        )

    def _check_box(self, status: int) -> None:
        """Raises where it was the box that failed, and no tool has run."""
        said = self._stderr.text()
        if self._progress is None and said.startswith(("bwrap: ", "box: ")):
            raise PlatformError(
                f"the box around {self.argv[0]} could not be made: {said.splitlines()[0]}.",
                code="box-failed",
                fix="`rushes doctor` shows what works here; RUSHES_BOX chooses another level.",
                details={"argv": list(self.argv), "exit_status": status},
            )

    def _watch(self, child: Child, selector: selectors.BaseSelector) -> None:
        watchdog = Watchdog(self._supervision.limits, self._began)
        next_look = self._began
        while not child.has_ended():
            _hear(selector, max(0.0, next_look - time.monotonic()))
            now = time.monotonic()
            if now < next_look:
                continue
            next_look = now + TICK_S
            self._stopped = watchdog.look(self._look(child), now)
            if self._stopped is not None:
                return

    def _look(self, child: Child) -> Seen:
        read, written = child.bytes_moved()
        self._tell_reading(read)
        return Seen(
            progress=self._progress,
            read_bytes=read,
            written_bytes=written - self._heard,
            # Of a tool without reports of its own any line is one; ffmpeg's warnings are not.
            heard_bytes=0 if isinstance(self._parser, FfmpegProgress) else self._heard,
            memory_bytes=child.memory_bytes() if self._supervision.limits.memory_bytes is not None else 0,
            cancelled=self._supervision.cancelled(),
        )

    def _tell_reading(self, read_bytes: int) -> None:
        expected, tell = self._supervision.source_bytes, self._supervision.on_progress
        if self._progress is None and expected and tell is not None and read_bytes:
            tell(Progress(share=min(_ALL_READ, read_bytes / expected)))

    def _end(self, child: Child, selector: selectors.BaseSelector) -> None:
        self._stderr.note(f"stopped: {self._stopped}")
        if self._stopped not in ("memory", "output"):  # ending properly would use more of both
            child.terminate()
            deadline = time.monotonic() + _GRACE_S
            while not child.has_ended() and (left := deadline - time.monotonic()) > 0:
                # Its pipes are read on: a tool that cannot write cannot end.
                _hear(selector, min(left, TICK_S))
        child.kill()

    def _hear_stdout(self, data: bytes) -> None:
        if not isinstance(self._parser, FfmpegProgress):
            self._stdout.feed(data)
        self._parse(data)

    def _hear_stderr(self, data: bytes) -> None:
        self._stderr.feed(data)
        if self._parser is not None and self._parser.reads_stderr:
            self._parse(data)
        else:
            self._heard += len(data)

    def _parse(self, data: bytes) -> None:
        self._heard += len(data)
        progress = self._parser.feed(data) if self._parser is not None else None
        if progress is not None:
            self._progress = progress
            if self._supervision.on_progress is not None and self._stopped is None:
                self._supervision.on_progress(progress)


@contextmanager
def _started(
    argv: tuple[str, ...],
    supervision: Supervision,
    box: Box,
    *,
    stdin: IO[bytes] | int | None,
    environ: Mapping[str, str] | None,
) -> Iterator[Child]:
    child: Child | None = None
    try:
        child = _start(argv, supervision, box, stdin=stdin, environ=environ)
        yield child
    finally:
        # Whatever passes through here, Ctrl-C included, does so after the tool is dead.
        if child is not None:
            if child.exit_status is None:
                child.kill()
                _reap(child)
            child.close()


def _start(
    argv: tuple[str, ...],
    supervision: Supervision,
    box: Box,
    *,
    stdin: IO[bytes] | int | None,
    environ: Mapping[str, str] | None,
) -> Child:
    limits = supervision.limits
    space = limits.memory_bytes if limits.address_space else None
    try:
        boxed = box.around(argv, environ=environment(environ), cwd=supervision.cwd, reads=supervision.reads)
        namespace = None if boxed.told is None else Namespace(boxed.told)
        try:
            return Child(
                boxed.argv,
                environ=boxed.environ,
                stdin=stdin,
                cwd=supervision.cwd,
                limits=Rlimits(
                    address_space_bytes=None if space is None else space + _HEADROOM_BYTES,
                    file_bytes=limits.output_bytes,
                    cpu_s=limits.cpu_s,
                ),
                keep_open=boxed.keep_open,
                restrict=boxed.restrict,
                namespace=namespace,
            )
        except BaseException:
            if namespace is not None:
                namespace.close()
            raise
        finally:
            boxed.started()
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise CallerError(
            f"{argv[0]} cannot be started: {error.strerror}.",
            code="bad-tool",
            fix="Check that it is installed and executable, and that the folder it runs in is there.",
            details={"argv": list(argv)},
        ) from error
    except (OSError, ValueError) as error:
        raise PlatformError(
            f"{argv[0]} could not be started: {error}.",
            code="tool-not-started",
            fix="It is tried again; if it stays so, look at the limits of this user (`ulimit -a`).",
            details={"argv": list(argv)},
        ) from error


def _hear(selector: selectors.BaseSelector, timeout_s: float) -> bool:
    """Waits for output or the end, and passes on what there is to read; False when there was nothing."""
    heard = False
    for key, _ in selector.select(timeout_s):
        if key.data is None:  # the pidfd: the tool has ended
            selector.unregister(key.fileobj)
            continue
        try:
            data = os.read(key.fd, _READ_BYTES)
        except BlockingIOError:
            continue
        if data:
            heard = True
            key.data(data)
        else:
            selector.unregister(key.fileobj)
    return heard


def _reap(child: Child) -> None:
    deadline = time.monotonic() + _LAST_WAIT_S
    while not child.has_ended():
        if time.monotonic() > deadline:
            return  # stuck in the kernel; it dies when the kernel lets go of it
        time.sleep(0.01)
    child.reap()


def _by_rlimit(status: int, cpu_s: float, limits: Limits) -> Stopped | None:
    """The reason of an end by the kernel's hand that we had asked for."""
    if status == -signal.SIGXFSZ and limits.output_bytes is not None:
        return "output"
    # ffmpeg catches SIGXCPU and exits with 255 like after any other signal; its time tells, as far as it was
    # seen: what a box used between the last look and its end is not known.
    if status != 0 and limits.cpu_s is not None and cpu_s + _UNSEEN_CPU_S >= limits.cpu_s:
        return "timeout"
    return None


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
