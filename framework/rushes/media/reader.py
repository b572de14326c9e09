"""The reader: a warm, sealed child process in which PyAV reads files for this one.

Headers, packets and pictures of a stranger's file are parsed there, where nothing can be opened, reached or
started (`sealing`). A question is one message with the open file beside it; the answer is JSON, which the
asker validates. A reader that dies, hangs, bloats or answers nonsense is replaced, and the file is to blame:
that costs one clip, never this process. This module must not know what is asked, nor what answers mean.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

from rushes.errors import Cancelled, MediaError, PlatformError, RushesError, error_from_dict
from rushes.media.allowance import allowed_bytes
from rushes.media.child import Child, environment
from rushes.media.family import cpu_seconds, moved_bytes, resident_bytes

__all__ = ["FILES_A_READER", "MAX_ANSWER_BYTES", "UnreadableError", "ask", "walls", "walls_used"]

Answer = TypeVar("Answer")

FILES_A_READER: Final = 10_000
"""A reader is replaced after so many files: starting one takes 0.2 s, which is then 20 µs a file."""
MAX_ANSWER_BYTES: Final = 256 * 1024**2
LENGTH: Final = struct.Struct("=IB")
"""Before every message: its length, and what it is: 1 for an answer, 0 for an error."""
# Interpreter, PyAV and models, measured: 75 MB in each of the two processes.
_ASKER_BYTES: Final = 96 * 1024**2
_READER_BYTES: Final = 128 * 1024**2
_LEAST_BYTES: Final = 128 * 1024**2
_TICK_S: Final = 0.25
_START_TICKS: Final = 240
# Nothing is read for this long: a loop in a decoder, or a disk that has gone.
_STILL_TICKS: Final = 480
# Headers of the largest files take a second.
_BRIEF_CPU_S: Final = 60.0
_RECEIVE_BYTES: Final = 256 * 1024
_DYING_S: Final = 2.0
_SAID_BYTES: Final = 4096
_KEPT: Final = ("PATH", "LANG", "TZ", "LD_LIBRARY_PATH")
_KEPT_START: Final = ("LC_", "RUSHES_SLOT_OF")
_CODE: Final = (
    "import sys; sys.path[:] = {path!r}; from rushes.media.reading import main; main({socket}, {parent})"
)
_FIX: Final = "Look at where the file comes from; copy it again, or set it aside."


class UnreadableError(MediaError):
    """The file made the reader die, hang, bloat or talk nonsense."""


class _Gone(Exception):  # noqa: N818 - told to `ask`, and seen by nobody else
    """The reader has ended."""


def ask(
    question: str,
    descriptor: int,
    arguments: Mapping[str, Any],
    answer: Callable[[bytes], Answer],
    *,
    name: str,
    brief: bool = False,
    cancelled: Callable[[], bool] | None = None,
) -> Answer:
    """What a reader finds in one file.

    Args:
        question: one of `rushes.media.reading`.
        descriptor: the file, open for reading; it stays the caller's.
        arguments: of the question, JSON-able.
        answer: makes the answer of its JSON; `ValueError` says that it is none.
        name: what the clip is called.
        brief: only headers are read, so that a minute of computing is a hang.
        cancelled: asked about four times a second; True ends the reader.

    Raises:
        UnreadableError: the file made the reader end, hang, ask for too much memory, or answer nonsense.
        RushesError: what the reader says of the file.
        PlatformError: a reader cannot be started, or was killed from outside.
        Cancelled: `cancelled` said so.
    """
    if cancelled is not None and cancelled():
        raise Cancelled
    message = json.dumps([question, allowed_for_reading(), arguments]).encode()
    for is_last in (False, False, True):
        reader = _take()
        try:
            is_answer, body = reader.ask(message, descriptor, name, brief=brief, cancelled=cancelled)
            made = [answer(body)] if is_answer else []
        except _Gone:
            # Ended while it waited, or weakened by a file before: a fresh one tells whose fault it is.
            is_clear = reader.has_begun and reader.files == 1
            error = reader.end(name)
            if is_clear or is_last:
                raise error from None
            continue
        except ValueError as error:
            reader.end(name)
            raise UnreadableError(
                f"{name} makes its reader answer nonsense.", code="unreadable", fix=_FIX
            ) from error
        except BaseException:
            # A question may be half asked, an answer half read.
            reader.end(name)
            raise
        _give_back(reader)
        if not made:
            raise _error(body, name)
        return made[0]
    raise AssertionError("unreachable: the last try returns or raises")


def walls() -> str:
    """What holds the readers of this host: ``landlock+seccomp``, less, or ``rlimits`` for no wall at all.

    Raises:
        PlatformError: a reader cannot be started.
    """
    reader = _take()
    _give_back(reader)
    return reader.walls


def walls_used() -> str:
    """What held the reader that this process asked last; ``none`` where it has asked none."""
    return _used["walls"]


def allowed_for_reading() -> int:
    """How much memory a reader may add to what it takes anyway."""
    return max(_LEAST_BYTES, allowed_bytes() - _ASKER_BYTES - _READER_BYTES)


class _Reader:
    """One child, between questions or within one."""

    def __init__(self) -> None:
        self.files = 0
        self.has_begun = False
        """Whether the file of the last question has reached it."""
        self.pid_of_asker = os.getpid()
        ours, theirs = socket.socketpair()
        try:
            path = [os.path.abspath(entry) for entry in sys.path]  # noqa: PTH100 - an entry may be ""
            code = _CODE.format(path=path, socket=theirs.fileno(), parent=os.getpid())
            self._child = Child(
                [sys.executable, "-I", "-c", code], environ=_environment(), keep_open=[theirs.fileno()]
            )
        except (OSError, ValueError) as error:
            ours.close()
            raise PlatformError(
                f"no reader can be started ({error}).",
                code="no-reader",
                fix="It is tried again; if it stays so, look at the limits of this user (`ulimit -a`).",
            ) from error
        finally:
            theirs.close()
        self._lost = False
        self._socket = ours
        self._socket.settimeout(_TICK_S)
        self.walls = self._hello()

    def ask(
        self,
        message: bytes,
        descriptor: int,
        name: str,
        *,
        brief: bool,
        cancelled: Callable[[], bool] | None,
    ) -> tuple[bool, bytes]:
        """Whether it is an answer, and its JSON."""
        self.has_begun = False
        try:
            socket.send_fds(self._socket, [LENGTH.pack(len(message), 0) + message], [descriptor])
        except OSError as error:
            self._lost = True
            raise _Gone from error
        self.files += 1
        self.has_begun = True
        kind, body = self._receive(_Patience(self._child.pid, name, brief=brief, cancelled=cancelled))
        return kind == 1, body

    def end(self, name: str = "") -> RushesError:
        """Kills and forgets it; gives what its death says of the clip that it was reading."""
        self._socket.close()
        if os.getpid() != self.pid_of_asker:  # a fork of its owner: it is not ours to end
            return PlatformError("the reader belongs to another process.", code="no-reader")
        if not self._ended_by_itself():
            self._child.kill()
        status = self._child.reap()
        said = b""
        with suppress(OSError):
            said = self._child.stderr.read() or b""
        self._child.close()
        details = {"exit_status": status, "said": said[-_SAID_BYTES:].decode("utf-8", "replace")}
        if status in (-signal.SIGKILL, -signal.SIGTERM):
            return PlatformError(
                f"the reader of {name} was killed by the system; most often memory had run out.",
                code="killed",
                fix="Give the function more memory, or run fewer at once.",
                details=details,
            )
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        return UnreadableError(
            f"{name} makes its reader crash ({how}).", code="unreadable", fix=_FIX, details=details
        )

    def _ended_by_itself(self) -> bool:
        """A process that dies closes its socket a moment before it is dead."""
        deadline = time.monotonic() + _DYING_S if self._lost else 0.0
        while not self._child.has_ended():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)
        return True

    def _hello(self) -> str:
        try:
            _, body = self._receive(_Starting(self._child))
        except _Gone:
            said = b""
            with suppress(OSError):
                said = self._child.stderr.read() or b""
            self.end()
            raise PlatformError(
                "the reader ended before it began.",
                code="no-reader",
                fix="`rushes doctor` shows whether one can be started here.",
                details={"said": said[-_SAID_BYTES:].decode("utf-8", "replace")},
            ) from None
        except BaseException:
            self.end()
            raise
        return str(json.loads(body)["walls"])

    def _receive(self, patience: _Patience | _Starting) -> tuple[int, bytes]:
        data = self._some(patience)
        while len(data) < LENGTH.size:
            data += self._some(patience)
        length, kind = LENGTH.unpack_from(data)
        if length > MAX_ANSWER_BYTES:
            raise ValueError("an answer that is too long")
        if len(data) == LENGTH.size + length:
            return kind, data[LENGTH.size :]
        parts, missing = [data[LENGTH.size :]], LENGTH.size + length - len(data)
        while missing > 0:
            parts.append(self._some(patience))
            missing -= len(parts[-1])
        if missing:
            raise ValueError("more than an answer")
        return kind, b"".join(parts)

    def _some(self, patience: _Patience | _Starting) -> bytes:
        while True:
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except TimeoutError:
                patience.look()
                continue
            except OSError:
                data = b""
            if not data:
                self._lost = True
                raise _Gone
            return data


class _Patience:
    """Looks at a reader that takes longer than a moment, and says when it has been too long."""

    def __init__(self, pid: int, name: str, *, brief: bool, cancelled: Callable[[], bool] | None) -> None:
        self._pid = pid
        self._name = name
        self._brief = brief
        self._cancelled = cancelled
        self._looked = False
        self._read = self._still = 0
        self._cpu_s = self._cpu_then_s = 0.0

    def look(self) -> None:
        """Raises when it is over."""
        if self._cancelled is not None and self._cancelled():
            raise Cancelled
        read, cpu_s = moved_bytes(self._pid)[0], cpu_seconds(self._pid)
        if not self._looked:
            self._looked, self._cpu_s = True, cpu_s
            self._read = -1
        if resident_bytes(self._pid) > allowed_for_reading() + _READER_BYTES:
            raise UnreadableError(
                f"{self._name} asks for more memory than its function may have.",
                code="too-large",
                fix="Check its source, or give the function more memory (Resources(memory=...)).",
            )
        if read != self._read:
            self._read, self._still, self._cpu_then_s = read, 0, cpu_s
        # Counted and not timed: while this process is paused, so is the reader.
        self._still += 1
        busy = cpu_s - self._cpu_then_s > _STILL_TICKS * _TICK_S / 2
        if (self._brief and cpu_s - self._cpu_s > _BRIEF_CPU_S) or (self._still > _STILL_TICKS and busy):
            raise UnreadableError(f"{self._name} makes its reader hang.", code="unreadable", fix=_FIX)
        if self._still > _STILL_TICKS:
            raise PlatformError(
                f"nothing more of {self._name} could be read for {_STILL_TICKS * _TICK_S:.0f} s.",
                code="stalled",
                fix="It is tried again; if it stalls again, look at its disk.",
            )


class _Starting:
    """Waits for a reader's first words."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._ticks = 0

    def look(self) -> None:
        self._ticks += 1
        if self._child.has_ended():
            raise _Gone
        if self._ticks > _START_TICKS:
            raise PlatformError(
                f"a reader was not ready after {_START_TICKS * _TICK_S:.0f} s.",
                code="no-reader",
                fix="It is tried again; the machine may be overloaded.",
            )


