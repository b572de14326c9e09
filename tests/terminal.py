"""A terminal of 100 by 30 for a command to run in, whose screen a test can look at."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pyte

COLUMNS, ROWS = 100, 30
# The child takes the terminal for its own, as a shell would arrange, so that Ctrl-C reaches it.
_MAIN = (
    "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); sys.argv[0] = 'rushes'; "
    "from rushes.cli import main; main()"
)
ARGV = [sys.executable, "-c", _MAIN]


class Terminal:
    """Runs ``rushes`` with the arguments in a pseudo-terminal."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._screen = pyte.HistoryScreen(COLUMNS, ROWS, history=1000)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        environ = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "CI", "COLUMNS", "LINES"}}
        environ |= {"TERM": "xterm-256color", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        self.process = subprocess.Popen(
            [*ARGV, *arguments],
            stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env=environ, start_new_session=True,
        )  # fmt: skip
        os.close(slave)

    @property
    def text(self) -> str:
        """What the screen shows now."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def cursor_shown(self) -> bool:
        return not self._screen.cursor.hidden

    def press(self, keys: str) -> None:
        """Type on the keyboard."""
        os.write(self._master, keys.encode())

    def wait_for(self, *texts: str, seconds: float = 60.0) -> str:
        """Wait until the screen shows all of `texts`; gives the screen."""
        end = time.monotonic() + seconds
        while not all(text in self.text for text in texts):
            assert time.monotonic() < end, f"{texts} never appeared:\n{self.text}"
            if not self._read():
                assert all(text in self.text for text in texts), f"{texts} never appeared:\n{self.text}"
        return self.text

    def end(self, seconds: float = 60.0) -> int:
        """Read to the end; gives the exit code."""
        end = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < end, f"it never ended:\n{self.text}"
        return self.process.wait(seconds)

    def close_window(self) -> None:
        """What closing a terminal's window does: the command gets SIGHUP, and nobody reads it any more."""
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        """End the command if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._master >= 0:
            os.close(self._master)

    def _read(self) -> bool:
        """Take in what was written; False once the command is gone."""
        if not select.select([self._master], [], [], 0.1)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux' way to say that nobody has the other end open
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)
