"""Starting one tool so that it cannot outlive us, and ending it with everything that it started.

The child is the leader of its own session; on Linux the kernel kills it when the thread that started it
dies, even by kill -9 (measured: otherwise ffmpeg goes on alone, it neither sees the closed pipes nor quits).
This module must not know what the tool does, nor when to end it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from rushes.media.running.company import here
from rushes.media.running.family import descendants, moved_bytes, resident_bytes
from rushes.media.running.forks import hold_over_forks
from rushes.media.running.namespace import Namespace

__all__ = ["Child", "Rlimits", "environment"]

_PR_SET_PDEATHSIG: Final = 1
_LINUX: Final = sys.platform.startswith("linux")
# Bound once, here: between fork and exec nothing may be imported, looked up or locked.
_PRCTL: Final = ctypes.CDLL(None, use_errno=True).prctl if _LINUX else None
# Held back while a child starts, so that no handler raises between its birth and our knowing of it.
_INTERRUPTS: Final = {
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
}
# bubblewrap says 128 and the number for a tool that a signal ended. ffmpeg's own 129 to 159 are errors of
# networks and quotas, whose text is read first.
_DEADLY: Final = {
    signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGKILL,
    signal.SIGSEGV, signal.SIGTERM, signal.SIGXCPU, signal.SIGXFSZ, signal.SIGSYS,
}  # fmt: skip
# FFREPORT makes ffmpeg write files of its own choosing; colours would be escape sequences in the log.
_UNWANTED: Final = ("FFREPORT", "AV_LOG_FORCE_COLOR", "AV_LOG_FORCE_256COLOR")
_SECRET: Final = ("SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL", "API_KEY", "ACCESS_KEY")


@dataclass(frozen=True, slots=True)
class Rlimits:
    """Limits that the kernel holds the child to; None for none."""

    address_space_bytes: int | None = None
    file_bytes: int | None = None
    cpu_s: float | None = None


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that a tool gets: ours, without credentials and without what makes ffmpeg write files."""
    source = os.environ if base is None else base
    kept = {
        name: value
        for name, value in source.items()
        if name not in _UNWANTED and not any(word in name.upper() for word in _SECRET)
    }
    kept["AV_LOG_FORCE_NOCOLOR"] = "1"
    return kept


