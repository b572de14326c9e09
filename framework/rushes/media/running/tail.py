"""A bounded memory of what a tool wrote for people, with all of it in a bounded log.

A tool's pipe must always be read, or the tool stops writing and with it working; what it says must not fill
our memory. The first lines name the cause, the last ones the outcome: both ends are kept. This module must
not know what the lines mean.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Final

from rushes.media.running.redact import redact

__all__ = ["Tail"]

HEAD_BYTES: Final = 8 * 1024
TAIL_BYTES: Final = 64 * 1024
# A chatty decoder writes 25 MB an hour about one damaged clip; the log is for reading.
LOG_BYTES: Final = 4 * 1024 * 1024


class Tail:
    """The first 8 KiB and the last 64 KiB of a stream; the first 4 MiB go to a log file.

    Args:
        log_path: where the log is written, redacted, line by line; None for no log.
    """

    def __init__(self, log_path: Path | None = None) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0
        self._line = bytearray()
        self._log: IO[str] | None = None
        self._logged = 0
        if log_path is not None:
            log_path.parent.mkdir(parents=True, exist_ok=True)
            # Appended: an encode that falls back to another encoder tells of both tries in one log.
            self._log = log_path.open("a", encoding="utf-8", errors="replace")

    def feed(self, data: bytes) -> None:
        """Takes what the tool wrote."""
        room = HEAD_BYTES - len(self._head)
        if room > 0:
            self._head += data[:room]
        self._tail += data[max(room, 0) :]
        excess = len(self._tail) - TAIL_BYTES
        if excess > 0:
            self._left_out += excess
            del self._tail[:excess]
        if self._log is not None:
            self._write(data)

    def note(self, line: str) -> None:
        """Adds a line of our own to the log."""
        if self._log is not None and self._logged < LOG_BYTES:
            self._log.write(f"# {redact(line)}\n")

    def text(self) -> str:
        """What is kept, redacted; a line says how much is missing between both ends."""
        head = self._head.decode("utf-8", "replace")
        gap = f"\n… {self._left_out} bytes left out …\n" if self._left_out else ""
        return redact(head + gap + self._tail.decode("utf-8", "replace"))

    def close(self) -> None:
        """Closes the log."""
        if self._log is not None:
            if self._line:
                self._log_text(bytes(self._line))
            self._log.close()
            self._log = None

    def _write(self, data: bytes) -> None:
        # Whole lines only: half a URL is not recognised as one. A line without end is cut at 64 KiB.
        self._line += data
        end = self._line.rfind(b"\n") + 1
        if end == 0 and len(self._line) > TAIL_BYTES:
            end = len(self._line)
        if end:
            self._log_text(bytes(self._line[:end]))
            del self._line[:end]

    def _log_text(self, data: bytes) -> None:
        if self._log is None or self._logged >= LOG_BYTES:
            return
        self._logged += len(data)
        self._log.write(redact(data.decode("utf-8", "replace")))
        if self._logged >= LOG_BYTES:
            self._log.write("\n… the log is cut here …\n")