def _error(body: bytes, name: str) -> RushesError:
    """The error that a reader tells; one that it cannot have found is not believed."""
    try:
        told = json.loads(body)
        error = error_from_dict(told)
        is_known = told["kind"] in {"media", "platform", "caller"} and isinstance(told["details"], dict)
    except (ValueError, KeyError, TypeError, AttributeError):
        is_known = False
    if is_known:
        return error
    return UnreadableError(f"{name} makes its reader answer nonsense.", code="unreadable", fix=_FIX)


def _environment() -> dict[str, str]:
    kept = {
        name: value for name, value in environment().items() if name in _KEPT or name.startswith(_KEPT_START)
    }
    # One arena: each further one reserves 64 MiB of the address space that is limited.
    return kept | {"MALLOC_ARENA_MAX": "1"}


# -- the readers of this process --------------------------------------------------------------------------

_lock: Final = threading.Lock()
_idle: list[_Reader] = []
_used: Final = {"walls": "none"}


def _take() -> _Reader:
    while True:
        with _lock:
            reader = _idle.pop() if _idle else None
        if reader is None:
            reader = _Reader()
            _used["walls"] = reader.walls
            return reader
        if reader.pid_of_asker == os.getpid():
            return reader
        reader.end()  # this process was forked: its parent's readers answer its parent


def _give_back(reader: _Reader) -> None:
    if reader.files >= FILES_A_READER:
        reader.end()
        return
    with _lock:
        _idle.append(reader)


def _end_all() -> None:
    with _lock:
        idle, _idle[:] = list(_idle), []
    for reader in idle:
        reader.end()


atexit.register(_end_all)
