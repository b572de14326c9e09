"""One reader from its start to its end, and what is said to it: messages out with a file each, answers in.

Questions may be sent ahead; answers come in the order of the questions. This module must not know what is
asked, nor when a reader is taken or given up.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections import deque
from contextlib import suppress
from functools import cached_property
from typing import Final

from rushes.errors import PlatformError, RushesError
from rushes.media.readers.framing import LENGTH
from rushes.media.readers.patience import FIX, TICK_S, ReaderWatch, Starting, UnreadableError
from rushes.media.running.child import Child, environment

__all__ = ["MAX_ANSWER_BYTES", "GoneError", "ReaderProcess"]

MAX_ANSWER_BYTES: Final = 256 * 1024**2
_RECEIVE_BYTES: Final = 256 * 1024
_DYING_S: Final = 2.0
_SAID_BYTES: Final = 4096
_KEPT: Final = ("PATH", "LANG", "TZ", "LD_LIBRARY_PATH")
_KEPT_START: Final = ("LC_", "RUSHES_SLOT_OF")
# What is imported stays: cycles are looked for in what comes after it.
_CODE: Final = (
    "import gc, sys; gc.disable(); sys.path[:] = {path!r}; "
    "from rushes.media.reading import main; main({socket}, {parent})"
)


class GoneError(Exception):
    """The reader has ended, or is about to."""


class ReaderProcess:
    """One child, between questions or within one.

    It gets ready while whoever made it does something else; before it is asked it has said what holds it.
    """

    def __init__(self) -> None:
        self.sent = 0
        self.answered = 0
        self.waiting: deque[bytes] = deque()
        """Messages whose answers have not been fetched, in order."""
        self.asker = os.getpid()
        self._lost = False
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
        self.pid = self._child.pid
        self._socket = ours
        self._socket.settimeout(TICK_S)
        self._rest = b""

    @cached_property
    def walls(self) -> str:
        """What holds it; waits until it is ready.

        Raises:
            PlatformError: it ended before that.
        """
        return self._hello()

    def send(self, message: bytes, descriptor: int) -> None:
        """Ask about a file.

        Raises:
            GoneError: it has ended.
        """
        try:
            socket.send_fds(self._socket, [LENGTH.pack(len(message), 0) + message], [descriptor])
        except OSError as error:
            self._lost = True
            raise GoneError from error
        self.sent += 1
        self.waiting.append(message)

    def receive(self, watch: ReaderWatch) -> tuple[bool, bytes]:
        """The next answer: whether it is one, else it is an error; and its JSON.

        Raises:
            GoneError: it has ended.
            ValueError: it says more than an answer can hold.
        """
        data = self._rest or self._some(watch)
        while len(data) < LENGTH.size:
            data += self._some(watch)
        length, kind = LENGTH.unpack_from(data)
        if length > MAX_ANSWER_BYTES:
            raise ValueError("an answer that is too long")
        parts, missing = [data], LENGTH.size + length - len(data)
        while missing > 0:
            parts.append(self._some(watch))
            missing -= len(parts[-1])
        whole = b"".join(parts) if len(parts) > 1 else data
        self._rest = whole[LENGTH.size + length :]
        if self.waiting:
            self.waiting.popleft()
            self.answered += 1
        return kind == 1, whole[LENGTH.size : LENGTH.size + length]

    def end(self, name: str = "") -> RushesError:
        """Kills and forgets it; gives what its death says of the clip that it was reading."""
        self._socket.close()
        if os.getpid() != self.asker:  # a fork of its owner: it is not ours to end
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
        if status >= 0:  # it went by itself: what a clip does to it, it says
            return PlatformError(
                f"the reader of {name} ended by itself (status {status}); nothing is said against the clip.",
                code="reader-failed",
                fix="Its last words are in the details of this error; `rushes doctor` tries one too.",
                details=details,
            )
        if status == -signal.SIGILL:  # libav was built for another processor: so it is with every clip
            return PlatformError(
                f"the reader of {name} met an instruction that this machine's processor does not have "
                "(SIGILL); nothing is said against the clip.",
                code="reader-failed",
                fix="Install a PyAV that was built for this processor; `rushes doctor` tries a reader too.",
                details=details,
            )
        how = signal.Signals(-status).name
        return UnreadableError(
            f"{name} makes its reader crash ({how}).", code="unreadable", fix=FIX, details=details
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
            _, body = self.receive(Starting())
            return str(json.loads(body)["walls"])
        except GoneError:
            told = self.end()
            raise PlatformError(
                "the reader ended before it began.",
                code="no-reader",
                fix="Its last words are in the details of this error; `rushes doctor` tries one too.",
                details=told.details,
            ) from None
        except BaseException:
            self.end()
            raise

    def _some(self, watch: ReaderWatch) -> bytes:
        while True:
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except TimeoutError:
                watch.look()
                continue
            except OSError:
                data = b""
            if not data:
                self._lost = True
                raise GoneError
            return data


def _environment() -> dict[str, str]:
    kept = {
        name: value for name, value in environment().items() if name in _KEPT or name.startswith(_KEPT_START)
    }
    # One arena: each further one reserves 64 MiB of the address space that is limited.
    return kept | {"MALLOC_ARENA_MAX": "1"}
