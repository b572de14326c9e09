"""One tool from its first byte to its last: what it says is heard, its pace and its memory are looked at.

One thread, the caller's. A tool that passes a limit or is cancelled is asked to end, then killed. This module
must not know what the tool does, nor how it is started.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from typing import Final

from rushes.errors import PlatformError
from rushes.media.running.box import Level
from rushes.media.running.child import Child
from rushes.media.running.progress import FfmpegProgress, Progress, ProgressParser
from rushes.media.running.starting import reap
from rushes.media.running.supervision import Supervision, ToolRun
from rushes.media.running.tail import Tail
from rushes.media.running.watchdog import TICK_S, Limits, Seen, Stopped, Watchdog

__all__ = ["WatchedRun"]

# ffmpeg ends a file properly on TERM, and a device gets its session back; a blocked open() never ends.
_GRACE_S: Final = 3.0
# Two looks at a box, by two cores.
_UNSEEN_CPU_S: Final = 0.5
_READ_BYTES: Final = 64 * 1024
# What has been read has not all been written.
_ALL_READ: Final = 0.99


class WatchedRun:
    """One tool while it runs.

    Args:
        argv: what was started, without the words of the box around it.
        supervision: limits, progress, cancellation, log.
        parser: reads its stdout, and its stderr where it wants that.
        level: of its box.
    """

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
        """Hear it out, to its end."""
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(child.stdout, selectors.EVENT_READ, self._hear_stdout)
                selector.register(child.stderr, selectors.EVENT_READ, self._hear_stderr)
                if child.pidfd is not None:
                    selector.register(child.pidfd, selectors.EVENT_READ, None)
                self._watch(child, selector)
                if self._stopped is not None:
                    self._end(child, selector)
                reap(child)
                while _hear(selector, 0.0):
                    pass
        finally:
            self._seconds = time.monotonic() - self._began
            self._stderr.close()

    def result(self, child: Child) -> ToolRun:
        """How it ended.

        Raises:
            PlatformError: it was the box that failed (``box-failed``).
        """
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


def _by_rlimit(status: int, cpu_s: float, limits: Limits) -> Stopped | None:
    """The reason of an end by the kernel's hand that we had asked for."""
    if status == -signal.SIGXFSZ and limits.output_bytes is not None:
        return "output"
    # ffmpeg catches SIGXCPU and exits with 255 like after any other signal; its time tells, as far as it was
    # seen: what a box used between the last look and its end is not known.
    if status != 0 and limits.cpu_s is not None and cpu_s + _UNSEEN_CPU_S >= limits.cpu_s:
        return "timeout"
    return None
