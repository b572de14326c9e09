"""Ctrl-C is acted upon between two requests; who gets no answer gets away all the same."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from rushes.cli.follow import follow_batch
from rushes.cli.interrupt import noted
from rushes.cli.seen_ends import exit_code
from rushes.cli.session import Session
from rushes.cli.sinks import NothingSink


class Silent:
    """An engine whose requests are never answered: what comes back from one is only Ctrl-C."""

    def __init__(self) -> None:
        self.asked = 0

    def results(self, *_args: Any, **_options: Any) -> Any:
        self.asked += 1
        for _ in range(10):
            signal.raise_signal(signal.SIGINT)
        raise AssertionError("nobody got away")


def test_a_third_ctrl_c_gets_away_from_a_request_without_an_answer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    engine: Any = Silent()
    before = signal.getsignal(signal.SIGINT)

    outcome = follow_batch(Session(engine), engine, "k7m2qx", NothingSink())

    assert engine.asked == 1
    assert outcome.left
    assert exit_code(outcome.ends, interrupted=outcome.interrupted) == 130
    said = "no answer: left as it is: rushes follow k7m2qx, or rushes cancel k7m2qx\n"
    assert capsys.readouterr().err == said
    assert signal.getsignal(signal.SIGINT) is before


def test_two_are_noted_and_left_to_whoever_acts_upon_them() -> None:
    with noted() as found:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert found.count == 2
        found.count = 0
        signal.raise_signal(signal.SIGINT)
        assert found.count == 1
