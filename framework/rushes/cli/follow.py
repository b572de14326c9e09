"""Follows a batch to its end: results to a sink, progress to a display, Ctrl-C to a question.

This module must not know what is drawn, nor how a batch was made.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import click

from rushes.cli import interrupt
from rushes.cli.bearing import Bearing
from rushes.cli.seen_ends import SeenEnds, exit_code
from rushes.cli.show import failure_line, held_lines, summary_line, waits_line
from rushes.errors import RushesError

if TYPE_CHECKING:
    from rushes.cli.progress import ProgressDisplay
    from rushes.cli.sending import Sending
    from rushes.cli.session import Session
    from rushes.cli.sinks import Sink
    from rushes.invocation import BatchStatus, Finished
    from rushes.ports import Engine

__all__ = ["FollowEnd", "follow_batch", "report"]

# Long enough to cost nothing, short enough that Ctrl-C is met at once: it is looked at between two waits.
_WAIT_S: Final = 0.25
# Between pages of a batch whose results come thick: otherwise each few would cost a message both ways, on
# cores that the batch itself could use.
_PAGE_EVERY_S: Final = 0.05
_PAGE: Final = 1000
# A display appears when a batch takes longer than a person would notice; drawing costs an import.
_DRAW_AFTER_S: Final = 0.4
_DRAW_EVERY_S: Final = 0.15
# How soon a person is told that a batch stands still for want of money.
_HELD_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class FollowEnd:
    """How following a batch ended."""

    ends: SeenEnds
    elapsed_s: float
    interrupted: bool = False
    left: bool = False
    """The batch goes on without us."""
    held: BatchStatus | None = None
    """Where it stood when all that was left of it was held by a budget."""


def follow_batch(
    session: Session, engine: Engine, batch: str, sink: Sink, *, sending: Sending | None = None
) -> FollowEnd:
    """Follow `batch` until it has ended, or a person has had enough.

    Raises:
        RushesError: the engine refused, or sending failed; the batch is then cancelled.
    """
    return _Follower(session, engine, batch, sink, sending).run()


class _Follower:
    def __init__(
        self, session: Session, engine: Engine, batch: str, sink: Sink, sending: Sending | None
    ) -> None:
        self._engine = engine
        self._session = session
        self._batch = batch
        self._sink = sink
        self._sending = sending
        self._ends = SeenEnds()
        self._began = time.monotonic()
        self._seen = 0
        self._told: set[str] = set()
        self._drawn = 0.0
        self._asked = self._began
        self._display: ProgressDisplay | None = None
        self._bearing = Bearing(batch, self._say_above)

    def _say_above(self, text: str) -> None:
        self._hide()
        _say(f"{click.style('!', fg='yellow')} {text}")

    def run(self) -> FollowEnd:
        with interrupt.noted() as interrupts:
            try:
                return self._follow(interrupts)
            except OSError:
                self._go_unread(interrupts)
                raise
            except KeyboardInterrupt:
                return self._go_unanswered()
            finally:
                self._hide()

    def _follow(self, interrupts: interrupt.Interrupts) -> FollowEnd:
        while True:
            try:
                outcome = self._look()
            except RushesError as error:
                rest_s = self._bearing.failed(error)
                if rest_s is None:
                    raise
                self._wait(rest_s, interrupts)
            else:
                self._bearing.answered()
                if outcome is not None:
                    return outcome
            self._check_sending()
            if interrupts.gone:
                return self._leave(interrupts)
            if interrupts.count:
                answer = self._answer(interrupts)
                if answer is not None:
                    return answer

    def _look(self) -> FollowEnd | None:
        """Take what has ended since the last look; how it ended, if it has."""
        page = self._engine.results(self._batch, after=self._seen, limit=_PAGE, wait_s=_WAIT_S)
        self._take(page)
        if self._over(page):
            return self._outcome()
        held = None if page else self._held()
        if held is not None:
            return replace(self._outcome(), held=held)
        with suppress(OSError):  # a terminal that goes away is told by SIGHUP, above
            self._draw()
        if 0 < len(page) < _PAGE:
            self._rest()
        return None

    def _wait(self, seconds: float, interrupts: interrupt.Interrupts) -> None:
        """Let time go by until services may answer again; a person is met at once."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not (interrupts.count or interrupts.gone):
            time.sleep(_WAIT_S)

    def _held(self) -> BatchStatus | None:
        """Where the batch stands, if nothing of it goes on until there is money."""
        now = time.monotonic()
        if now - self._asked < _HELD_EVERY_S or (self._sending is not None and self._sending.total is None):
            return None
        self._asked = now
        status = self._engine.status(self._batch)
        self._say_waits(status)
        return status if status.only_held else None

    def _say_waits(self, status: BatchStatus) -> None:
        """Where nothing goes on and no slot could help, say why, each reason once."""
        counts = status.counts
        if counts.running or counts.paused or counts.queued:
            return
        for one in status.waits:
            if one["why"] not in self._told:
                self._told.add(str(one["why"]))
                self._hide()
                _say(waits_line(one))

    def _rest(self) -> None:
        """Let some results gather; not when all that is missing is the word that everything was sent."""
        if self._sending is not None and self._sending.is_alive():
            self._sending.join(_PAGE_EVERY_S)
        else:
            time.sleep(_PAGE_EVERY_S)

    def _take(self, page: Sequence[Finished]) -> None:
        if not page:
            return
        self._seen = page[-1].seq
        self._ends.add(page)
        if self._session.prints_to_terminal and self._sink.writes(page):
            self._hide()
        self._sink.add(page)

    def _over(self, page: Sequence[Finished]) -> bool:
        if self._sending is not None and self._sending.total is not None:
            return self._ends.ended >= self._sending.total
        if page or (self._sending is not None and self._sending.is_alive()):
            return False
        return self._engine.status(self._batch).ended is not None

    def _check_sending(self) -> None:
        if self._sending is None:
            return
        self._bearing.sending(self._sending.waits)
        if self._sending.is_alive():
            return
        try:
            self._sending.check()
        except RushesError:
            self._engine.cancel(self._batch)
            raise

    # -- interrupts ---------------------------------------------------------------------------------------

    def _answer(self, interrupts: interrupt.Interrupts) -> FollowEnd | None:
        self._hide()
        answer = "cancel"
        if self._session.answers and interrupts.count == 1:
            answer = interrupt.ask(interrupts)
        interrupts.count = 0
        if answer == "keep":
            return None
        if answer == "leave":
            return self._leave(interrupts)
        self._engine.cancel(self._batch)
        self._take_rest()
        return self._outcome(interrupted=True)

    def _leave(self, interrupts: interrupt.Interrupts) -> FollowEnd:
        """Send what has not been sent, so that the batch is whole, then go."""
        self._hide()
        if self._sending is not None and self._sending.is_alive():
            _say("sending the rest of the list first; Ctrl-C cancels the batch")
            gone = interrupts.gone
            while self._sending.is_alive():
                self._sending.join(_WAIT_S)
                if interrupts.count or interrupts.gone != gone:
                    self._engine.cancel(self._batch)
                    return self._outcome(interrupted=True)
        _say(f"left running: rushes follow {self._batch}")
        return self._outcome(interrupted=True, left=True)

    def _go_unread(self, interrupts: interrupt.Interrupts) -> None:
        """Whoever read the results has read enough (``| head``), or has no room: it is sent all the same."""
        while self._sending is not None and self._sending.is_alive() and not interrupts.count:
            self._sending.join(_WAIT_S)
        if self._engine.status(self._batch).ended is None:
            _say(f"left running: rushes follow {self._batch}")

    def _go_unanswered(self) -> FollowEnd:
        """A person has had enough of requests that get no answer, the one that would cancel among them."""
        self._hide()
        unsent = self._sending is not None and self._sending.total is None
        part = ", of which not all was sent" if unsent else ""
        _say(f"no answer: left as it is{part}: rushes follow {self._batch}, or rushes cancel {self._batch}")
        return self._outcome(interrupted=True, left=True)

    def _take_rest(self) -> None:
        while page := self._engine.results(self._batch, after=self._seen, limit=_PAGE):
            self._take(page)

    def _outcome(self, *, interrupted: bool = False, left: bool = False) -> FollowEnd:
        self._hide()
        self._sink.close()
        return FollowEnd(self._ends, time.monotonic() - self._began, interrupted, left)

    # -- progress -----------------------------------------------------------------------------------------

    def _draw(self) -> None:
        now = time.monotonic()
        if not self._session.watched or now - self._began < _DRAW_AFTER_S:
            return
        if now - self._drawn < _DRAW_EVERY_S:
            return
        if self._display is None:
            from rushes.cli.progress import ProgressDisplay  # noqa: PLC0415 - rich, for a batch worth watching

            self._display = ProgressDisplay()
        self._drawn = now
        self._display.show(self._engine.status(self._batch), now)

    def _hide(self) -> None:
        if self._display is not None:
            with suppress(OSError):  # its terminal was closed
                self._display.hide()