class Child:
    """A started tool.

    Args:
        argv: the executable and its arguments.
        stdin: an open file to read from; None for nothing at all (``/dev/null``).
        environ: its whole environment.
        keep_open: descriptors that it inherits beside its standard ones.
        restrict: called between fork and exec, after the limits: system calls only.
        namespace: `argv` is bubblewrap's, whose two processes stand above the tool; closed with the child.

    Raises:
        OSError: it could not be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        stdin: IO[bytes] | int | None = None,
        cwd: Path | None = None,
        limits: Rlimits = Rlimits(),
        keep_open: Sequence[int] = (),
        restrict: Callable[[], None] | None = None,
        namespace: Namespace | None = None,
    ) -> None:
        self.exit_status: int | None = None
        """As `subprocess` gives it: negative for the signal that ended it; None while it runs."""
        self.cpu_s = 0.0
        """Processor seconds of it and of the children that it waited for; known when it has ended."""
        self._namespace = namespace

        def start() -> subprocess.Popen[bytes]:
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
            try:
                with warnings.catch_warnings():
                    # 3.12 warns of any fork in a process with threads. `_in_child` takes no lock and imports
                    # nothing, and nothing that waits for threads is let go, which is what it is about.
                    warnings.simplefilter("ignore", DeprecationWarning)
                    return subprocess.Popen(
                        list(argv),
                        stdin=subprocess.DEVNULL if stdin is None else stdin,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE,
                        bufsize=0,
                        cwd=cwd,
                        env=dict(environ),
                        start_new_session=True,
                        pass_fds=keep_open,
                        preexec_fn=_in_child(limits, blocked, restrict),  # noqa: PLW1509 - takes no lock, see there
                    )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

        hold_over_forks()
        self._process = here(start)
        self.pid = self._process.pid
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        assert self._process.stderr is not None  # noqa: S101
        self.stdout: IO[bytes] = self._process.stdout
        self.stderr: IO[bytes] = self._process.stderr
        os.set_blocking(self.stdout.fileno(), False)
        os.set_blocking(self.stderr.fileno(), False)
        self._pidfd = _pidfd(self.pid)
        self._known: set[int] = set()

    @property
    def boxed(self) -> bool:
        """Whether bubblewrap stands above the tool."""
        return self._namespace is not None

    @property
    def pidfd(self) -> int | None:
        """A descriptor that becomes readable when the tool ends; None where the system has none."""
        return self._pidfd

    def has_ended(self) -> bool:
        """Whether the tool has ended; it is not reaped by this, so its id is not given to another."""
        if self.exit_status is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def terminate(self) -> None:
        """Asks the tool and all that it started to end."""
        if self._namespace is None:
            self._signal(signal.SIGTERM)
            return
        # bubblewrap dies of it at once and takes the tool along: the wish goes past it, to the tool itself.
        # Where there is no tool yet, nothing is lost.
        inside = self._family() - {self.pid, self._namespace.first()}
        if not inside:
            self.kill()
        _send(inside, signal.SIGTERM)

    def kill(self) -> None:
        """Kills the tool and all that it started. A stopped process dies of this too."""
        # Twice: what is born between the walk and the kill is found by the second walk.
        for _ in range(2):
            self._signal(signal.SIGKILL)

    def reap(self) -> int:
        """Waits for a tool that has ended or was killed; kills what it left behind in its session.

        Returns:
            its exit status.
        """
        if self.exit_status is None:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            # Before it is reaped its id, which is its session's too, cannot belong to a stranger.
            self._signal(signal.SIGKILL)
            _, status, usage = os.wait4(self.pid, 0)
            self.exit_status = os.waitstatus_to_exitcode(status)
            if self.boxed and self.exit_status - 128 in _DEADLY:
                self.exit_status = 128 - self.exit_status
            self.cpu_s = usage.ru_utime + usage.ru_stime
            if self._namespace is not None:
                self.cpu_s += self._namespace.end()
            self._process.returncode = self.exit_status
        return self.exit_status

    def close(self) -> None:
        """Closes our ends of its pipes."""
        self.stdout.close()
        self.stderr.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        if self._namespace is not None:
            self._namespace.close()
            self._namespace = None

    def memory_bytes(self) -> int:
        """Resident memory of the tool and its descendants; 0 where the system does not say."""
        return sum(resident_bytes(pid) for pid in self._family())

    def bytes_moved(self) -> tuple[int, int]:
        """Bytes read and written so far by the tool and its living descendants."""
        moved = [moved_bytes(pid) for pid in self._family()]
        return sum(m[0] for m in moved), sum(m[1] for m in moved)

    def _family(self) -> set[int]:
        """The tool and its descendants, by walking down; one that has lost its parent is remembered."""
        found = {self.pid, *descendants(self.pid, self._known)}
        # A pid that we knew and that still has our session is ours, even if its parent has gone.
        found |= {pid for pid in self._known if _session(pid) == self.pid}
        self._known = found - {self.pid}
        return found

    def _signal(self, number: int) -> None:
        if self.exit_status is not None:
            return
        family = self._family()
        # An empty group is no error; on macOS a group of zombies answers EPERM.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        _send(family - {self.pid}, number)


def _send(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _in_child(
    limits: Rlimits, mask: Iterable[int], restrict: Callable[[], None] | None
) -> Callable[[], None]:
    """What the child does between fork and exec: system calls only, everything looked up beforehand."""
    parent = os.getpid()
    caps: list[tuple[int, int]] = [(resource.RLIMIT_CORE, 0)]
    if limits.address_space_bytes is not None and _LINUX:
        caps.append((resource.RLIMIT_AS, limits.address_space_bytes))
    if limits.file_bytes is not None:
        caps.append((resource.RLIMIT_FSIZE, limits.file_bytes))
    if limits.cpu_s is not None:
        caps.append((resource.RLIMIT_CPU, max(1, round(limits.cpu_s))))
    pairs = [(which, _capped(which, value)) for which, value in caps]

    def prepare(
        prctl: Callable[..., int] | None = _PRCTL,
        getppid: Callable[[], int] = os.getppid,
        setrlimit: Callable[[int, tuple[int, int]], None] = resource.setrlimit,
    ) -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if getppid() != parent:  # we died before the kernel was asked: nobody waits for this child
                os._exit(137)
        for which, pair in pairs:
            setrlimit(which, pair)
        if restrict is not None:
            restrict()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    return prepare


def _capped(which: int, value: int) -> tuple[int, int]:
    # Never above the hard limit that we were given ourselves; the soft CPU limit sends SIGXCPU first.
    hard = resource.getrlimit(which)[1]
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    return (soft, soft + 5 if which == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else soft)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid) if _LINUX else None
    except OSError:  # a kernel before 5.3, or a filter in front of it
        return None


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None
