"""What an attempt logged, put where logs of its process go: of Lambdas and of tasks that is CloudWatch.

A body's words and those of its tools are written into a file beside the attempt, which goes with it, or with
its machine. So they are told once it has ended, in records that name the invocation, of which `rushes logs`
asks (`rushes.engines.aws.laptop.logged`). This module must not know what an attempt is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

__all__ = ["OF_BODY", "WORDS", "tell_words", "words_of"]

WORDS: Final = "log"
"""What the records are called."""
OF_BODY: Final = "body"
"""The field of a record that says that a body wrote it itself, when it printed."""
MOST_BYTES: Final = 64 * 1024
"""Of one attempt, the last: a tool that repeats itself for an hour is nobody's to pay for by the line."""
PIECE: Final = 12 * 1024
"""Bytes of a record's text as JSON has it: Docker cuts what is longer than 16 KB
(https://docs.docker.com/engine/logging/configure/, and `line` in moby's daemon/logger/copier.go)."""


def tell_words(say: Callable[..., None], invocation: str, attempt: int, text: str) -> None:
    """Tell what an attempt logged.

    Args:
        say: writes a record.
        invocation: whose it is.
        attempt: which try that was.
        text: what there was, as `words_of` gives it.
    """
    for piece in _pieces(text):
        say(WORDS, invocation=invocation, attempt=attempt, text=piece)


def words_of(log: Path) -> str:
    """The end of a log; "" where there is none."""
    try:
        size = log.stat().st_size
        with log.open("rb") as file:
            file.seek(max(size - MOST_BYTES, 0))
            text = file.read(MOST_BYTES).decode(errors="replace")
    except OSError:
        return ""
    return text if size <= MOST_BYTES else f"(the first {size - MOST_BYTES} bytes are left out)\n{text}"


def _pieces(text: str) -> Iterator[str]:
    """A text in pieces that end where lines do, as far as they can; blank ones are left out."""
    while text:
        most = _fitting(text)
        cut = most if most == len(text) else text.rfind("\n", 0, most) + 1 or most
        piece, text = text[:cut].rstrip("\n"), text[cut:]
        if piece.strip():
            yield piece


def _fitting(text: str) -> int:
    """How many of its first characters make a piece at most: of a name in Japanese each makes six bytes."""
    most = PIECE
    while len(json.dumps(text[:most])) > PIECE:
        most = most * 3 // 4
    return min(most, len(text))