def _say(text: str) -> None:
    with suppress(OSError):  # its terminal was closed: what is left to do is done all the same
        click.echo(text, err=True)


def _may_succeed(ends: SeenEnds) -> bool:
    """Whether `retry` is worth naming: a wrong call fails again until it is another call."""
    seen = ends.failures
    all_wrong = len(seen) == ends.counts.failed and all(
        (one.error or {}).get("kind") == "caller" for one in seen
    )
    return bool(ends.counts.cancelled) or (ends.counts.failed > 0 and not all_wrong)


def report(outcome: FollowEnd, *, batch: str, function: str, out: str | None, quiet: bool = False) -> int:
    """Say what came of a batch, failures last so that they are seen; gives the exit code.

    Args:
        outcome: how following it ended.
        batch: its id.
        function: what was run.
        out: where outputs are, or None.
        quiet: say nothing: standard output carries the same as JSON, and nobody watches.
    """
    ends = outcome.ends
    if not outcome.left and not quiet:
        for one in ends.failures:
            click.echo(failure_line(one), err=True)
        more = ends.counts.failed - len(ends.failures)
        if more > 0:
            click.echo(f"  and {more:,} more: rushes results {batch} --failed", err=True)
        for line in ends.notes.lines(batch):
            click.echo(f"{click.style('!', fg='yellow')} {line}", err=True)
        made = summary_line(
            function, ends.counts, outcome.elapsed_s, ends.media_s, out, cost_nano=ends.cost_nano
        )
        click.echo(made, err=True)
        if _may_succeed(ends):
            click.echo(f"  again, what did not succeed: rushes retry {batch}", err=True)
        if outcome.held is not None:
            for line in held_lines(outcome.held):
                click.echo(line, err=True)
    return exit_code(ends, interrupted=outcome.interrupted, held=outcome.held is not None)
