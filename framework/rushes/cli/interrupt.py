"""Ctrl-C, a closed terminal and `kill`, noted while a batch is followed and acted upon between two requests.

A handler that raised could break off half-way through a message to the worker. Only where nobody acts upon
it, because a request gets no answer, does the third one raise: a person must get away. This module must not
know what is done about an interrupt.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import click

__all__ = ["Interrupts", "ask", "noted"]

_LOOK_EVERY_S: Final = 0.25
_GETS_AWAY: Final = 3
"""So many Ctrl-C that nobody has acted upon raise `KeyboardInterrupt`, wherever this process is."""


@dataclass(slots=True)
class Interrupts:
    """What has come in so far."""

    count: int = 0
    """How often Ctrl-C was pressed since it was last acted upon."""
    gone: int = 0
    """The signal that ends this process and leaves its batch alone (SIGTERM, SIGHUP), or 0."""

    def on_signal(self, number: int, _frame: Any) -> None:
        """Note a signal.

        Raises:
            KeyboardInterrupt: it is the third Ctrl-C, and nobody has acted upon the others.
        """
        if number == signal.SIGINT:
            self.count += 1
            if self.count >= _GETS_AWAY:
                raise KeyboardInterrupt
        else:
            self.gone = number


@contextmanager
def noted() -> Iterator[Interrupts]:
    """Note signals in place of dying of them. Does nothing in a thread, where signals never arrive."""
    found = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield found
        return
    before = {
        number: signal.signal(number, found.on_signal)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield found
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ask(found: Interrupts) -> str:
    """What a person wants done with a batch after Ctrl-C: ``cancel``, ``leave`` or ``keep``.

    A second Ctrl-C cancels now; a terminal that is closed meanwhile leaves it running.
    """
    try:
        with _keys(sys.stdin.fileno()) as fd:
            # The keys are ours before the question is out: one that is pressed at once is not lost.
            click.echo("[c]ancel this batch, [l]eave it running, [k]eep following? ", nl=False, err=True)
            answer = _answer(fd, found)
    except KeyboardInterrupt:
        answer = "cancel"
    except (OSError, termios.error):  # the terminal is gone
        return "leave"
    with suppress(OSError):
        click.echo(answer, err=True)
    return answer


def _answer(fd: int, found: Interrupts) -> str:
    words = {b"c": "cancel", b"l": "leave", b"k": "keep"}
    while not found.gone:
        if not select.select([fd], [], [], _LOOK_EVERY_S)[0]:
            continue
        key = os.read(fd, 1)
        if not key:
            return "leave"
        if key.lower() in words:
            return words[key.lower()]
    return "leave"


@contextmanager
def _keys(fd: int) -> Iterator[int]:
    """Each key as it is pressed, not echoed; Ctrl-C raises `KeyboardInterrupt`."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)
    try:
        yield fd
    finally:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(fd, termios.TCSADRAIN, before)
        signal.signal(signal.SIGINT, handler)
