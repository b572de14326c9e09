"""The reader: a warm, sealed child process in which PyAV reads files for this one.

Headers, packets and pictures of a stranger's file are parsed there, where nothing can be opened, reached or
started (`sealing`). A question is one message with the open file beside it; the answer is JSON, which the
asker validates. A reader that dies, hangs, bloats or answers nonsense is replaced, and the file is to blame:
that costs one clip, never this process. Where clips of the same question follow each other, the next few are
asked about ahead: two processes that wait for each other after each file take a quarter more time. This
module must not know what is asked, nor what answers mean.
"""

from __future__ import annotations

import atexit
import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from rushes.errors import Cancelled, PlatformError, RushesError, error_from_dict
from rushes.media.readers.coming import coming
from rushes.media.readers.patience import FIX, ClipWatch, UnreadableError, allowed_for_reading
from rushes.media.readers.reader_process import GoneError, ReaderProcess

__all__ = ["FILES_A_READER", "Question", "UnreadableError", "ask", "begin", "walls", "walls_used"]

Answer = TypeVar("Answer")

FILES_A_READER: Final = 10_000
"""A reader is replaced after so many files: starting one takes 0.2 s, which is then 20 µs a file."""
AHEAD: Final = 8
# So often in a row the next question was the one that was expected, before any is asked ahead.
_SURE_AFTER: Final = 4


@dataclass(frozen=True, slots=True)
class Question(Generic[Answer]):
    """What is asked about one file.

    Args:
        message: JSON, by the rules of `rushes.media.reading`, but for the memory that is allowed.
        name: what the clip is called.
        open: gives the file, open for reading; called at most once a reader.
        answer: makes the answer of its JSON; `ValueError` says that it is none.
        brief: only headers are read, so that a minute of computing is a hang.
        cancelled: asked about four times a second; True ends the reader.
    """

    message: bytes
    name: str
    open: Callable[[], int]
    answer: Callable[[bytes], Answer]
    brief: bool = False
    cancelled: Callable[[], bool] | None = None


Alike = Callable[[str], tuple[bytes, Callable[[], int | None]]]
"""The message of the same question about another clip, and how that is opened; None where it is no file."""


def ask(question: Question[Answer], alike: Alike | None = None) -> Answer:
    """What a reader finds in one file.

    Args:
        question: about the file.
        alike: the same question about a clip that is expected next, by its path; None to ask none ahead.

    Raises:
        UnreadableError: the file made the reader end, hang, ask for too much memory, or answer nonsense.
        RushesError: what the reader says of the file.
        PlatformError: a reader cannot be started, or was killed from outside.
        Cancelled: `cancelled` said so.
    """
    if question.cancelled is not None and question.cancelled():
        raise Cancelled
    for is_last in (False, False, True):
        found = _try(question, None if is_last else alike, is_last=is_last)
        if found is not None:
            return found[0]
    raise AssertionError("unreachable: the last try returns or raises")


def begin() -> None:
    """Let a reader get ready beside what this process does next: importing PyAV takes it a while.

    Where one is ready already, nothing. One that cannot be started is found out by who asks.
    """
    if not _idle:
        with suppress(PlatformError):
            _give_back(ReaderProcess())


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


def _try(question: Question[Answer], alike: Alike | None, *, is_last: bool) -> tuple[Answer] | None:
    """The answer; None where a fresh reader has to tell whose fault it is that this one ended."""
    name, memory_bytes = question.name, allowed_for_reading()
    message = _message(memory_bytes, question.message)
    reader = _ready_for(message)
    descriptor = _opened(reader, question.open)
    try:
        if descriptor is not None:
            _send(reader, message, descriptor)
        _ask_ahead(reader, question.message, memory_bytes, alike)
        patience = ClipWatch(reader.pid, name, brief=question.brief, cancelled=question.cancelled)
        is_answer, body = reader.receive(patience)
        found = (question.answer(body),) if is_answer else None
    except GoneError:
        # Ended while it waited, or weakened by a file before.
        is_clear = bool(reader.waiting) and reader.answered == 0
        death = reader.end(name)
        if is_clear or is_last:
            raise death from None
        return None
    except ValueError as error:
        reader.end(name)
        raise UnreadableError(
            f"{name} makes its reader answer nonsense.", code="unreadable", fix=FIX
        ) from error
    except BaseException:
        # A question may be half asked, an answer half read.
        reader.end(name)
        raise
    _give_back(reader)
    if found is None:
        raise _error(body, name)
    return found


def _ready_for(message: bytes) -> ReaderProcess:
    """A reader that has been asked this and nothing before it, or that waits for a question."""
    reader = _take()
    if not reader.waiting or reader.waiting[0] == message:
        return reader
    try:
        while reader.waiting:  # asked ahead in vain
            reader.receive(ClipWatch(reader.pid, "a clip", brief=True, cancelled=None))
    except (GoneError, ValueError, RushesError):
        reader.end()
        return _take()
    except BaseException:
        reader.end()
        raise
    return reader


def _opened(reader: ReaderProcess, open_: Callable[[], int]) -> int | None:
    """The file, where the reader was not asked ahead; one that is not there is no fault of the reader."""
    if reader.waiting:
        return None
    try:
        return open_()
    except BaseException:
        _give_back(reader)
        raise


def _send(reader: ReaderProcess, message: bytes, descriptor: int) -> None:
    try:
        reader.send(message, descriptor)
    finally:
        os.close(descriptor)


def _ask_ahead(reader: ReaderProcess, asked: bytes, memory_bytes: int, alike: Alike | None) -> None:
    """Ask about the clips that are expected next, where all before came as they were expected."""
    paths = coming() if alike is not None else ()
    expected = alike(paths[0])[0] if alike is not None and paths else b""
    if not _row.sure(asked, expected) or alike is None or reader.sent >= FILES_A_READER:
        return
    if len(reader.waiting) > AHEAD // 2:
        return  # several at once: one waking of the reader serves them all
    for path in paths[len(reader.waiting) - 1 : AHEAD]:
        message, open_ = alike(path)
        descriptor = open_()
        if descriptor is None:
            return
        _send(reader, _message(memory_bytes, message), descriptor)


def _message(memory_bytes: int, rest: bytes) -> bytes:
    return b"[%d,%b" % (memory_bytes, rest)


class _Row:
    """Whether questions come as expected: a function may ask once a clip, several times, or never."""

    def __init__(self) -> None:
        self._expected = b""
        self._in_row = 0

    def sure(self, asked: bytes, expected: bytes) -> bool:
        """Told what is asked now, and what is expected next; whether to rely on that."""
        if self._expected:  # nothing is expected behind the last clip of a packet
            self._in_row = self._in_row + 1 if asked == self._expected else 0
        self._expected = expected
        return self._in_row >= _SURE_AFTER


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
    return UnreadableError(f"{name} makes its reader answer nonsense.", code="unreadable", fix=FIX)


# -- the readers of this process --------------------------------------------------------------------------

_lock: Final = threading.Lock()
_idle: list[ReaderProcess] = []
_used: Final = {"walls": "none"}
_row: Final = _Row()


def _take() -> ReaderProcess:
    while True:
        with _lock:
            reader = _idle.pop() if _idle else None
        if reader is None:
            reader = ReaderProcess()
        if reader.asker == os.getpid():
            _used["walls"] = reader.walls
            return reader
        reader.end()  # this process was forked: its parent's readers answer its parent


def _give_back(reader: ReaderProcess) -> None:
    if reader.sent >= FILES_A_READER and not reader.waiting:
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
