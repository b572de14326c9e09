"""What a slot and its worker say to each other while work runs: answers, progress, intents, orders.

Answers of short invocations are gathered and travel together. What comes in waits in an inbox until somebody
looks for it. This module must not know what a body is, nor signals.
"""

from __future__ import annotations

import json
import os
import select
import socket
import time
from collections import deque
from pathlib import Path
from typing import Any, Final

from rushes.errors import CallerError, Cancelled
from rushes.invocation import Spent
from rushes.runtime.attempts.raised import MAX_KEPT_BYTES
from rushes.runtime.attempts.task import Made
from rushes.runtime.slots.spool import pack
from rushes.runtime.wire import decode_packet

__all__ = ["SlotTalk"]

PROGRESS_EVERY_S: Final = 0.25
GATHER: Final = 64
GATHER_S: Final = 0.02
"""Answers of short invocations travel together: waking the worker costs more than any of them."""


class SlotTalk:
    """The slot's end of `talk`.

    Args:
        link: the socket, of packets.
        home: the worker's folder, for what is too long for a packet.
    """

    def __init__(self, link: socket.socket, home: Path) -> None:
        self._link = link
        self._home = home
        self._inbox: deque[Any] = deque()
        self._answers: list[tuple[Any, ...]] = []
        self._bodies: list[bytes] = []
        self._gathered_at = 0.0
        self._reported = 0.0
        self._unsaid: list[Any] | None = None
        """How far the invocation is that runs, where that was not said for coming too soon after the last."""

    def say(self, header: Any, body: bytes = b"") -> None:
        """Send one packet; what was gathered stays behind, see `answer`."""
        self._link.send(pack(header, body, self._home))

    def done(self, number: int, fence: int, seconds: float, made: Made) -> None:
        """Gather the answer of an invocation; a few short ones travel together.

        Raises:
            CallerError: its result is longer than what is kept (``result-too-big``).
        """
        body = made.data()
        if len(body) > MAX_KEPT_BYTES:
            raise CallerError(
                f"the result takes {len(body)} bytes; at most {MAX_KEPT_BYTES} are kept.",
                code="result-too-big",
                fix="Write the data to an output, and give back where it is.",
            )
        self._answers.append((number, fence, seconds, made.media_s, int(made.cached), len(body)))
        self._bodies.append(body)
        now = time.perf_counter()
        if len(self._answers) == 1:
            self._gathered_at = now
        if made.outputs or len(self._answers) >= GATHER or now - self._gathered_at > GATHER_S:
            self.answer()

    def answer(self) -> None:
        """Send what was gathered."""
        if self._answers:
            answers, bodies = self._answers, self._bodies
            self._answers, self._bodies = [], []
            self.say(["done", answers], b"".join(bodies))

    def progress(self, number: int, fence: int, fraction: float, note: str) -> None:
        """Say how far an invocation is, a few times a second at most."""
        now = time.monotonic()
        self._unsaid = ["at", number, fence, fraction, note]
        if now - self._reported >= PROGRESS_EVERY_S:
            self._reported = now
            self._say_progress()

    def last_progress(self) -> None:
        """Say how far it was at last: what comes now takes long, and what is said after it is news."""
        self._say_progress()
        self._reported = 0.0

    def _say_progress(self) -> None:
        if self._unsaid is not None:
            self.say(self._unsaid)
            self._unsaid = None

    def kept(self, number: int, fence: int, which: int, made: Made | None) -> None:
        """Hand over what one function of a joint invocation has made."""
        data = b"" if made is None or made.cached else made.data()
        if 0 < len(data) <= MAX_KEPT_BYTES:
            self.say(["member", number, fence, which], data)

    def ask_leave(self, number: int, fence: int, intent: dict[str, Any]) -> None:
        """Have the worker journal what is about to be published; it answers only the current lease.

        Raises:
            Cancelled: another attempt has taken this one's place (``stale``).
        """
        self.answer()
        self.say(["intent", number, fence], json.dumps(intent).encode())
        while True:
            while self._inbox:
                verb, its, lease = self._inbox.popleft()
                if (its, lease) != (number, fence):
                    continue
                if verb == "go":
                    return
                raise Cancelled("another attempt has taken this one's place", code="stale")
            self.wait(0.2)

    def ask_spent(self, number: int, fence: int) -> Spent:
        """What the worker knows of what an invocation has cost until now."""
        self.answer()
        self.say(["spent?", number, fence])
        while True:
            for message in list(self._inbox):  # a signal may come between
                if message[:3] == ["spent", number, fence]:
                    self._inbox.remove(message)
                    return Spent(*message[3:])
            self.wait(0.2)

    def may_go_on(self, number: int, fence: int) -> bool:
        """Whether an invocation that waits for parts of its own was told to go on."""
        told = [message for message in self._inbox if message[0] == "go-on"]
        self._inbox = deque(message for message in self._inbox if message[0] != "go-on")
        return any((one, its) == (number, fence) for _, one, its in told)

    def orders(self, number: int) -> tuple[bool, bool]:
        """What the worker wants at once: all work behind this one back, and this one to be cancelled.

        A cancel of an invocation that has ended finds no match.
        """
        self.take_in()
        back = cancel = False
        kept: deque[Any] = deque()
        for message in self._inbox:
            if message[0] == "back":
                back = True
            elif message[0] == "cancel":
                cancel = cancel or message[1] == number
            else:
                kept.append(message)
        self._inbox = kept
        return back, cancel

    def heard(self, within_s: float) -> bool:
        """Wait for a word; nothing is taken in."""
        return bool(select.select([self._link], [], [], within_s)[0])

    def wait(self, within_s: float) -> None:
        """Wait for a word, and take it in."""
        if self.heard(within_s):
            self.take_in()

    def take_in(self) -> None:
        """Put what has come into the inbox; a worker that is gone ends this process."""
        while True:
            try:
                packet = self._link.recv(1 << 16, socket.MSG_DONTWAIT)
            except (BlockingIOError, InterruptedError):
                return
            if not packet:
                os._exit(0)
            self._inbox.append(decode_packet(packet)[0])
