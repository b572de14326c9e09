"""Ctrl-C, a closed terminal and `kill`, noted while a batch is followed and acted upon between two requests.

A handler that raised could break off half-way through a message to the worker. This module must not know what
is done about an interrupt.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

__all__ = ["Interrupts", "ask", "noted"]


@dataclass(slots=True)
class Interrupts:
    """What has come in so far."""

    count: int = 0
    """How often Ctrl-C was pressed."""
    gone: int = 0
    """The signal that ends this process and leaves its batch alone (SIGTERM, SIGHUP), or 0."""

    def on_signal(self, number: int, _frame: Any) -> None:
        """Note a signal."""
        if number == signal.SIGINT:
            self.count += 1
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


def ask() -> str:
    """What a person wants done with a batch after Ctrl-C: ``cancel``, ``leave`` or ``keep``.

    A second Ctrl-C, or no terminal to answer on, cancels now.
    """
    words = {"c": "cancel", "l": "leave", "k": "keep"}
    click.echo("[c]ancel this batch, [l]eave it running, [k]eep following? ", nl=False, err=True)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        while True:
            answer = words.get(click.getchar().lower())
            if answer:
                click.echo(answer, err=True)
                return answer
    except (KeyboardInterrupt, EOFError):
        click.echo("cancel", err=True)
        return "cancel"
    finally:
        signal.signal(signal.SIGINT, before)
